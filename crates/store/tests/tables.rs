//! The Parquet tables: round trips, and files that do not fit.

// Helpers of tests may panic as tests do; clippy's setting only knows functions marked #[test].
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use calibench_store::{
    Column, ColumnTable, LatencyRow, OutcomeRow, Record, Row, SiteRow, StoreError, decode_table,
    encode_table, read_parquet_columns, read_table, write_parquet_columns, write_table,
};

fn outcomes() -> Vec<OutcomeRow> {
    (0..4)
        .map(|sample| OutcomeRow {
            cell: "a/b".into(),
            sample,
            target: Some(f64::from(sample % 2)),
            output: (sample != 2).then_some(0.25),
        })
        .collect()
}

#[track_caller]
fn round_trip<R: Record + PartialEq + std::fmt::Debug>(rows: &[R]) {
    let path = Path::new("t.parquet");
    let bytes = encode_table(rows, path).unwrap();
    assert_eq!(bytes, encode_table(rows, path).unwrap(), "the same rows give the same bytes");
    assert_eq!(decode_table::<R>(&bytes, path).unwrap(), rows);
}

#[test]
fn every_table_round_trips_empty_full_and_with_nulls() {
    round_trip::<Row>(&[]);
    round_trip::<LatencyRow>(&[]);
    round_trip::<OutcomeRow>(&[]);
    round_trip::<SiteRow>(&[]);
    let full = Row {
        cell: "m/d/é".into(),
        seed: u64::MAX,
        failure: Some(String::new()),
        metric: "top1".into(),
        score: Some(0.1 + 0.2),
        sqnr_db: Some(-3.5e-300),
        weight_bytes: 1 << 40,
        peak_resident_bytes: Some(7),
        calibration_seconds: Some(f64::MIN_POSITIVE),
        ..Row::default()
    };
    round_trip(&[Row::default(), full, Row::default()]);
    round_trip(&[LatencyRow { cell: "a".into(), ratio: 1.0 / 3.0, ..LatencyRow::default() }]);
    round_trip(&[SiteRow { zero_point_min: i32::MIN, clipped_share: Some(0.5), ..SiteRow::default() }]);
    round_trip(&outcomes());
}

/// An outcomes table with one thing changed.
fn changed(change: impl Fn(&mut ColumnTable)) -> StoreError {
    let mut table = ColumnTable {
        names: ["schema_version", "cell", "sample", "target", "output"].map(str::to_owned).to_vec(),
        columns: vec![
            Column::Int(vec![1]),
            Column::Str(vec!["a".into()]),
            Column::Int(vec![0]),
            Column::Float(vec![0.0]),
            Column::Float(vec![0.0]),
        ],
        rows: 1,
    };
    change(&mut table);
    let bytes = write_parquet_columns(&table).unwrap();
    decode_table::<OutcomeRow>(&bytes, Path::new("outcomes.parquet")).unwrap_err()
}

#[test]
fn a_column_that_does_not_fit_is_named_with_both_types() {
    let error = changed(|table| {
        table.names.remove(0);
        table.columns.remove(0);
    });
    assert_eq!(
        error.to_string(),
        "outcomes.parquet: column `schema_version`: expected u32, got no such column"
    );
    let error = changed(|_| {}).to_string();
    assert_eq!(error, "outcomes.parquet: column `schema_version`: expected u32, got i64");
}

#[test]
fn damaged_tables_are_errors_with_path_and_advice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outcomes.parquet");
    write_table(&path, &outcomes()).unwrap();
    assert_eq!(read_table::<OutcomeRow>(&path).unwrap(), outcomes());
    let whole = fs::read(&path).unwrap();
    for end in [0, 3, 11, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..end]).unwrap();
        let error = read_table::<OutcomeRow>(&path).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with(&path.display().to_string()) && text.contains("truncated or damaged"),
            "{text}"
        );
    }
    for index in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[index] ^= 0xff;
        let error = decode_table::<OutcomeRow>(&flipped, &path).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "byte {index}: {error}");
    }
    let missing = read_table::<OutcomeRow>(Path::new("no/such.parquet")).unwrap_err();
    assert!(missing.to_string().starts_with("no/such.parquet: could not read"), "{missing}");
}

#[test]
fn tables_are_plain_parquet() {
    let bytes = encode_table(&outcomes()[..2], Path::new("t")).unwrap();
    let table = read_parquet_columns(&bytes, Path::new("t")).unwrap();
    assert_eq!(table.names[0], "schema_version");
    assert_eq!(table.column("schema_version"), Some(&Column::Int(vec![3, 3])));
    assert_eq!(table.column("sample"), Some(&Column::Int(vec![0, 1])));
}
