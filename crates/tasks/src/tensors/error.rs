//! Errors of tensor files.

use std::io;
use std::path::{Path, PathBuf};

use calibench_store::StoreError;
use thiserror::Error;

use super::Dtype;

/// What can be wrong with a tensor file, or with what is asked of it.
#[derive(Debug, Error)]
pub enum TensorError {
    /// A file that the system does not let us read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("{} is not a regular file; give one .safetensors, .npy or .npz file", path.display())]
    NotAFile {
        /// What was given.
        path: PathBuf,
    },
    /// A file name that names no format.
    #[error(
        "{}: a tensor file ends in .safetensors, .npy or .npz; save the tensors in one of these \
         (safetensors.torch.save_file, numpy.save, numpy.savez)",
        path.display()
    )]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// Contents that break the format: truncated, or with lengths that do not agree.
    #[error("{}: {}{reason}; write the file again", path.display(), of_tensor(tensor))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The tensor concerned, when it is one tensor.
        tensor: Option<String>,
        /// What is wrong.
        reason: String,
    },
    /// Elements that have no value as f32.
    #[error(
        "{}: tensor `{tensor}` has elements of type `{dtype}`, which cannot be read as f32; \
         convert it to float32, or leave it out", path.display()
    )]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its element type.
        dtype: Dtype,
    },
    /// A tensor without elements.
    #[error("{}: tensor `{tensor}` of shape {shape:?} holds no value; leave it out", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A tensor with more elements than are read into memory at once.
    #[error(
        "{}: tensor `{tensor}` of shape {shape:?} has more than the {limit} values that are read at once; \
         split it into batches `{tensor}.0`, `{tensor}.1`, …", path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Most elements that a tensor may have.
        limit: usize,
    },
    /// A file that holds no tensor.
    #[error("{}: the file holds no tensor; save at least one into it", path.display())]
    NoTensor {
        /// The file.
        path: PathBuf,
    },
    /// A name, or the start of one, that is not in the file.
    #[error(
        "{}: no {what} `{name}`{}; known: {known}", path.display(),
        suggestion.as_ref().map(|s| format!(", did you mean `{s}`?")).unwrap_or_default()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// The name given.
        name: String,
        /// The nearest known name, when one is near.
        suggestion: Option<String>,
        /// The known names; the first of them when there are many.
        known: String,
    },
    /// A gap in the numbers of a case's batches.
    #[error(
        "{}: case `{case}` has no tensor `{case}.{missing}`, but has `{next}`; \
         number the batches of a case from 0, without gaps", path.display()
    )]
    MissingBatch {
        /// The file.
        path: PathBuf,
        /// The case.
        case: String,
        /// The lowest number that is missing.
        missing: u64,
        /// The tensor that comes where the missing one should be.
        next: String,
    },
    /// Two tensors that would be the same batch of the same case.
    #[error("{}: tensors `{first}` and `{second}` are both {what}; rename one of them", path.display())]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// One of them.
        first: String,
        /// The other.
        second: String,
        /// What they both are.
        what: String,
    },
    /// Batches of one case with different shapes.
    #[error(
        "{}: tensor `{other}` has shape {other_shape:?}, `{first}` has {first_shape:?}; the batches of a case \
         may differ in their first dimension only", path.display()
    )]
    BatchShape {
        /// The file.
        path: PathBuf,
        /// The case's first batch.
        first: String,
        /// Its shape.
        first_shape: Vec<usize>,
        /// A later batch.
        other: String,
        /// Its shape.
        other_shape: Vec<usize>,
    },
    /// A tensor to be written whose values do not fill its shape.
    #[error("tensor `{tensor}` of shape {shape:?} needs {}, got {got} values", needed(shape))]
    Values {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Number of values given.
        got: usize,
    },
    /// A tensor that cannot be written as it is called.
    #[error("{}: cannot write tensor `{tensor}`: {reason}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Why not.
        reason: String,
    },
    /// A file that cannot be written.
    #[error(transparent)]
    Write(#[from] StoreError),
}

fn of_tensor(tensor: &Option<String>) -> String {
    tensor.as_ref().map(|name| format!("tensor `{name}`: ")).unwrap_or_default()
}

fn needed(shape: &[usize]) -> String {
    super::elements(shape).map_or("more values than can be counted".to_owned(), |n| format!("{n} values"))
}

/// What is wrong with contents, told by code that does not know in which file.
#[derive(Debug)]
pub(super) enum Fault {
    /// The system's error.
    Io(io::Error),
    /// The contents break the format.
    Malformed {
        /// The tensor concerned.
        tensor: Option<String>,
        /// What is wrong.
        reason: String,
    },
}

impl Fault {
    pub(super) fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed { tensor: None, reason: reason.into() }
    }

    pub(super) fn in_tensor(self, name: &str) -> Self {
        match self {
            Self::Malformed { reason, .. } => Self::Malformed { tensor: Some(name.to_owned()), reason },
            Self::Io(source) => Self::Io(source),
        }
    }

    pub(super) fn in_file(self, path: &Path) -> TensorError {
        let path = path.to_owned();
        match self {
            Self::Io(source) => TensorError::Io { path, source },
            Self::Malformed { tensor, reason } => TensorError::Malformed { path, tensor, reason },
        }
    }
}

impl From<io::Error> for Fault {
    /// An error that the system did not raise comes from a decoder or from the end of the data: the
    /// contents are at fault.
    fn from(source: io::Error) -> Self {
        match source.kind() {
            _ if source.raw_os_error().is_some() => Self::Io(source),
            io::ErrorKind::OutOfMemory => Self::Io(source),
            io::ErrorKind::UnexpectedEof => Self::malformed("the data ends before its time"),
            _ => Self::malformed(printable(&source.to_string())),
        }
    }
}

/// Text from a file, safe for a terminal and short enough for a message.
pub(super) fn printable(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut shown: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
