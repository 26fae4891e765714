//! A histogram as a piecewise-uniform density, and what quantization costs under it.

use calibench_quant::{Histogram, QParams, Range};

/// Non-empty bins, each with the interval that its values can lie in.
///
/// The outermost bins end at the observed range, not at the grid's edge: a constant tensor is then a
/// point, and no mass lies beyond what was seen.
#[derive(Debug, Clone)]
pub(crate) struct Bins {
    bins: Vec<(f64, f64, f64)>,
    total: f64,
}

impl Bins {
    pub fn of(histogram: &Histogram, observed: Range) -> Self {
        let held = |edge: f64| edge.clamp(f64::from(observed.low), f64::from(observed.high));
        let bins = (0..histogram.counts.len())
            .filter(|i| histogram.counts[*i] > 0)
            .map(|i| (held(histogram.edge(i)), held(histogram.edge(i + 1)), histogram.counts[i] as f64))
            .collect();
        Self { bins, total: histogram.total() as f64 }
    }

    /// The same for `|x|`.
    pub fn folded(histogram: &Histogram, observed: Range) -> Self {
        let mut counts = Vec::new();
        for (i, count) in histogram.counts.iter().enumerate() {
            let index = histogram.first + i as i64;
            let magnitude = if index < 0 { -1 - index } else { index } as usize;
            if counts.len() <= magnitude {
                counts.resize(magnitude + 1, 0);
            }
            counts[magnitude] += count;
        }
        let least = observed.low.max(-observed.high).max(0.0);
        let magnitudes = Histogram { exponent: histogram.exponent, first: 0, counts };
        Self::of(&magnitudes, Range { low: least, high: observed.bound() })
    }

    /// The value below which `count` elements lie, linear within a bin.
    pub fn quantile(&self, count: f64) -> f64 {
        let mut below = 0.0;
        for (low, high, mass) in &self.bins {
            if below + mass >= count {
                let share = ((count - below) / mass).clamp(0.0, 1.0);
                return low + share * (high - low);
            }
            below += mass;
        }
        self.bins.last().map_or(0.0, |(_, high, _)| *high)
    }

    /// Number of elements.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// `Σ (x − T)²` over the elements above each threshold T: what clipping there costs.
    ///
    /// Thresholds ascend, and none but the last lies within a bin. Sums of positive terms carried from
    /// one threshold down to the next, so nothing cancels.
    pub fn squares_above(&self, thresholds: &[f64]) -> Vec<f64> {
        let mut squares = vec![0.0; thresholds.len()];
        let mut bins = self.bins.iter().rev().peekable();
        // Moments of order 0, 1 and 2 about the threshold of the elements above it.
        let (mut mass_above, mut first, mut second) = (0.0, 0.0, 0.0);
        let mut above = thresholds.last().copied().unwrap_or(0.0);
        for (square, threshold) in squares.iter_mut().zip(thresholds).rev() {
            let down = above - threshold;
            second += down * (2.0 * first + down * mass_above);
            first += down * mass_above;
            while let Some((low, high, mass)) = bins.next_if(|(low, _, _)| low >= threshold) {
                let (low, high) = (low - threshold, high - threshold);
                second += mass * (low * low + low * high + high * high) / 3.0;
                first += mass * (low + high) / 2.0;
                mass_above += mass;
            }
            *square = second;
            above = *threshold;
        }
        squares
    }
}

/// Expected squared quantization error as a sum over the density's steps.
///
/// In code units `t = x / S`, with `r = clamp(round(t), q_min − Z, q_max − Z)`, the error `(t − r)²`
/// has the antiderivative
///
/// ```text
/// F(t) = r / 12 + (t − r)³ / 3
/// ```
///
/// for rounding and clipping alike (continuous, since both neighbours give the same value at a tie). A
/// bin of density ρ over `[a, b]` then costs `ρ S³ (F(b/S) − F(a/S))`, exactly, however many codes lie
/// in it. Neighbouring bins share an edge, so the sum runs over edges `x` where the density steps by Δρ:
/// `S³ Σ −Δρ(x) · F(x/S)`. Bins of no width are points and cost `n (x − fq(x))²`.
#[derive(Debug, Clone)]
pub(crate) struct ErrorModel {
    edges: Vec<f64>,
    /// −Δρ at each edge.
    steps: Vec<f64>,
    points: Vec<(f64, f64)>,
}

impl ErrorModel {
    /// For any range.
    pub fn of(bins: &Bins) -> Self {
        let mut knots = Vec::with_capacity(2 * bins.bins.len());
        let mut points = Vec::new();
        for (low, high, mass) in &bins.bins {
            if high > low {
                let density = mass / (high - low);
                knots.push((*low, -density));
                knots.push((*high, density));
            } else {
                points.push((*low, *mass));
            }
        }
        // In order already: bins are, and each ends where the next may start.
        knots.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        knots.retain(|(_, step)| *step != 0.0);
        let (edges, steps) = knots.into_iter().unzip();
        Self { edges, steps, points }
    }

