//! `entropy`: the range whose quantized distribution tells most about the original.

use calibench_quant::{Calibrator, Entry, Job, QuantError, Range, StatKind};

use crate::levels::{self, Divergence, fast_ln, sum};

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Calibrator> = Entry {
    id: "entropy",
    summary: "the range with the least KL divergence between the values and their quantized self",
    source: "Migacz 2017, 8-bit Inference with TensorRT (GTC S7310); onnxruntime.quantization.calibrate.EntropyCalibrater",
    construct: || Box::new(Entropy),
};

/// The range that minimises KL(P ‖ Q) in nats, over four bins for each code of the range:
///
/// ```text
/// P(j) = n(j) / N, the clipped elements added to the outermost bin on their side
/// Q(j) = (1 − λ) · [mean of n over the bins of j's code] / N' + λ / bins
/// KL(P ‖ Q) = Σ P(j) ln(P(j) / Q(j))
/// ```
///
/// with N' the elements not clipped and λ = 10⁻⁴, less what a sample of N scatters by (Miller 1955). The outermost codes have two bins, as half of what rounds
/// to them lies beyond. Exact zeros are left out: they are exact in every scheme. Symmetric formats take |x| (unsigned ones max(x, 0)) and `q_max + 1` codes; affine ones all
/// `q_max − q_min + 1`, with the zero point's rounding (at most half a code) left out.
///
/// Candidates: thresholds in steps of an eighth of an octave from the observed range down to where half of
/// a side's elements would be clipped, refined to 2⁻⁶ octaves (1 %) around the three best; where the format is affine and the data
/// lies on both sides of zero, the same for each end in turn, then descent. However far an outlier lies, there
/// are dozens of candidates within the bulk. Ties keep the wider range. With more than 2,048 codes (every
/// 16-bit format) bins would be finer than the histogram's, and the answer is the observed range.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`].
///
/// Source: Migacz 2017. NVIDIA's and ONNX Runtime's code differ from it and from each other (bins, codes,
/// smoothing, ties), but both have bins of one width, so that their narrowest candidate has one bin a code
/// and no loss within codes, and both spread Q over the bins of a code that are not empty, so that a tensor
/// within one bin of zero, as an outlier leaves it, loses nothing at all. Here every candidate has the same
/// number of bins, all of which Q fills. Limits: KL divergence does not know how far a clipped value moves, so it
/// can clip more than MSE would.
struct Entropy;

impl Calibrator for Entropy {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Range, StatKind::Histogram]
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        levels::least_divergence::<KullbackLeibler>(job)
    }
}

/// KL(p ‖ q).
struct KullbackLeibler;

impl Divergence for KullbackLeibler {
    const BIAS: f64 = 0.5;

    #[inline(always)]
    fn between(p: &[f64], q: &[f64]) -> f64 {
        // The logarithm of 1 where there is nothing: no branch, so that it vectorises.
        let term = |p: f64, q: f64| p * fast_ln(if p > 0.0 { p / q } else { 1.0 });
        sum(p.iter().zip(q).map(|(p, q)| term(*p, *q)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::{Histogram, IntFormat, Stats, Symmetry};
    use calibench_testkit::Random;

    fn answer(values: &[f32], format: IntFormat, symmetry: Symmetry) -> Range {
        let stats = Stats {
            elements: values.len() as u64,
            range: Range::of(values),
            histogram: Histogram::of(values),
            ..Stats::default()
        };
        Entropy.range(&Job { site: "t", stats: &stats, format, symmetry }).unwrap()
    }

    #[test]
    fn kl_by_hand() {
        let got = KullbackLeibler::between(&[0.75, 0.25, 0.0], &[0.5, 0.25, 0.25]);
        assert!((got - 0.75 * 1.5_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn outliers_are_clipped() {
        let mut values = Random::new(2).normals(100_000);
        values[17] = 60_000.0;
        values[18] = -55_000.0;
        for symmetry in Symmetry::ALL {
            let range = answer(&values, IntFormat::INT8, *symmetry);
            assert!((3.0..15.0).contains(&range.high), "{symmetry:?} {range:?}");
            assert!((-15.0..-3.0).contains(&range.low), "{symmetry:?} {range:?}");
        }
    }

    #[test]
    fn without_outliers_nearly_everything_is_kept() {
        let gauss = Random::new(3).normals(100_000);
        let uniform = Random::new(4).many(100_000, |r| 2.0 * r.unit() - 1.0);
        for values in [gauss, uniform] {
            for symmetry in Symmetry::ALL {
                let range = answer(&values, IntFormat::INT8, *symmetry);
                // What lies half a code beyond still rounds to the outermost.
                let beyond = 1.0 + 0.5 / 127.0;
                let clipped =
                    values.iter().filter(|v| **v < range.low * beyond || **v > range.high * beyond).count();
                assert!(clipped < 50, "{symmetry:?}: {clipped} of 100,000 clipped by {range:?}");
            }
        }
    }

    #[test]
    fn the_zeros_of_a_relu_do_not_pull_the_threshold_in() {
        let mut random = Random::new(6);
        let relu = random.many(100_000, |r| r.normal().max(0.0));
        for symmetry in Symmetry::ALL {
            for format in [IntFormat::INT8, IntFormat::UINT8] {
                let range = answer(&relu, format, *symmetry);
                let clipped = relu.iter().filter(|v| **v > range.high).count();
                assert!(clipped < 50, "{format} {symmetry:?}: {clipped} of 100,000 clipped by {range:?}");
            }
        }
    }

    #[test]
    fn sixteen_bits_keep_the_observed_range() {
        let values = Random::new(5).many(10_000, Random::student_t);
        for format in [IntFormat::INT16, IntFormat::UINT16] {
            for symmetry in Symmetry::ALL {
                assert_eq!(answer(&values, format, *symmetry), Range::of(&values).unwrap());
            }
        }
    }
}
