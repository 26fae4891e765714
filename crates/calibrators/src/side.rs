//! Running sums of the magnitudes on one side of zero: what the methods integrate.

use calibench_quant::{Histogram, Range};

/// Octaves below the largest magnitude whose bins keep their own entry; what lies below counts as zero.
const OCTAVES: i32 = 64;

/// What is summed over elements: their number alone, or their first moments too.
pub(crate) trait Sum: Copy + Default {
    /// Of `count` elements spread evenly over `[low, high]`.
    fn spread(count: f64, low: f64, high: f64) -> Self;
    fn plus(self, other: Self) -> Self;
    fn count(self) -> f64;
}

impl Sum for f64 {
    fn spread(count: f64, _low: f64, _high: f64) -> Self {
        count
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn count(self) -> f64 {
        self
    }
}

/// Elements, their sum and their sum of squares, of everything below some magnitude.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Moments {
    pub count: f64,
    pub sum: f64,
    pub squares: f64,
}

impl Sum for Moments {
    #[inline(always)]
    fn spread(count: f64, low: f64, high: f64) -> Self {
        Self {
            count,
            sum: count * (low + high) * (1.0 / 2.0),
            squares: count * (low * low + low * high + high * high) * (1.0 / 3.0),
        }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
        }
    }

    fn count(self) -> f64 {
        self.count
    }
}

impl Moments {
    #[inline(always)]
    pub fn minus(self, other: Self) -> Self {
        Self {
            count: self.count - other.count,
            sum: self.sum - other.sum,
            squares: self.squares - other.squares,
        }
    }

    /// `Σ (x − c)²`.
    #[inline(always)]
    pub fn squares_about(self, c: f64) -> f64 {
        // Never negative but for rounding.
        (self.squares - 2.0 * c * self.sum + c * c * self.count).max(0.0)
    }
}

/// The magnitudes on one side of zero as a piecewise-uniform density, with running sums from zero
/// outward: small magnitudes are summed first, so an outlier costs the bulk no precision.
#[derive(Debug, Clone)]
pub(crate) struct Side<T> {
    /// Bin of the first entry.
    first: i32,
    /// Sums of everything below the bins `first`, `first + 1`, …; the last entry is everything.
    below: Vec<T>,
    least: f64,
    top: f64,
}

impl<T: Sum> Side<T> {
    /// Magnitudes of the positive values.
    pub fn positive(histogram: &Histogram, observed: Range) -> Self {
        Self::of(histogram.iter(), f64::from(observed.low.max(0.0)), f64::from(observed.high.max(0.0)))
    }

    /// Magnitudes of the negative values.
    pub fn negative(histogram: &Histogram, observed: Range) -> Self {
        let flipped = histogram.iter().rev().map(|(bin, count)| (-1 - bin, count));
        Self::of(flipped, f64::from((-observed.high).max(0.0)), f64::from((-observed.low).max(0.0)))
    }

    /// Magnitudes of all values.
    pub fn folded(histogram: &Histogram, observed: Range) -> Self {
        let least = observed.low.max(-observed.high).max(0.0);
        Self::of(histogram.folded().iter(), f64::from(least), f64::from(observed.bound()))
    }

    /// From ascending bins, of which those below zero are left out, with values in `[least, top]`.
    fn of(bins: impl Iterator<Item = (i32, u64)>, least: f64, top: f64) -> Self {
        let last = Histogram::bin_of(top as f32);
        let first = (last - OCTAVES * (1 << calibench_quant::MANTISSA_BITS)).max(0);
        let mut side = Self { first, below: vec![], least, top };
        let mut total = T::default();
        for (bin, count) in bins.skip_while(|(bin, _)| *bin < 0) {
            if bin < side.first {
                total = total.plus(T::spread(count as f64, 0.0, 0.0));
                continue;
            }
            if side.below.is_empty() {
                // Bins before the first that holds anything need no entry.
                side.first = bin;
                side.below.reserve((last - bin).max(0) as usize + 2);
            }
            side.below.resize((bin - side.first) as usize + 1, total);
            let (low, high) = side.edges(bin);
            total = total.plus(T::spread(count as f64, low, high));
        }
        side.below.push(total);
        side
    }

    /// Ends of a bin, held to what was observed.
    fn edges(&self, bin: i32) -> (f64, f64) {
        let (low, high) = Histogram::edges(bin);
        (low.max(self.least), high.min(self.top))
    }

    /// Largest magnitude.
    pub fn top(&self) -> f64 {
        self.top
    }

    /// Of everything.
    pub fn all(&self) -> T {
        self.below.last().copied().unwrap_or_default()
    }

