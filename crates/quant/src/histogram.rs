//! Histograms on a zero-anchored grid with power-of-two bin width: exactly mergeable.

use serde::{Deserialize, Serialize};

use crate::Range;

/// Bins on each side of zero that the widest value may reach.
///
/// The bin width is the smallest power of two that keeps every value within this many bins of zero, so
/// between half and all of the bins are in use on the longer side.
pub const GRID_BINS_PER_SIDE: i64 = 2048;

/// Counts on the grid `[i·w, (i+1)·w)` with `w = 2^exponent`.
///
/// Widening doubles `w` and joins whole bins (`i → ⌊i/2⌋`), which gives what binning at the wider grid
/// would have given: the final counts depend only on the values seen, not on their order or on how
/// they were split over batches. NaN and ±Inf are not binned; [`crate::Stats`] counts them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Bin width is `2^exponent`.
    pub exponent: i32,
    /// Grid index of `counts[0]`.
    pub first: i64,
    /// Elements per bin; the first and the last entry are not zero.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Counts the finite values of `values`; `None` when there is none.
    #[must_use]
    pub fn of(values: &[f32]) -> Option<Self> {
        let bound = values
            .iter()
            .filter(|v| v.is_finite())
            .fold(None, |a: Option<f32>, v| Some(a.map_or(v.abs(), |a| a.max(v.abs()))))?;
        let exponent = exponent_for(bound);
        let side = GRID_BINS_PER_SIDE as usize;
        let mut dense = vec![0_u64; 2 * side];
        // Exact: a division by a power of two; subnormal quotients floor to 0 or −1 as they should.
        let inverse = 2.0_f64.powi(-exponent);
        for v in values.iter().filter(|v| v.is_finite()) {
            let index = (f64::from(*v) * inverse).floor() as i64 + side as i64;
            dense[index as usize] += 1;
        }
        Self::from_dense(exponent, -(side as i64), &dense)
    }

    /// The histogram of counts that start at grid index `first`; empty bins at the ends are left out.
    /// `None` when every count is zero.
    #[must_use]
    pub fn from_dense(exponent: i32, first: i64, dense: &[u64]) -> Option<Self> {
        let start = dense.iter().position(|c| *c > 0)?;
        let end = dense.iter().rposition(|c| *c > 0)? + 1;
        Some(Self { exponent, first: first + start as i64, counts: dense[start..end].to_vec() })
    }

    /// The exponent of the grid for values of at most this magnitude (finite): the smallest with
    /// `bound < GRID_BINS_PER_SIDE · 2^exponent`.
    #[must_use]
    pub fn exponent_for(bound: f32) -> i32 {
        exponent_for(bound)
    }

    /// Bin width in units of the observed tensor.
    #[must_use]
    pub fn width(&self) -> f64 {
        2.0_f64.powi(self.exponent)
    }

    /// Left edge of bin `i` of `counts`.
    #[must_use]
    pub fn edge(&self, i: usize) -> f64 {
        (self.first + i as i64) as f64 * self.width()
    }

    /// Number of elements.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// From the first bin's left edge to the last bin's right edge, both held to fp32's finite values.
    #[must_use]
    pub fn support(&self) -> Range {
        let to_f32 = |edge: f64| edge.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
        Range { low: to_f32(self.edge(0)), high: to_f32(self.edge(self.counts.len())) }
    }

    /// The same counts at a wider grid (`exponent` not below the present one).
    #[must_use]
    pub fn widened(&self, exponent: i32) -> Self {
        let shift = (exponent - self.exponent).max(0);
        // Past 62 halvings every index is 0 or −1 already.
        let shift = shift.min(62);
        let first = self.first >> shift;
        let last = (self.first + self.counts.len() as i64 - 1) >> shift;
        let mut counts = vec![0_u64; (last - first + 1) as usize];
        for (i, count) in self.counts.iter().enumerate() {
            counts[(((self.first + i as i64) >> shift) - first) as usize] += count;
        }
        Self { exponent: exponent.max(self.exponent), first, counts }
    }

    /// Adds the counts of `other`, both at the wider of the two grids.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        let exponent = self.exponent.max(other.exponent);
        let (a, b) = (self.widened(exponent), other.widened(exponent));
        let first = a.first.min(b.first);
        let end = (a.first + a.counts.len() as i64).max(b.first + b.counts.len() as i64);
        let mut counts = vec![0_u64; (end - first) as usize];
        for part in [&a, &b] {
            for (i, count) in part.counts.iter().enumerate() {
                counts[(part.first - first) as usize + i] += count;
            }
        }
        Self { exponent, first, counts }
    }
}

/// Smallest exponent with `bound < GRID_BINS_PER_SIDE · 2^exponent`.
///
/// Depends only on the largest magnitude seen, which is what makes the grid order-free.
fn exponent_for(bound: f32) -> i32 {
    const SIDE_LOG2: i32 = GRID_BINS_PER_SIDE.trailing_zeros() as i32;
    // The grid never becomes finer than fp32's subnormals need.
    const FINEST: i32 = -149 - SIDE_LOG2;
    if bound == 0.0 {
        return FINEST;
    }
    let bits = f64::from(bound).to_bits();
    // f64 holds every f32 as a normal number, so its exponent field is floor(log2(bound)).
    let floor_log2 = ((bits >> 52) & 0x7ff) as i32 - 1023;
    (floor_log2 + 1 - SIDE_LOG2).max(FINEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_land_in_their_bins() {
        let h = Histogram::of(&[0.0, 1.0, -1.0, 1023.5, f32::NAN, f32::INFINITY]).unwrap();
        assert_eq!(h.exponent, -1);
        assert_eq!(h.total(), 4);
        assert_eq!(h.edge(0), -1.0);
        assert_eq!(h.support(), Range { low: -1.0, high: 1024.0 });
    }

    #[test]
    fn merging_equals_observing_everything_at_once() {
        let a = [0.1_f32, -0.3, 0.2, 1e-30];
        let b = [700.0_f32, -1e-5, 3.0, -12.0];
        let whole: Vec<f32> = a.iter().chain(&b).copied().collect();
        let merged = Histogram::of(&a).unwrap().merged(&Histogram::of(&b).unwrap());
        assert_eq!(merged, Histogram::of(&whole).unwrap());
    }

    #[test]
    fn hostile_magnitudes_stay_on_the_grid() {
        for v in [f32::MAX, f32::MIN, 1e-45, -1e-45, 0.0, -0.0, f32::MIN_POSITIVE] {
            let h = Histogram::of(&[v]).unwrap();
            assert_eq!(h.total(), 1, "{v}");
            let (low, high) = (h.edge(0), h.edge(1));
            assert!(low <= f64::from(v) && f64::from(v) < high, "{v} in [{low}, {high})");
            assert!(h.support().bound().is_finite(), "{v}");
        }
        let tiny_and_huge = Histogram::of(&[1e-45]).unwrap().merged(&Histogram::of(&[f32::MAX]).unwrap());
        assert_eq!(tiny_and_huge, Histogram::of(&[1e-45, f32::MAX]).unwrap());
        assert!(Histogram::of(&[f32::NAN]).is_none());
    }
}
