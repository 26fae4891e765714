//! Tensors in the user's files: .safetensors, .npy and .npz, read as f32.
//!
//! [`TensorFile::open`] reads headers only; [`TensorFile::read`] one tensor at a time; [`TensorFile::cases`]
//! groups tensors `NAME.0`, `NAME.1`, … into cases with ordered batches.
//!
//! A file is not trusted: every length that it claims is checked against its size before memory is taken for
//! it, and what breaks the format is an error that names the file, the tensor and the reason.
//!
//! # Example
//! ```
//! use calibench_tasks::tensors::{Tensor, TensorFile, write_safetensors};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("activations.safetensors");
//! let batch = |name: &str, v| Tensor::new(name, &[2, 2], vec![v; 4]);
//! write_safetensors(&path, &[batch("relu.0", 0.5)?, batch("relu.1", 1.5)?, batch("gelu", 2.5)?])?;
//!
//! let mut file = TensorFile::open(&path)?;
//! let cases = file.cases(None)?;
//! assert_eq!(cases.iter().map(|c| (&*c.name, c.batches.len())).collect::<Vec<_>>(), [("gelu", 1), ("relu", 2)]);
//! let second = file.read(&cases[1].batches[1].name)?;
//! assert_eq!((second.shape, second.values), (vec![2, 2], vec![1.5; 4]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cases;
mod dtype;
mod error;
mod npy;
mod npz;
mod safetensors;
mod write;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use calibench_quant::nearest;

pub use cases::Case;
pub use dtype::Dtype;
pub use error::TensorError;
pub use write::{write_npy, write_safetensors};

pub(crate) use dtype::read_values;
pub(crate) use npz::DEFLATE_RATIO;

use dtype::Values;
use error::Fault;

/// Most values of one tensor: 1 GiB as f32.
pub const MAX_VALUES: usize = 1 << 28;

/// Most dimensions of a tensor, as in numpy.
const MAX_RANK: usize = 64;

/// Longest name of a tensor, in bytes.
const LONGEST_NAME: usize = 4096;

/// What a file says of one of its tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorInfo {
    /// The name: 1 to 4096 bytes without control characters.
    pub name: String,
    /// The elements' type in the file.
    pub dtype: Dtype,
    /// The dimensions, outermost first, 64 at most; none for a single value.
    pub shape: Vec<usize>,
}

impl TensorInfo {
    fn new(name: String, dtype: Dtype, shape: Vec<usize>) -> Result<Self, Fault> {
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_control) {
            let reason = format!(
                "a tensor's name of {} bytes; it must have 1 to {LONGEST_NAME}, and no control characters",
                name.len()
            );
            return Err(Fault::malformed(reason));
        }
        if shape.len() > MAX_RANK {
            let reason = format!("{} dimensions; at most {MAX_RANK} are read", shape.len());
            return Err(Fault::malformed(reason));
        }
        if elements(&shape).is_none() {
            return Err(Fault::malformed(format!("shape {shape:?} has more elements than can be counted")));
        }
        Ok(Self { name, dtype, shape })
    }

    /// Number of elements: the product of the shape, 1 for a single value.
    #[must_use]
    pub fn elements(&self) -> usize {
        elements(&self.shape).unwrap_or(usize::MAX)
    }
}

/// The product of a shape; `None` when it overflows.
fn elements(shape: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1, |product: usize, size| product.checked_mul(*size))
}

/// A tensor as f32.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// The name in the file; of a .npy file the file name without `.npy`.
    pub name: String,
    /// The dimensions, outermost first.
    pub shape: Vec<usize>,
    /// As many as the shape's product, the last dimension varying fastest. NaN and infinities are kept.
    pub values: Vec<f32>,
    /// How many finite f64 were beyond f32's range and became infinite.
    pub overflowed: usize,
}

impl Tensor {
    /// A tensor of given values.
    ///
    /// # Errors
    /// [`TensorError::Values`] when they do not fill the shape.
    pub fn new(name: &str, shape: &[usize], values: Vec<f32>) -> Result<Self, TensorError> {
        let tensor = Self { name: name.to_owned(), shape: shape.to_vec(), values, overflowed: 0 };
        tensor.check_values()?;
        Ok(tensor)
    }

    fn check_values(&self) -> Result<(), TensorError> {
        let got = self.values.len();
        if elements(&self.shape) == Some(got) {
            return Ok(());
        }
        Err(TensorError::Values { tensor: self.name.clone(), shape: self.shape.clone(), got })
    }
}

/// An open tensor file. Its headers are in memory, its elements are not.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    source: Source,
    entries: BTreeMap<String, Entry>,
}

/// Where elements are read from.
#[derive(Debug)]
enum Source {
    /// One array.
    Npy(File),
    Safetensors(File),
    Npz(Box<npz::Archive>),
}

/// A tensor, and where and how its elements lie.
#[derive(Debug)]
struct Entry {
    info: TensorInfo,
    big_endian: bool,
    /// The first dimension varies fastest.
    fortran: bool,
    /// The member of the archive; 0 where there is none.
    member: usize,
    /// Byte offset of the elements, in the member or file.
    data_at: u64,
}

