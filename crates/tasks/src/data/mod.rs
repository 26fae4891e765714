//! The user's own data: files to samples that fit a model's inputs.
//!
//! | given | what it holds |
//! |---|---|
//! | `.npz`, `.safetensors` | named arrays |
//! | `.npy` | one array, named by the file |
//! | `.parquet`, `.csv`, `.tsv` | columns of numbers, truth values or text |
//! | IDX, gzip or not | `images`, and from the file beside it `labels` (`images-idx3` → `labels-idx1`) |
//! | a folder of folders | `images`, PNG or JPEG, and `labels`, the names of the folders |
//! | a `.toml` file | a [`DataSpec`], which names files and says more |
//!
//! # Roles
//! The first axis of every array is the sample. What [`DataSpec`] does not say is found by these rules, and what they
//! leave open is an error that lists what the data hold:
//! - The target is the array named y, label, labels, target or targets, in any case; there may be none. Under the metric
//!   `fidelity` none is looked for.
//! - An input is the array with the input's name.
//! - A model's only input is else the array named x, image, images, input, inputs, data, features or pixel_values, in any
//!   case; else the only array left; else all columns of a table that are left, side by side.
//!
//! # Shapes
//! Samples are taken as they are where they fit the model; where they fit but for axes of size 1; where one side has a
//! single axis of as many values; or, with three axes, where they fit with channels moved first. Where more than one
//! order of channels is possible, [`DataSpec::layout`] has to say which.
//!
//! # Values
//! All must be finite; integers must be held exactly as f32, so below 2²⁴. Labels are whole numbers from 0, or text:
//! then classes are in the order of their names (byte by byte, so `10` comes before `2`).
//!
//! # Limits
//! A file is not trusted: what it claims is checked against its size before memory is taken. (But for Parquet, whose
//! decoder trusts a file that passes its marks.) At most 2²⁸ values an array, 4096 pixels a side of an image.
//!
//! # Example
//! ```
//! use calibench_tasks::Targets;
//! use calibench_tasks::data::{Data, DataSpec, InputSignature};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("points.csv");
//! std::fs::write(&path, "a,b,label\n0.5,1,0\n0.25,2,1\n")?;
//!
//! let signature = [InputSignature { name: "points".to_owned(), shape: vec![Some(2)] }];
//! let data = Data::load(&DataSpec::open(&path)?, &signature)?;
//! assert_eq!(data.samples.batch(0..2), [[0.5, 1.0, 0.25, 2.0]]);
//! assert_eq!(data.samples.targets, Targets::Classes(vec![0, 1]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod csv;
mod error;
mod fit;
mod idx;
mod images;
mod pixels;
mod roles;
mod source;
mod spec;
mod table;
mod tensor;

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use sha2::{Digest, Sha256};

pub use error::DataError;
pub use spec::{Columns, DataSpec, Layout, Paths};

use crate::{Samples, Targets};
use source::{Array, Elements, Kind, Pool};

/// Whole numbers below this are exact as f32.
const EXACT: u32 = 1 << 24;

/// An input of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputSignature {
    /// The model's name for it.
    pub name: String,
    /// Shape without the batch axis; `None` for any size.
    pub shape: Vec<Option<usize>>,
}

/// Samples, and what is worth knowing of how they came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// The samples, inputs in the order of the signature.
    pub samples: Samples,
    /// Names of the classes where labels are text, in order; empty for numbers.
    pub class_names: Vec<String>,
    /// Hex SHA-256 of the samples, after selection and normalisation: of the inputs' names, shapes and values, and of
    /// the targets.
    pub sha256: String,
    /// What the rules decided, one line each: which array is what, axes that were moved.
    pub notes: Vec<String>,
}

