//! All that one cell produced, as one JSON file that a resumed sweep reads back.

use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::record::Record;
use crate::row::{LatencyRow, OutcomeRow, RoundRow, Row, SiteRow};

/// One cell's rows in all five tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CellRecord {
    /// The cell itself.
    pub row: Row,
    /// One row per batch size; empty where the cell failed or latency was not measured.
    pub latency: Vec<LatencyRow>,
    /// One row per batch size, process and round.
    #[serde(default)]
    pub rounds: Vec<RoundRow>,
    /// One row per test sample.
    pub outcomes: Vec<OutcomeRow>,
    /// One row per quantized site.
    pub sites: Vec<SiteRow>,
}

impl CellRecord {
    /// Checks that every required number is finite, which JSON needs: it has no NaN.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFinite`] with the first table and column at fault.
    pub fn check_finite(&self) -> Result<(), StoreError> {
        fn first<R: Record>(rows: &[R]) -> Option<(&'static str, &'static str)> {
            rows.iter().find_map(Record::not_finite).map(|column| (R::TABLE, column))
        }
        let fault = first(std::slice::from_ref(&self.row))
            .or_else(|| first(&self.latency))
            .or_else(|| first(&self.rounds))
            .or_else(|| first(&self.outcomes))
            .or_else(|| first(&self.sites));
        match fault {
            None => Ok(()),
            Some((table, column)) => {
                Err(StoreError::NotFinite { cell: self.row.cell.clone(), table, column })
            }
        }
    }
}

/// The file name of a cell: its id with `/` as `__`, and `.json`.
pub fn cell_file_name(id: &str) -> String {
    format!("{}.json", id.replace('/', "__"))
}
