//! IDX, the format of MNIST: two zero bytes, element type, number of dimensions, sizes in 32 bits, then the
//! elements, all big-endian; gzip or not.
//!
//! Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::ops::Range;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::DataError;
use super::source::{ArrayInfo, Elements, Kind, Source};
use crate::tensors::{DEFLATE_RATIO, Dtype, MAX_VALUES, read_values};

/// A file of one array, named `images` or `labels` where the file's name says so, else by the file.
pub(super) struct Idx {
    path: PathBuf,
    info: ArrayInfo,
    dtype: Dtype,
}

/// The file, and beside a file of images that of its labels: `images-idx3` becomes `labels-idx1`, with .gz or
/// without.
pub(super) fn open(path: &Path) -> Result<Vec<Box<dyn Source>>, DataError> {
    let images = Idx::open(path)?;
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    if let Some(labels) = labels_of(path).filter(|_| images.info.name == "images") {
        sources.push(Box::new(Idx::open(&labels)?));
    }
    sources.insert(0, Box::new(images));
    Ok(sources)
}

/// The file of labels that belongs to a file of images, where it exists.
fn labels_of(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let name = name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1");
    let bare = name.strip_suffix(".gz").unwrap_or(&name);
    let candidates = [name.clone(), bare.to_owned(), format!("{bare}.gz")];
    candidates.iter().map(|name| images.with_file_name(name)).find(|path| path != images && path.is_file())
}

/// The decoded bytes, and the most of them that the file can hold.
fn decoded(path: &Path) -> Result<(Box<dyn Read>, u64, bool), DataError> {
    let io = DataError::io;
    if !path.metadata().map_err(io(path))?.is_file() {
        return Err(DataError::Format { path: path.to_owned() });
    }
    let mut file = File::open(path).map_err(io(path))?;
    let len = file.metadata().map_err(io(path))?.len();
    let mut magic = [0; 2];
    let gzip = len >= 2 && file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
    file.rewind().map_err(io(path))?;
    let file = BufReader::new(file);
    if gzip {
        return Ok((Box::new(GzDecoder::new(file)), len.saturating_mul(DEFLATE_RATIO), true));
    }
    Ok((Box::new(file), len, false))
}

/// Element type and sizes.
fn header(path: &Path, source: &mut dyn Read) -> Result<(Dtype, Vec<usize>), DataError> {
    let unknown = || DataError::Format { path: path.to_owned() };
    let mut start = [0; 4];
    source.read_exact(&mut start).map_err(|_| unknown())?;
    let [0, 0, element, dimensions @ 1..=4] = start else { return Err(unknown()) };
    let dtype = match element {
        0x08 => Dtype::U8,
        0x09 => Dtype::I8,
        0x0b => Dtype::I16,
        0x0c => Dtype::I32,
        0x0d => Dtype::F32,
        0x0e => Dtype::F64,
        _ => return Err(unknown()),
    };
    let mut shape = Vec::with_capacity(usize::from(dimensions));
    for _ in 0..dimensions {
        let mut size = [0; 4];
        source.read_exact(&mut size).map_err(DataError::decoding(path))?;
        shape.push(u32::from_be_bytes(size) as usize);
    }
    Ok((dtype, shape))
}

impl Idx {
    fn open(path: &Path) -> Result<Self, DataError> {
        let (mut source, most, gzip) = decoded(path)?;
        let (dtype, shape) = header(path, &mut source)?;
        let refuse = |reason| Err(DataError::malformed(path, reason));
        let count = shape.iter().try_fold(1_usize, |n, size| n.checked_mul(*size));
        let Some(count) = count.filter(|n| *n <= MAX_VALUES) else {
            return refuse(format!("shape {shape:?} has more than the {MAX_VALUES} values that are read"));
        };
        let bytes = 4 + 4 * shape.len() as u64 + (count * dtype.bytes().unwrap_or(1)) as u64;
        if bytes > most || (!gzip && bytes != most) {
            let reason =
                format!("its header claims shape {shape:?}, {bytes} bytes in all, in a file of {most}");
            return refuse(if gzip { format!("{reason} at most") } else { reason });
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let name = match () {
            () if file.contains("images") => "images".to_owned(),
            () if file.contains("labels") => "labels".to_owned(),
            () => file.split('.').next().unwrap_or_default().to_owned(),
        };
        let kind = if matches!(dtype, Dtype::F32 | Dtype::F64) { Kind::Real } else { Kind::Whole };
        let info = ArrayInfo { name, shape, kind, column: false };
        Ok(Self { path: path.to_owned(), info, dtype })
    }
}

impl Source for Idx {
    fn path(&self) -> &Path {
        &self.path
    }

    fn list(&self) -> Vec<ArrayInfo> {
        vec![self.info.clone()]
    }

    fn read(&mut self, _: &str, rows: &Range<usize>) -> Result<Elements, DataError> {
        let (mut source, ..) = decoded(&self.path)?;
        header(&self.path, &mut source)?;
        let count = self.info.shape.iter().product();
        let read = read_values(&mut source, &self.dtype, true, count);
        let mut values = read.map_err(DataError::decoding(&self.path))?.values;
        // The checksum of gzip is compared when the end is reached.
        if source.read(&mut [0]).map_err(DataError::decoding(&self.path))? != 0 {
            return Err(DataError::malformed(&self.path, "data follows the elements that its header claims"));
        }
        let width: usize = self.info.shape[1..].iter().product();
        values.truncate(rows.end * width);
        values.drain(..rows.start * width);
        Ok(Elements::Numbers(values))
    }
}
