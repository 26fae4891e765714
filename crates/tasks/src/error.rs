//! Errors of datasets.

use std::path::PathBuf;

use calibench_quant::QuantError;
use calibench_store::StoreError;
use thiserror::Error;

/// What can be wrong with a dataset or with outputs computed on it.
#[derive(Debug, Error)]
pub enum DatasetError {
    /// No embedded dataset has this name.
    #[error(transparent)]
    Unknown(#[from] QuantError),
    /// A file that cannot be read.
    #[error("cannot read {}: {source}; a dataset is a folder with dataset.toml and its Parquet file", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A `dataset.toml` that does not parse.
    #[error("{}: {source}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A `dataset.toml` with an entry that makes no sense.
    #[error("{}: `{key}`: {reason}", path.display())]
    Entry {
        /// The manifest.
        path: PathBuf,
        /// The entry.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The data is not the data that the manifest describes.
    #[error(
        "{}: SHA-256 is {got}, dataset.toml expects {expected}; restore the file, or if the change is meant, \
         give the dataset a new `version` and write the new hash to dataset.toml",
        path.display()
    )]
    Hash {
        /// The Parquet file.
        path: PathBuf,
        /// The manifest's hash.
        expected: String,
        /// The file's hash.
        got: String,
    },
    /// Not a readable Parquet file: truncated, for example.
    #[error("{source}; restore the dataset's file or prepare it again")]
    Table {
        /// The Parquet file.
        path: PathBuf,
        /// Why not.
        source: Box<StoreError>,
    },
    /// A column that is missing or of the wrong type, or the wrong number of them.
    #[error("{}: {reason}", path.display())]
    Columns {
        /// The Parquet file.
        path: PathBuf,
        /// Expected and found.
        reason: String,
    },
    /// A value that no sample may have. Rows count from 0.
    #[error("{}: row {row}, column `{column}`: {reason}", path.display())]
    Value {
        /// The Parquet file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
        /// The column.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A split of another size than the manifest says.
    #[error("{}: split `{split}` has {got} rows, dataset.toml expects {expected}", path.display())]
    SplitCount {
        /// The Parquet file.
        path: PathBuf,
        /// The split.
        split: &'static str,
        /// The manifest's count.
        expected: usize,
        /// The file's count.
        got: usize,
    },
    /// Inputs and targets of different numbers of samples.
    #[error("{reason}")]
    Counts {
        /// Which, and how many each has.
        reason: String,
    },
    /// A metric for which the targets or the outputs are not the right ones.
    #[error(
        "metric `{metric}` needs {needs}; the data have {targets}, the model gives {outputs} output(s) a sample"
    )]
    Metric {
        /// The metric.
        metric: &'static str,
        /// Targets and outputs that it needs.
        needs: &'static str,
        /// Targets that there are.
        targets: String,
        /// Outputs of one sample.
        outputs: usize,
    },
    /// Outputs that do not fit the samples.
    #[error("{samples} samples of {width} outputs need {expected} outputs, got {got}")]
    Outputs {
        /// Number of samples.
        samples: usize,
        /// Outputs of one sample.
        width: usize,
        /// samples × width.
        expected: usize,
        /// Outputs given.
        got: usize,
    },
}
