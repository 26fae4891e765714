//! Distances between a tensor before and after it is narrowed.
//!
//! The reference comes first. `None` stands for what is undefined: an empty input, an element that is NaN or
//! infinite in either tensor, and for element pairs two lengths. A cell whose logits overflowed to NaN so gets
//! nulls in its row instead of a number that looks like a measurement. Sums run in `f64` in one fixed order,
//! so the same input gives the same bits.

mod logits;
mod pointwise;

pub use logits::kl_divergence;
pub use pointwise::{Pointwise, SQNR_CAP_DB, cosine, max_abs_error, mse, sqnr_db};

/// Whether the sample is a distribution: not empty, and all finite.
fn is_sample(values: &[f32]) -> bool {
    !values.is_empty() && values.iter().all(|v| v.is_finite())
}
