//! Distances between distributions, task metrics, intervals and paired tests.
//!
//! Pure functions over slices and plain histograms: no tensors, no files, no clock. What is undefined is
//! `None`, never a NaN.

pub mod classify;
pub mod distance;
mod error;
pub mod interval;
pub mod latency;
pub mod spec;

pub use classify::{agreement, argmax, correct, predictions, top1};
pub use distance::{
    Density, Distances, Divergence, Pointwise, QuantizedDensity, SQNR_CAP_DB, UniformQuantizer, cosine,
    kl_divergence, max_abs_error, mse, sqnr_db, wasserstein1,
};
pub use error::MetricsError;
pub use interval::{Interval, RESAMPLES, Z95, percentile_bootstrap, wilson};
pub use latency::{LatencySummary, PairedRatio, median, paired_ratio, quantile};
pub use spec::{Direction, MetricSpec};
