//! `entropy`: the range whose quantized distribution tells most about the original.

use calibench_quant::{Calibrator, Entry, Histogram, Job, QuantError, Range, StatKind, Symmetry};

use crate::inputs;
use crate::search::{self, Grid};

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Calibrator> = Entry {
    id: "entropy",
    summary: "the range with the least KL divergence between the values and their quantized self",
    source: "Migacz 2017, 8-bit Inference with TensorRT (GTC S7310); onnxruntime.quantization.calibrate.EntropyCalibrater",
    construct: || Box::new(Entropy),
};

/// Share of Q that is spread evenly over the bins, so that clipped values never cost infinitely much.
const SMOOTHING: f64 = 1e-4;
/// Divergences closer than this (nats) tie: it is rounding noise of sums over some 10⁹ counts.
const TIE: f64 = 1e-12;

/// The range that minimises KL(P ‖ Q) in nats, over the histogram's bins within the range:
///
/// ```text
/// P(j) = n(j) / N, the clipped elements added to the outermost bin on their side
/// Q(j) = (1 − λ) · [mean of n over the non-empty bins of j's quantization level] / N' + λ / bins
/// ```
///
/// with N' the elements not clipped and λ = 10⁻⁴. A bin belongs to the level to which its centre rounds,
/// so the outermost levels are half as wide as the others, as they are in the quantizer. Empty bins stay
/// empty in Q but for λ. The bin that holds 0.0 is first brought down to the fuller of its neighbours:
/// exact zeros (half of what leaves a ReLU) are exact in every scheme, and as a spike they would pull the
/// threshold in until their level had few other bins. Symmetric formats take the histogram of |x| (unsigned ones of max(x, 0)) and
/// `q_max + 1` levels; affine ones all `q_max − q_min + 1` levels, with the zero point's rounding (at
/// most half a level) left out.
///
/// Candidates are the bin edges from as many bins as there are levels up to the full observed range:
/// about 900 to 1,900 for int8 symmetric. Symmetric: all of them. Affine over two-sided data: a coarse
/// grid of pairs, then coordinate descent to single bins. Ties keep the wider range. With fewer bins than
/// levels (every 16-bit format: the histogram has 2,048 bins a side) nothing can be learnt from the
/// histogram, and the answer is the observed range.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`].
///
/// Source: Migacz 2017. NVIDIA's and ONNX Runtime's code differ from it and from each other (bins, levels,
/// smoothing, ties; NVIDIA's `bins[0] = bins[1]` answers the same spike at zero); this is the published method on a histogram fine enough to have candidates.
/// Limits: KL divergence does not know how far a clipped value moves, so it can clip more than MSE would.
struct Entropy;

impl Calibrator for Entropy {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Range, StatKind::Histogram]
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        let observed = inputs::range(job)?;
        let histogram = &without_exact_zeros(inputs::histogram(job)?);
        let grid = Grid::of(histogram, observed);
        let (q_min, q_max) = job.format.range(job.symmetry);
        match job.symmetry {
            Symmetry::Symmetric => {
                let counts = if job.format.signed { magnitudes(histogram) } else { positives(histogram) };
                let levels = q_max as usize + 1;
                if counts.len() <= levels {
                    return Ok(observed);
                }
                let sums = Sums::of(&counts);
                let bins = search::exhaustive(counts.len(), |bins, best| {
                    let divergence =
                        if bins < levels { f64::INFINITY } else { sums.divergence(0, bins, levels) };
                    if divergence < best - TIE { divergence } else { f64::INFINITY }
                });
                let threshold =
                    if bins == counts.len() { f64::from(observed.bound()) } else { grid.edge(bins) };
                Ok(inputs::clip(observed, -threshold, threshold))
            }
            Symmetry::Affine => {
                let levels = (q_max - q_min) as usize + 1;
                if grid.low + grid.high <= levels {
                    return Ok(observed);
                }
                let sums = Sums::of(&around_zero(histogram, &grid));
                let (low, high) = search::pairs(grid.low, grid.high, |low, high| {
                    if low + high < levels {
                        return f64::INFINITY;
                    }
                    // In units of the tie: a difference below it is none.
                    (sums.divergence(grid.low - low, low + high, levels) / TIE).round()
                });
                Ok(inputs::clip(observed, grid.low_at(low), grid.high_at(high)))
            }
        }
    }
}

/// The bin of 0.0 brought down to the fuller of its neighbours.
fn without_exact_zeros(histogram: &Histogram) -> Histogram {
    let mut evened = histogram.clone();
    let at = |index: i64| {
        let i = usize::try_from(index - histogram.first).ok()?;
        histogram.counts.get(i).copied()
    };
    let neighbour = at(1).max(at(-1)).unwrap_or(0);
    if let Some(zero) = usize::try_from(-histogram.first).ok().and_then(|i| evened.counts.get_mut(i)) {
        *zero = neighbour.min(*zero);
    }
    evened
}

/// Counts of |x| by distance from zero.
fn magnitudes(histogram: &Histogram) -> Vec<u64> {
    by_index(histogram, |index| if index < 0 { -1 - index } else { index })
}

/// Counts of max(x, 0).
fn positives(histogram: &Histogram) -> Vec<u64> {
    by_index(histogram, |index| index.max(0))
}

/// Counts from the lowest candidate threshold to the highest.
fn around_zero(histogram: &Histogram, grid: &Grid) -> Vec<u64> {
    let mut counts = by_index(histogram, |index| (index + grid.low as i64).max(0));
    counts.resize(grid.low + grid.high, 0);
    counts
}

