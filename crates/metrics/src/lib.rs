//! Distances between distributions, task metrics, intervals and paired tests.
//!
//! Pure functions over slices and plain histograms: no tensors, no files, no clock. What is undefined is
//! `None`, never a NaN.

pub mod auc;
pub mod classify;
pub mod correlation;
pub mod cross_entropy;
pub mod distance;
mod error;
pub mod interval;
pub mod latency;
pub mod ranks;
pub mod regression;
pub mod spec;

pub use auc::{auc, auc_of_levels};
pub use classify::{agreement, argmax, correct, in_top, predictions, top1};
pub use correlation::{pearson, spearman, spearman_of_levels};
pub use cross_entropy::cross_entropy;
pub use distance::{
    Density, Distances, Divergence, Pointwise, QuantizedDensity, SQNR_CAP_DB, UniformQuantizer, cosine,
    kl_divergence, max_abs_error, mse, sqnr_db, wasserstein1,
};
pub use error::MetricsError;
pub use interval::{Interval, RESAMPLES, Z95, percentile_bootstrap, wilson};
pub use latency::{LatencySummary, PairedRatio, median, paired_ratio, quantile};
pub use ranks::Ranked;
pub use regression::{PSNR_CAP_DB, psnr_db};
pub use spec::{Direction, MetricSpec};
