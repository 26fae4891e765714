//! `aciq-gauss`, `aciq-laplace`: the analytic optimum for a fitted distribution.

use calibench_quant::{Calibrator, Entry, Job, QuantError, Range, StatKind, Symmetry};

use crate::inputs;
use crate::side::{Moments, Side, Sum};

const SOURCE: &str = "Banner et al. 2018, arXiv 1810.05723, §3 (ACIQ)";

/// Registry entry for a normal distribution.
pub(crate) const ENTRY_GAUSS: Entry<dyn Calibrator> = Entry {
    id: "aciq-gauss",
    summary: "the threshold that is best for a normal distribution of the same variance (3.92 σ at 8 bits)",
    source: SOURCE,
    construct: || Box::new(Aciq { law: Law::Gauss }),
};

/// Registry entry for a Laplace distribution.
pub(crate) const ENTRY_LAPLACE: Entry<dyn Calibrator> = Entry {
    id: "aciq-laplace",
    summary: "the threshold that is best for a Laplace distribution of the same mean deviation (9.89 b at 8 bits)",
    source: SOURCE,
    construct: || Box::new(Aciq { law: Law::Laplace }),
};

/// The range `[μ − α, μ + α]` with the least expected squared error if x were distributed by the law:
///
/// ```text
/// Gauss:    E(α) = (α² + σ²) erfc(α / √2σ) − √(2/π) α σ exp(−α² / 2σ²) + α² / (3 · 4ᴹ)
/// Laplace:  E(α) = 2 b² exp(−α / b) + α² / (3 · 4ᴹ)                            M: bits
/// ```
///
/// (clipping on both sides, and rounding with a step of 2α / 2ᴹ). σ² is the variance, `b = E|x − μ|`. Data
/// on one side of zero is taken as the half of a law centred on zero: `σ² = E x²`, `b = E|x|` over what is
/// not exactly zero, and the step is α / 2ᴹ (4.20 σ and 11.16 b at 8 bits). Symmetric formats take μ = 0. The
/// range is held to what was observed.
///
/// Moments are those of the histogram, each value at the middle of its bin: within 2⁻¹⁰.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`].
///
/// Source: Banner et al. 2018, equations 6 to 10. Limits: as good as the law fits; an outlier of weight in the
/// variance widens the range for all.
struct Aciq {
    law: Law,
}

#[derive(Debug, Clone, Copy)]
enum Law {
    Gauss,
    Laplace,
}

impl Calibrator for Aciq {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Range, StatKind::Histogram]
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        let observed = inputs::range(job)?;
        let histogram = inputs::histogram(job)?;
        let (positive, negative): (Side<Moments>, Side<Moments>) =
            (Side::positive(histogram, observed), Side::negative(histogram, observed));
        // The least magnitude that is not zero.
        let zero = f64::from(f32::MIN_POSITIVE);
        let (above, below) = (positive.above(zero), negative.above(zero));
        let all = above.plus(below);
        if all.count < 0.5 {
            return Ok(observed);
        }
        let two_sided = above.count > 0.5 && below.count > 0.5;
        let mean = match job.symmetry {
            Symmetry::Affine if two_sided => {
                (positive.all().sum - negative.all().sum) / histogram.total() as f64
            }
            _ => 0.0,
        };
        let spread =
            if two_sided { self.law.spread_about(mean, &positive, &negative) } else { self.law.spread(all) };
        let unsigned = job.symmetry == Symmetry::Symmetric && !job.format.signed;
        let (q_min, q_max) = job.format.range(job.symmetry);
        // Steps on the way from zero (or the mean) to the threshold.
        let steps = match job.symmetry {
            Symmetry::Symmetric => f64::from(q_max),
            Symmetry::Affine if two_sided => f64::from(q_max - q_min + 1) / 2.0,
            Symmetry::Affine => f64::from(q_max - q_min + 1),
        };
        let alpha = self.law.best(steps) * spread;
        let low = if unsigned { 0.0 } else { mean - alpha };
        Ok(inputs::clip(observed, low, mean + alpha))
    }
}

impl Law {
    /// σ or b about zero.
    fn spread(self, of: Moments) -> f64 {
        match self {
            Self::Gauss => (of.squares / of.count).sqrt(),
            Self::Laplace => of.sum / of.count,
        }
    }

