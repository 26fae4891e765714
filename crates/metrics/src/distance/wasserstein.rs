//! Wasserstein-1 (earth mover's) distance on a line, exact.

use super::density::Density;

/// Wasserstein-1 distance of two samples, in units of the tensor: the least mean distance over which the mass
/// of one has to move to become the other.
///
/// `W₁ = ∫ |F(x) − G(x)| dx = ∫ |F⁻¹(u) − G⁻¹(u)| du` over the empirical distributions, exact: the samples are
/// sorted, and each stretch of `u` on which both quantiles are constant adds its length times their distance.
/// For two samples of one size that is the mean distance of the i-th smallest values. Sizes may differ.
///
/// `None` where a sample is empty or holds an element that is not finite. Sorts copies of both samples.
///
/// Source: Vallender, "Calculation of the Wasserstein Distance Between Probability Distributions on the Line",
/// 1974.
pub fn wasserstein1(reference: &[f32], candidate: &[f32]) -> Option<f64> {
    let (a, b) = (sorted(reference)?, sorted(candidate)?);
    let distance = |i: usize, j: usize| (f64::from(a[i]) - f64::from(b[j])).abs();
    // In units of 1/(|a|·|b|) an element of a weighs |b|, and one of b weighs |a|.
    let (mut i, mut j) = (0, 0);
    let (mut left_a, mut left_b) = (b.len(), a.len());
    let mut sum = 0.0;
    while i < a.len() && j < b.len() {
        let moved = left_a.min(left_b);
        sum += moved as f64 * distance(i, j);
        left_a -= moved;
        left_b -= moved;
        if left_a == 0 {
            (i, left_a) = (i + 1, b.len());
        }
        if left_b == 0 {
            (j, left_b) = (j + 1, a.len());
        }
    }
    Some(sum / (a.len() as f64 * b.len() as f64))
}

fn sorted(values: &[f32]) -> Option<Vec<f32>> {
    if !super::is_sample(values) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    Some(sorted)
}

/// The distance of two histograms, see [`Density::wasserstein1`].
pub(super) fn of_densities(p: &Density, q: &Density) -> Option<f64> {
    let (f, g) = (Cdf::of(p), Cdf::of(q));
    let mut knots = [f.at.as_slice(), g.at.as_slice()].concat();
    knots.sort_unstable_by(f64::total_cmp);
    knots.dedup();
    let sum: f64 = knots
        .windows(2)
        .map(|knots| {
            // Between knots both are linear, and so is their difference.
            let (low, high) = (knots[0], knots[1]);
            (high - low) * mean_abs(f.upto(low) - g.upto(low), f.below(high) - g.below(high))
        })
        .sum();
    Some(sum).filter(|sum| sum.is_finite())
}

/// Mean of `|d|` where d runs linearly from one value to another.
pub(super) fn mean_abs(from: f64, to: f64) -> f64 {
    let sum = from.abs() + to.abs();
    // Two triangles where d passes through zero, a trapezium where it does not.
    if from * to < 0.0 { (from * from + to * to) / (2.0 * sum) } else { sum / 2.0 }
}

/// A cumulative distribution that is linear between knots and may jump at them.
struct Cdf {
    at: Vec<f64>,
    /// Share below each knot.
    below: Vec<f64>,
    /// Share up to and at each knot.
    upto: Vec<f64>,
}

impl Cdf {
    fn of(density: &Density) -> Self {
        let mut cdf = Self { at: Vec::new(), below: Vec::new(), upto: Vec::new() };
        let mut share = 0.0;
        for bin in density.bins() {
            cdf.knot(bin.low, share);
            share += bin.share;
            cdf.knot(bin.high, share);
        }
        // The shares may sum to a rounding error off 1; two distributions must end at the same height.
        for height in cdf.below.iter_mut().chain(&mut cdf.upto) {
            *height /= share;
        }
        cdf
    }

    /// The share up to `x` is `share`; knots ascend, and one that is met again jumps.
    fn knot(&mut self, x: f64, share: f64) {
        match (self.at.last(), self.upto.last_mut()) {
            (Some(last), Some(upto)) if *last == x => *upto = share,
            _ => {
                self.at.push(x);
                self.below.push(share);
                self.upto.push(share);
            }
        }
    }

    /// Share below `x`.
    fn below(&self, x: f64) -> f64 {
        self.height(self.at.partition_point(|at| *at < x), x)
    }

    /// Share up to and at `x`.
    fn upto(&self, x: f64) -> f64 {
        self.height(self.at.partition_point(|at| *at <= x), x)
    }

