//! Sweeps from end to end: what they write, that they repeat, and that they survive being killed.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic, as it does")]

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use calibench_store::{Row, Tables};
use common::{calibench, repeatable, run, scratch, small_sweep, stderr, stdout, tables};

fn sweep(out: &Path) -> Tables {
    let args = small_sweep(out);
    let output = calibench().args(&args).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("report: "), "{}", stdout(&output));
    tables(out)
}

fn repeatable_rows(tables: &Tables) -> Vec<Row> {
    tables.rows.iter().map(repeatable).collect()
}

#[test]
fn two_sweeps_give_identical_rows_outcomes_and_sites() {
    let dir = scratch("repeat");
    let (a, b) = (sweep(&dir.join("a")), sweep(&dir.join("b")));
    assert_eq!(repeatable_rows(&a), repeatable_rows(&b));
    assert_eq!(a.outcomes, b.outcomes);
    assert_eq!(a.sites, b.sites);
    let bytes = |rows: &Tables| serde_json::to_vec(&repeatable_rows(rows)).unwrap();
    assert_eq!(bytes(&a), bytes(&b));
}

#[test]
fn a_sweep_writes_every_measurement_and_the_report() {
    let dir = scratch("complete");
    let out = dir.join("run");
    let tables = sweep(&out);
    // fp32, static with two methods, dynamic.
    assert_eq!(tables.rows.len(), 4, "{:?}", tables.rows.iter().map(|r| &r.cell).collect::<Vec<_>>());
    for row in &tables.rows {
        assert_eq!(row.status, "ok", "{:?}", row.failure);
        assert_eq!(tables.latency.iter().filter(|l| l.cell == row.cell).count(), 2, "{}", row.cell);
        assert_eq!(tables.outcomes.iter().filter(|o| o.cell == row.cell).count(), row.samples as usize);
        assert!(row.peak_resident_bytes.is_none_or(|b| b > 1 << 20), "{:?}", row.peak_resident_bytes);
        assert_eq!(row.metric, "top1");
        let score = row.score.unwrap();
        assert!(row.score_low.unwrap() < score && score < row.score_high.unwrap());
        let integer = row.dtype == "int8";
        assert_eq!(row.score_fake_quant.is_some(), integer);
        assert_eq!(row.integer_vs_fake_disagreement.is_some(), integer);
        assert_eq!(tables.sites.iter().any(|s| s.cell == row.cell), integer);
        assert_eq!(row.calibration_samples > 0, row.timing == "static");
    }
    let fp32 = &tables.rows.iter().find(|r| r.dtype == "fp32").unwrap();
    assert_eq!(fp32.agreement_fp32, Some(1.0));
    for file in ["manifest.json", "rows.parquet", "latency.parquet", "summary.md", "report.html", "plots"] {
        assert!(out.join(file).exists(), "{file}");
    }

    // The report can be written again from the rows alone.
    std::fs::remove_file(out.join("report.html")).unwrap();
    let again = run(&["report", &out.display().to_string()]);
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(out.join("report.html").exists());
}

#[cfg(unix)]
#[test]
fn a_sweep_killed_at_any_moment_resumes_to_the_same_rows() {
    let dir = scratch("killed");
    let undisturbed = sweep(&dir.join("undisturbed"));
    for (i, millis) in [30, 350, 900].into_iter().enumerate() {
        let out = dir.join(format!("killed-{i}"));
        let mut child = start(&out);
        std::thread::sleep(Duration::from_millis(millis));
        child.kill().unwrap();
        child.wait().unwrap();
        if !out.join("plan.json").exists() || !out.join("manifest.json").exists() {
            // Killed before the run folder was whole: there is nothing to resume, and the sweep says so.
            continue;
        }
        let resumed = run(&["sweep", "--resume", &out.display().to_string()]);
        assert!(resumed.status.success(), "after {millis} ms: {}", stderr(&resumed));
        let resumed = tables(&out);
        assert_eq!(repeatable_rows(&resumed), repeatable_rows(&undisturbed), "after {millis} ms");
        assert_eq!(resumed.outcomes, undisturbed.outcomes);
    }
}

