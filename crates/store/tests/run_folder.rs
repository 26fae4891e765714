//! A run folder through its life: created, filled, interrupted, damaged, resumed, assembled, loaded.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use calibench_store::{
    CellRecord, LatencyRow, Manifest, ModelInfo, OutcomeRow, RoundRow, Row, RunFolder, SiteRow, StoreError,
    Tables, run_name,
};

fn cell(id: &str) -> CellRecord {
    CellRecord {
        row: Row {
            cell: id.into(),
            model: "cnn".into(),
            status: "ok".into(),
            seed: u64::MAX,
            samples: 2,
            metric: "top1".into(),
            score: Some(0.1 + 0.2),
            ..Row::default()
        },
        latency: vec![LatencyRow { cell: id.into(), batch: 8, ratio: 1.0 / 3.0, ..LatencyRow::default() }],
        rounds: vec![RoundRow { cell: id.into(), batch: 8, ratio: 2.0 / 3.0, ..RoundRow::default() }],
        outcomes: vec![
            OutcomeRow { cell: id.into(), sample: 0, target: Some(3.0), output: Some(3.0) },
            OutcomeRow { cell: id.into(), sample: 1, target: Some(4.0), output: None },
        ],
        sites: vec![SiteRow {
            cell: id.into(),
            site: "conv1".into(),
            role: "weight".into(),
            zero_point_min: -128,
            sqnr_db: Some(41.25),
            ..SiteRow::default()
        }],
    }
}

fn failed(id: &str) -> CellRecord {
    let row = Row { cell: id.into(), status: "failed".into(), failure: Some("why".into()), ..Row::default() };
    CellRecord { row, ..CellRecord::default() }
}

#[test]
fn cells_round_trip_and_become_tables() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path().join("a/b")).unwrap();
    let cells = [cell("cnn/digits/int8"), failed("cnn/digits/fp16")];
    for cell in &cells {
        run.write_cell(cell).unwrap();
    }
    assert!(run.cells_dir().join("cnn__digits__int8.json").is_file());
    let (back, warnings) = run.read_cells(&["cnn/digits/int8", "not/run/yet", "cnn/digits/fp16"]);
    assert_eq!((back.as_slice(), warnings.len()), (&cells[..], 0));

    run.assemble(&back).unwrap();
    let want = Tables {
        rows: cells.iter().map(|c| c.row.clone()).collect(),
        latency: cells[0].latency.clone(),
        rounds: cells[0].rounds.clone(),
        outcomes: cells[0].outcomes.clone(),
        sites: cells[0].sites.clone(),
    };
    assert_eq!(run.load_tables().unwrap(), want);
    let before = fs::read(run.rows_path()).unwrap();
    run.assemble(&back).unwrap();
    assert_eq!(fs::read(run.rows_path()).unwrap(), before);
}

#[test]
fn repeats_of_a_cell_lie_beside_it_and_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path()).unwrap();
    let (once, twice) = (cell("cnn/digits/int8"), cell("cnn/digits/int8"));
    run.write_cell(&once).unwrap();
    assert_eq!(run.read_repeat("cnn/digits/int8", 1), None);
    run.write_repeat(&twice, 1).unwrap();
    assert_eq!(run.read_repeat("cnn/digits/int8", 1), Some(twice));
    assert_eq!(run.read_repeat("cnn/digits/int8", 2), None);
    assert_eq!(run.read_cell("cnn/digits/int8").unwrap(), Some(once));
    // One that was cut short is measured again.
    fs::write(run.cells_dir().join("cnn__digits__int8@1.json"), "{").unwrap();
    assert_eq!(run.read_repeat("cnn/digits/int8", 1), None);
}

#[test]
fn no_cells_make_empty_tables() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path()).unwrap();
    run.assemble(&[]).unwrap();
    assert_eq!(run.load_tables().unwrap(), Tables::default());
}

#[test]
fn a_damaged_cell_is_a_warning_and_counts_as_missing() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path()).unwrap();
    run.write_cell(&cell("a/b")).unwrap();
    let path = run.cell_path("a/b");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    fs::write(run.cell_path("a/c"), &whole).unwrap();
    assert!(matches!(run.read_cell("a/b"), Err(StoreError::Json { .. })));
    assert!(matches!(run.read_cell("a/c"), Err(StoreError::WrongCell { .. })));
    let (cells, warnings) = run.read_cells(&["a/b".to_owned(), "a/c".to_owned()]);
    assert_eq!((cells.len(), warnings.len()), (0, 2));
    assert!(warnings[0].contains("a__b.json"), "{}", warnings[0]);
}

#[test]
fn numbers_that_json_lacks_are_nulls_or_errors() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path()).unwrap();
    let mut optional = cell("a");
    optional.row.score = Some(f64::NAN);
    run.write_cell(&optional).unwrap();
    assert_eq!(run.read_cell("a").unwrap().unwrap().row.score, None);
    run.assemble(&[optional]).unwrap();
    assert_eq!(run.load_tables().unwrap().rows[0].score, None);
    let mut required = cell("b");
    required.sites[0].low = f64::NEG_INFINITY;
    let error = run.write_cell(&required).unwrap_err().to_string();
    assert!(error.starts_with("cell b: sites.low is not a finite number"), "{error}");
    assert!(matches!(run.assemble(&[required]), Err(StoreError::NotFinite { .. })));
}

#[test]
fn create_and_open_check_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(RunFolder::open(folder.path()), Err(StoreError::NotARun { .. })));
    let run = RunFolder::create(folder.path()).unwrap();
    let mut manifest = Manifest { created_utc: "2026-11-24T14:03:00Z".into(), ..Manifest::default() };
    manifest.models.insert("cnn/1".into(), ModelInfo { fp32_score: Some(0.97), ..ModelInfo::default() });
    run.write_manifest(&manifest).unwrap();
    assert_eq!(RunFolder::open(folder.path()).unwrap().read_manifest().unwrap(), manifest);
    let error = RunFolder::create(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::AlreadyARun { .. }), "{error}");

    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let inside = file.join("run");
    let error = RunFolder::create(&inside).unwrap_err().to_string();
    assert!(error.starts_with(&inside.display().to_string()), "{error}");
    assert!(error.contains("not writable") && error.contains("choose another"), "{error}");
}

#[test]
fn a_manifest_of_another_version_is_refused_by_number() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path()).unwrap();
    fs::write(run.manifest_path(), br#"{"schema_version": 4}"#).unwrap();
    assert!(matches!(run.read_manifest(), Err(StoreError::SchemaVersion { got: 4, .. })));
    fs::write(run.manifest_path(), b"{").unwrap();
    assert!(matches!(run.read_manifest(), Err(StoreError::Json { .. })));
}

#[test]
fn run_names_sort_by_time_and_are_safe() {
    let time = UNIX_EPOCH + Duration::from_secs(1_795_528_980);
    assert_eq!(run_name(time, "host", Some("abc1234def")), "20261124T140300Z-host-abc1234");
    assert_eq!(run_name(time, "../a b", None), "20261124T140300Z-..-a-b-nocommit");
    assert_eq!(run_name(time, "", Some("")), "20261124T140300Z-unknown-nocommit");
}
