//! Datasets to samples to outcomes.
//!
//! A [`Dataset`] is a folder under `datasets/` with a `dataset.toml` and one Parquet file. The built-in
//! ones are embedded in the binary ([`Dataset::embedded`]), so that it works from any folder; others are
//! read with [`Dataset::load_dir`]. Both go through the same checks: hash, counts, labels, finite values.
//!
//! [`data`] reads data that the user brings along, [`tensors`] bare tensors, [`text`] sentences. [`task_for`] scores a model on samples.
//!
//! # Example
//! ```
//! let digits = calibench_tasks::Dataset::embedded("digits")?;
//! assert_eq!(digits.calibration.len(), 200);
//! assert_eq!(digits.test.batch(0..2), [digits.test.input().batch(0..2)]);
//! # Ok::<(), calibench_tasks::DatasetError>(())
//! ```

pub mod data;
mod dataset;
mod error;
mod meta;
mod samples;
mod task;
pub mod tensors;
pub mod text;

pub use dataset::Dataset;
pub use error::DatasetError;
pub use meta::{DatasetMeta, Source, Splits};
pub use samples::{Feature, Samples, Targets};
pub use task::{IGNORED, Outcome, TASK_METRICS, Task, task_for};

/// A dataset that the binary carries.
#[derive(Debug, Clone, Copy)]
pub struct DatasetEntry {
    /// Kebab-case name; the folder under `datasets/`.
    pub id: &'static str,
    /// One line of help.
    pub summary: &'static str,
    manifest: &'static str,
    table: &'static [u8],
}

/// Every embedded dataset, in the order in which lists show them.
pub const ALL: &[DatasetEntry] = &[DatasetEntry {
    id: "digits",
    summary: "1,797 handwritten digits, 8 x 8 grey levels, 10 classes (UCI optdigits test set, CC BY 4.0)",
    manifest: include_str!("../../../datasets/digits/dataset.toml"),
    table: include_bytes!("../../../datasets/digits/digits.parquet"),
}];