fn by_index(histogram: &Histogram, place: impl Fn(i64) -> i64) -> Vec<u64> {
    let mut counts = Vec::new();
    for (i, count) in histogram.counts.iter().enumerate() {
        let place = place(histogram.first + i as i64) as usize;
        if counts.len() <= place {
            counts.resize(place + 1, 0);
        }
        counts[place] += count;
    }
    counts
}

/// Running sums, so that a level costs the same however many bins it has.
struct Sums {
    /// Elements below bin j.
    elements: Vec<u64>,
    /// Non-empty bins below bin j.
    filled: Vec<u32>,
    /// `Σ n ln n` below bin j.
    n_ln_n: Vec<f64>,
}

impl Sums {
    fn of(counts: &[u64]) -> Self {
        let mut sums = Self { elements: vec![0], filled: vec![0], n_ln_n: vec![0.0] };
        let (mut elements, mut filled, mut total) = (0, 0, 0.0);
        for count in counts {
            elements += count;
            filled += u32::from(*count > 0);
            total += x_ln_x(*count as f64);
            sums.elements.push(elements);
            sums.filled.push(filled);
            sums.n_ln_n.push(total);
        }
        sums
    }

    fn count(&self, from: usize, to: usize) -> u64 {
        self.elements[to] - self.elements[from]
    }

    /// KL(P ‖ Q) in nats of keeping `bins` bins from `start` on (see [`Entropy`]).
    fn divergence(&self, start: usize, bins: usize, levels: usize) -> f64 {
        let end = start + bins;
        let last = self.elements.len() - 1;
        let kept = self.count(start, end);
        if kept == 0 {
            return f64::INFINITY;
        }
        let total = self.elements[last] as f64;
        let floor = SMOOTHING / bins as f64;
        let share = (1.0 - SMOOTHING) / kept as f64;

        // Σ P ln P, times the number of elements; then the outer bins with what was clipped.
        let mut sum = self.n_ln_n[end] - self.n_ln_n[start];
        let clipped = [(start, self.elements[start]), (end - 1, self.elements[last] - self.elements[end])];
        for (bin, clipped) in clipped {
            if clipped > 0 {
                let inside = self.count(bin, bin + 1) as f64;
                sum += x_ln_x(inside + clipped as f64) - x_ln_x(inside);
            }
        }
        // − Σ P ln Q, level by level: Q is the same in all non-empty bins of a level.
        let codes = levels - 1;
        let mut from = start;
        for code in 0..levels {
            // The first bin whose centre rounds to the next code: (j + ½) · codes / bins ≥ code + ½.
            let to = if code == codes {
                end
            } else {
                start + ((2 * code + 1) * bins).saturating_sub(codes).div_ceil(2 * codes)
            };
            let inside = self.count(from, to);
            if inside > 0 {
                let filled = f64::from(self.filled[to] - self.filled[from]);
                let log = (share * inside as f64 / filled + floor).ln();
                sum -= inside as f64 * log;
                for (bin, clipped) in clipped {
                    if (from..to).contains(&bin) && self.count(bin, bin + 1) > 0 {
                        sum -= clipped as f64 * log;
                    }
                }
            }
            from = to;
        }
        for (bin, clipped) in clipped {
            if self.count(bin, bin + 1) == 0 {
                sum -= clipped as f64 * floor.ln();
            }
        }
        sum / total - total.ln()
    }
}

fn x_ln_x(x: f64) -> f64 {
    if x > 0.0 { x * x.ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::{IntFormat, Stats};
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

    /// KL(P ‖ Q) spelt out bin by bin.
    fn plain(counts: &[u64], start: usize, bins: usize, levels: usize) -> f64 {
        let total: u64 = counts.iter().sum();
        let kept = &counts[start..start + bins];
        let mut p: Vec<f64> = kept.iter().map(|n| *n as f64).collect();
        p[0] += counts[..start].iter().sum::<u64>() as f64;
        p[bins - 1] += counts[start + bins..].iter().sum::<u64>() as f64;
        let codes = (levels - 1) as f64;
        let level = |j: usize| ((j as f64 + 0.5) * codes / bins as f64 + 0.5).floor() as usize;
        let n: u64 = kept.iter().sum();
        (0..bins)
            .filter(|j| p[*j] > 0.0)
            .map(|j| {
                let mates: Vec<u64> =
                    (0..bins).filter(|k| level(*k) == level(j) && kept[*k] > 0).map(|k| kept[k]).collect();
                let mean =
                    if kept[j] > 0 { mates.iter().sum::<u64>() as f64 / mates.len() as f64 } else { 0.0 };
                let q = (1.0 - SMOOTHING) * mean / n as f64 + SMOOTHING / bins as f64;
                let p = p[j] / total as f64;
                p * (p / q).ln()
            })
            .sum()
    }

    #[test]
    fn the_running_sums_give_the_divergence() {
        let mut random = Random::new(1);
        for _ in 0..200 {
            let counts: Vec<u64> = (0..60).map(|_| random.below(5).saturating_sub(1) as u64 * 3).collect();
            let start = random.below(20);
            let bins = 20 + random.below(20);
            let (fast, plain) =
                (Sums::of(&counts).divergence(start, bins, 8), plain(&counts, start, bins, 8));
            assert!((fast - plain).abs() < 1e-12, "{start} {bins}: {fast} against {plain}");
            assert!(fast > -1e-12, "{fast} is negative");
        }
    }

    #[test]
    fn outliers_are_clipped() {
        let mut values = Random::new(2).normals(100_000);
        values[17] = 60.0;
        values[18] = -55.0;
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
                let clipped = values.iter().filter(|v| **v < range.low || **v > range.high).count();
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
