//! Asserts what any sweep of the built-in models must show; CI runs it on a short sweep.
//!
//! `cargo run --release --example assert_sweep -- RUN_FOLDER`

use std::path::Path;

use anyhow::{Context, Result, ensure};
use calibench_store::{Row, RunFolder};

fn main() -> Result<()> {
    let run = std::env::args().nth(1).context("usage: assert_sweep RUN_FOLDER")?;
    let folder = RunFolder::open(Path::new(&run))?;
    let tables = folder.load_tables()?;
    ensure!(!tables.rows.is_empty(), "no row");
    for row in &tables.rows {
        ensure!(row.status == "ok", "{} failed: {:?}", row.cell, row.failure);
        ensure!(row.metric == "top1", "{}: metric {}", row.cell, row.metric);
        let top1 = row.score.context("no score")?;
        ensure!(row.weight_bytes > 0 && row.peak_activation_bytes > 0, "{}: no memory figures", row.cell);
        ensure!(
            tables.latency.iter().any(|l| l.cell == row.cell && l.ratio.is_finite() && l.p50_us > 0.0),
            "{}: no latency",
            row.cell
        );
        let outcomes = tables.outcomes.iter().filter(|o| o.cell == row.cell);
        let right = outcomes.clone().filter(|o| o.target.is_some() && o.output == o.target).count();
        ensure!(outcomes.count() == row.samples as usize, "{}: outcomes are missing", row.cell);
        let recount = right as f64 / f64::from(row.samples);
        ensure!((recount - top1).abs() < 1e-12, "{}: top-1 {top1} but outcomes say {recount}", row.cell);
        if row.dtype == "fp32" {
            let floor = if row.model == "digits-vit" { 0.96 } else { 0.97 };
            ensure!(top1 >= floor, "{}: fp32 top-1 {top1} is below {floor}", row.cell);
        }
        if row.dtype == "int8" {
            check_int8(row, &tables.rows)?;
        }
    }
    let manifest = folder.read_manifest()?;
    ensure!(
        manifest.calibration_passes.values().all(|passes| *passes == 1),
        "more than one calibration pass"
    );
    for file in ["rows.parquet", "summary.md", "report.html"] {
        ensure!(folder.root().join(file).is_file(), "{file} is missing");
    }
    Ok(())
}

/// int8 stays near fp32 and near its own simulation, and its weights take less memory.
fn check_int8(row: &Row, rows: &[Row]) -> Result<()> {
    let disagreement = row.integer_vs_fake_disagreement.context("no comparison with fake quantization")?;
    ensure!(
        disagreement <= 0.01,
        "{}: {disagreement} of predictions differ from fake quantization",
        row.cell
    );
    let twin = rows.iter().find(|r| r.dtype == "fp32" && r.model == row.model && r.seed == row.seed);
    if let Some(twin) = twin {
        let drop = twin.score.unwrap_or(0.0) - row.score.unwrap_or(0.0);
        ensure!(drop <= 0.03, "{}: loses {drop} of top-1", row.cell);
        ensure!(row.weight_bytes < twin.weight_bytes, "{}: weights are not smaller", row.cell);
    }
    Ok(())
}
