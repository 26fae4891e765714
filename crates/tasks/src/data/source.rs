//! Files as named arrays whose first axis is the sample.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{DataError, DataSpec, InputSignature, csv, idx, images, table, tensor};

/// What the elements of an array are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Whole,
    Real,
    Text,
    /// A type that is not read, as the file calls it.
    Other(String),
}

/// What a file says of one of its arrays.
#[derive(Debug, Clone)]
pub(super) struct ArrayInfo {
    pub(super) name: String,
    /// Samples first; a lone value has none.
    pub(super) shape: Vec<usize>,
    pub(super) kind: Kind,
    /// Whether it is a column of a table, to be taken together with others.
    pub(super) column: bool,
}

/// Elements in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Elements {
    Numbers(Vec<f32>),
    Text(Vec<String>),
}

/// Some samples of an array.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Shape of one sample.
    pub(super) shape: Vec<usize>,
    /// Index of the first sample in the file, for messages.
    pub(super) first: usize,
    pub(super) elements: Elements,
    pub(super) kind: Kind,
}

/// A file or folder, with its headers read and its elements not.
pub(super) trait Source {
    fn path(&self) -> &Path;

    fn list(&self) -> Vec<ArrayInfo>;

    /// The samples `rows`, which exist, of an array that it lists.
    fn read(&mut self, name: &str, rows: &Range<usize>) -> Result<Elements, DataError>;
}

/// Opens what `path` is, by its extension or, for IDX, by its contents.
fn open(
    path: &Path,
    spec: &DataSpec,
    signature: &[InputSignature],
) -> Result<Vec<Box<dyn Source>>, DataError> {
    if path.is_dir() {
        return Ok(vec![Box::new(images::Folder::open(path, spec, signature)?)]);
    }
    if spec.resize.is_some() {
        let reason = format!("it is for a folder of images, and {} is none", path.display());
        return Err(DataError::Entry { key: "resize", reason });
    }
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    Ok(match &*extension {
        "npz" | "npy" | "safetensors" => vec![Box::new(tensor::Tensors::open(path)?)],
        "parquet" | "pq" => vec![Box::new(table::Table::open_parquet(path)?)],
        "csv" | "tsv" => vec![Box::new(table::Table::new(path, csv::read(path, spec)?))],
        _ => idx::open(path)?,
    })
}

/// Every source of a description, and what each of its arrays is called.
pub(super) struct Pool {
    sources: Vec<Box<dyn Source>>,
    /// Every array, with the index of its source.
    arrays: Vec<(ArrayInfo, usize)>,
}

impl Pool {
    pub(super) fn open(spec: &DataSpec, signature: &[InputSignature]) -> Result<Self, DataError> {
        let mut pool = Self { sources: Vec::new(), arrays: Vec::new() };
        for path in &spec.path.0 {
            for source in open(path, spec, signature)? {
                let place = pool.sources.len();
                for info in source.list() {
                    if let Some(other) = pool.find(&info.name) {
                        let other = pool.sources[pool.arrays[other].1].path().display();
                        let reason = format!("`{}` is also in {other}; rename one of them", info.name);
                        return Err(DataError::malformed(path, reason));
                    }
                    pool.arrays.push((info, place));
                }
                pool.sources.push(source);
            }
        }
        Ok(pool)
    }

    pub(super) fn infos(&self) -> impl ExactSizeIterator<Item = &ArrayInfo> {
        self.arrays.iter().map(|(info, _)| info)
    }

    pub(super) fn info(&self, index: usize) -> &ArrayInfo {
        &self.arrays[index].0
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.arrays.iter().position(|(info, _)| info.name == name)
    }

    pub(super) fn path_of(&self, index: usize) -> &Path {
        self.sources[self.arrays[index].1].path()
    }

    /// The samples `rows` of arrays that lie side by side: of one array as it is, of several one value each.
    pub(super) fn read(&mut self, indices: &[usize], rows: &Range<usize>) -> Result<Array, DataError> {
        let infos = |pool: &Self| indices.iter().map(|i| pool.info(*i).clone()).collect::<Vec<_>>();
        let infos = infos(self);
        let path = self.path_of(indices[0]).to_owned();
        let mut parts = Vec::with_capacity(indices.len());
        for (index, info) in indices.iter().zip(&infos) {
            let source = self.arrays[*index].1;
            parts.push(self.sources[source].read(&info.name, rows)?);
        }
        if let ([part], [info]) = (&mut parts[..], &infos[..]) {
            let elements = std::mem::replace(part, Elements::Text(Vec::new()));
            let shape = info.shape[1..].to_vec();
            let (name, kind) = (info.name.clone(), info.kind.clone());
            return Ok(Array { name, path, shape, first: rows.start, elements, kind });
        }
        let mut columns = Vec::with_capacity(parts.len());
        for (part, info) in parts.iter().zip(&infos) {
            match part {
                Elements::Numbers(values) if values.len() == rows.len() => columns.push(values),
                Elements::Numbers(_) => {
                    let reason =
                        format!("`{}` of shape {:?} has more than one value a sample", info.name, info.shape);
                    return Err(DataError::malformed(&path, reason));
                }
                Elements::Text(values) => return Err(not_a_number(&path, info, values, rows.start)),
            }
        }
        let mut values = Vec::with_capacity(rows.len() * columns.len());
        for row in 0..rows.len() {
            values.extend(columns.iter().map(|column| column[row]));
        }
        let kind = if infos.iter().all(|i| i.kind == Kind::Whole) { Kind::Whole } else { Kind::Real };
        let name = infos.iter().map(|i| &*i.name).collect::<Vec<_>>().join(", ");
        let elements = Elements::Numbers(values);
        Ok(Array { name, path, shape: vec![columns.len()], first: rows.start, elements, kind })
    }
}

/// The error for text where numbers are needed; it names the first row that is no number.
pub(super) fn not_a_number(path: &Path, info: &ArrayInfo, values: &[String], first: usize) -> DataError {
    let place = values.iter().position(|v| v.trim().parse::<f64>().is_err()).unwrap_or(0);
    let text: String = values.get(place).map(|v| v.chars().take(40).collect()).unwrap_or_default();
    DataError::Value {
        path: path.to_owned(),
        array: info.name.clone(),
        row: first + place,
        column: String::new(),
        reason: format!("`{text}` is not a number; leave the column out, or mend the value"),
    }
}
