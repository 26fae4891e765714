//! A run made up for comparisons: two models, fp32 and int8, 500 test samples, three processes of eight rounds.

use std::collections::BTreeMap;

use calibench_compare::{RunName, Side};
use calibench_store::{
    DatasetInfo, LatencyRow, Manifest, ModelInfo, OutcomeRow, RoundRow, Row, SiteRow, Tables,
};

/// Test samples.
pub const SAMPLES: u32 = 500;

/// A run whose times wobble by half a percent in a way that `run` decides.
pub fn side(run: u32) -> Side {
    let mut tables = Tables::default();
    let mut manifest =
        Manifest { created_utc: format!("2026-11-{:02}T00:00:00Z", run + 1), ..Manifest::default() };
    manifest.commit = Some(format!("c{run}"));
    manifest.machine.cpu_model = "a CPU".to_owned();
    manifest.machine.logical_cores = 2;
    manifest
        .datasets
        .insert("digits".to_owned(), DatasetInfo { sha256: "d1".to_owned(), ..DatasetInfo::default() });
    for model in ["cnn", "mlp"] {
        let info = ModelInfo { hash: format!("hash of {model}"), ..ModelInfo::default() };
        manifest.models.insert(format!("{model}/0"), info);
        add(&mut tables, model, "fp32", run);
        add(&mut tables, model, "int8", run);
    }
    Side { name: RunName { name: format!("run {run}"), ..RunName::default() }, manifest, tables }
}

/// The id of a cell of the made-up run.
pub fn id(model: &str, dtype: &str) -> String {
    let timing = if dtype == "fp32" { "none" } else { "static" };
    format!("{model}/{dtype}/{timing}/mse/per-channel/affine/avx2/t1/s0")
}

fn add(tables: &mut Tables, model: &str, dtype: &str, run: u32) {
    let cell = id(model, dtype);
    let integer = dtype == "int8";
    tables.rows.push(Row {
        cell: cell.clone(),
        model: model.to_owned(),
        dataset: "digits".to_owned(),
        dtype: dtype.to_owned(),
        timing: if integer { "static" } else { "none" }.to_owned(),
        calibrator: "mse".to_owned(),
        isa: "avx2".to_owned(),
        threads: 1,
        status: "ok".to_owned(),
        samples: SAMPLES,
        metric: "top1".to_owned(),
        score: Some(0.98),
        weight_bytes: 10_000,
        peak_activation_bytes: 2_000,
        peak_resident_bytes: Some(28_000_000),
        heap_bytes: Some(20_000),
        heap_left_bytes: Some(0),
        ..Row::default()
    });
    // Every fiftieth sample is wrong.
    tables.outcomes.extend((0..SAMPLES).map(|sample| {
        let target = f64::from(sample % 10);
        let output = if sample % 50 == 7 { target + 1.0 } else { target };
        OutcomeRow { cell: cell.clone(), sample, target: Some(target), output: Some(output) }
    }));
    if integer {
        tables.sites.push(SiteRow {
            cell: cell.clone(),
            site: "conv1.out".to_owned(),
            role: "activation".to_owned(),
            low: -1.0,
            high: 3.0,
            ..SiteRow::default()
        });
    }
    let ratio = if integer { 0.8 } else { 1.0 };
    tables.latency.push(LatencyRow {
        cell: cell.clone(),
        batch: 1,
        processes: 3,
        p50_us: 100.0 * ratio,
        twin_p50_us: 100.0,
        ratio,
        ratio_low: 0.99 * ratio,
        ratio_high: 1.01 * ratio,
        operations: Some(1_000_000),
        traffic_bytes: Some(50_000),
        ..LatencyRow::default()
    });
    for process in 0..3 {
        for round in 0..8 {
            // Numbers between 0 and 1 that follow no pattern.
            let step =
                (run * 7_919 + process * 104_729 + round * 1_299_709 + 13 * tables.rounds.len() as u32)
                    % 1_009;
            let wobble = 1.0 + 0.01 * (f64::from(step) / 1_009.0 - 0.5);
            tables.rounds.push(RoundRow {
                cell: cell.clone(),
                batch: 1,
                process,
                round,
                blocks: 10,
                ratio: ratio * wobble,
                cell_us: 100.0 * ratio * wobble,
                twin_us: 100.0,
                reference_us: 50.0 * wobble,
            });
        }
    }
}

/// Changes every round of a cell.
pub fn each_round(side: &mut Side, cell: &str, change: impl Fn(&mut RoundRow)) {
    side.tables.rounds.iter_mut().filter(|r| r.cell == cell).for_each(change);
}

/// The row of a cell.
pub fn row<'a>(side: &'a mut Side, cell: &str) -> &'a mut Row {
    side.tables.rows.iter_mut().find(|r| r.cell == cell).expect("the cell is there")
}

/// Gives a model another name, in every table.
pub fn rename(side: &mut Side, from: &str, to: &str) {
    let renamed = |cell: &String| cell.replacen(&format!("{from}/"), &format!("{to}/"), 1);
    for row in side.tables.rows.iter_mut().filter(|r| r.model == from) {
        (row.cell, row.model) = (renamed(&row.cell), to.to_owned());
    }
    side.tables.latency.iter_mut().for_each(|r| r.cell = renamed(&r.cell));
    side.tables.rounds.iter_mut().for_each(|r| r.cell = renamed(&r.cell));
    side.tables.outcomes.iter_mut().for_each(|r| r.cell = renamed(&r.cell));
    side.tables.sites.iter_mut().for_each(|r| r.cell = renamed(&r.cell));
    let models: BTreeMap<String, ModelInfo> = std::mem::take(&mut side.manifest.models);
    side.manifest.models = models.into_iter().map(|(key, info)| (renamed(&key), info)).collect();
}
