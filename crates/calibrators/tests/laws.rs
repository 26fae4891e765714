//! Every registered calibrator keeps the laws of the testkit, on statistics that the observers gathered.

use calibench_calibrators::ALL;
use calibench_quant::{
    Batch, Calibrator, IntFormat, Job, PeerHistogram, QParams, StatKind, Stats, Symmetry, find,
};
use calibench_testkit::{Random, hostile, laws};
use proptest::prelude::*;

/// Every statistic over these values, as three batches.
fn observed(values: &[f32]) -> Stats {
    let mut observers = calibench_observers::for_stats(StatKind::ALL.iter().copied());
    for (index, values) in values.chunks(values.len().div_ceil(3).max(1)).enumerate() {
        for observer in &mut observers {
            observer.observe(&Batch { index: index as u64, samples: 1, values });
        }
    }
    calibench_observers::joined(&observers).expect("the same data")
}

#[test]
fn the_registry_is_in_order() {
    laws::registry(ALL);
}

#[test]
fn named_hostile_tensors() {
    for (name, values) in hostile::named() {
        let stats = observed(&values);
        for entry in ALL {
            println!("{name}: {}", entry.id);
            if values.iter().any(|v| v.is_finite()) {
                laws::calibrator::well_formed(entry, &stats);
            } else {
                laws::calibrator::no_sample(entry, &stats);
            }
        }
    }
}

#[test]
fn a_site_that_was_never_reached_has_no_sample() {
    for entry in ALL {
        laws::calibrator::no_sample(entry, &Stats::default());
    }
}

#[test]
fn each_reads_what_it_says_it_needs() {
    let stats = observed(&Random::new(1).normals(1000));
    for entry in ALL {
        laws::calibrator::needs(entry, &stats);
    }
}

#[test]
fn each_says_what_it_has_no_answer_for() {
    let stats = observed(&Random::new(1).normals(1000));
    for entry in ALL {
        laws::calibrator::unsupported(entry, &stats);
    }
}

#[test]
fn own_methods_stand_before_dialects() {
    assert!(ALL.iter().map(|e| e.id.contains('@')).is_sorted());
}

#[test]
fn a_set_of_methods_needs_the_union() {
    let needs = calibench_calibrators::needs(["moving-average-minmax", "mse"]).unwrap();
    assert!(needs.iter().eq(&[StatKind::Range, StatKind::BatchRanges, StatKind::Histogram]), "{needs:?}");
    assert!(calibench_calibrators::needs(["minmax"]).unwrap().contains(&StatKind::Range));
    let error = calibench_calibrators::needs(["minmaxx"]).unwrap_err();
    assert!(error.to_string().contains("did you mean `minmax`"), "{error}");
}

#[test]
fn statistics_from_a_broken_file_are_errors_and_no_panic() {
    let good = observed(&[1.0, -2.0, 3.0]);
    let mut broken = vec![good.clone(); 4];
    broken[0].range.as_mut().unwrap().high = f32::NAN;
    broken[1].histogram.as_mut().unwrap().bins[0] = i32::MAX;
    broken[2].histogram.as_mut().unwrap().counts.pop();
    broken[3].histogram.as_mut().unwrap().counts.clear();
    for change in [
        |held: &mut PeerHistogram| held.counts.truncate(7),
        |held: &mut PeerHistogram| held.edges.truncate(1),
        |held: &mut PeerHistogram| held.counts.iter_mut().for_each(|n| *n = f64::NAN),
        |held: &mut PeerHistogram| held.edges.reverse(),
        |held: &mut PeerHistogram| held.observed.low = f32::INFINITY,
    ] {
        let mut stats = good.clone();
        stats.peers.values_mut().for_each(change);
        stats.batch_histograms.as_mut().unwrap().clear();
        broken.push(stats);
    }
    for stats in &broken {
        for entry in ALL {
            for job in laws::calibrator::jobs(stats) {
                if let Err(error) = (entry.construct)().calibrate(&job) {
                    assert!(error.to_string().contains(job.site), "{error}");
                }
            }
        }
    }
}

/// Mean squared error of quantizing the raw values.
fn true_error(values: &[f32], q: &QParams) -> f64 {
    let squares = values.iter().map(|v| f64::from(v - q.fake_quantize(*v, 0)).powi(2));
    squares.sum::<f64>() / values.len() as f64
}

#[test]
fn no_method_beats_mse_on_the_raw_tensor() {
    let mut random = Random::new(6);
    let mut outlier = random.normals(100_000);
    outlier[5] = 30.0;
    let tensors = [
        ("normal", random.normals(50_000)),
        ("laplace", random.many(50_000, Random::laplace)),
        ("student-t", random.many(50_000, Random::student_t)),
        ("log-normal", random.many(50_000, Random::lognormal)),
        ("relu", random.many(50_000, |r| r.normal().max(0.0))),
        ("outlier", outlier),
    ];
    for (name, values) in &tensors {
        let stats = observed(values);
        for format in IntFormat::ALL {
            for symmetry in Symmetry::ALL {
                let job = Job { site: name, stats: &stats, format: *format, symmetry: *symmetry };
                // The range of each method with the same codes: dialects use others for the same range.
                let error = |method: &dyn Calibrator| {
                    let range = method.range(&job).unwrap();
                    true_error(values, &QParams::from_range(name, range, *format, *symmetry).unwrap())
                };
                let mse = error((find(ALL, "calibrator", "mse").unwrap().construct)().as_ref());
                for entry in ALL {
                    let method = (entry.construct)();
                    if method.unsupported(*format, *symmetry).is_some() {
                        continue;
                    }
                    let other = error(method.as_ref());
                    // The histogram knows a value to 2⁻⁹ of itself, which many 16-bit codes share: where
                    // in its code each of 50,000 values falls is luck, with a standard deviation of 0.4 %.
                    let luck = if format.bits > 9 { 0.016 } else { 0.002 };
                    assert!(
                        mse <= other * (1.0 + luck),
                        "{name} {format} {}: mse {mse:e}, {} {other:e}",
                        symmetry.id(),
                        entry.id
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn any_finite_tensor_is_calibrated(values in hostile::finite()) {
        let stats = observed(&values);
        for entry in ALL {
            laws::calibrator::well_formed(entry, &stats);
        }
    }

    #[test]
    fn any_tensor_at_all(values in hostile::tensor()) {
        let stats = observed(&values);
        for entry in ALL {
            if values.iter().any(|v| v.is_finite()) {
                laws::calibrator::well_formed(entry, &stats);
            } else {
                laws::calibrator::no_sample(entry, &stats);
            }
        }
    }
}
