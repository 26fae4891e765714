//! Own methods on the activations of the built-in models.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic, as it does")]

mod common;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use calibench::prepare;
use calibench_engine::interpret::{CaptureTap, Interpreter};
use calibench_graph::placement;
use calibench_models::{Cache, load_or_train};
use calibench_quant::{Batch, IntFormat, Job, QParams, Range, StatKind, Symmetry, find};

/// The values of every activation site of a model over the calibration split, by name.
fn sites(model: &str) -> BTreeMap<String, Vec<f32>> {
    let dataset = prepare::dataset(model, None).unwrap();
    let entry = calibench_models::find(model).unwrap();
    let cache = Cache::new(common::cache());
    let graph = load_or_train(entry, &dataset, 0, &cache, &mut |_| ControlFlow::Continue(())).unwrap().graph;
    let mut tap = CaptureTap::new(placement(&graph).activations.iter().copied());
    let split = &dataset.calibration;
    Interpreter::new(&graph).unwrap().run_slice(split.len(), &split.batch(0..split.len()), &mut tap).unwrap();
    tap.finish().into_iter().map(|(id, captured)| (graph.value(id).name.clone(), captured.data)).collect()
}

/// How much the true error of the histogram's optimum may exceed that of another threshold by the luck of where
/// values fall within their bins: 0.03 % with the weights of one type of CPU, 0.35 % with those of another (training
/// rounds differently there).
const LUCK: f64 = 5e-3;

#[test]
fn no_methods_thresholds_have_a_smaller_true_error_than_those_of_mse_on_any_site() {
    let kinds = StatKind::ALL.iter().copied();
    let mut worst = (0.0_f64, String::new());
    for model in calibench_models::ALL {
        for (site, values) in sites(model.id) {
            let mut observers = calibench_observers::for_stats(kinds.clone());
            for (index, part) in (0..).zip(values.chunks(values.len().div_ceil(10))) {
                observers.iter_mut().for_each(|o| o.observe(&Batch { index, samples: 1, values: part }));
            }
            let stats = calibench_observers::joined(&observers).unwrap();
            for symmetry in Symmetry::ALL {
                let job = Job { site: &site, stats: &stats, format: IntFormat::INT8, symmetry: *symmetry };
                let error = |id: &str| {
                    let method = (find(calibench_calibrators::ALL, "calibrator", id).unwrap().construct)();
                    method.unsupported(job.format, job.symmetry).is_none().then(|| {
                        // The method's thresholds with our codes: a peer's 128th negative code is another matter.
                        let range = method.range(&job).unwrap();
                        let range = Range { low: range.low.min(0.0), high: range.high.max(0.0) };
                        let q = QParams::from_range(&site, range, job.format, job.symmetry).unwrap();
                        values.iter().map(|v| f64::from(v - q.fake_quantize(*v, 0)).powi(2)).sum::<f64>()
                    })
                };
                let mse = error("mse").unwrap();
                for entry in calibench_calibrators::ALL {
                    let Some(other) = error(entry.id) else { continue };
                    let what = format!(
                        "{} {site} {} {} ({} values)",
                        model.id,
                        symmetry.id(),
                        entry.id,
                        values.len()
                    );
                    if mse / other - 1.0 > worst.0 {
                        worst = (mse / other - 1.0, what.clone());
                    }
                    assert!(mse <= other * (1.0 + LUCK), "{what}: mse {mse:e}, it {other:e}");
                }
            }
        }
    }
    println!("nearest to failing: {} by {:.3} %", worst.1, worst.0 * 100.0);
}
