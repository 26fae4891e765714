//! A small reader and writer for any flat Parquet file, such as a dataset's.

use std::path::Path;

use polars::prelude::{DataFrame, DataType, IntoColumn, NamedFrom, Series};

use crate::error::StoreError;
use crate::parquet::{decode, encode};

/// The values of one column. No nulls: a file that has one is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Integers of any width, signed or not, widened to 64 bits.
    Int(Vec<i64>),
    /// `f32` or `f64`, widened to `f64`. NaN and infinities are kept; the caller decides what they mean.
    Float(Vec<f64>),
    /// UTF-8 text.
    Str(Vec<String>),
    /// Truth values.
    Bool(Vec<bool>),
}

impl Column {
    /// How many values the column holds.
    pub fn len(&self) -> usize {
        match self {
            Self::Int(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Str(values) => values.len(),
            Self::Bool(values) => values.len(),
        }
    }

    /// Whether the column holds no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The kind in words, for error messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "integer",
            Self::Float(_) => "float",
            Self::Str(_) => "text",
            Self::Bool(_) => "truth value",
        }
    }
}

/// A Parquet file in memory: `columns[i]` is named `names[i]` and holds `rows` values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnTable {
    /// Column names, in file order.
    pub names: Vec<String>,
    /// Columns, in file order.
    pub columns: Vec<Column>,
    /// Rows.
    pub rows: usize,
}

impl ColumnTable {
    /// The column of this name, if there is one.
    pub fn column(&self, name: &str) -> Option<&Column> {
        let index = self.names.iter().position(|held| held == name)?;
        self.columns.get(index)
    }
}

/// Reads every column of a Parquet file; `origin` is the path for error messages only.
///
/// Known limit: a file that [`write_parquet_columns`] did not write carries no checksum, and the decoder may
/// abort the process on a damaged one. Check the hash of a dataset's file before reading it.
///
/// # Errors
///
/// [`StoreError::Corrupt`] for bytes that are not a readable Parquet file, [`StoreError::Column`] for a type
/// that is neither integer, float, text nor truth value, [`StoreError::Null`] for a null,
/// [`StoreError::TooLarge`] for an unsigned integer beyond `i64`.
pub fn read_parquet_columns(bytes: &[u8], origin: &Path) -> Result<ColumnTable, StoreError> {
    let frame = decode(bytes, origin)?;
    let mut table = ColumnTable { rows: frame.height(), ..ColumnTable::default() };
    for column in frame.columns() {
        let series = column.as_materialized_series();
        table.names.push(series.name().to_string());
        table.columns.push(read_column(series, origin)?);
    }
    Ok(table)
}

fn read_column(series: &Series, origin: &Path) -> Result<Column, StoreError> {
    let name = series.name().to_string();
    if series.null_count() > 0 {
        let row = series.is_null().iter().position(|null| null == Some(true)).unwrap_or(0);
        return Err(StoreError::Null { path: origin.to_path_buf(), column: name, row });
    }
    let unsupported = || StoreError::Column {
        path: origin.to_path_buf(),
        column: name.clone(),
        expected: "integer, float, text or truth value".to_owned(),
        got: series.dtype().to_string(),
    };
    let values = match series.dtype() {
        DataType::Boolean => {
            let values = series.bool().map_err(|_| unsupported())?;
            Column::Bool(values.iter().flatten().collect())
        }
        DataType::String => {
            let values = series.str().map_err(|_| unsupported())?;
            Column::Str(values.iter().flatten().map(str::to_owned).collect())
        }
        DataType::Float32 | DataType::Float64 => {
            let wide = series.cast(&DataType::Float64).map_err(|_| unsupported())?;
            Column::Float(wide.f64().map_err(|_| unsupported())?.iter().flatten().collect())
        }
        DataType::UInt64 => Column::Int(read_u64(series, origin).ok_or_else(unsupported)??),
        dtype if dtype.is_integer() => {
            let wide = series.cast(&DataType::Int64).map_err(|_| unsupported())?;
            Column::Int(wide.i64().map_err(|_| unsupported())?.iter().flatten().collect())
        }
        _ => return Err(unsupported()),
    };
    Ok(values)
}

/// `None` where the series does not hold `u64`; an error for the first value beyond `i64`.
fn read_u64(series: &Series, origin: &Path) -> Option<Result<Vec<i64>, StoreError>> {
    let narrow = |(row, value): (usize, u64)| {
        i64::try_from(value).map_err(|_| StoreError::TooLarge {
            path: origin.to_path_buf(),
            column: series.name().to_string(),
            row,
            value,
        })
    };
    Some(series.u64().ok()?.iter().flatten().enumerate().map(narrow).collect())
}

