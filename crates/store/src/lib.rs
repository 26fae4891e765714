//! Result rows to and from Parquet, and run folders. The only user of polars.
