//! `mse`: the range with the least squared quantization error.

use calibench_quant::{Calibrator, Entry, Job, QParams, QuantError, Range, StatKind, Symmetry};

use crate::inputs;
use crate::search::{self, Steps};
use crate::squared_error::SquaredError;

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Calibrator> = Entry {
    id: "mse",
    summary: "the range with the least expected squared error of rounding and clipping together",
    source: "Sung et al. 2015, arXiv 1511.06488, §3; Banner et al. 2018, arXiv 1810.05723, §3; torch.ao.quantization.HistogramObserver",
    construct: || Box::new(Mse),
};

/// The range that minimises
///
/// ```text
/// E[(x − S · (clamp(round(x / S) + Z, q_min, q_max) − Z))²]
/// ```
///
/// for x distributed as the histogram, uniform within each bin. The integral is exact for any number of
/// codes in a bin (see `SquaredError`), so int16 and int4 are as right as int8, and it uses the very scale
/// and zero point that the range gives.
///
/// Candidates: symmetric, and affine over one-sided data: thresholds in steps of 2⁻⁴ octaves from the
/// largest magnitude down to where clipping alone costs more than the best, then in steps down to 2⁻¹⁰
/// octaves around the three best. Affine over two-sided data: both ends together, then each in turn, in
/// steps of a quarter octave, then descent from the best, moving either end or both, down to steps of 2⁻¹⁰
/// octaves. With fewer than 2¹⁸ elements and codes wider than bins, some hundred more within 12 % of the best. Ties
/// keep the wider range; the observed range is always a candidate.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`].
///
/// Source: the exact form of what Banner et al. 2018 (ACIQ) derive for Gaussian and Laplace densities and
/// PyTorch's `HistogramObserver` approximates. Limits: values within a bin are taken as spread evenly. A
/// bin is at most 2⁻⁹ of its value wide, a quarter of an int8 code at the threshold, so what is left is
/// how the few values of a small tensor happen to lie within their bins.
struct Mse;

/// Elements from which on the luck of where values fall within their codes moves the error by less than 0.2 %.
const SMOOTH: u64 = 1 << 18;

impl Calibrator for Mse {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Range, StatKind::Histogram]
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        let observed = inputs::range(job)?;
        let model = SquaredError::of(inputs::histogram(job)?, observed, job.format, job.symmetry);
        let clip = |low: f64, high: f64| inputs::clip(observed, -low, high);
        let cost = |low, high| cost(job, &model, clip(low, high));
        let few = job.stats.elements < SMOOTH && job.format.bits <= 9;
        let steps = if few { Steps::RUGGED } else { Steps::FINE };
        Ok(search::thresholds(job, observed, steps, clip, |low, high| floor(job, &model, low, high), cost))
    }
}

/// What clipping to `[−low, high]` costs, rounding aside: no scale for that range costs less.
fn floor(job: &Job<'_>, model: &SquaredError, low: f64, high: f64) -> f64 {
    // The outermost codes round what lies half a step beyond them; the scale is rounded to fp32.
    let codes = f64::from(job.format.range(job.symmetry).1.max(1));
    match model {
        SquaredError::Folded(all) => all.clipped_squares(low.max(high) * (1.0 + 0.5 / codes + 1e-6)),
        SquaredError::Sides(positive, negative) => {
            let step = (low + high) * (1.0 / codes + 1e-6);
            let below =
                if job.symmetry == Symmetry::Affine { negative.clipped_squares(low + step) } else { 0.0 };
            positive.clipped_squares(high + step) + below
        }
    }
}

