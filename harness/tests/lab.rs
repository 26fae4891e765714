//! The calibration lab from the command line.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic, as it does")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use calibench_tasks::tensors::{Tensor, write_safetensors};
use common::{calibench, scratch, stderr, stdout};
use serde_json::Value;

/// What the command prints.
fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    stdout(&output)
}

/// What the command complains of.
fn fails(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{command:?}");
    stderr(&output)
}

/// The golden tensors of the calibrators' parity tests.
fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/calibrators/tests/goldens/tensors.safetensors")
}

fn json(args: &[&str]) -> Vec<Value> {
    let text = succeeds(calibench().args(args).args(["--format", "json"]));
    serde_json::from_str::<Value>(&text).unwrap().as_array().unwrap().clone()
}

/// A file of one case with `batches` batches of 4 × 8 values.
fn tensors(folder: &Path, batches: std::ops::Range<usize>) -> PathBuf {
    let value = |b: usize, i: usize| ((b * 32 + i) as f32 * 0.7).sin() * (1.0 + b as f32);
    let batch = |b: usize| {
        let values = (0..32).map(|i| value(b, i)).collect();
        Tensor::new(&format!("relu.{}", b - batches.start), &[4, 8], values).unwrap()
    };
    let path = folder.join(format!("part{}.safetensors", batches.start));
    write_safetensors(&path, &batches.clone().map(batch).collect::<Vec<_>>()).unwrap();
    path
}

#[test]
fn a_golden_case_by_a_dialect_and_an_own_method() {
    let path = goldens();
    let rows = json(&[
        "calibrate",
        "--tensors",
        path.to_str().unwrap(),
        "--case",
        "student_t3",
        "--dtype",
        "uint8",
        "--calibrator",
        "histogram-l2@pytorch,mse",
    ]);
    assert_eq!(rows.len(), 2);
    let goldens: Value =
        serde_json::from_str(include_str!("../../crates/calibrators/tests/goldens/goldens.json")).unwrap();
    let golden = &goldens["cases"]["student_t3"]["torch"]["HistogramObserver.quint8.per_tensor_affine.full"];
    let close = |a: &Value, b: &Value| (a.as_f64().unwrap() / b.as_f64().unwrap() - 1.0).abs() < 1e-6;
    assert!(close(&rows[0]["scale"], &golden["scale"][0]), "{}", rows[0]);
    assert_eq!(rows[0]["zero_point"], golden["zero_point"][0]);
    for row in &rows {
        assert_eq!((&row["case"], &row["dtype"]), (&"student_t3".into(), &"uint8".into()));
        assert_eq!(row["elements"], 4 * 4096);
        for key in ["low", "high", "mse", "sqnr_db", "clipped_share", "oracle_gap", "js_nats"] {
            assert!(row[key].is_number(), "{key}: {row}");
        }
    }
    let gap = |row: &Value| row["oracle_gap"].as_f64().unwrap();
    assert!(gap(&rows[1]) < 1.002 && gap(&rows[0]) > gap(&rows[1]), "{rows:?}");
}

#[test]
fn a_method_that_is_only_symmetric_answers_so_and_says_so() {
    let path = goldens();
    let rows = json(&[
        "calibrate",
        "--tensors",
        path.to_str().unwrap(),
        "--case",
        "tiny",
        "--calibrator",
        "entropy@nvidia",
    ]);
    assert_eq!((&rows[0]["symmetry"], &rows[0]["zero_point"]), (&"symmetric".into(), &0.into()));
}

#[test]
fn statistics_of_parts_merge_into_those_of_the_whole_and_replay() {
    let folder = scratch("lab-0");
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (a, b) = (tensors(&folder, 0..2), tensors(&folder, 2..5));
    let observe = |tensors: &Path, first: &str, out: &str| {
        succeeds(
            calibench()
                .args(["observe", "--first-batch", first, "--out", &at(out), "--tensors"])
                .arg(tensors),
        );
    };
    observe(&a, "0", "a.json");
    observe(&b, "2", "b.json");
    observe(&b, "0", "clash.json");
    // In either order, the same bytes.
    succeeds(calibench().args(["merge", &at("a.json"), &at("b.json"), "--out", &at("ab.json")]));
    succeeds(calibench().args(["merge", &at("b.json"), &at("a.json"), "--out", &at("ba.json")]));
    assert_eq!(std::fs::read(at("ab.json")).unwrap(), std::fs::read(at("ba.json")).unwrap());
    let error = fails(calibench().args(["merge", &at("a.json"), &at("clash.json"), "--out", &at("no.json")]));
    assert!(error.contains("clash.json") && error.contains("`relu`") && error.contains("batch 0"), "{error}");
    assert!(!Path::new(&at("no.json")).exists());

    let whole = tensors(&folder, 0..5);
    let methods = "minmax,moving-average-minmax,mse,entropy,percentile-99.9";
    let replayed = json(&["calibrate", "--stats", &at("ab.json"), "--calibrator", methods]);
    let direct = json(&["calibrate", "--tensors", whole.to_str().unwrap(), "--calibrator", methods]);
    assert_eq!(replayed.len(), 5);
    for (replayed, direct) in replayed.iter().zip(&direct) {
        for key in ["case", "calibrator", "low", "high", "scale", "zero_point", "elements"] {
            assert_eq!(replayed[key], direct[key], "{key}");
        }
        assert!(replayed["sqnr_db"].is_number(), "{replayed}");
    }
}