impl Data {
    /// Reads the samples that `spec` describes and makes them fit the inputs of `signature`.
    ///
    /// # Errors
    /// All of [`DataError`].
    pub fn load(spec: &DataSpec, signature: &[InputSignature]) -> Result<Self, DataError> {
        spec.check()?;
        let mut pool = Pool::open(spec, signature)?;
        let roles = roles::resolve(spec, signature, &pool)?;
        let all = count(&pool, roles.inputs.iter().chain(&roles.target).flatten().copied())?;
        let rows = spec.skip.min(all)..spec.limit.map_or(all, |n| spec.skip.saturating_add(n)).min(all);
        if rows.is_empty() {
            let reason = format!("{} leaves none of {all} samples", spec.skip);
            return Err(DataError::Entry { key: "skip", reason });
        }
        let (mut inputs, mut notes) = (Vec::new(), Vec::new());
        for (input, indices) in signature.iter().zip(&roles.inputs) {
            notes.push(format!("input `{}`: {}", input.name, origin(&pool, indices)));
            let (feature, note) = fit::feature(pool.read(indices, &rows)?, input, spec)?;
            notes.extend(note);
            inputs.push(feature);
        }
        let (mut targets, mut class_names) = (Targets::None, Vec::new());
        if let Some(indices) = &roles.target {
            notes.push(format!("target: {}", origin(&pool, indices)));
            // All of text, because its classes are those of all samples.
            let read = if pool.info(indices[0]).kind == Kind::Text { 0..all } else { rows.clone() };
            let array = pool.read(indices, &read)?;
            (targets, class_names) = read_targets(array, spec, &rows)?;
        }
        let samples = Samples::new(inputs, targets)?;
        Ok(Self { sha256: content_hash(&samples), samples, class_names, notes })
    }
}

/// How many samples of `evaluation` have the same input values, bit for bit, as one of `calibration`.
///
/// Calibration data among the data that accuracy is measured on make the accuracy look better than it is.
#[must_use]
pub fn overlap(calibration: &Samples, evaluation: &Samples) -> usize {
    let seen: HashSet<[u8; 32]> = (0..calibration.len()).map(|i| sample_hash(calibration, i)).collect();
    (0..evaluation.len()).filter(|i| seen.contains(&sample_hash(evaluation, *i))).count()
}

fn sample_hash(samples: &Samples, index: usize) -> [u8; 32] {
    let mut hash = Sha256::new();
    for input in samples.batch(index..index + 1) {
        update(&mut hash, input);
    }
    hash.finalize().into()
}

fn update(hash: &mut Sha256, values: &[f32]) {
    let mut bytes = Vec::with_capacity(4 * values.len().min(1 << 14));
    for chunk in values.chunks(1 << 14) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|v| v.to_le_bytes()));
        hash.update(&bytes);
    }
}

