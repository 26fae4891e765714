//! Dialects answer what their peers answered: every golden vector, with its version.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic, as it does")]

use std::collections::BTreeMap;

use calibench_calibrators::peers::onnxruntime;
use calibench_calibrators::{ALL, per_channel};
use calibench_quant::{Batch, IntFormat, Job, QParams, Stats, Symmetry, find};
use serde_json::Value;

const TOLERANCE: f64 = 1e-6;

/// The batches of every case, in order.
fn tensors() -> BTreeMap<String, Vec<Vec<f32>>> {
    let bytes = include_bytes!("goldens/tensors.safetensors");
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let data = &bytes[8 + length..];
    let mut cases: BTreeMap<String, Vec<Vec<f32>>> = BTreeMap::new();
    for batch in 0..4 {
        for (name, tensor) in
            header.as_object().unwrap().iter().filter(|(n, _)| n.ends_with(&format!(".{batch}")))
        {
            let offset = |i: usize| tensor["data_offsets"][i].as_u64().unwrap() as usize;
            let floats = data[offset(0)..offset(1)].chunks_exact(4);
            let values = floats.map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
            let case = name.rsplit_once('.').unwrap().0;
            cases.entry(case.to_owned()).or_default().push(values);
        }
    }
    assert_eq!(cases.len(), 13);
    assert!(cases.values().all(|batches| batches.len() == 4));
    cases
}

/// Goldens of a case by peer; the versions are those that the dialects name.
fn goldens() -> Value {
    let goldens: Value = serde_json::from_str(include_str!("goldens/goldens.json")).unwrap();
    assert_eq!(goldens["versions"]["torch"], "2.15.0+cu132");
    assert_eq!(goldens["versions"]["onnxruntime"], "1.32.0");
    assert_eq!(goldens["versions"]["modelopt"], "0.47.0");
    goldens["cases"].clone()
}

fn observed(method: &str, batches: &[Vec<f32>]) -> Stats {
    let kinds = (find(ALL, "calibrator", method).unwrap().construct)().needs();
    let mut observers = calibench_observers::for_stats(kinds.iter().copied());
    for (index, values) in batches.iter().enumerate() {
        observers.iter_mut().for_each(|o| o.observe(&Batch { index: index as u64, samples: 1, values }));
    }
    calibench_observers::joined(&observers).unwrap()
}

fn near(got: f32, want: &Value) -> bool {
    let want = want.as_f64().unwrap();
    (f64::from(got) - want).abs() <= TOLERANCE * want.abs()
}

/// `int8`, `quint8` and so on, `reduced` or not.
fn format(name: &str, reduced: bool) -> IntFormat {
    let format: IntFormat = name.trim_start_matches('q').parse().unwrap();
    if reduced { format.reduced() } else { format }
}

fn symmetry(scheme: &str) -> Symmetry {
    if scheme.ends_with("affine") || scheme.ends_with("asymmetric") {
        Symmetry::Affine
    } else {
        Symmetry::Symmetric
    }
}

#[derive(Default)]
struct Tally {
    compared: usize,
    faults: Vec<String>,
}

impl Tally {
    fn check(&mut self, what: &str, holds: bool, got: impl std::fmt::Debug, want: &Value) {
        self.compared += 1;
        if !holds {
            self.faults.push(format!("{what}: got {got:?}, want {want}"));
        }
    }

    fn qparams(&mut self, what: &str, q: &QParams, golden: &Value) {
        let each = |field: &str| match &golden[field] {
            Value::Array(values) => values.clone(),
            one => vec![one.clone()],
        };
        let (scales, zeros) = (each("scale"), each("zero_point"));
        let same = scales.len() == q.scale.len()
            && q.scale.iter().zip(&scales).all(|(s, want)| near(*s, want))
            && q.zero_point.iter().zip(&zeros).all(|(z, want)| want.as_i64() == Some(i64::from(*z)));
        self.check(what, same, (&q.scale, &q.zero_point), golden);
    }

    #[track_caller]
    fn done(self, expected: usize) {
        assert!(
            self.faults.is_empty(),
            "{} of {}:\n{}",
            self.faults.len(),
            self.compared,
            self.faults.join("\n")
        );
        assert_eq!(self.compared, expected, "goldens compared");
    }
}

#[test]
fn pytorch_per_tensor() {
    let (goldens, mut tally) = (goldens(), Tally::default());
    for (case, batches) in tensors() {
        for (key, golden) in goldens[&case]["torch"].as_object().unwrap() {
            let [observer, dtype, scheme, range] = key.split('.').collect::<Vec<_>>()[..] else {
                panic!("{key}")
            };
            let id = match observer {
                "MinMaxObserver" => "minmax@pytorch",
                "MovingAverageMinMaxObserver" => "moving-average-minmax@pytorch",
                "HistogramObserver" => "histogram-l2@pytorch",
                other => panic!("{other}"),
            };
            let stats = observed(id, &batches);
            let method = (find(ALL, "calibrator", id).unwrap().construct)();
            let (format, symmetry) = (format(dtype, range == "reduced"), symmetry(scheme));
            let job = Job { site: &case, stats: &stats, format, symmetry };
            tally.qparams(&format!("{case} {key}"), &method.calibrate(&job).unwrap(), golden);
            if id != "histogram-l2@pytorch" {
                let range = method.range(&job).unwrap();
                let same = near(range.low, &golden["min"][0]) && near(range.high, &golden["max"][0]);
                tally.check(&format!("{case} {key} range"), same, range, golden);
            }
        }
    }
    tally.done(13 * (12 + 8));
}