    /// Of the magnitudes below `x`, a positive number.
    #[inline]
    pub fn below(&self, x: f64) -> T {
        let (bin, share) = Histogram::place(x);
        let at = bin - self.first;
        let last = self.below.len() as i32 - 2;
        if at > last || x >= self.top {
            return self.all();
        }
        if at < 0 {
            return self.below[0];
        }
        let (below, above) = (self.below[at as usize], self.below[at as usize + 1]);
        let count = above.count() - below.count();
        if at == 0 || at == last {
            return below.plus(self.outermost(bin, count, x));
        }
        let low = Histogram::edges(bin).0;
        below.plus(T::spread(count * share, low, x))
    }

    /// Of the part below `x` of a bin that may end at what was observed.
    #[cold]
    fn outermost(&self, bin: i32, count: f64, x: f64) -> T {
        let (low, high) = self.edges(bin);
        let share = if high > low { ((x - low) / (high - low)).clamp(0.0, 1.0) } else { 1.0 };
        T::spread(count * share, low, low + share * (high - low))
    }

    /// The bins from the one of `x` outward that hold anything: ends and elements.
    pub fn cells_from(&self, x: f64) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        let start = (Histogram::place(x).0 - self.first).max(0) as usize;
        (start..self.below.len().saturating_sub(1)).filter_map(|i| {
            let count = self.below[i + 1].count() - self.below[i].count();
            let (low, high) = self.edges(self.first + i as i32);
            (count > 0.0).then_some((low, high, count))
        })
    }
}

impl Side<Moments> {
    /// Moments of the magnitudes above `x`.
    pub fn above(&self, x: f64) -> Moments {
        self.all().minus(self.below(x))
    }

    /// `Σ (x − T)²` over the magnitudes above T: what clipping there costs.
    pub fn clipped_squares(&self, threshold: f64) -> f64 {
        self.above(threshold).squares_about(threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_testkit::Random;

    #[test]
    fn moments_are_those_of_the_values() {
        let values = Random::new(1).many(50_000, Random::student_t);
        let (histogram, observed) = (Histogram::of(&values).unwrap(), Range::of(&values).unwrap());
        let positive = Side::<Moments>::positive(&histogram, observed);
        let negative = Side::<Moments>::negative(&histogram, observed);
        let folded = Side::<Moments>::folded(&histogram, observed);
        for x in [0.01, 0.3, 1.0, 2.0, 7.5, 1e6] {
            let expect = |sign: f64| {
                values
                    .iter()
                    .map(|v| f64::from(*v) * sign)
                    .filter(|v| (0.0..x).contains(v))
                    .fold(Moments::default(), |m, v| m.plus(Moments { count: 1.0, sum: v, squares: v * v }))
            };
            let near = |got: Moments, want: Moments| {
                assert!((got.count - want.count).abs() <= 2e-3 * want.count + 2.0, "{x}: {got:?} {want:?}");
                assert!(
                    (got.sum - want.sum).abs() <= 2e-3 * want.sum + 2.0 * x.min(9.0),
                    "{x}: {got:?} {want:?}"
                );
            };
            near(positive.below(x), expect(1.0));
            near(negative.below(x), expect(-1.0));
            near(folded.below(x), expect(1.0).plus(expect(-1.0)));
            let rest = folded.above(x).plus(folded.below(x));
            assert!((rest.squares - folded.all().squares).abs() < 1e-9 * rest.squares);
        }
    }

    #[test]
    fn a_constant_is_a_point() {
        let side: Side<Moments> =
            Side::positive(&Histogram::of(&[2.5; 10]).unwrap(), Range { low: 2.5, high: 2.5 });
        assert_eq!(side.below(2.499).count, 0.0);
        assert_eq!(side.below(2.5), Moments { count: 10.0, sum: 25.0, squares: 62.5 });
        assert_eq!(side.clipped_squares(1.25), 10.0 * 1.25 * 1.25);
    }

    #[test]
    fn magnitudes_far_below_the_largest_count_as_zero() {
        let values = [1e-30_f32, 1e-3, 1.0, 3e8];
        let side: Side<Moments> =
            Side::positive(&Histogram::of(&values).unwrap(), Range::of(&values).unwrap());
        assert_eq!(side.below(1e-20).count, 1.0);
        assert_eq!(side.below(0.1).count, 2.0);
        assert_eq!(side.all().count, 4.0);
    }

    #[test]
    fn a_side_without_values_is_empty() {
        let side: Side<Moments> =
            Side::negative(&Histogram::of(&[1.0, 2.0]).unwrap(), Range { low: 1.0, high: 2.0 });
        assert_eq!((side.top(), side.all()), (0.0, Moments::default()));
        assert_eq!(side.below(1.0), Moments::default());
        let zeros: Side<Moments> =
            Side::folded(&Histogram::of(&[0.0, -0.0]).unwrap(), Range { low: 0.0, high: 0.0 });
        assert_eq!((zeros.all().count, zeros.all().squares), (2.0, 0.0));
    }
}