pub(crate) fn content_hash(samples: &Samples) -> String {
    let mut hash = Sha256::new();
    for input in &samples.inputs {
        hash.update(format!("{:?} {:?}\n", input.name, input.shape));
        update(&mut hash, &input.data);
    }
    match &samples.targets {
        Targets::None => hash.update("none\n"),
        Targets::Classes(labels) => {
            hash.update("classes\n");
            labels.iter().for_each(|label| hash.update(label.to_le_bytes()));
        }
        Targets::Values { width, data } => {
            hash.update(format!("values {width}\n"));
            update(&mut hash, data);
        }
        Targets::Pairs(scores) => {
            hash.update("pairs\n");
            update(&mut hash, scores);
        }
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// The number of samples that all of these arrays have.
fn count(pool: &Pool, indices: impl Iterator<Item = usize>) -> Result<usize, DataError> {
    let mut first: Option<(usize, usize)> = None;
    for index in indices {
        let info = pool.info(index);
        let malformed = |reason| Err(DataError::malformed(pool.path_of(index), reason));
        if let Kind::Other(kind) = &info.kind {
            return malformed(format!("`{}` has elements of type {kind}, which is not read", info.name));
        }
        let Some(&samples) = info.shape.first() else {
            return malformed(format!("`{}` is a lone value; its first axis must be the sample", info.name));
        };
        if info.shape.contains(&0) {
            return malformed(format!("`{}` of shape {:?} holds no value", info.name, info.shape));
        }
        match first {
            Some((other, count)) if count != samples => {
                return Err(DataError::Counts {
                    first: origin(pool, &[other]),
                    first_count: count,
                    other: origin(pool, &[index]),
                    other_count: samples,
                });
            }
            _ => first = Some((index, samples)),
        }
    }
    Ok(first.map_or(0, |(_, count)| count))
}

/// `images of t10k-images-idx3-ubyte.gz`, `784 columns of train.csv`.
fn origin(pool: &Pool, indices: &[usize]) -> String {
    let file = pool.path_of(indices[0]).display();
    match indices {
        [index] => format!("`{}` of {file}", pool.info(*index).name),
        _ => format!("{} columns of {file}", indices.len()),
    }
}

/// Targets of the kind that the metric takes, and the names of classes that are text.
fn read_targets(
    array: Array,
    spec: &DataSpec,
    rows: &Range<usize>,
) -> Result<(Targets, Vec<String>), DataError> {
    let metric = spec.metric.as_deref();
    if let Elements::Text(labels) = &array.elements
        && !matches!(metric, Some("spearman" | "pearson" | "mse" | "psnr"))
    {
        let by_name: BTreeMap<&str, u32> = labels.iter().map(|l| (&**l, 0)).collect();
        let by_name: BTreeMap<&str, u32> = by_name.into_keys().zip(0..).collect();
        if let Some(classes) = spec.classes.filter(|c| (*c as usize) < by_name.len()) {
            let reason =
                format!("`{}` holds {} different labels, {classes} classes", array.name, by_name.len());
            return Err(DataError::malformed(&array.path, reason));
        }
        let classes = labels[rows.clone()].iter().map(|l| by_name[&**l]).collect();
        return Ok((Targets::Classes(classes), by_name.into_keys().map(str::to_owned).collect()));
    }
    let width: usize = array.shape.iter().product();
    let (whole, is_whole) = (array.kind == Kind::Whole, |v: &f32| v.fract() == 0.0);
    let (path, name, shape, first) =
        (array.path.clone(), array.name.clone(), array.shape.clone(), array.first);
    let data = fit::numbers(array)?;
    let classes = match metric {
        Some("top1" | "top5" | "auc") => true,
        Some("cross_entropy" | "perplexity") | None => width == 1 && (whole || metric.is_some()),
        _ => false,
    };
    if !classes {
        return Ok((Targets::Values { width, data }, Vec::new()));
    }
    if width != 1 {
        let reason = format!("`{name}` has {width} values a sample; a class is one whole number");
        return Err(DataError::malformed(&path, reason));
    }
    let most = spec.classes.unwrap_or(EXACT);
    let label = |(row, value): (usize, &f32)| {
        if is_whole(value) && *value >= 0.0 && *value < most as f32 {
            return Ok(*value as u32);
        }
        let reason = format!("{value} is not a class; labels are whole numbers from 0 to {}", most - 1);
        let (path, array, column) = (path.clone(), name.clone(), place_in(&shape, 0));
        Err(DataError::Value { path, array, row: first + row, column, reason })
    };
    let labels = data.iter().enumerate().map(label).collect::<Result<_, _>>()?;
    Ok((Targets::Classes(labels), Vec::new()))
}

/// Where in a sample of this shape a value lies, for [`DataError::Value`].
fn place_in(shape: &[usize], mut flat: usize) -> String {
    if shape.iter().product::<usize>() <= 1 {
        return String::new();
    }
    let mut at = |size: &usize| {
        let place = flat % size;
        flat /= size;
        place
    };
    let mut place: Vec<usize> = shape.iter().rev().map(&mut at).collect();
    place.reverse();
    format!(", column {place:?}")
}

/// What is wrong with a whole number that f32 does not hold.
fn inexact(value: i64) -> String {
    format!("{value} is beyond the whole numbers that are held exactly, ±{}", EXACT - 1)
}
