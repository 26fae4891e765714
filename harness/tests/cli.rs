//! The command line as its user meets it: help, lists, plans and messages about bad input.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic, as it does")]

mod common;

use std::path::{Path, PathBuf};

use calibench_store::{Column, read_parquet_columns, write_parquet_columns};
use common::{run, scratch, stderr, stdout};
use sha2::{Digest, Sha256};

/// Fails as a user's mistake should: non-zero, no panic, a message with all of `parts`.
fn refuses(args: &[&str], parts: &[&str]) {
    let output = run(args);
    let message = stderr(&output);
    assert!(!output.status.success(), "{args:?} succeeded");
    assert!(!message.contains("panicked"), "{message}");
    for part in parts {
        assert!(message.contains(part), "{args:?}: `{part}` is not in: {message}");
    }
}

/// A copy of the digits dataset that a test may damage.
fn digits(name: &str) -> PathBuf {
    let dir = scratch(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/digits");
    for file in ["dataset.toml", "digits.parquet"] {
        std::fs::copy(source.join(file), dir.join(file)).unwrap();
    }
    dir
}

/// Puts `line` where the dataset's manifest has that key.
fn replace_line(dir: &Path, key: &str, line: &str) {
    let path = dir.join("dataset.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let old = text.lines().find(|l| l.starts_with(key)).unwrap();
    std::fs::write(&path, text.replace(old, line)).unwrap();
}

fn out(name: &str) -> String {
    scratch(name).join("run").display().to_string()
}

#[test]
fn help_names_every_command_and_every_axis() {
    let help = stdout(&run(&["--help"]));
    for command in ["sweep", "list", "report", "config", "completions"] {
        assert!(help.contains(command), "{help}");
    }
    let help = stdout(&run(&["sweep", "--help"]));
    for option in
        ["--model", "--dtype", "--timing", "--calibrator", "--seed", "--out", "--resume", "--dry-run"]
    {
        assert!(help.contains(option), "{help}");
    }
}

#[test]
fn every_registry_lists_as_table_and_as_json() {
    for what in ["models", "datasets", "dtypes", "timings", "observers", "calibrators", "kernels", "metrics"]
    {
        let table = run(&["list", what]);
        assert!(table.status.success());
        let json = run(&["list", what, "--format", "json"]);
        let entries: Vec<serde_json::Value> = serde_json::from_str(&stdout(&json)).unwrap();
        assert!(!entries.is_empty(), "{what}");
        for entry in entries {
            let id = entry["id"].as_str().unwrap();
            assert!(stdout(&table).contains(id), "{what}: {id}");
            assert!(!entry["summary"].as_str().unwrap().is_empty(), "{what}: {id}");
        }
    }
}

#[test]
fn a_dry_run_shows_cells_float_operators_and_exclusions_and_measures_nothing() {
    let out = out("dry");
    let output = run(&["sweep", "--dtype", "int8", "--dry-run", "--out", &out]);
    let text = stdout(&output);
    for part in [
        " cells:\n",
        "digits-vit/int8/static/entropy/per-channel/affine/",
        "Softmax",
        "left out:",
        "integers need ranges",
        "timing dynamic with a calibrator other than minmax",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert!(!Path::new(&out).exists());
    let widened = "no kernel multiplies two int16 activations";
    assert!(!text.contains(widened), "{text}");
    assert!(stdout(&run(&["sweep", "--dtype", "int16", "--dry-run"])).contains(widened));
}

#[test]
fn the_printed_configuration_is_accepted() {
    let file = scratch("config").join("copy.toml");
    std::fs::write(&file, run(&["config"]).stdout).unwrap();
    let path = file.display().to_string();
    let output = run(&["sweep", "--config", &path, "--dry-run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), stdout(&run(&["sweep", "--dry-run"])));
}

#[test]
fn completions_are_written_for_common_shells() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(stdout(&run(&["completions", shell])).contains("calibench"), "{shell}");
    }
}

#[test]
fn an_unknown_model_names_the_nearest() {
    refuses(
        &["sweep", "--model", "digits-cn", "--out", &out("model")],
        &["digits-cn", "similar value exists: 'digits-cnn'"],
    );
    let file = scratch("unknown-model").join("c.toml");
    std::fs::write(&file, "[[group]]\nmodel = [\"digits-cn\"]\n").unwrap();
    refuses(
        &["sweep", "--config", &file.display().to_string(), "--dry-run"],
        &["digits-cn", "did you mean `digits-cnn`?"],
    );
}

#[test]
fn a_broken_configuration_names_file_and_line() {
    let file = scratch("broken").join("broken.toml");
    for (text, part) in [
        ("[measure\n", "line 1"),
        ("[measure]\nbatchh = [1]\n", "did you mean `batch`?"),
        ("[[group]]\ncalibrator = \"mse\"\n", "expected a sequence"),
    ] {
        std::fs::write(&file, text).unwrap();
        refuses(&["sweep", "--config", &file.display().to_string(), "--dry-run"], &["broken.toml", part]);
    }
    refuses(&["sweep", "--config", "no-such.toml"], &["no-such.toml"]);
}

#[test]
fn a_configuration_without_meaning_names_the_key_and_makes_no_folder() {
    let file = scratch("meaningless").join("c.toml");
    let out = out("meaningless-out");
    for (text, part) in [
        ("[measure]\nlatency_seconds = -1.0\n", "latency_seconds"),
        ("[measure]\nbatch = [1000000000]\n", "measure.batch"),
        ("[measure]\ncalibration_samples = 5000\n", "has 200 calibration samples"),
        ("[defaults]\nthreads = [0]\n", "threads must be"),
        ("[[group]]\nmodel = []\n", "axis `model` is empty"),
    ] {
        std::fs::write(&file, text).unwrap();
        refuses(&["sweep", "--config", &file.display().to_string(), "--out", &out], &[part]);
        assert!(!Path::new(&out).exists(), "{text}");
    }
}

#[test]
fn an_output_folder_that_cannot_be_made_is_named() {
    let file = scratch("unwritable").join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let below = file.join("run").display().to_string();
    refuses(&["sweep", "--model", "digits-mlp", "--out", &below], &[&below]);
}

#[test]
fn an_output_folder_that_holds_a_run_is_not_overwritten() {
    let dir = scratch("taken").join("run");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("manifest.json"), "{}").unwrap();
    let path = dir.display().to_string();
    refuses(&["sweep", "--model", "digits-mlp", "--out", &path], &[&path]);
    assert_eq!(std::fs::read_to_string(dir.join("manifest.json")).unwrap(), "{}");

    let other = scratch("not-empty");
    std::fs::write(other.join("thesis.tex"), "").unwrap();
    refuses(&["sweep", "--model", "digits-mlp", "--out", &other.display().to_string()], &["thesis.tex"]);
    assert_eq!(std::fs::read_dir(other).unwrap().count(), 1);
}

#[test]
fn resuming_what_is_no_run_says_so() {
    let dir = scratch("norun");
    refuses(&["sweep", "--resume", &dir.display().to_string()], &["manifest.json"]);
}

#[test]
fn a_truncated_dataset_is_refused() {
    let dir = digits("truncated");
    let path = dir.join("digits.parquet");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let dataset = dir.display().to_string();
    refuses(
        &["sweep", "--model", "digits-mlp", "--dataset", &dataset, "--out", &out("truncated-out")],
        &["digits.parquet", "SHA-256"],
    );
}

#[test]
fn a_dataset_whose_hash_differs_is_refused() {
    let dir = digits("hash");
    replace_line(&dir, "sha256", &format!("sha256 = \"{}\"", "0".repeat(64)));
    let dataset = dir.display().to_string();
    refuses(
        &["sweep", "--model", "digits-mlp", "--dataset", &dataset, "--out", &out("hash-out")],
        &["SHA-256", "0000"],
    );
}

#[test]
fn a_nan_in_the_data_names_row_and_column() {
    let dir = digits("nan");
    let path = dir.join("digits.parquet");
    let mut table = read_parquet_columns(&std::fs::read(&path).unwrap(), &path).unwrap();
    let column = table.names.iter().position(|n| n == "p34").unwrap();
    let mut values = vec![0.0; table.rows];
    values[7] = f64::NAN;
    table.columns[column] = Column::Float(values);
    let bytes = write_parquet_columns(&table).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let sha256: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    replace_line(&dir, "sha256", &format!("sha256 = \"{sha256}\""));
    let dataset = dir.display().to_string();
    refuses(
        &["sweep", "--model", "digits-mlp", "--dataset", &dataset, "--out", &out("nan-out")],
        &["digits.parquet", "row 7", "`p34`", "NaN"],
    );
}

#[test]
fn a_dataset_that_does_not_fit_the_model_is_refused() {
    let dir = digits("unfit");
    let dataset = dir.display().to_string();
    for (key, line) in [("shape", "shape = [64]"), ("classes", "classes = 12")] {
        replace_line(&dir, key, line);
        refuses(
            &["sweep", "--model", "digits-cnn", "--dataset", &dataset, "--out", &out("unfit-out")],
            &["[1, 8, 8]", "digits-cnn"],
        );
    }
}

#[test]
fn a_missing_dataset_folder_is_named() {
    refuses(
        &["sweep", "--model", "digits-mlp", "--dataset", "no/such/folder", "--out", &out("missing-out")],
        &["no/such/folder"],
    );
}
