//! Result rows to and from Parquet, and run folders. The only user of polars.
//!
//! A sweep writes one JSON file per finished cell, so that it can be resumed, and assembles five Parquet
//! tables from them at the end. `reports/schema.md` documents every column. Runs of older
//! schema versions are read as of today's.

pub mod atomic;
pub mod baseline;
pub mod cell;
pub mod error;
pub mod frames;
pub mod machine;
pub mod manifest;
mod older;
mod parquet;
pub mod record;
pub mod row;
pub mod run;
mod seal;
pub mod table;
pub mod time;

pub use atomic::write_atomic;
pub use baseline::Baseline;
pub use cell::{CellRecord, cell_file_name};
pub use error::StoreError;
pub use frames::{SCHEMA_VERSION, decode_table, encode_table, read_table, write_table};
pub use machine::Machine;
pub use manifest::{DatasetInfo, Exclusion, Manifest, ModelInfo};
pub use record::{ColumnSpec, Kind, Record};
pub use row::{LatencyRow, OutcomeRow, RoundRow, Row, SiteRow};
pub use run::{RunFolder, Tables, run_name};
pub use table::{Column, ColumnTable, read_parquet_columns, write_parquet_columns};
pub use time::rfc3339;