/// Writes a table as Parquet; the same table gives the same bytes.
///
/// # Errors
///
/// [`StoreError::Encode`] where a column's length is not `rows`, or where names and columns differ in number
/// or repeat.
pub fn write_parquet_columns(table: &ColumnTable) -> Result<Vec<u8>, StoreError> {
    let origin = Path::new("(in memory)");
    let refuse = |detail: String| StoreError::Encode { path: origin.to_path_buf(), detail };
    if table.names.len() != table.columns.len() {
        return Err(refuse(format!("{} names for {} columns", table.names.len(), table.columns.len())));
    }
    let columns = table
        .names
        .iter()
        .zip(&table.columns)
        .map(|(name, column)| {
            let name = name.as_str().into();
            match column {
                Column::Int(values) => Series::new(name, values),
                Column::Float(values) => Series::new(name, values),
                Column::Str(values) => Series::new(name, values),
                Column::Bool(values) => Series::new(name, values),
            }
            .into_column()
        })
        .collect();
    let frame = DataFrame::new(table.rows, columns).map_err(|error| refuse(error.to_string()))?;
    encode(frame, origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> ColumnTable {
        ColumnTable {
            names: ["i", "f", "s", "b"].map(str::to_owned).to_vec(),
            columns: vec![
                Column::Int(vec![i64::MIN, 0, i64::MAX]),
                Column::Float(vec![1.5, f64::NEG_INFINITY, -0.0]),
                Column::Str(vec!["a".into(), String::new(), "é".into()]),
                Column::Bool(vec![true, false, true]),
            ],
            rows: 3,
        }
    }

    fn bytes_of(series: Vec<Series>) -> Vec<u8> {
        let columns = series.into_iter().map(IntoColumn::into_column).collect();
        encode(DataFrame::new_infer_height(columns).unwrap(), Path::new("t")).unwrap()
    }

    #[test]
    fn round_trip() {
        let bytes = write_parquet_columns(&table()).unwrap();
        assert_eq!(bytes, write_parquet_columns(&table()).unwrap());
        let back = read_parquet_columns(&bytes, Path::new("t.parquet")).unwrap();
        assert_eq!(back, table());
        assert_eq!(back.column("b"), Some(&Column::Bool(vec![true, false, true])));
        assert_eq!(back.column("z"), None);
    }

    #[test]
    fn nan_is_kept_and_empty_tables_pass() {
        let nan =
            ColumnTable { names: vec!["x".into()], columns: vec![Column::Float(vec![f64::NAN])], rows: 1 };
        let back = read_parquet_columns(&write_parquet_columns(&nan).unwrap(), Path::new("t")).unwrap();
        assert!(matches!(&back.columns[0], Column::Float(v) if v[0].is_nan()));
        let empty = ColumnTable { names: vec!["x".into()], columns: vec![Column::Int(vec![])], rows: 0 };
        let back = read_parquet_columns(&write_parquet_columns(&empty).unwrap(), Path::new("t")).unwrap();
        assert_eq!(back, empty);
        assert!(back.columns[0].is_empty());
    }

    #[test]
    fn every_integer_width_becomes_int() {
        let bytes = bytes_of(vec![
            Series::new("u8".into(), [200_u8, 1]),
            Series::new("i8".into(), [-100_i8, 1]),
            Series::new("u16".into(), [60_000_u16, 1]),
            Series::new("i16".into(), [-30_000_i16, 1]),
            Series::new("u32".into(), [u32::MAX, 1]),
            Series::new("i32".into(), [i32::MIN, 1]),
            Series::new("u64".into(), [5_u64, 1]),
            Series::new("f32".into(), [0.5_f32, 1.0]),
        ]);
        let table = read_parquet_columns(&bytes, Path::new("t")).unwrap();
        let first: Vec<i64> = table.columns[..7]
            .iter()
            .map(|column| match column {
                Column::Int(values) => values[0],
                other => panic!("{}", other.kind()),
            })
            .collect();
        assert_eq!(first, [200, -100, 60_000, -30_000, i64::from(u32::MAX), i64::from(i32::MIN), 5]);
        assert_eq!(table.columns[7], Column::Float(vec![0.5, 1.0]));
    }

    #[test]
    fn a_null_and_a_large_value_name_column_and_row() {
        let bytes = bytes_of(vec![Series::new("pixel".into(), [Some(1_i64), Some(2), None])]);
        let error = read_parquet_columns(&bytes, Path::new("data.parquet")).unwrap_err().to_string();
        assert_eq!(error, "data.parquet: column `pixel`, row 2: a null where a value is required");
        let bytes = bytes_of(vec![Series::new("big".into(), [1_u64, u64::MAX])]);
        let error = read_parquet_columns(&bytes, Path::new("data.parquet")).unwrap_err().to_string();
        assert!(error.contains("`big`, row 1"), "{error}");
    }

    #[test]
    fn damaged_files_are_errors() {
        let bytes = write_parquet_columns(&table()).unwrap();
        for end in 0..bytes.len() {
            let error = read_parquet_columns(&bytes[..end], Path::new("cut.parquet")).unwrap_err();
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
            assert!(error.to_string().starts_with("cut.parquet: "), "{error}");
        }
        // Whatever is flipped, the checksum shows it; in the checksum's own mark, the values are still good.
        for index in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[index] ^= 0x41;
            if let Ok(same) = read_parquet_columns(&flipped, Path::new("flipped.parquet")) {
                assert_eq!(same, table(), "byte {index}");
            }
        }
    }

    #[test]
    fn ragged_tables_are_refused() {
        let mut ragged = table();
        ragged.columns[0] = Column::Int(vec![1]);
        assert!(matches!(write_parquet_columns(&ragged), Err(StoreError::Encode { .. })));
        let mut nameless = table();
        nameless.names.pop();
        assert!(matches!(write_parquet_columns(&nameless), Err(StoreError::Encode { .. })));
    }

    #[test]
    fn the_digits_dataset_reads() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/digits/digits.parquet");
        let table = read_parquet_columns(&std::fs::read(&path).unwrap(), &path).unwrap();
        assert_eq!((table.rows, table.names.len()), (1797, 66));
        assert!(matches!(table.column("split"), Some(Column::Str(_))));
        assert!(matches!(table.column("p77"), Some(Column::Int(_))));
    }
}
