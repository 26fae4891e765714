//! What the end-to-end tests share: running the binary, a cache of trained models, scratch folders.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use calibench_store::{Row, RunFolder, Tables};

/// A scratch folder of this test, empty.
pub fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// Where the tests keep trained models.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// The command, with models cached in the target folder so that each is trained once for all tests.
pub fn calibench() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calibench"));
    command.env("CALIBENCH_CACHE", cache());
    command.env("COLUMNS", "120");
    command
}

/// Runs with these arguments.
pub fn run(args: &[&str]) -> Output {
    calibench().args(args).output().unwrap()
}

/// What went to stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What went to stdout.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The arguments of a small sweep over the MLP: fp32, and int8 static with two methods and dynamic.
pub fn small_sweep(out: &Path) -> Vec<String> {
    let args = [
        "sweep",
        "--model",
        "digits-mlp",
        "--dtype",
        "fp32,int8",
        "--timing",
        "none,static,dynamic",
        "--calibrator",
        "minmax,percentile-99.9",
        "--batch",
        "1,8",
        "--latency-seconds",
        "0.01",
        "--out",
    ];
    args.iter().map(|a| (*a).to_owned()).chain([out.display().to_string()]).collect()
}

/// The tables of a finished run.
pub fn tables(run: &Path) -> Tables {
    RunFolder::open(run).unwrap().load_tables().unwrap()
}

/// A row without what differs from run to run: times and measured memory.
pub fn repeatable(row: &Row) -> Row {
    Row {
        peak_resident_bytes: None,
        calibration_seconds: None,
        solve_seconds: None,
        load_seconds: None,
        ..row.clone()
    }
}
