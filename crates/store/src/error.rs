//! What can go wrong while storing or loading results.

use std::path::PathBuf;

use thiserror::Error;

/// An error of this crate. Every message names the path, and says what to do where that is known.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file or folder could not be read or written.
    #[error("{path}: could not {action}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a verb phrase.
        action: &'static str,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The folder for a new run cannot hold one.
    #[error(
        "{path}: this folder is not writable: {source}; choose another output folder or give yourself write permission",
        path = path.display()
    )]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The folder for a new run already holds one.
    #[error(
        "{path}: this folder already holds a run (manifest.json is there); resume it, or choose another folder",
        path = path.display()
    )]
    AlreadyARun {
        /// The folder.
        path: PathBuf,
    },
    /// The folder for a new run holds something else.
    #[error(
        "{path}: this folder is not empty (`{found}` is there); choose a new or an empty folder",
        path = path.display()
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// Something in it.
        found: String,
    },
    /// The folder is not a run folder.
    #[error(
        "{path}: this is not a run folder (no manifest.json in it); name the folder that a sweep wrote",
        path = path.display()
    )]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds no baseline entry.
    #[error(
        "{path}: no baseline is there; save one with `calibench baseline save RUN`, or name another folder with --baseline",
        path = path.display()
    )]
    NoBaseline {
        /// The folder.
        path: PathBuf,
    },
    /// A name that means no entry of a baseline, or several.
    #[error("{path}: `{name}` means none or several of the entries: {known}", path = path.display())]
    NoEntry {
        /// The folder.
        path: PathBuf,
        /// What was asked for.
        name: String,
        /// The entries.
        known: String,
    },
    /// A Parquet file cannot be decoded.
    #[error(
        "{path}: this is not a readable Parquet file ({detail}); it is probably truncated or damaged",
        path = path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        detail: String,
    },
    /// A table could not be encoded as Parquet.
    #[error("{path}: could not encode the table as Parquet: {detail}", path = path.display())]
    Encode {
        /// The file that was to be written.
        path: PathBuf,
        /// What the encoder said.
        detail: String,
    },
    /// A column is missing, or has another type.
    #[error("{path}: column `{column}`: expected {expected}, got {got}", path = path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The type that was expected.
        expected: String,
        /// What is there.
        got: String,
    },
    /// A value that must be there is null.
    #[error("{path}: column `{column}`, row {row}: a null where a value is required", path = path.display())]
    Null {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The row, counted from 0.
        row: usize,
    },
    /// An unsigned integer that does not fit 64 signed bits.
    #[error("{path}: column `{column}`, row {row}: {value} is beyond the largest supported integer, 2^63 − 1", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The row, counted from 0.
        row: usize,
        /// The value.
        value: u64,
    },
    /// A required number is NaN or infinite, which the tables do not hold.
    #[error(
        "cell {cell}: {table}.{column} is not a finite number; a measurement that failed belongs in a failed row"
    )]
    NotFinite {
        /// The cell.
        cell: String,
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// A file was written under another schema version.
    #[error(
        "{path}: schema version {got}, but this calibench reads versions 1 to {expected}; read it with the version that wrote it, or repeat the sweep",
        path = path.display()
    )]
    SchemaVersion {
        /// The file.
        path: PathBuf,
        /// The newest version that this build reads.
        expected: u32,
        /// The version in the file.
        got: u32,
    },
    /// A cell's file holds another cell.
    #[error("{path}: holds cell {got}, expected {expected}; delete the file and resume the run", path = path.display())]
    WrongCell {
        /// The file.
        path: PathBuf,
        /// The cell that belongs there.
        expected: String,
        /// The cell that is there.
        got: String,
    },
    /// A JSON file cannot be decoded or encoded.
    #[error("{path}: not the expected JSON: {source}", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The decoder's answer.
        source: serde_json::Error,
    },
}

impl StoreError {
    /// Wraps an operating system error with its path and what was tried.
    pub(crate) fn io(path: impl Into<PathBuf>, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, action, source }
    }
}