    /// The height at `x` on the way up to knot `next`.
    fn height(&self, next: usize, x: f64) -> f64 {
        if next == 0 {
            return 0.0;
        }
        if next == self.at.len() {
            return 1.0;
        }
        let (from, to) = (self.upto[next - 1], self.below[next]);
        let t = (x - self.at[next - 1]) / (self.at[next] - self.at[next - 1]);
        from + t * (to - from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform(low: f64, high: f64) -> Density {
        Density::new(vec![low, high], vec![1.0]).unwrap()
    }

    #[track_caller]
    fn close(got: Option<f64>, want: f64) {
        let got = got.expect("defined");
        assert!((got - want).abs() <= 1e-12 * want.abs().max(1.0), "got {got}, want {want}");
    }

    #[test]
    fn samples_by_hand() {
        close(wasserstein1(&[3.0, 1.0, 2.0], &[2.0, 5.0, 1.0]), (0.0 + 0.0 + 2.0) / 3.0);
        close(wasserstein1(&[0.0, -0.0], &[-0.0, 0.0]), 0.0);
        close(wasserstein1(&[0.0], &[1.0, -3.0]), 2.0);
        // Quantiles 0, 0, 3 against 0, 1: a third of u at 0−0, a sixth at 0−0 … spelt out in sixths.
        // u in sixths: a = 0 0 0 0 3 3, b = 0 0 0 1 1 1 → |a − b| = 0 0 0 1 2 2.
        close(wasserstein1(&[0.0, 3.0, 0.0], &[1.0, 0.0]), 5.0 / 6.0);
        // A sample against itself twice is the same distribution.
        close(wasserstein1(&[1.0, 4.0], &[4.0, 1.0, 4.0, 1.0]), 0.0);
        close(wasserstein1(&[f32::MAX], &[f32::MIN]), 2.0 * f64::from(f32::MAX));
    }

    #[test]
    fn what_is_no_sample_has_no_distance() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(wasserstein1(&[1.0, bad], &[1.0]), None);
            assert_eq!(wasserstein1(&[1.0], &[bad, 1.0]), None);
        }
        assert_eq!(wasserstein1(&[], &[1.0]), None);
        assert_eq!(wasserstein1(&[1.0], &[]), None);
    }

    #[test]
    fn shifted_uniforms_are_their_shift_apart() {
        for shift in [0.25, 1.0, 7.0, -3.0] {
            close(uniform(0.0, 1.0).wasserstein1(&uniform(shift, 1.0 + shift)), f64::abs(shift));
        }
    }

    #[test]
    fn stretched_uniforms_by_their_quantiles() {
        // |u − 2u| integrates to 1/2.
        close(uniform(0.0, 1.0).wasserstein1(&uniform(0.0, 2.0)), 0.5);
        // F crosses G at 1/2: |(u − ½) · 2 − (u − ½)| integrates to 1/4.
        close(uniform(0.0, 1.0).wasserstein1(&uniform(-0.5, 1.5)), 0.25);
    }

    #[test]
    fn points_and_bins_mix() {
        let point = Density::from_points([(0.5, 9.0)]).unwrap();
        // Mean distance of a uniform from its middle.
        close(uniform(0.0, 1.0).wasserstein1(&point), 0.25);
        close(point.wasserstein1(&Density::from_points([(-1.0, 1.0), (2.0, 1.0)]).unwrap()), 1.5);
        // Half of the mass a point at 0, half over 0..2, against a point at 0.
        let relu = Density::new(vec![0.0, 0.0, 2.0], vec![1.0, 1.0]).unwrap();
        close(relu.wasserstein1(&Density::from_points([(0.0, 1.0)]).unwrap()), 0.5);
        // The point lies on the edge between two bins.
        let ridge = Density::new(vec![0.0, 1.0, 1.0, 2.0], vec![1.0, 2.0, 1.0]).unwrap();
        close(ridge.wasserstein1(&Density::from_points([(1.0, 1.0)]).unwrap()), 0.25);
    }

    #[test]
    fn a_split_bin_changes_nothing() {
        let split = Density::new(vec![0.0, 0.3, 0.3, 1.0], vec![3.0, 0.0, 7.0]).unwrap();
        close(uniform(0.0, 1.0).wasserstein1(&split), 0.0);
    }

    #[test]
    fn a_distance_beyond_f64_is_undefined() {
        let far = |x: f64| Density::from_points([(x, 1.0)]).unwrap();
        assert_eq!(far(f64::MAX).wasserstein1(&far(f64::MIN)), None);
        assert_eq!(mean_abs(-1.0, 1.0), 0.5);
        assert_eq!(mean_abs(0.0, 0.0), 0.0);
        assert_eq!(mean_abs(-2.0, -4.0), 3.0);
    }
}