#[test]
fn resuming_repeats_no_finished_cell() {
    let dir = scratch("finished");
    let out = dir.join("run");
    let before = sweep(&out);
    let resumed = run(&["sweep", "--resume", &out.display().to_string()]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    assert_eq!(tables(&out).latency, before.latency, "a repeated cell would have new times");
}

#[test]
fn a_truncated_table_is_refused_and_written_again_by_resuming() {
    let dir = scratch("cut");
    let out = dir.join("run");
    let before = sweep(&out);
    let rows = out.join("rows.parquet");
    let bytes = std::fs::read(&rows).unwrap();
    std::fs::write(&rows, &bytes[..bytes.len() / 2]).unwrap();
    let refused = run(&["report", &out.display().to_string()]);
    assert_eq!(refused.status.code(), Some(1));
    for part in ["rows.parquet", "truncated or damaged", "--resume"] {
        assert!(stderr(&refused).contains(part), "{}", stderr(&refused));
    }
    let resumed = run(&["sweep", "--resume", &out.display().to_string()]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    assert_eq!(tables(&out), before);
}

#[test]
fn resuming_on_other_data_or_weights_is_refused() {
    let dir = scratch("other");
    let out = dir.join("run");
    sweep(&out);
    let manifest = out.join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    for key in ["\"sha256\": \"", "\"hash\": \""] {
        std::fs::write(&manifest, text.replace(key, &format!("{key}0"))).unwrap();
        let refused = run(&["sweep", "--resume", &out.display().to_string()]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).contains("this run was begun on"), "{}", stderr(&refused));
    }
}

#[test]
fn a_damaged_cell_record_is_measured_again() {
    let dir = scratch("damaged");
    let out = dir.join("run");
    let before = sweep(&out);
    let record = std::fs::read_dir(out.join("cells")).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&record).unwrap();
    std::fs::write(&record, &bytes[..bytes.len() / 2]).unwrap();
    let resumed = run(&["sweep", "--resume", &out.display().to_string()]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    assert!(stderr(&resumed).contains("warning"), "{}", stderr(&resumed));
    assert_eq!(repeatable_rows(&tables(&out)), repeatable_rows(&before));
}

#[cfg(target_os = "linux")]
#[test]
fn a_cell_that_is_killed_becomes_a_failed_row_and_the_sweep_goes_on() {
    let dir = scratch("crash");
    let out = dir.join("run");
    let mut child = start(&out);
    let victim = wait_for(|| cell_process(&out));
    assert!(Command::new("kill").args(["-9", &victim]).status().unwrap().success());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(3), "some cells failed");
    let tables = tables(&out);
    let failed: Vec<&Row> = tables.rows.iter().filter(|r| r.status == "failed").collect();
    assert_eq!((tables.rows.len(), failed.len()), (4, 1));
    assert!(failed[0].failure.as_ref().unwrap().contains("signal 9"), "{:?}", failed[0].failure);
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("signal 9"), "the page shows the reason");
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_sweep_leaves_no_cell_behind() {
    let dir = scratch("orphan");
    let out = dir.join("run");
    let mut child = start(&out);
    let cell = wait_for(|| cell_process(&out));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for(|| (!Path::new("/proc").join(&cell).exists()).then_some(()));
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_was_measured_and_says_how_to_go_on() {
    let dir = scratch("interrupt");
    let out = dir.join("run");
    let child = start(&out);
    // A record has its name only once it is whole.
    let whole = |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|e| e == "json");
    wait_for(|| std::fs::read_dir(out.join("cells")).ok()?.flatten().find(whole));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("--resume"), "{}", stderr(&output));
    assert!(!tables(&out).rows.is_empty());
    assert!(out.join("report.html").exists());
    let resumed = run(&["sweep", "--resume", &out.display().to_string()]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    assert_eq!(tables(&out).rows.len(), 4);
}

#[cfg(unix)]
#[test]
fn ctrl_c_before_the_first_cell_says_how_to_go_on() {
    let dir = scratch("early");
    let out = dir.join("run");
    // An empty cache: the model is being trained when the signal comes.
    let child = calibench()
        .args(small_sweep(&out))
        .env("CALIBENCH_CACHE", dir.join("cache"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(|| out.join("manifest.json").exists().then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("--resume"), "{}", stderr(&output));
}

fn start(out: &Path) -> Child {
    let args = small_sweep(out);
    calibench().args(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until `found` gives something; a minute is far more than it takes.
fn wait_for<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "nothing happened");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The process id of a running cell of that run folder.
#[cfg(target_os = "linux")]
fn cell_process(out: &Path) -> Option<String> {
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let is_cell = command.contains(" cell --run ") && command.contains(&*out.to_string_lossy());
        is_cell.then(|| entry.file_name().to_string_lossy().into_owned())
    })
}

#[test]
fn seven_bit_weights_are_exact_as_simulated_and_only_int8_has_them() {
    if !std::arch::is_x86_feature_detected!("avx2") {
        println!("skipped: this machine lacks AVX2");
        return;
    }
    let run_folder = scratch("seven-bit").join("run");
    let args = [
        &["sweep", "--model", "digits-mlp", "--dtype", "fp32,int8", "--timing", "none,static,weight-only"][..],
        &[
            "--calibrator",
            "minmax",
            "--kernel",
            "avx2,avx2-7bit,avx2-saturating",
            "--latency-seconds",
            "0.01",
        ],
        &["--batch", "1", "--out", run_folder.to_str().unwrap()],
    ];
    let output = run(&args.concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let tables = tables(&run_folder);
    let kernels = |dtype: &str| -> Vec<&str> {
        let of = tables.rows.iter().filter(|r| r.dtype == dtype && r.timing != "weight-only");
        let mut found: Vec<&str> = of.map(|r| r.isa.as_str()).collect();
        found.sort_unstable();
        found
    };
    assert_eq!(kernels("fp32"), ["avx2"], "what multiplies no bytes runs once");
    assert_eq!(kernels("int8"), ["avx2", "avx2-7bit", "avx2-saturating"]);
    let of = |isa: &str| tables.rows.iter().find(|r| r.isa == isa && r.timing == "static").unwrap();
    assert_eq!(of("avx2-7bit").integer_vs_fake_disagreement, Some(0.0), "7-bit codes are simulated as 7-bit");
    assert!(of("avx2-7bit").sqnr_db < of("avx2").sqnr_db, "a bit less");
    assert!(of("avx2-saturating").sqnr_db < of("avx2-7bit").sqnr_db, "saturation costs more");
    let weights = |isa: &str| {
        let cell = &of(isa).cell;
        let of = tables.sites.iter().filter(|s| &s.cell == cell && s.role == "weight");
        of.map(|s| s.scale_max).fold(0.0, f64::max)
    };
    assert!(weights("avx2-7bit") > 1.9 * weights("avx2"), "63 steps instead of 127");
}