#[test]
fn intervals_curves_and_the_plot() {
    let folder = scratch("lab-1");
    let path = tensors(&folder, 0..5);
    let plot = folder.join("plot.svg");
    let rows = json(&[
        "calibrate",
        "--tensors",
        path.to_str().unwrap(),
        "--calibrator",
        "minmax,mse",
        "--bootstrap",
        "50",
        "--curve",
        "--plot",
        plot.to_str().unwrap(),
    ]);
    for row in &rows {
        let interval = &row["bootstrap"]["high"];
        let (low, high) = (interval[0].as_f64().unwrap(), interval[1].as_f64().unwrap());
        assert!(low <= high && low > 0.0, "{row}");
        assert_eq!(row["bootstrap"]["samples"], 20);
        let curve = row["curve"].as_array().unwrap();
        let last = curve.last().unwrap();
        assert_eq!((&last["samples"], &last["high"]), (&20.into(), &row["high"]));
    }
    let svg = std::fs::read_to_string(&plot).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("mse") && svg.contains("minmax"));
    let table = succeeds(
        calibench().args(["calibrate", "--calibrator", "mse", "--bootstrap", "20", "--tensors"]).arg(&path),
    );
    assert!(table.contains("resampled") && table.contains("SQNR"), "{table}");
}

#[test]
fn channels_groups_weights_and_fp8() {
    let folder = scratch("lab-2");
    let path = tensors(&folder, 0..2);
    let path = path.to_str().unwrap();
    let by_axis = json(&["calibrate", "--tensors", path, "--axis", "1", "--calibrator", "minmax@pytorch"]);
    assert_eq!(by_axis[0]["scale"].as_array().unwrap().len(), 8);
    let per_tensor = json(&["calibrate", "--tensors", path, "--calibrator", "minmax@pytorch"]);
    let sqnr = |rows: &[Value]| rows[0]["sqnr_db"].as_f64().unwrap();
    assert!(sqnr(&by_axis) > sqnr(&per_tensor));

    let weights =
        json(&["calibrate", "--tensors", path, "--weights", "--group-size", "16", "--dtype", "int4"]);
    assert_eq!(weights.len(), 2);
    assert!(weights.iter().all(|w| w["scale"].as_array().unwrap().len() == 4));
    let error = |w: &Value| w["mse"].as_f64().unwrap();
    assert!(error(&weights[1]) <= error(&weights[0]), "mse is not better than minmax");

    let fp8 = json(&["calibrate", "--tensors", path, "--dtype", "fp8-e4m3"]);
    assert_eq!(
        fp8.iter().map(|r| r["calibrator"].as_str().unwrap()).collect::<Vec<_>>(),
        ["max", "distribution"]
    );
    assert!(fp8.iter().all(|r| r["scale"].as_f64().unwrap() > 0.0 && r["sqnr_db"].is_number()));
}

#[test]
fn mistakes_are_named() {
    let folder = scratch("lab-3");
    let path = tensors(&folder, 0..2);
    let path = path.to_str().unwrap();
    let stale = folder.join("stale.json");
    std::fs::write(&stale, r#"{"stats_schema": 1, "cases": {}}"#).unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["calibrate", "--tensors", path, "--calibrator", "entrpy"], "did you mean `entropy`"),
        (&["calibrate", "--tensors", path, "--case", "gelu"], "relu"),
        (&["calibrate", "--tensors", path, "--dtype", "int88"], "did you mean `int8`"),
        (&["calibrate", "--tensors", path, "--axis", "2"], "no axis 2"),
        (&["calibrate", "--tensors", path, "--weights", "--group-size", "7"], "groups of 7"),
        (&["calibrate", "--tensors", "missing.npy"], "missing.npy"),
        (&["calibrate"], "--tensors"),
        (&["calibrate", "--stats", path], "not a file of statistics"),
        (&["calibrate", "--stats", stale.to_str().unwrap()], "schema 1"),
    ];
    for (args, expected) in cases {
        let output = calibench().args(*args).output().unwrap();
        let text = stderr(&output) + &stdout(&output);
        assert!(!output.status.success(), "{args:?}");
        assert!(text.contains(expected) && !text.contains("panicked"), "{args:?}: {text}");
    }
}

#[test]
fn values_that_are_no_numbers_are_counted_and_a_case_of_nothing_else_is_an_error() {
    let folder = scratch("lab-4");
    let path = folder.join("nan.safetensors");
    let some = Tensor::new("some", &[4], vec![1.0, f32::NAN, f32::INFINITY, -2.0]).unwrap();
    let none = Tensor::new("none", &[2], vec![f32::NAN, f32::NAN]).unwrap();
    write_safetensors(&path, &[some, none]).unwrap();
    let path = path.to_str().unwrap();
    let rows = json(&["calibrate", "--tensors", path, "--case", "some", "--calibrator", "minmax"]);
    assert_eq!((&rows[0]["nan"], &rows[0]["infinite"]), (&1.into(), &1.into()));
    assert!(rows[0]["sqnr_db"].is_number());
    let output = calibench().args(["calibrate", "--tensors", path, "--case", "none"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("no finite value was observed"));
}
