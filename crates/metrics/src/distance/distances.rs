//! Every distance of one pair, gathered.

use serde::{Deserialize, Serialize};

use super::density::Density;
use super::divergence::{DIVERGENCE_BINS, Divergence};
use super::pointwise::Pointwise;
use super::quantizer::UniformQuantizer;
use super::wasserstein::wasserstein1;

/// Distances of a candidate from its reference, each `None` where it is undefined or does not apply.
///
/// Divergences are taken over [`DIVERGENCE_BINS`] bins. Serialised, the field names carry the units that are
/// not those of the tensor; no field is ever NaN or infinite.
///
/// # Example
/// ```
/// use calibench_metrics::{Distances, UniformQuantizer};
///
/// let tensor: Vec<f32> = (0..=1000).map(|i| i as f32 / 1000.0).collect();
/// let int8 = UniformQuantizer::new(1.0 / 127.0, 0, -127, 127)?;
/// let distances = Distances::of_quantizer(&tensor, &int8);
/// assert!(distances.sqnr_db > Some(45.0));
/// assert_eq!(distances.clipped_share, Some(0.0));
/// assert_eq!(distances.codes_used_share, Some(128.0 / 255.0));
/// # Ok::<(), calibench_metrics::MetricsError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    /// Mean squared error, in squared units of the tensor.
    pub mse: Option<f64>,
    /// Signal-to-quantization-noise ratio, in dB, at most [`super::SQNR_CAP_DB`].
    pub sqnr_db: Option<f64>,
    /// Cosine similarity, −1..1.
    pub cosine: Option<f64>,
    /// Largest absolute error, in units of the tensor.
    pub max_abs_error: Option<f64>,
    /// Kullback–Leibler divergence from the reference, skewed to stay finite, in nats; see [`Divergence`].
    pub kl_nats: Option<f64>,
    /// Jensen–Shannon divergence, in nats, at most ln 2.
    pub js_nats: Option<f64>,
    /// Wasserstein-1 distance, in units of the tensor.
    pub wasserstein1: Option<f64>,
    /// Share of the reference beyond an outermost code by more than half a step; only with a quantizer.
    pub clipped_share: Option<f64>,
    /// Share of the quantizer's codes that occur; only with a quantizer.
    pub codes_used_share: Option<f64>,
}

impl Distances {
    /// Of two tensors.
    ///
    /// Of two lengths, they have no element pairs: only the distances of their distributions are then defined.
    /// An element of either that is NaN or infinite leaves nothing defined.
    #[must_use]
    pub fn between(reference: &[f32], candidate: &[f32]) -> Self {
        Self {
            wasserstein1: wasserstein1(reference, candidate),
            ..Self::gather(
                Pointwise::of(reference, candidate),
                Divergence::of_samples(reference, candidate, DIVERGENCE_BINS),
            )
        }
    }

    /// Of a tensor and what a quantizer makes of it, per tensor.
    ///
    /// The same as [`Distances::between`] with the fake-quantized tensor, and what needs the quantizer besides;
    /// quicker, since nothing has to be sorted. An element that is NaN or infinite leaves nothing defined.
    #[must_use]
    pub fn of_quantizer(reference: &[f32], quantizer: &UniformQuantizer) -> Self {
        let candidate: Vec<f32> = reference.iter().map(|x| quantizer.fake_quantize(*x)).collect();
        let pointwise = Pointwise::of(reference, &candidate);
        Self {
            // Quantization never changes the order of two values, so that no other pairing moves less.
            wasserstein1: pointwise.map(|p| p.mean_abs_error),
            clipped_share: quantizer.clipped_share(reference),
            codes_used_share: quantizer.codes_used_share(reference),
            ..Self::gather(pointwise, Divergence::of_samples(reference, &candidate, DIVERGENCE_BINS))
        }
    }

    /// Of two histograms, which have no element pairs: only the distances of distributions are defined.
    #[must_use]
    pub fn between_densities(reference: &Density, candidate: &Density) -> Self {
        Self {
            wasserstein1: reference.wasserstein1(candidate),
            ..Self::gather(None, reference.divergence(candidate, DIVERGENCE_BINS))
        }
    }

    /// Of a histogram and what a quantizer makes of it, all in expectation; see
    /// [`super::QuantizedDensity`].
    #[must_use]
    pub fn of_quantized_density(reference: &Density, quantizer: &UniformQuantizer) -> Self {
        let Some(quantized) = quantizer.quantize_density(reference) else { return Self::default() };
        Self {
            wasserstein1: Some(quantized.pointwise.mean_abs_error),
            clipped_share: Some(quantized.clipped_share),
            codes_used_share: Some(quantized.codes_used_share),
            ..Self::gather(
                Some(quantized.pointwise),
                reference.divergence(&quantized.density, DIVERGENCE_BINS),
            )
        }
    }

    fn gather(pointwise: Option<Pointwise>, divergence: Option<Divergence>) -> Self {
        Self {
            mse: pointwise.map(|p| p.mse),
            sqnr_db: pointwise.and_then(|p| p.sqnr_db),
            cosine: pointwise.and_then(|p| p.cosine),
            max_abs_error: pointwise.map(|p| p.max_abs_error),
            kl_nats: divergence.map(|d| d.kl_nats),
            js_nats: divergence.map(|d| d.js_nats),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serialised_fields_carry_their_units_and_undefined_is_null() {
        let json = serde_json::to_value(Distances::between(&[1.0, 2.0], &[1.0])).unwrap();
        let names: Vec<&str> = json.as_object().expect("a map").keys().map(String::as_str).collect();
        let mut want = [
            "mse",
            "sqnr_db",
            "cosine",
            "max_abs_error",
            "kl_nats",
            "js_nats",
            "wasserstein1",
            "clipped_share",
            "codes_used_share",
        ];
        want.sort_unstable();
        assert_eq!(names, want);
        assert!(json["mse"].is_null() && json["clipped_share"].is_null());
        assert_eq!(json["wasserstein1"], 0.5);
    }

    #[test]
    fn what_is_gathered_survives_serialisation() {
        let q = UniformQuantizer::new(0.1, 3, -8, 7).unwrap();
        let all = Distances::of_quantizer(&[0.123, -1.7, 0.3, 5.0], &q);
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Distances>(&json).unwrap(), all);
        assert!(!json.contains("null"), "{json}");
    }

    #[test]
    fn an_element_that_is_not_finite_leaves_nothing_defined() {
        let q = UniformQuantizer::new(0.1, 0, -8, 7).unwrap();
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(Distances::between(&[0.0, bad], &[0.0, 0.0]), Distances::default());
            assert_eq!(Distances::between(&[0.0, 0.0], &[0.0, bad]), Distances::default());
            assert_eq!(Distances::of_quantizer(&[0.0, bad], &q), Distances::default());
        }
        assert_eq!(Distances::between(&[], &[]), Distances::default());
        assert_eq!(Distances::of_quantizer(&[], &q), Distances::default());
    }
}