    /// σ or b about the mean.
    fn spread_about(self, mean: f64, positive: &Side<Moments>, negative: &Side<Moments>) -> f64 {
        let all = positive.all().plus(negative.all());
        match self {
            Self::Gauss => (all.squares / all.count - mean * mean).max(0.0).sqrt(),
            Self::Laplace => {
                // Σ|x − μ| = 2 Σ (μ − x) over x < μ, as deviations on both sides are equal.
                let side = if mean < 0.0 { negative } else { positive };
                let beyond = side.above(mean.abs());
                2.0 * (beyond.sum - beyond.count * mean.abs()) / all.count
            }
        }
    }

    /// Expected squared error, in units of the spread squared, of clipping at `alpha` spreads with this many
    /// steps from the centre to the threshold.
    fn error(self, alpha: f64, steps: f64) -> f64 {
        let rounding = (alpha / steps).powi(2) / 12.0;
        match self {
            Self::Gauss => {
                let density = (-alpha * alpha / 2.0).exp() * (2.0 / std::f64::consts::PI).sqrt();
                (alpha * alpha + 1.0) * libm::erfc(alpha / std::f64::consts::SQRT_2) - alpha * density
                    + rounding
            }
            Self::Laplace => 2.0 * (-alpha).exp() + rounding,
        }
    }

    /// The threshold of least error in units of the spread: the error has one minimum, found by thirds.
    fn best(self, steps: f64) -> f64 {
        let (mut low, mut high) = (0.0, 64.0);
        while high - low > 1e-9 {
            let third = (high - low) / 3.0;
            if self.error(low + third, steps) <= self.error(high - third, steps) {
                high -= third;
            } else {
                low += third;
            }
        }
        (low + high) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::{Histogram, IntFormat, Stats};
    use calibench_testkit::Random;

    #[test]
    fn the_published_optima() {
        // Banner et al. 2018, table 1 and their code: α for 2, 3, 4 and 8 bits.
        for (bits, gauss, laplace) in [(2, 1.71, 2.83), (3, 2.15, 3.89), (4, 2.55, 5.03), (8, 3.92, 9.89)] {
            let steps = f64::from(1 << (bits - 1));
            assert!((Law::Gauss.best(steps) - gauss).abs() < 0.02, "{bits}: {}", Law::Gauss.best(steps));
            assert!(
                (Law::Laplace.best(steps) - laplace).abs() < 0.02,
                "{bits}: {}",
                Law::Laplace.best(steps)
            );
        }
        assert!((Law::Gauss.best(256.0) - 4.20).abs() < 0.02, "{}", Law::Gauss.best(256.0));
        assert!((Law::Laplace.best(256.0) - 11.16).abs() < 0.02, "{}", Law::Laplace.best(256.0));
    }

    fn answer(entry: &Entry<dyn Calibrator>, values: &[f32], symmetry: Symmetry) -> Range {
        let stats = Stats {
            elements: values.len() as u64,
            range: Range::of(values),
            histogram: Histogram::of(values),
            ..Stats::default()
        };
        let job = Job { site: "t", stats: &stats, format: IntFormat::INT8, symmetry };
        (entry.construct)().range(&job).unwrap()
    }

    #[test]
    fn thresholds_of_samples_of_the_laws() {
        let mut random = Random::new(1);
        // The affine range is centred on the mean; a far value on each side keeps it from being held back.
        let mut normal = random.many(500_000, |r| 0.5 + 2.0 * r.normal());
        normal.extend([-12.0, 12.0]);
        let affine = answer(&ENTRY_GAUSS, &normal, Symmetry::Affine);
        assert!((affine.low - (0.5 - 3.92 * 2.0)).abs() < 0.08, "{affine:?}");
        assert!((affine.high - (0.5 + 3.92 * 2.0)).abs() < 0.08, "{affine:?}");
        let laplace = random.many(2_000_000, Random::laplace);
        let symmetric = answer(&ENTRY_LAPLACE, &laplace, Symmetry::Symmetric);
        assert!((symmetric.high - 9.89).abs() < 0.1, "{symmetric:?}");
        let mut relu = random.many(500_000, |r| r.laplace().max(0.0));
        relu.push(20.0);
        let half = answer(&ENTRY_LAPLACE, &relu, Symmetry::Affine);
        assert!(half.low == 0.0 && (half.high - 11.16).abs() < 0.15, "{half:?}");
    }
}
