//! `mse`: the range with the least squared quantization error.

use calibench_quant::{
    Calibrator, Entry, Histogram, IntFormat, Job, QParams, QuantError, Range, StatKind, Symmetry,
};

use crate::density::{Bins, ErrorModel};
use crate::inputs;
use crate::search::{self, Grid};

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
/// codes in a bin (see `ErrorModel`), so int16 is as right as int8, and it uses the very scale and zero
/// point that the range gives.
///
/// Candidates are the bin edges and the observed ends. Symmetric, and affine over one-sided data: all
/// of them, so the answer is the optimum over bin edges; a candidate whose clipping alone costs more than
/// the best so far is dismissed. Affine over two-sided data: a coarse grid of pairs, then coordinate
/// descent to single bins: a local optimum, never worse than the observed range. Ties keep the wider range.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`].
///
/// Source: the exact form of what Banner et al. 2018 (ACIQ) derive for Gaussian and Laplace densities and
/// PyTorch's `HistogramObserver` approximates. Limits: values within a bin are taken as spread evenly.
/// That is nearly free for int8 where the kept range spans many bins; where one outlier leaves the bulk
/// in few bins, or 16-bit codes meet many exact zeros (after ReLU), the modelled error is an upper guess.
struct Mse;

impl Calibrator for Mse {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Range, StatKind::Histogram]
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        let observed = inputs::range(job)?;
        let histogram = inputs::histogram(job)?;
        let grid = Grid::of(histogram, observed);
        Ok(match job.symmetry {
            Symmetry::Symmetric => symmetric(job, observed, histogram, &grid),
            Symmetry::Affine => affine(job, observed, histogram, &grid),
        })
    }
}

fn symmetric(job: &Job<'_>, observed: Range, histogram: &Histogram, grid: &Grid) -> Range {
    // Negative values all become 0 in an unsigned format, whatever the threshold.
    let (bins, most) = match job.format {
        IntFormat { signed: true, .. } => (Bins::folded(histogram, observed), grid.low.max(grid.high)),
        IntFormat { signed: false, .. } => (Bins::of(histogram, observed), grid.high),
    };
    if most == 0 {
        return observed;
    }
    let thresholds: Vec<f64> = (0..=most).map(|i| grid.edge(i).min(f64::from(observed.bound()))).collect();
    let clipped = bins.squares_above(&thresholds);
    let model = ErrorModel::of(&bins);
    let candidate = |i: usize| inputs::clip(observed, -thresholds[i], thresholds[i]);
    let best = search::exhaustive(most, |i, best| {
        // The scale is rounded to fp32, so the true threshold is off by some 10⁻⁷ of itself.
        if clipped[i] * (1.0 - 1e-5) > best { f64::INFINITY } else { cost(job, &model, candidate(i)) }
    });
    candidate(best)
}

fn affine(job: &Job<'_>, observed: Range, histogram: &Histogram, grid: &Grid) -> Range {
    let bins = Bins::of(histogram, observed);
    if grid.low == 0 && grid.high == 0 {
        return observed;
    }
    let model = ErrorModel::of(&bins);
    let candidate = |a: usize, b: usize| inputs::clip(observed, grid.low_at(a), grid.high_at(b));
    let (a, b) = search::pairs(grid.low, grid.high, |a, b| cost(job, &model, candidate(a, b)));
    candidate(a, b)
}

fn cost(job: &Job<'_>, model: &ErrorModel, range: Range) -> f64 {
    // A range that no format can hold never wins; were it the only one, `calibrate` says why.
    QParams::from_range(job.site, range, job.format, job.symmetry)
        .map_or(f64::INFINITY, |q| model.squared_error(&q))
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::Stats;
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
        let range = answer(&normal, IntFormat { bits: 4, signed: true }, Symmetry::Symmetric);
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
    fn the_affine_search_is_as_good_as_a_dense_grid_of_pairs() {
        let draws: [fn(&mut Random) -> f64; 3] = [Random::student_t, |r| r.lognormal() - 0.5, Random::normal];
        for (seed, draw) in draws.into_iter().enumerate() {
            let values = Random::new(seed as u64).many(20_000, draw);
            let stats = stats(&values);
            let (histogram, observed) = (stats.histogram.clone().unwrap(), stats.range.unwrap());
            let job = Job { site: "t", stats: &stats, format: IntFormat::INT8, symmetry: Symmetry::Affine };
            let model = ErrorModel::of(&Bins::of(&histogram, observed));
            let grid = Grid::of(&histogram, observed);
            let found = cost(&job, &model, Mse.range(&job).unwrap());
            let step = |n: usize| (n / 48).max(1);
            let mut least = f64::INFINITY;
            for a in (0..=grid.low).step_by(step(grid.low)) {
                for b in (0..=grid.high).step_by(step(grid.high)) {
                    least = least.min(cost(
                        &job,
                        &model,
                        inputs::clip(observed, grid.low_at(a), grid.high_at(b)),
                    ));
                }
            }
            assert!(found <= least * 1.001, "distribution {seed}: found {found}, brute force {least}");
        }
    }
}
