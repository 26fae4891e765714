//! Runs that calibench wrote under older schema versions read as ones of today's.
//!
//! Version 1 (commit d4421c5: `calibench sweep --model digits-mlp --dtype
//! fp32,int8 --timing none,dynamic --batch 1`; its manifest without the host's name and the configuration, its cell
//! cut to two outcomes and a site). Version 2 (commit 9fdd85e, the same sweep, cut alike).

// Helpers of tests may panic as tests do; clippy's setting only knows functions marked #[test].
#![allow(clippy::unwrap_used)]

use calibench_store::{OutcomeRow, RunFolder, SCHEMA_VERSION};

fn of_version(version: u32) -> RunFolder {
    RunFolder::open(format!("{}/tests/data/version-{version}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn run() -> RunFolder {
    of_version(1)
}

#[test]
fn tables_of_version_1_hold_the_metric_top1() {
    let tables = run().load_tables().unwrap();
    assert_eq!((tables.rows.len(), tables.latency.len(), tables.outcomes.len()), (2, 2, 1000));
    assert!(!tables.sites.is_empty());
    for row in &tables.rows {
        assert_eq!((row.metric.as_str(), row.score), ("top1", Some(0.982)), "{}", row.cell);
        assert_eq!((row.score_low, row.score_high), (Some(0.96614832892973), Some(0.9905018067502681)));
        assert_eq!(row.score_fake_quant, (row.dtype == "int8").then_some(0.982));
        let right = |o: &&OutcomeRow| o.cell == row.cell && o.target.is_some() && o.output == o.target;
        assert_eq!(tables.outcomes.iter().filter(right).count(), 491, "{}", row.cell);
    }
}

#[test]
fn cells_of_version_1_read_as_their_rows_in_the_tables() {
    let rows = run().load_tables().unwrap().rows;
    let cell = run().read_cell(&rows[1].cell).unwrap().unwrap();
    assert_eq!(cell.row, rows[1]);
    let answers: Vec<_> = cell.outcomes.iter().map(|o| (o.target, o.output)).collect();
    assert_eq!(answers, [(Some(2.0), Some(2.0)), (Some(5.0), Some(9.0))]);
}

#[test]
fn a_manifest_of_version_1_becomes_one_of_today() {
    let manifest = run().read_manifest().unwrap();
    assert_eq!(manifest.schema_version, SCHEMA_VERSION);
    let model = &manifest.models["digits-mlp/0"];
    assert_eq!((model.metric.as_str(), model.fp32_score), ("top1", Some(0.982)));
}

#[test]
fn what_older_versions_did_not_measure_is_null_and_what_they_had_one_of_is_that_one() {
    for version in [1, 2] {
        let run = of_version(version);
        let tables = run.load_tables().unwrap();
        assert_eq!((tables.rows.len(), tables.latency.len()), (2, 2), "version {version}");
        assert!(tables.rounds.is_empty(), "version {version} had no table of rounds");
        for row in &tables.rows {
            assert_eq!((row.draw, row.heap_bytes, row.heap_left_bytes), (0, None, None));
            assert!(row.weight_bytes > 0 && row.score.is_some());
        }
        for row in &tables.latency {
            assert_eq!((row.processes, row.operations, row.instructions), (1, None, None));
            assert!(row.ratio > 0.0 && row.p50_us > 0.0);
        }
        let manifest = run.read_manifest().unwrap();
        assert_eq!((manifest.machine.governor.as_str(), manifest.noise), ("unknown", None));
        let cell = run.read_cell(&tables.rows[1].cell).unwrap().unwrap();
        assert_eq!((&cell.row, &cell.latency[0]), (&tables.rows[1], &tables.latency[1]));
    }
}