    /// `Σ (x − fake_quantize(x))²` over all elements, expected under the density.
    pub fn squared_error(&self, q: &QParams) -> f64 {
        let (q_min, q_max) = q.code_range();
        let scale = f64::from(q.scale_of(0));
        let least = f64::from(q_min - q.zero_point_of(0));
        let most = f64::from(q_max - q.zero_point_of(0));
        let inverse = 1.0 / scale;
        let primitive = |x: f64| {
            let t = x * inverse;
            let r = held_round(t, least, most);
            let d = t - r;
            r * (1.0 / 12.0) + d * d * d * (1.0 / 3.0)
        };
        // Four running sums, so that the additions vectorise.
        let mut sums = [0.0_f64; 4];
        let edges = self.edges.chunks_exact(4);
        let steps = self.steps.chunks_exact(4);
        let rest = edges.remainder().iter().zip(steps.remainder());
        let mut sum: f64 = rest.map(|(x, step)| step * primitive(*x)).sum();
        for (x, step) in edges.zip(steps) {
            for lane in 0..4 {
                sums[lane] += step[lane] * primitive(x[lane]);
            }
        }
        sum += (sums[0] + sums[1]) + (sums[2] + sums[3]);
        let points = self.points.iter().map(|(x, mass)| {
            let t = x * inverse;
            mass * (t - held_round(t, least, most)).powi(2)
        });
        scale * scale * (scale * sum + points.sum::<f64>())
    }
}

/// `clamp(round(t), least, most)`, ties to even, for `|t| < 2^51`.
#[inline(always)]
fn held_round(t: f64, least: f64, most: f64) -> f64 {
    // Adding and subtracting 1.5 · 2^52 rounds to an integer and, unlike `round`, vectorises everywhere.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    let r = (t + SHIFT) - SHIFT;
    let r = if r < least { least } else { r };
    if r > most { most } else { r }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::{IntFormat, Symmetry};
    use calibench_testkit::Random;

    fn bins(values: &[f32]) -> (Bins, Range) {
        let observed = Range::of(values).unwrap();
        (Bins::of(&Histogram::of(values).unwrap(), observed), observed)
    }

    /// Σ over points spread evenly through each bin: what the closed form integrates.
    fn numeric(bins: &Bins, q: &QParams) -> f64 {
        const POINTS: usize = 2000;
        let (q_min, q_max) = q.code_range();
        let zero = f64::from(q.zero_point[0]);
        let scale = f64::from(q.scale[0]);
        let mut sum = 0.0;
        for (low, high, mass) in &bins.bins {
            for i in 0..POINTS {
                let x = low + (high - low) * (i as f64 + 0.5) / POINTS as f64;
                let code = ((x / scale).round_ties_even() + zero).clamp(f64::from(q_min), f64::from(q_max));
                sum += mass * (x - scale * (code - zero)).powi(2) / POINTS as f64;
            }
        }
        sum
    }

    #[test]
    fn the_closed_form_is_the_integral() {
        let (bins, observed) = bins(&Random::new(5).normals(300));
        let model = ErrorModel::of(&bins);
        for format in IntFormat::ALL {
            for symmetry in Symmetry::ALL {
                for shrink in [1.0, 0.6, 0.2] {
                    let range = Range { low: observed.low * shrink, high: observed.high * shrink };
                    let q = QParams::from_range("t", range, *format, *symmetry).unwrap();
                    let (closed, numeric) = (model.squared_error(&q), numeric(&bins, &q));
                    let off = (closed - numeric).abs() / numeric;
                    assert!(off < 1e-3, "{format} {symmetry:?} {shrink}: {closed} against {numeric}");
                }
            }
        }
    }

    #[test]
    fn a_constant_is_a_point_and_costs_what_it_costs() {
        let (bins, observed) = bins(&[2.5; 10]);
        let q = QParams::from_range("t", observed, IntFormat::INT8, Symmetry::Affine).unwrap();
        assert!(ErrorModel::of(&bins).squared_error(&q) < 1e-10);
        let half = Range { low: 0.0, high: 1.25 };
        let q = QParams::from_range("t", half, IntFormat::INT8, Symmetry::Affine).unwrap();
        assert!((ErrorModel::of(&bins).squared_error(&q) - 10.0 * 1.25 * 1.25).abs() < 1e-5);
    }

    #[test]
    fn quantiles_of_a_ramp() {
        let ramp: Vec<f32> = (0..1024).map(|i| i as f32).collect();
        let (bins, _) = bins(&ramp);
        assert_eq!(bins.quantile(0.0), 0.0);
        assert!((bins.quantile(512.0) - 512.0).abs() < 1.0);
        assert_eq!(bins.quantile(1024.0), 1023.0);
    }

    #[test]
    fn clipped_squares() {
        let (bins, _) = bins(&[-2.0, -2.0, 3.0, 3.0, 2.0]);
        let squares = bins.squares_above(&[0.0, 1.0, 2.5, 3.0]);
        for (square, expected) in squares.iter().zip([22.0, 9.0, 0.5, 0.0]) {
            assert!((square - expected).abs() < 1e-2, "{squares:?}");
        }
    }
}
