//! Tables: Parquet, and what CSV is read into.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use calibench_store::{Column, ColumnTable, read_parquet_columns};

use super::source::{ArrayInfo, Elements, Kind, Source};
use super::{DataError, EXACT};

/// A table in memory: each column is an array.
pub(super) struct Table {
    path: PathBuf,
    table: ColumnTable,
}

impl Table {
    pub(super) fn new(path: &Path, table: ColumnTable) -> Self {
        Self { path: path.to_owned(), table }
    }

    pub(super) fn open_parquet(path: &Path) -> Result<Self, DataError> {
        let bytes = fs::read(path).map_err(DataError::io(path))?;
        Ok(Self::new(path, read_parquet_columns(&bytes, path)?))
    }
}

impl Source for Table {
    fn path(&self) -> &Path {
        &self.path
    }

    fn list(&self) -> Vec<ArrayInfo> {
        let info = |(name, column): (&String, &Column)| ArrayInfo {
            name: name.clone(),
            shape: vec![self.table.rows],
            kind: match column {
                Column::Int(_) | Column::Bool(_) => Kind::Whole,
                Column::Float(_) => Kind::Real,
                Column::Str(_) => Kind::Text,
            },
            column: true,
        };
        self.table.names.iter().zip(&self.table.columns).map(info).collect()
    }

    fn read(&mut self, name: &str, rows: &Range<usize>) -> Result<Elements, DataError> {
        let column = self.table.column(name).expect("a column that was listed");
        let rows = rows.clone();
        let exact = |(row, value): (usize, &i64)| {
            if value.unsigned_abs() < u64::from(EXACT) {
                return Ok(*value as f32);
            }
            let (path, array) = (self.path.clone(), name.to_owned());
            let reason = super::inexact(*value);
            Err(DataError::Value { path, array, row, column: String::new(), reason })
        };
        Ok(match column {
            Column::Int(values) => {
                let values = values.iter().enumerate().skip(rows.start).take(rows.len());
                Elements::Numbers(values.map(exact).collect::<Result<_, _>>()?)
            }
            Column::Float(values) => Elements::Numbers(values[rows].iter().map(|v| *v as f32).collect()),
            Column::Bool(values) => {
                Elements::Numbers(values[rows].iter().map(|v| f32::from(u8::from(*v))).collect())
            }
            Column::Str(values) => Elements::Text(values[rows].to_vec()),
        })
    }
}
