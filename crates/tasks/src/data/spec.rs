//! How the user's files become samples.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::DataError;
use crate::task::{TASK_METRICS, unknown_metric};

/// Axes of images in the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Channels, height, width.
    Nchw,
    /// Height, width, channels; transposed for a model that takes channels first.
    Nhwc,
}

/// Names of arrays or columns; in TOML one name or a list. Several columns lie side by side, in the order given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrMany<String>", into = "Vec<String>")]
pub struct Columns(pub Vec<String>);

/// Files or folders; in TOML one or a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrMany<PathBuf>", into = "Vec<PathBuf>")]
pub struct Paths(pub Vec<PathBuf>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

macro_rules! one_or_many {
    ($list:ident, $item:ty) => {
        impl From<OneOrMany<$item>> for $list {
            fn from(given: OneOrMany<$item>) -> Self {
                match given {
                    OneOrMany::One(item) => Self(vec![item]),
                    OneOrMany::Many(items) => Self(items),
                }
            }
        }

        impl From<$list> for Vec<$item> {
            fn from(list: $list) -> Self {
                list.0
            }
        }
    };
}
one_or_many!(Columns, String);
one_or_many!(Paths, PathBuf);

/// Where data lie, what in them is what, and how they are made ready. Every key but `path` may be left out.
///
/// ```toml
/// path = "train4k.npz"              # one file or folder, or a list whose arrays are taken together
/// input = "x"                       # the model's only input; for several:  inputs.input_ids = "ids"
/// target = "y"
/// layout = "nhwc"
/// scale = 255.0                     # value = (raw / scale - mean) / std
/// mean = [0.485, 0.456, 0.406]
/// std = [0.229, 0.224, 0.225]
/// skip = 0
/// limit = 1000
/// metric = "top1"
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSpec {
    /// Files or folders, relative to the TOML file. See the module's table of formats.
    pub path: Paths,
    /// The array or columns for the model's only input.
    pub input: Option<Columns>,
    /// The array or columns for each of the model's inputs, by the input's name.
    pub inputs: BTreeMap<String, Columns>,
    /// The array or columns with the targets.
    pub target: Option<Columns>,
    /// Axes of images; without it they are taken as they fit the model.
    pub layout: Option<Layout>,
    /// Divisor of every value, positive: 255 takes 8-bit pixels to 0..1.
    pub scale: Option<f64>,
    /// Subtracted from each channel after scaling: one number, or one a channel.
    pub mean: Vec<f64>,
    /// Divisor of each channel after that, positive: one number, or one a channel.
    pub std: Vec<f64>,
    /// Height and width to which the images of a folder are resized (bilinear, antialiased).
    pub resize: Option<[usize; 2]>,
    /// Whether the first line of a CSV file names its columns; without it, it does unless all of it are numbers.
    pub header: Option<bool>,
    /// What separates the fields of a CSV file; without it a tab in .tsv files, else a comma.
    pub separator: Option<char>,
    /// Number of classes: labels must be below it.
    pub classes: Option<u32>,
    /// Samples left out at the beginning.
    pub skip: usize,
    /// Most samples taken after that.
    pub limit: Option<usize>,
    /// How models are scored: a metric of [`TASK_METRICS`].
    pub metric: Option<String>,
}

impl DataSpec {
    /// The description in a .toml file, or that of a lone data file or folder: everything by the rules.
    ///
    /// # Errors
    /// [`DataError::Io`]; [`DataError::Spec`] for what does not parse; [`DataError::Entry`].
    pub fn open(path: &Path) -> Result<Self, DataError> {
        if path.extension().is_none_or(|e| e != "toml") {
            return Ok(Self { path: Paths(vec![path.to_owned()]), ..Self::default() });
        }
        let text = fs::read_to_string(path).map_err(DataError::io(path))?;
        let mut spec: Self = toml::from_str(&text)
            .map_err(|e| DataError::Spec { path: path.to_owned(), source: Box::new(e) })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for file in &mut spec.path.0 {
            *file = folder.join(&*file);
        }
        spec.check()?;
        Ok(spec)
    }

    /// Checks the values of every key.
    ///
    /// # Errors
    /// [`DataError::Entry`]; [`DataError::Dataset`] for an unknown metric.
    pub fn check(&self) -> Result<(), DataError> {
        let wrong = |key, reason: String| Err(DataError::Entry { key, reason });
        if self.path.0.is_empty() {
            return wrong("path", "it is missing; give a file or folder".to_owned());
        }
        if let Some(scale) = self.scale.filter(|s| !positive(*s)) {
            return wrong("scale", format!("{scale} is not positive and finite"));
        }
        if let Some(std) = self.std.iter().find(|s| !positive(**s)) {
            return wrong("std", format!("{std} is not positive and finite"));
        }
        if let Some(mean) = self.mean.iter().find(|m| !m.is_finite()) {
            return wrong("mean", format!("{mean} is not finite"));
        }
        if self.limit == Some(0) {
            return wrong("limit", "0 leaves no sample".to_owned());
        }
        if self.resize.is_some_and(|size| size.iter().any(|s| !(1..=super::pixels::LARGEST).contains(s))) {
            return wrong("resize", format!("height and width are 1 to {}", super::pixels::LARGEST));
        }
        if self.separator.is_some_and(|s| !s.is_ascii() || matches!(s, '"' | '\r' | '\n')) {
            return wrong("separator", "give one ASCII character other than a quote or line end".to_owned());
        }
        if self.input.is_some() && !self.inputs.is_empty() {
            return wrong("input", "give either `input` or `inputs`".to_owned());
        }
        match self.metric.as_deref() {
            Some(metric) if !TASK_METRICS.contains(&metric) => {
                Err(DataError::Dataset(unknown_metric(metric).into()))
            }
            _ => Ok(()),
        }
    }
}

fn positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}
