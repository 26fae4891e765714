//! Distances between a tensor, or its distribution, before and after it is narrowed.
//!
//! Three kinds, which see different things:
//!
//! | kind | of | sees | blind to |
//! |---|---|---|---|
//! | [`Pointwise`] | element pairs | how far each element moved | nothing, but a few outliers can rule it |
//! | [`wasserstein1`] | two samples or histograms | how far mass moved, in units of the tensor | which element went where |
//! | [`Divergence`] | two samples or histograms in common bins | mass in the wrong bin, however near | moves within a bin |
//!
//! [`Density`] is a histogram that has these distances too; [`UniformQuantizer`] says what a quantizer makes of
//! a tensor or of a histogram; [`Distances`] gathers all of it for one pair.
//!
//! The reference comes first. `None` stands for what is undefined: an empty input, an element that is NaN or
//! infinite in either tensor, and for element pairs two lengths. A cell whose logits overflowed to NaN so gets
//! nulls in its row instead of a number that looks like a measurement. Sums run in `f64` in one fixed order,
//! so the same input gives the same bits.

mod density;
mod distances;
mod divergence;
mod logits;
mod pointwise;
mod quantized;
mod quantizer;
mod wasserstein;

pub use density::Density;
pub use distances::Distances;
pub use divergence::{DIVERGENCE_BINS, Divergence, KL_SKEW};
pub use logits::kl_divergence;
pub(crate) use logits::log_sum_exp;
pub use pointwise::{Pointwise, SQNR_CAP_DB, cosine, max_abs_error, mse, sqnr_db};
pub use quantized::QuantizedDensity;
pub use quantizer::UniformQuantizer;
pub use wasserstein::wasserstein1;

/// Whether the sample is a distribution: not empty, and all finite.
fn is_sample(values: &[f32]) -> bool {
    !values.is_empty() && values.iter().all(|v| v.is_finite())
}
