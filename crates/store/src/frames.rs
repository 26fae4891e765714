//! The five result tables as Parquet files, one generic path for all.

use std::fs;
use std::path::Path;

use polars::prelude::{DataFrame, IntoColumn, NamedFrom, Series};

use crate::atomic::write_atomic;
use crate::error::StoreError;
use crate::older;
use crate::parquet::{decode_sealed, encode};
use crate::record::{Record, read_field, record};
use crate::row::{LatencyRow, OutcomeRow, RoundRow, Row, SiteRow};

/// The version of the tables and of the manifest; it goes up with every change that an older reader would
/// misread.
pub const SCHEMA_VERSION: u32 = 3;

/// The constant first column of every table.
pub const SCHEMA_VERSION_COLUMN: &str = "schema_version";

record!(
    Row,
    "rows",
    [
        cell,
        model,
        dataset,
        dtype,
        timing,
        calibrator,
        granularity,
        symmetry,
        isa,
        threads,
        seed,
        draw,
        status,
        failure,
        samples,
        metric,
        score,
        score_low,
        score_high,
        score_fake_quant,
        agreement_fp32,
        cosine_fp32,
        sqnr_db,
        kl_fp32,
        integer_vs_fake_disagreement,
        integer_vs_fake_max_abs,
        float_ops,
        weight_bytes,
        peak_activation_bytes,
        peak_resident_bytes,
        heap_bytes,
        heap_left_bytes,
        calibration_samples,
        calibration_seconds,
        solve_seconds,
        load_seconds,
    ]
);

record!(
    LatencyRow,
    "latency",
    [
        cell,
        batch,
        iterations,
        blocks,
        processes,
        p50_us,
        p90_us,
        p99_us,
        twin_p50_us,
        ratio,
        ratio_low,
        ratio_high,
        operations,
        traffic_bytes,
        instructions,
        outlier_share,
        drift,
        shifts,
    ]
);

record!(RoundRow, "rounds", [cell, batch, process, round, blocks, ratio, cell_us, twin_us, reference_us]);

record!(OutcomeRow, "outcomes", [cell, sample, target, output]);

record!(
    SiteRow,
    "sites",
    [
        cell,
        site,
        role,
        sqnr_db,
        scale_min,
        scale_max,
        zero_point_min,
        zero_point_max,
        low,
        high,
        clipped_share,
        codes_used_share,
    ]
);

/// The Parquet bytes of a table; the same rows give the same bytes. `origin` is for error messages only.
///
/// A `Some` that holds a NaN or an infinity is stored as a null.
///
/// # Errors
///
/// [`StoreError::Encode`].
pub fn encode_table<R: Record>(rows: &[R], origin: &Path) -> Result<Vec<u8>, StoreError> {
    let version = Series::new(SCHEMA_VERSION_COLUMN.into(), vec![SCHEMA_VERSION; rows.len()]);
    let mut columns = vec![version.into_column()];
    columns.extend(R::columns(rows));
    let frame = DataFrame::new(rows.len(), columns)
        .map_err(|error| StoreError::Encode { path: origin.to_path_buf(), detail: error.to_string() })?;
    encode(frame, origin)
}

/// The rows of a table, of this schema version or of one that this build still reads. Columns that this version
/// does not know are ignored.
///
/// # Errors
///
/// [`StoreError::Corrupt`] for a damaged file or one that another program wrote, [`StoreError::SchemaVersion`] for another version,
/// [`StoreError::Column`] for a missing column or another type, [`StoreError::Null`] for a null in a column
/// that has none.
pub fn decode_table<R: Record>(bytes: &[u8], origin: &Path) -> Result<Vec<R>, StoreError> {
    let mut frame = decode_sealed(bytes, origin)?;
    let versions: Vec<u32> = read_field(&frame, SCHEMA_VERSION_COLUMN, origin)?;
    if let Some(&got) = versions.iter().find(|&&version| !older::is_read(version)) {
        return Err(StoreError::SchemaVersion { path: origin.to_path_buf(), expected: SCHEMA_VERSION, got });
    }
    // An empty table names no version; without rows its column names do not matter.
    match versions.first() {
        None => return Ok(Vec::new()),
        Some(&SCHEMA_VERSION) => {}
        Some(_) => older::upgrade::<R>(&mut frame),
    }
    R::rows(&frame, origin)
}

/// Writes a table atomically.
///
/// # Errors
///
/// As [`encode_table`] and [`write_atomic`].
pub fn write_table<R: Record>(path: &Path, rows: &[R]) -> Result<(), StoreError> {
    write_atomic(path, &encode_table(rows, path)?)
}

/// Reads a table.
///
/// # Errors
///
/// [`StoreError::Io`] where the file cannot be read; otherwise as [`decode_table`].
pub fn read_table<R: Record>(path: &Path) -> Result<Vec<R>, StoreError> {
    decode_table(&fs::read(path).map_err(StoreError::io(path, "read"))?, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn altered(change: impl Fn(&mut DataFrame)) -> String {
        let origin = Path::new("outcomes.parquet");
        let row = OutcomeRow { cell: "a".into(), sample: 0, target: None, output: None };
        let mut frame = decode_sealed(&encode_table(&[row], origin).unwrap(), origin).unwrap();
        change(&mut frame);
        decode_table::<OutcomeRow>(&encode(frame, origin).unwrap(), origin).unwrap_err().to_string()
    }

    #[test]
    fn another_version_a_missing_column_another_type_and_a_null_are_named() {
        let set = |frame: &mut DataFrame, series: Series| {
            frame.with_column(series.into_column()).unwrap();
        };
        let error = altered(|frame| set(frame, Series::new(SCHEMA_VERSION_COLUMN.into(), [9_u32])));
        assert!(error.starts_with("outcomes.parquet: schema version 9, but"), "{error}");
        let error = altered(|frame| *frame = frame.drop("sample").unwrap());
        assert_eq!(error, "outcomes.parquet: column `sample`: expected u32, got no such column");
        let error = altered(|frame| set(frame, Series::new("sample".into(), ["x"])));
        assert_eq!(error, "outcomes.parquet: column `sample`: expected u32, got str");
        let error = altered(|frame| set(frame, Series::new("sample".into(), [None::<u32>])));
        assert_eq!(error, "outcomes.parquet: column `sample`, row 0: a null where a value is required");
    }
}
