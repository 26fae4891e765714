//! `percentile-P`: the central P percent of the values.

use calibench_quant::{Calibrator, Entry, Job, QuantError, Range, StatKind, Symmetry};

use crate::inputs;
use crate::quantile::quantile;

const SOURCE: &str =
    "Wu et al. 2020, arXiv 2004.09602, §5.2; onnxruntime.quantization.calibrate.PercentileCalibrater";

/// Registry entry for 99.9 %.
pub(crate) const ENTRY_99_9: Entry<dyn Calibrator> = Entry {
    id: "percentile-99.9",
    summary: "clips 0.1 % of the values: half on each side, or the largest magnitudes when symmetric",
    source: SOURCE,
    construct: || Box::new(Percentile { clipped: 1e-3 }),
};

/// Registry entry for 99.99 %.
pub(crate) const ENTRY_99_99: Entry<dyn Calibrator> = Entry {
    id: "percentile-99.99",
    summary: "clips 0.01 % of the values: half on each side, or the largest magnitudes when symmetric",
    source: SOURCE,
    construct: || Box::new(Percentile { clipped: 1e-4 }),
};

/// Registry entry for 99.999 %.
pub(crate) const ENTRY_99_999: Entry<dyn Calibrator> = Entry {
    id: "percentile-99.999",
    summary: "clips 0.001 % of the values: half on each side, or the largest magnitudes when symmetric",
    source: SOURCE,
    construct: || Box::new(Percentile { clipped: 1e-5 }),
};

/// The range that holds a share `p` of the elements.
///
/// ```text
/// affine:     low = Q((1 − p) / 2),  high = Q(1 − (1 − p) / 2)      Q: quantile function of x
/// symmetric:  [−T, T] within the observed range,  T = quantile p of |x|
/// ```
///
/// Q inverts the histogram's cumulative count, linear within a bin, so that an end is off by at most one
/// bin: 2⁻⁹ of itself. The ends never leave the observed range. Data with fewer than
/// 1 / (1 − p) elements clips less than one element a side: the ends then lie within the outermost bins.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`].
///
/// Source: Wu et al. 2020, §5.2; ONNX Runtime cuts the same shares but takes left edges without
/// interpolating. Limits: the share is fixed beforehand, whatever the tails look like.
struct Percentile {
    /// 1 − p.
    clipped: f64,
}

impl Calibrator for Percentile {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Range, StatKind::Histogram]
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        let observed = inputs::range(job)?;
        let histogram = inputs::histogram(job)?;
        let total = histogram.total() as f64;
        Ok(match job.symmetry {
            Symmetry::Affine => {
                let tail = self.clipped / 2.0 * total;
                let (low, high) =
                    (quantile(histogram, observed, tail), quantile(histogram, observed, total - tail));
                Range { low: low as f32, high: high as f32 }
            }
            Symmetry::Symmetric => {
                let least = observed.low.max(-observed.high).max(0.0);
                let magnitudes = Range { low: least, high: observed.bound() };
                let threshold = quantile(&histogram.folded(), magnitudes, total * (1.0 - self.clipped));
                inputs::clip(observed, -threshold, threshold)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::{Histogram, IntFormat, Stats};

    fn answer(values: &[f32], symmetry: Symmetry, clipped: f64) -> Range {
        let stats = Stats {
            elements: values.len() as u64,
            range: Range::of(values),
            histogram: Histogram::of(values),
            ..Stats::default()
        };
        let job = Job { site: "t", stats: &stats, format: IntFormat::INT8, symmetry };
        Percentile { clipped }.range(&job).unwrap()
    }

    fn near(answer: f32, expected: f32, bin: f32) {
        assert!((answer - expected).abs() <= bin, "{answer} is not within {bin} of {expected}");
    }

    #[test]
    fn a_ramp_is_cut_where_arithmetic_says() {
        // −500 … 500 in steps of 0.01; bins are 0.25 wide.
        let ramp: Vec<f32> = (-50_000..=50_000).map(|i| i as f32 / 100.0).collect();
        let affine = answer(&ramp, Symmetry::Affine, 1e-3);
        near(affine.low, -499.5, 0.02);
        near(affine.high, 499.5, 0.02);
        let symmetric = answer(&ramp, Symmetry::Symmetric, 1e-3);
        near(symmetric.high, 499.5, 0.02);
        assert_eq!(symmetric.low, -symmetric.high);
    }

    #[test]
    fn one_sided_data_is_cut_on_both_sides_when_affine() {
        let ramp: Vec<f32> = (0..100_000).map(|i| 100.0 + i as f32 / 1000.0).collect();
        let affine = answer(&ramp, Symmetry::Affine, 1e-2);
        near(affine.low, 100.5, 0.01);
        near(affine.high, 199.5, 0.01);
        let symmetric = answer(&ramp, Symmetry::Symmetric, 1e-2);
        near(symmetric.high, 199.0, 0.01);
    }

    #[test]
    fn a_lone_outlier_is_clipped_and_a_constant_kept() {
        let mut values = vec![1.0_f32; 99_999];
        values.push(1000.0);
        let range = answer(&values, Symmetry::Affine, 1e-3);
        // The bin of 1.0 is [1, 1.5).
        assert!(range.high <= 1.5, "{range:?}");
        for symmetry in Symmetry::ALL {
            let range = answer(&[-2.5; 7], *symmetry, 1e-3);
            assert_eq!((range.low, range.high.min(0.0)), (-2.5, range.high), "{symmetry:?}");
        }
    }
}
