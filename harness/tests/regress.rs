//! Comparing, baselines, checks and histories, through the command.

// Helpers of tests may panic as tests do; clippy's setting only knows functions marked #[test].
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};

use common::{calibench, run, scratch, small_sweep, stderr, stdout, tables};

/// What no noise reaches.
const EXACT: &str = "accuracy,calibration,work,memory";

/// A small run with two timing processes a cell, and a baseline that holds it.
fn saved(name: &str) -> (PathBuf, PathBuf) {
    let dir = scratch(name);
    let (out, baseline) = (dir.join("run"), dir.join("baseline"));
    let args = [small_sweep(&out), vec!["--repeats".to_owned(), "2".to_owned()]].concat();
    let swept = calibench().args(&args).output().unwrap();
    assert!(swept.status.success(), "{}", stderr(&swept));
    let kept = run(&["baseline", "save", text(&out), "--to", text(&baseline)]);
    assert!(kept.status.success(), "{}", stderr(&kept));
    (out, baseline)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn check(run_folder: &Path, baseline: &Path, more: &[&str]) -> std::process::Output {
    let args = ["check", "--run", text(run_folder), "--baseline", text(baseline), "--only", EXACT];
    calibench().args(args).args(more).output().unwrap()
}

#[test]
fn a_run_is_clean_against_itself_and_its_files_are_written() {
    let (out, baseline) = saved("regress-clean");
    let rounds = tables(&out).rounds;
    assert!(rounds.iter().any(|r| r.process == 1), "no second process was timed");
    assert!(tables(&out).latency.iter().all(|l| l.processes == 2 && l.ratio.is_finite()));
    let rows = tables(&out).rows;
    assert!(rows.iter().all(|r| r.heap_bytes.unwrap() > r.weight_bytes / 2 && r.heap_left_bytes == Some(0)));

    let dir = out.parent().unwrap();
    let [junit, markdown, json] = ["c.xml", "c.md", "c.json"].map(|f| dir.join(f));
    let files = ["--junit", text(&junit), "--markdown", text(&markdown), "--json", text(&json)];
    let checked = check(&out, &baseline, &files);
    assert_eq!(checked.status.code(), Some(0), "{}{}", stdout(&checked), stderr(&checked));
    assert!(std::fs::read_to_string(junit).unwrap().contains("<testsuite"));
    assert!(std::fs::read_to_string(markdown).unwrap().starts_with("<!-- calibench-check -->"));
    let value: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(value["outcome"], "clean");

    let listed = stdout(&run(&["baseline", "list", "--from", text(&baseline)]));
    assert!(listed.contains("digits-mlp"), "{listed}");
    let history = run(&["history", "--baseline", text(&baseline), "--cell", "int8/dynamic"]);
    assert!(history.status.success(), "{}", stderr(&history));
    assert!(stdout(&history).contains("top-1"), "{}", stdout(&history));
    let again = run(&["baseline", "save", text(&out), "--to", text(&baseline)]);
    assert!(!again.status.success(), "an entry was overwritten");
}

#[test]
fn a_missing_cell_a_damaged_baseline_and_none_at_all_could_not_run() {
    let (out, baseline) = saved("regress-broken");
    let dir = out.parent().unwrap();
    // Another run without the dynamic cells.
    let less = dir.join("less");
    let args = "sweep --model digits-mlp --dtype fp32,int8 --timing none,static --calibrator minmax,percentile-99.9 \
                --batch 1,8 --latency-seconds 0.01 --out";
    let swept = calibench().args(args.split_whitespace()).arg(&less).output().unwrap();
    assert!(swept.status.success(), "{}", stderr(&swept));
    let checked = check(&less, &baseline, &[]);
    assert_eq!(checked.status.code(), Some(3), "{}", stdout(&checked));
    assert!(stdout(&checked).contains("no such cell"), "{}", stdout(&checked));

    let none = check(&out, &dir.join("nowhere"), &[]);
    assert_eq!(none.status.code(), Some(3));
    assert!(stderr(&none).contains("baseline save"), "{}", stderr(&none));
    assert_eq!(run(&["check", "--max-accuracy-drop", "0.5"]).status.code(), Some(3));

    let entry = std::fs::read_dir(&baseline).unwrap().next().unwrap().unwrap().path();
    let rows = entry.join("rows.parquet");
    let mut bytes = std::fs::read(&rows).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&rows, bytes).unwrap();
    let damaged = check(&out, &baseline, &[]);
    assert_eq!(damaged.status.code(), Some(3));
    assert!(
        stderr(&damaged).contains("rows.parquet") && stderr(&damaged).contains("checksum"),
        "{}",
        stderr(&damaged)
    );
}

#[test]
fn runs_of_older_schema_versions_are_compared() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/store/tests/data");
    let (one, two) = (data.join("version-1"), data.join("version-2"));
    let compared = run(&["compare", text(&one), text(&two), "--format", "json"]);
    assert!(compared.status.success(), "{}", stderr(&compared));
    let value: serde_json::Value = serde_json::from_str(&stdout(&compared)).unwrap();
    assert!(
        value["machine_differences"]
            .as_array()
            .unwrap()
            .iter()
            .any(|d| d.as_str().unwrap().starts_with("CPU"))
    );
    assert_eq!(
        value["changes"].as_array().unwrap().iter().filter(|c| c["quantity"] == "accuracy").count(),
        2
    );
}

#[test]
fn calibration_sets_are_drawn_and_brought_together() {
    let out = scratch("regress-draws").join("run");
    let args = "sweep --model digits-mlp --dtype fp32,int8 --timing none,static --calibrator percentile-99.9 --draw 0,1,2 \
                --batch 1 --latency-seconds 0.01 --out";
    let swept = calibench().args(args.split_whitespace()).arg(&out).output().unwrap();
    assert!(swept.status.success(), "{}", stderr(&swept));
    let rows = tables(&out).rows;
    assert_eq!(rows.iter().filter(|r| r.dtype == "int8").map(|r| r.draw).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(rows.iter().filter(|r| r.dtype == "fp32").count(), 1, "fp32 needs no calibration set");
    let sites = tables(&out).sites;
    let ranges = |draw: &str| {
        let of_cell = sites.iter().filter(|s| s.cell.ends_with(draw) && s.role == "activation");
        of_cell.map(|s| (s.low, s.high)).collect::<Vec<_>>()
    };
    assert!(!ranges("/s0").is_empty() && ranges("/s0") != ranges("/d1") && ranges("/d1") != ranges("/d2"));
    let summary = std::fs::read_to_string(out.join("summary.md")).unwrap();
    assert!(summary.contains("## Over seeds and calibration sets"), "{summary}");
}