fn cost(job: &Job<'_>, model: &SquaredError, range: Range) -> f64 {
    // A range that no format can hold never wins; were it the only one, `calibrate` says why.
    QParams::from_range(job.site, range, job.format, job.symmetry).map_or(f64::INFINITY, |q| model.total(&q))
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::{Histogram, IntFormat, Stats};
    use calibench_testkit::Random;

    fn stats(values: &[f32]) -> Stats {
        Stats {
            elements: values.len() as u64,
            range: Range::of(values),
            histogram: Histogram::of(values),
            ..Stats::default()
        }
    }

    fn answer(values: &[f32], format: IntFormat, symmetry: Symmetry) -> Range {
        Mse.range(&Job { site: "t", stats: &stats(values), format, symmetry }).unwrap()
    }

    #[test]
    fn a_uniform_distribution_is_kept_whole() {
        let uniform = Random::new(1).many(100_000, |r| 2.0 * r.unit() - 1.0);
        for symmetry in Symmetry::ALL {
            let range = answer(&uniform, IntFormat::INT8, *symmetry);
            // Less half a code: what lies beyond the outermost code still rounds to it.
            assert!(range.low < -0.99 && range.high > 0.99, "{range:?}");
        }
    }

    #[test]
    fn a_laplace_distribution_is_clipped_near_the_analytic_optimum() {
        // Banner et al. give 9.89 b for 8 bits from an approximation with 256 levels; over 2·10⁶ draws
        // the tail beyond that holds some hundred values, so the sample's optimum scatters by a few %.
        let laplace = Random::new(2).many(2_000_000, Random::laplace);
        let range = answer(&laplace, IntFormat::INT8, Symmetry::Symmetric);
        let threshold = f64::from(range.bound());
        assert!((threshold - 9.89).abs() < 0.6, "{threshold}");
    }

    #[test]
    fn a_gaussian_at_four_bits_is_clipped_where_lloyds_uniform_quantizer_is() {
        // Symmetric int4 has 15 levels, so its optimum lies near that of Max (1960) for 15 or 16
        // uniform levels: step 0.3352 σ, half-range (end code) 7 steps = 2.35 σ … 7.5 steps = 2.51 σ.
        let normal = Random::new(3).normals(1_000_000);
        let range = answer(&normal, IntFormat::INT4, Symmetry::Symmetric);
        assert!((2.3..2.65).contains(&range.bound()), "{range:?}");
    }

    #[test]
    fn a_lone_outlier_is_clipped_at_eight_bits_and_not_at_sixteen() {
        let mut values = Random::new(4).normals(1_000_000);
        values[7] = 40.0;
        assert!(answer(&values, IntFormat::INT8, Symmetry::Affine).high < 20.0);
        assert_eq!(answer(&values, IntFormat::INT16, Symmetry::Affine).high, 40.0);
    }

    #[test]
    fn the_search_is_as_good_as_a_dense_grid_of_pairs() {
        let draws: [fn(&mut Random) -> f64; 3] = [Random::student_t, |r| r.lognormal() - 0.5, Random::normal];
        for (seed, draw) in draws.into_iter().enumerate() {
            let values = Random::new(seed as u64).many(20_000, draw);
            let stats = stats(&values);
            let observed = stats.range.unwrap();
            for format in [IntFormat::INT8, IntFormat::INT4, IntFormat::UINT8] {
                for symmetry in Symmetry::ALL {
                    let job = Job { site: "t", stats: &stats, format, symmetry: *symmetry };
                    let histogram = stats.histogram.as_ref().unwrap();
                    let model = SquaredError::of(histogram, observed, format, *symmetry);
                    let found = cost(&job, &model, Mse.range(&job).unwrap());
                    let mut least = f64::INFINITY;
                    for a in 0..=60 {
                        for b in 0..=60 {
                            let share = |n: i32| 0.93_f64.powi(n);
                            let (low, high) =
                                (f64::from(observed.low) * share(a), f64::from(observed.high) * share(b));
                            least = least.min(cost(&job, &model, inputs::clip(observed, low, high)));
                        }
                    }
                    assert!(found <= least * 1.0005, "{seed} {format} {symmetry:?}: {found}, grid {least}");
                }
            }
        }
    }
}
