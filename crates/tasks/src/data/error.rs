//! Errors of the user's data.

use std::io;
use std::path::{Path, PathBuf};

use calibench_store::StoreError;
use thiserror::Error;

use crate::DatasetError;
use crate::tensors::TensorError;

/// What can be wrong with the user's data, or with their description. Rows count from 0.
#[derive(Debug, Error)]
pub enum DataError {
    /// A file that the system does not let us read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A description that does not parse.
    #[error("{}: {source}", path.display())]
    Spec {
        /// The TOML file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A value of the description that makes no sense.
    #[error("data: `{key}`: {reason}")]
    Entry {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A file whose name and contents are those of no format.
    #[error(
        "{}: not a data format that is read; give .npz, .npy, .safetensors, .parquet, .csv, .tsv, an IDX file \
         (gzip too), or a folder with one folder of PNG or JPEG images per class", path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// Contents that break the format: truncated, or with lengths that do not agree.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Data in which a role cannot be found.
    #[error("cannot tell what the {role} is: {reason}. The data hold {contents}. {advice}")]
    Role {
        /// Input or target.
        role: String,
        /// Why not.
        reason: String,
        /// Arrays and columns with their shapes.
        contents: String,
        /// What to do.
        advice: String,
    },
    /// Samples that the model does not take.
    #[error(
        "{}: `{array}` has samples of shape {got:?}, but the model's input `{input}` takes {expected}{advice}",
        path.display()
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// The array.
        array: String,
        /// Shape of its samples.
        got: Vec<usize>,
        /// The model's input.
        input: String,
        /// The shape that it takes, `?` for any size.
        expected: String,
        /// What to do; may be empty.
        advice: String,
    },
    /// Arrays of different numbers of samples.
    #[error("{first} has {first_count} samples, {other} has {other_count}; one row is one sample in all")]
    Counts {
        /// An array and its file.
        first: String,
        /// Its samples.
        first_count: usize,
        /// Another array and its file.
        other: String,
        /// Its samples.
        other_count: usize,
    },
    /// A value that no sample may have.
    #[error("{}: `{array}`, row {row}{column}: {reason}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The array or column.
        array: String,
        /// The sample, from 0, before any are skipped.
        row: usize,
        /// Where in the sample, as `, column [1, 2]`; empty where it has one value.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor file.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A Parquet file.
    #[error(transparent)]
    Table(#[from] StoreError),
    /// Samples or a metric.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

impl DataError {
    /// The error of a call on `path`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// As [`io`](Self::io), where an error that the system did not raise comes from a decoder.
    pub(super) fn decoding(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            _ if source.raw_os_error().is_some() => Self::Io { path, source },
            io::ErrorKind::OutOfMemory => Self::Io { path, source },
            io::ErrorKind::UnexpectedEof => {
                Self::Malformed { path, reason: "the data ends before its time".to_owned() }
            }
            _ => Self::Malformed { path, reason: source.to_string() },
        }
    }

    pub(crate) fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.into() }
    }
}