#[test]
fn pytorch_per_channel() {
    let (goldens, mut tally) = (goldens(), Tally::default());
    for (case, batches) in tensors() {
        for (key, golden) in goldens[&case]["torch_per_channel"].as_object().unwrap() {
            let [observer, dtype, scheme] = key.split('.').collect::<Vec<_>>()[..] else { panic!("{key}") };
            let id = match observer {
                "PerChannelMinMaxObserver" => "minmax@pytorch",
                "MovingAveragePerChannelMinMaxObserver" => "moving-average-minmax@pytorch",
                other => panic!("{other}"),
            };
            let channel = |c: usize| -> Vec<Vec<f32>> {
                batches.iter().map(|b| b[c * 512..(c + 1) * 512].to_vec()).collect()
            };
            let channels: Vec<Stats> = (0..8).map(|c| observed(id, &channel(c))).collect();
            let method = (find(ALL, "calibrator", id).unwrap().construct)();
            let q = per_channel(method.as_ref(), &case, &channels, format(dtype, false), symmetry(scheme))
                .unwrap();
            tally.qparams(&format!("{case} {key}"), &q, golden);
        }
    }
    tally.done(13 * 3);
}

#[test]
fn onnxruntime_thresholds_scales_and_zero_points() {
    let (goldens, mut tally) = (goldens(), Tally::default());
    for (case, batches) in tensors() {
        for (key, golden) in goldens[&case]["onnxruntime"].as_object().unwrap() {
            let id = match key.split('.').collect::<Vec<_>>()[..] {
                ["minmax", _] => "minmax@onnxruntime".to_owned(),
                ["entropy", _, "bins128", "levels128"] => "entropy@onnxruntime".to_owned(),
                ["entropy", _, bins, "levels128"] => {
                    format!("entropy-{}@onnxruntime", bins.trim_start_matches("bins"))
                }
                ["percentile", _, "bins2048", whole, part] => {
                    format!("percentile-{}.{part}@onnxruntime", whole.trim_start_matches('p'))
                }
                ref other => panic!("{other:?}"),
            };
            let stats = observed(&id, &batches);
            let method = (find(ALL, "calibrator", &id).unwrap().construct)();
            let symmetry_of_range = symmetry(key.split('.').nth(1).unwrap());
            let job =
                Job { site: &case, stats: &stats, format: IntFormat::INT8, symmetry: symmetry_of_range };
            let range = method.range(&job).unwrap();
            let same = near(range.low, &golden["low"]) && near(range.high, &golden["high"]);
            tally.check(&format!("{case} {key}"), same, range, golden);
            for (scheme, golden) in golden["qparams"].as_object().unwrap() {
                let mut parts = scheme.split('.');
                let (dtype, kind) = (parts.next().unwrap(), parts.next().unwrap());
                let format = format(dtype, parts.next() == Some("reduced"));
                let q = onnxruntime::qparams(&case, range, format, symmetry(kind)).unwrap();
                tally.qparams(&format!("{case} {key} {scheme}"), &q, golden);
            }
            let format = IntFormat::INT8;
            let own = onnxruntime::qparams(&case, range, format, symmetry_of_range).unwrap();
            assert_eq!(method.calibrate(&job).unwrap(), own, "{case} {key}");
        }
    }
    tally.done(13 * 14 * (1 + 7));
}

#[test]
fn nvidia_amax() {
    let (goldens, mut tally) = (goldens(), Tally::default());
    for (case, batches) in tensors() {
        for (key, golden) in goldens[&case]["modelopt"].as_object().unwrap() {
            let id = match key.split('.').collect::<Vec<_>>()[..] {
                ["entropy", "bins2048"] => "entropy@nvidia".to_owned(),
                ["percentile", "bins2048", whole, part] => {
                    format!("percentile-{}.{part}@nvidia", whole.trim_start_matches('p'))
                }
                ref other => panic!("{other:?}"),
            };
            let stats = observed(&id, &batches);
            let method = (find(ALL, "calibrator", &id).unwrap().construct)();
            let job =
                Job { site: &case, stats: &stats, format: IntFormat::INT8, symmetry: Symmetry::Symmetric };
            let range = method.range(&job).unwrap();
            let same = near(range.high, &golden["amax"]) && range.low == -range.high;
            tally.check(&format!("{case} {key}"), same, range, golden);
        }
    }
    tally.done(13 * 4);
}
