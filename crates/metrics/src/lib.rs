//! Distances between distributions, task metrics, intervals and paired tests.
//!
//! Pure functions over slices and plain histograms: no tensors, no files, no clock. What is undefined is
//! `None`, never a NaN.

pub mod auc;
pub mod bootstrap;
pub mod changepoint;
pub mod classify;
pub mod correlation;
pub mod cross_entropy;
pub mod distance;
mod error;
pub mod holm;
pub mod interval;
pub mod mcnemar;
pub mod outcomes;
pub mod outliers;
pub mod permutation;
pub mod power;
pub mod processes;
pub mod quantile;
pub mod ranks;
pub mod regression;
pub mod seeds;
pub mod spec;
pub mod steadiness;
pub mod student;

pub use auc::{auc, auc_of_levels};
pub use bootstrap::bca;
pub use changepoint::{ChangePoint, change_points};
pub use classify::{agreement, argmax, correct, in_top, predictions, top1};
pub use correlation::{pearson, spearman, spearman_of_levels};
pub use cross_entropy::cross_entropy;
pub use distance::{
    Density, Distances, Divergence, Pointwise, QuantizedDensity, SQNR_CAP_DB, UniformQuantizer, cosine,
    kl_divergence, max_abs_error, mse, sqnr_db, wasserstein1,
};
pub use error::MetricsError;
pub use holm::holm;
pub use interval::{Interval, RESAMPLES, Z95, percentile_bootstrap, wilson};
pub use mcnemar::{Discordant, mcnemar_exact, paired_share_interval};
pub use outcomes::{Answer, Measured, counts_right_ones, is_right, measure};
pub use outliers::outliers;
pub use permutation::{label_test, swap_test};
pub use power::{mcnemar_detectable, mcnemar_samples, t_detectable, t_repeats};
pub use processes::{LogMean, ProcessRounds, RatioEstimate, ratio_of_processes};
pub use quantile::{median, quantile};
pub use ranks::Ranked;
pub use regression::{PSNR_CAP_DB, psnr_db};
pub use seeds::{Aggregate, Observation, aggregate};
pub use spec::{Direction, MetricSpec};
pub use steadiness::{Steadiness, steadiness};
pub use student::{Welch, mean_and_variance, t_interval, t_quantile, two_means, welch};
