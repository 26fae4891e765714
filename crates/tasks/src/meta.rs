//! `dataset.toml`.

use std::path::Path;

use serde::Deserialize;

use crate::DatasetError;

/// Where a dataset comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its page.
    pub url: String,
    /// How to cite it.
    pub citation: String,
}

/// Number of samples of each split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Splits {
    /// For training and fine-tuning.
    pub train: usize,
    /// For observing activation ranges.
    pub calibration: usize,
    /// For every reported accuracy.
    pub test: usize,
}

/// The contents of `dataset.toml`. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetMeta {
    /// Kebab-case name.
    pub id: String,
    /// Full name.
    pub name: String,
    /// Changes whenever the data does.
    pub version: String,
    /// SPDX identifier of the data's licence.
    pub licence: String,
    /// Name of the Parquet file in the same folder.
    pub file: String,
    /// Hex SHA-256 of that file.
    pub sha256: String,
    /// How models are scored: a metric of `calibench-metrics`. `top1` for now.
    pub metric: String,
    /// Shape of one sample, without the batch axis.
    pub shape: Vec<usize>,
    /// Number of classes.
    pub classes: u32,
    /// A feature is the column's value divided by this.
    pub scale: f32,
    /// Where it comes from.
    pub source: Source,
    /// Samples per split.
    pub splits: Splits,
}

impl DatasetMeta {
    /// Parses and checks a manifest; `path` is for messages.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, DatasetError> {
        let meta: Self = toml::from_str(text)
            .map_err(|e| DatasetError::Manifest { path: path.to_owned(), source: Box::new(e) })?;
        let wrong = |key, reason: String| Err(DatasetError::Entry { path: path.to_owned(), key, reason });
        if meta.metric != "top1" {
            return wrong("metric", format!("`{}` is not supported; use \"top1\"", meta.metric));
        }
        if meta.shape.is_empty() || meta.shape.contains(&0) {
            return wrong("shape", format!("{:?} holds no feature", meta.shape));
        }
        if meta.classes < 2 {
            return wrong("classes", format!("{} classes cannot be told apart; at least 2", meta.classes));
        }
        if !(meta.scale.is_finite() && meta.scale > 0.0) {
            return wrong("scale", format!("{} is not positive and finite", meta.scale));
        }
        let Splits { train, calibration, test } = meta.splits;
        if [train, calibration, test].contains(&0) {
            return wrong("splits", "each of train, calibration and test needs a sample".to_owned());
        }
        if Path::new(&meta.file).components().count() != 1 || meta.file == ".." {
            return wrong("file", format!("`{}` must be a file name in the same folder", meta.file));
        }
        Ok(meta)
    }
}
