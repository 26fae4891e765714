//! Result rows to and from Parquet, and run folders. The only user of polars.

pub mod error;
mod parquet;
pub mod table;

pub use error::StoreError;
pub use table::{Column, ColumnTable, read_parquet_columns, write_parquet_columns};