impl TensorFile {
    /// Opens a .safetensors, .npy or .npz file and reads its headers.
    ///
    /// # Errors
    /// [`TensorError::Io`]; [`TensorError::NotAFile`]; [`TensorError::Extension`]; [`TensorError::Malformed`]
    /// for contents that break the format. An element type that is not read is an error of
    /// [`read`](Self::read) only.
    ///
    /// # Limits
    /// Headers: 16 MiB in safetensors, 64 KiB per array in npy and npz. Members of a .npz are .npy files,
    /// stored or deflated, not encrypted. A .npy file holds one array and nothing else.
    pub fn open(path: &Path) -> Result<Self, TensorError> {
        let io = |source| TensorError::Io { path: path.to_owned(), source };
        // Before it is opened: opening a pipe would wait for its writer.
        if !fs::metadata(path).map_err(io)?.is_file() {
            return Err(TensorError::NotAFile { path: path.to_owned() });
        }
        let mut file = File::open(path).map_err(io)?;
        let len = file.metadata().map_err(io)?.len();
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let opened = match &*extension {
            "safetensors" => {
                safetensors::open(&mut file, len).map(|entries| (Source::Safetensors(file), entries))
            }
            "npy" => {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                npy_entry(&mut file, len, name).map(|entries| (Source::Npy(file), entries))
            }
            "npz" => npz::open(file, len).map(|(archive, entries)| (Source::Npz(Box::new(archive)), entries)),
            _ => return Err(TensorError::Extension { path: path.to_owned() }),
        };
        let (source, entries) = opened.map_err(|fault| fault.in_file(path))?;
        Ok(Self { path: path.to_owned(), source, entries })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every tensor, in the order of their names.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorInfo> {
        self.entries.values().map(|entry| &entry.info)
    }

    /// Reads one tensor, converted as [`Dtype`] says.
    ///
    /// Memory: its values as f32 (twice that for an array in Fortran order), allocated after the claimed shape
    /// was checked against the size of the file; for a deflated array against what deflate can expand it to.
    ///
    /// # Errors
    /// [`TensorError::Unknown`] with the nearest name; [`TensorError::Dtype`]; [`TensorError::Empty`];
    /// [`TensorError::TooLarge`] for more than [`MAX_VALUES`]; [`TensorError::Malformed`] for data that ends early or, in a .npz,
    /// does not match its checksum; [`TensorError::Io`].
    pub fn read(&mut self, name: &str) -> Result<Tensor, TensorError> {
        let Some(entry) = self.entries.get(name) else {
            return Err(unknown(&self.path, "tensor is named", name, self.entries.keys().map(|k| &**k)));
        };
        self.check_readable(&entry.info)?;
        let read = read(&mut self.source, entry);
        let Values { values, overflowed } = read.map_err(|f| f.in_tensor(name).in_file(&self.path))?;
        Ok(Tensor { name: name.to_owned(), shape: entry.info.shape.clone(), values, overflowed })
    }

    fn check_readable(&self, info: &TensorInfo) -> Result<(), TensorError> {
        let (path, tensor, shape) = (self.path.clone(), info.name.clone(), info.shape.clone());
        match info.elements() {
            _ if info.dtype.bytes().is_none() => {
                Err(TensorError::Dtype { path, tensor, dtype: info.dtype.clone() })
            }
            0 => Err(TensorError::Empty { path, tensor, shape }),
            count if count > MAX_VALUES => {
                Err(TensorError::TooLarge { path, tensor, shape, limit: MAX_VALUES })
            }
            _ => Ok(()),
        }
    }
}

fn npy_entry(file: &mut File, len: u64, name: String) -> Result<BTreeMap<String, Entry>, Fault> {
    let header = npy::read_header(file, len)?;
    let info = TensorInfo::new(name.clone(), header.dtype, header.shape)?;
    let (big_endian, fortran) = (header.big_endian, header.fortran);
    let entry = Entry { info, big_endian, fortran, member: 0, data_at: header.data_at };
    Ok(BTreeMap::from([(name, entry)]))
}

fn read(source: &mut Source, entry: &Entry) -> Result<Values, Fault> {
    let mut read = match source {
        Source::Npy(file) | Source::Safetensors(file) => {
            file.seek(SeekFrom::Start(entry.data_at))?;
            read_values(file, &entry.info.dtype, entry.big_endian, entry.info.elements())?
        }
        Source::Npz(archive) => npz::read(archive, entry)?,
    };
    if entry.fortran && entry.info.shape.len() > 1 {
        read.values = npy::row_major(&read.values, &entry.info.shape)?;
    }
    Ok(read)
}

/// The error for a name that is not there.
fn unknown<'n>(
    path: &Path,
    what: &'static str,
    name: &str,
    known: impl Iterator<Item = &'n str> + Clone,
) -> TensorError {
    const SHOWN: usize = 20;
    let mut list = known.clone().take(SHOWN).collect::<Vec<_>>().join(", ");
    let more = known.clone().skip(SHOWN).count();
    if more > 0 {
        list.push_str(&format!(" and {more} more"));
    }
    let suggestion = nearest(name, known).map(str::to_owned);
    TensorError::Unknown { path: path.to_owned(), what, name: name.to_owned(), suggestion, known: list }
}
