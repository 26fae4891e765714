//! Histograms whose bins are prefixes of the floating-point numbers: exactly mergeable, for any range.

use serde::{Deserialize, Serialize};

use crate::Range;

/// Bits of the significand that tell bins apart: 512 bins in every octave.
pub const MANTISSA_BITS: u32 = 9;

/// Bits of an fp32 number that a bin leaves open.
const SHIFT: u32 = 23 - MANTISSA_BITS;

/// Bins of one sign that hold finite numbers: every prefix below that of infinity.
const FINITE: i32 = 0x7f80_0000 >> SHIFT;

/// Counts of values that share sign, exponent and the leading [`MANTISSA_BITS`] of their significand.
///
/// ```text
/// bin(v) =  bits(|v|) >> 14           v ≥ +0.0      bits: the fp32 encoding as an integer
///        = −1 − (bits(|v|) >> 14)     v ≤ −0.0
/// ```
///
/// The bins are in the order of the values, and between 2⁻⁹ and 2⁻¹⁰ of their value wide, whatever the
/// range of the tensor: one outlier takes nothing from the resolution of the others, and nothing is ever
/// binned anew. The counts depend only on the values seen, not on their order or on how they were split
/// over batches, and merging adds them. Values below 1.1e-41 share the two bins beside zero.
/// NaN and ±Inf are not binned; [`crate::Stats`] counts them.
///
/// Only bins that are not empty are kept: some 10,000 for a million normally distributed values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Bins that are not empty, ascending. Serialised as the first bin and then the distances.
    #[serde(with = "distances")]
    pub bins: Vec<i32>,
    /// Elements in each of them.
    pub counts: Vec<u64>,
}

/// One bin with what it holds: values in `[low, high]`, taken as spread evenly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Lower end, in units of the tensor.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Elements.
    pub count: f64,
}

impl Histogram {
    /// The bin of a finite value.
    #[must_use]
    pub fn bin_of(v: f32) -> i32 {
        let magnitude = (v.abs().to_bits() >> SHIFT) as i32;
        if v.is_sign_negative() { -1 - magnitude } else { magnitude }
    }

    /// The bin of a magnitude, and how far into it the magnitude lies, from 0 to 1. Exact, whether or not
    /// fp32 can hold it.
    #[inline(always)]
    #[must_use]
    pub fn place(magnitude: f64) -> (i32, f64) {
        // An f64 has the same leading significand bits and an exponent that is 896 greater.
        const OPEN: u32 = 52 - MANTISSA_BITS;
        const BIAS: i32 = (1023 - 127) << MANTISSA_BITS;
        if magnitude < f64::from(f32::MIN_POSITIVE) {
            let bin = Self::bin_of(magnitude as f32);
            let (low, high) = Self::edges(bin);
            return (bin, ((magnitude - low) / (high - low)).clamp(0.0, 1.0));
        }
        let bits = magnitude.to_bits();
        let share = (bits & ((1 << OPEN) - 1)) as i64 as f64 * (1.0 / (1_u64 << OPEN) as f64);
        ((bits >> OPEN) as i32 - BIAS, share)
    }

    /// Both ends of a bin, in units of the tensor.
    #[inline]
    #[must_use]
    pub fn edges(bin: i32) -> (f64, f64) {
        let edge = |prefix: i32| {
            if prefix >= FINITE {
                2.0_f64.powi(128)
            } else {
                f64::from(f32::from_bits((prefix as u32) << SHIFT))
            }
        };
        if bin < 0 { (-edge(-bin), -edge(-1 - bin)) } else { (edge(bin), edge(bin + 1)) }
    }

    /// Counts the finite values of `values`; `None` when there is none.
    #[must_use]
    pub fn of(values: &[f32]) -> Option<Self> {
        let mut bins: Vec<i32> = values.iter().filter(|v| v.is_finite()).map(|v| Self::bin_of(*v)).collect();
        bins.sort_unstable();
        Self::from_counts(bins.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u64)))
    }

    /// The histogram of counts by ascending bin; empty ones are left out. `None` when all are empty.
    #[must_use]
    pub fn from_counts(counts: impl IntoIterator<Item = (i32, u64)>) -> Option<Self> {
        let (bins, counts): (Vec<i32>, Vec<u64>) = counts.into_iter().filter(|(_, n)| *n > 0).unzip();
        (!bins.is_empty()).then_some(Self { bins, counts })
    }

    /// The histogram of counts by floating-point prefix (`bits(v) >> 14`), as a counting loop leaves them:
    /// the prefixes of positive values first, then those of negative ones. `None` when all are empty.
    ///
    /// Prefixes that only NaN and infinities have are passed over.
    #[must_use]
    pub fn from_prefixes(count: impl Fn(usize) -> u64) -> Option<Self> {
        let negative = Self::PREFIXES as i32 / 2;
        let below = (0..FINITE).rev().map(|p| (-1 - p, count((negative + p) as usize)));
        let above = (0..FINITE).map(|p| (p, count(p as usize)));
        Self::from_counts(below.chain(above))
    }

    /// Number of floating-point prefixes.
    pub const PREFIXES: usize = 1 << (32 - SHIFT);

    /// Prefix of a value, below [`Histogram::PREFIXES`]; finite values only make it into a histogram.
    #[inline(always)]
    #[must_use]
    pub fn prefix(bits: u32) -> usize {
        (bits >> SHIFT) as usize
    }

    /// Whether a prefix belongs to finite values.
    #[must_use]
    pub fn is_finite_prefix(prefix: usize) -> bool {
        prefix & (Self::PREFIXES / 2 - 1) < FINITE as usize
    }

    /// Number of elements.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds the counts of `other`.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        let mut merged = Self::default();
        let (mut a, mut b) = (self.iter().peekable(), other.iter().peekable());
        loop {
            let (bin, count) = match (a.peek(), b.peek()) {
                (Some(&(i, n)), Some(&(j, m))) => {
                    if i <= j {
                        a.next();
                    }
                    if j <= i {
                        b.next();
                    }
                    (i.min(j), if i <= j { n } else { 0 } + if j <= i { m } else { 0 })
                }
                (Some(&next), None) => {
                    a.next();
                    next
                }
                (None, Some(&next)) => {
                    b.next();
                    next
                }
                (None, None) => return merged,
            };
            merged.bins.push(bin);
            merged.counts.push(count);
        }
    }

    /// The histogram of |x|.
    #[must_use]
    pub fn folded(&self) -> Self {
        let (negative, positive) = self.sides();
        positive.merged(&negative.negated())
    }

    /// The histogram of −x.
    #[must_use]
    pub fn negated(&self) -> Self {
        let (bins, counts) = self.iter().rev().map(|(bin, count)| (-1 - bin, count)).unzip();
        Self { bins, counts }
    }

    /// The histograms of the values below zero and of the others.
    fn sides(&self) -> (Self, Self) {
        let middle = self.bins.partition_point(|bin| *bin < 0);
        let part = |bins: &[i32], counts: &[u64]| Self { bins: bins.to_vec(), counts: counts.to_vec() };
        (
            part(&self.bins[..middle], &self.counts[..middle]),
            part(&self.bins[middle..], &self.counts[middle..]),
        )
    }

    /// Bins and counts, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i32, u64)> + '_ {
        self.bins.iter().copied().zip(self.counts.iter().copied())
    }

    /// The bins as intervals that end at the observed range: a constant tensor is then a point, and no
    /// mass lies beyond what was seen.
    pub fn cells(&self, observed: Range) -> impl Iterator<Item = Cell> + '_ {
        let (least, most) = (f64::from(observed.low), f64::from(observed.high));
        self.iter().map(move |(bin, count)| {
            let (low, high) = Self::edges(bin);
            let held = |edge: f64| edge.min(most).max(least);
            Cell { low: held(low), high: held(high), count: count as f64 }
        })
    }

    /// Share of the elements outside `[low, high]`; a bin that an end cuts counts by its part outside.
    #[must_use]
    pub fn share_outside(&self, observed: Range, low: f64, high: f64) -> f64 {
        let outside = self.cells(observed).map(|cell| {
            let width = cell.high - cell.low;
            if width > 0.0 {
                let inside = cell.high.min(high) - cell.low.max(low);
                cell.count * (1.0 - (inside / width).clamp(0.0, 1.0))
            } else if cell.low < low || cell.low > high {
                cell.count
            } else {
                0.0
            }
        });
        outside.sum::<f64>() / (self.total() as f64).max(1.0)
    }

    /// Elements in each of `bins` equal bins of `[low, high]`; what lies outside is left out.
    ///
    /// # Example
    /// ```
    /// use calibench_quant::{Histogram, Range};
    /// let histogram = Histogram::of(&[0.5, 1.5, 1.5, 3.5]).unwrap();
    /// let linear = histogram.rebinned(Range { low: 0.5, high: 3.5 }, 0.0, 4.0, 4);
    /// assert_eq!(linear, [1.0, 2.0, 0.0, 1.0]);
    /// ```
    #[must_use]
    pub fn rebinned(&self, observed: Range, low: f64, high: f64, bins: usize) -> Vec<f64> {
        let mut linear = vec![0.0; bins];
        let per_unit = bins as f64 / (high - low);
        for cell in self.cells(observed) {
            let (from, to) = ((cell.low - low) * per_unit, (cell.high - low) * per_unit);
            if to <= from {
                // A point; one at the upper end belongs to the last bin.
                if (0.0..=bins as f64).contains(&from) && bins > 0 {
                    linear[(from as usize).min(bins - 1)] += cell.count;
                }
                continue;
            }
            let density = cell.count / (to - from);
            let (from, to) = (from.max(0.0), to.min(bins as f64));
            let mut at = from;
            while at < to {
                let bin = (at as usize).min(bins - 1);
                let end = to.min((bin + 1) as f64);
                linear[bin] += density * (end - at);
                at = end;
            }
        }
        linear
    }

    /// What is wrong with a histogram that came from a file; `None` when nothing is.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        if self.bins.is_empty() || self.bins.len() != self.counts.len() {
            return Some(format!("{} bins with {} counts", self.bins.len(), self.counts.len()));
        }
        if let Some(pair) = self.bins.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Some(format!("bin {} stands before bin {}", pair[0], pair[1]));
        }
        if let Some(bin) = self.bins.iter().find(|bin| !(-FINITE..FINITE).contains(*bin)) {
            return Some(format!("bin {bin} holds no finite number"));
        }
        let total = self.counts.iter().try_fold(0_u64, |sum, n| sum.checked_add(*n));
        if total.is_none() || self.counts.contains(&0) {
            Some("counts that cannot be".to_owned())
        } else {
            None
        }
    }
}

/// Ascending integers as the first one and the distances: mostly ones, and so a quarter of the text.
mod distances {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bins: &[i32], serializer: S) -> Result<S::Ok, S::Error> {
        let mut previous = 0_i32;
        serializer.collect_seq(bins.iter().map(|bin| {
            let distance = bin.wrapping_sub(previous);
            previous = *bin;
            distance
        }))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i32>, D::Error> {
        let mut bins = Vec::<i32>::deserialize(deserializer)?;
        let mut previous = 0_i32;
        for bin in &mut bins {
            previous = bin.wrapping_add(previous);
            *bin = previous;
        }
        Ok(bins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_within_the_edges_of_their_bin() {
        let mut values =
            vec![0.0, -0.0, 1e-45, -1e-45, f32::MIN_POSITIVE, f32::MAX, f32::MIN, 1.0, -1.0, 0.1];
        values.extend((-149..128).flat_map(|e| [2.0_f64.powi(e) as f32, -1.7 * 2.0_f64.powi(e) as f32]));
        for v in values.into_iter().filter(|v| v.is_finite()) {
            let bin = Histogram::bin_of(v);
            let (low, high) = Histogram::edges(bin);
            if v.is_sign_positive() {
                let (same, share) = Histogram::place(f64::from(v));
                assert_eq!(same, bin, "{v}");
                assert_eq!(low + share * (high - low), f64::from(v), "{v}");
            }
            assert!(low <= f64::from(v) && f64::from(v) <= high && low < high, "{v} in [{low}, {high}]");
            assert!((-FINITE..FINITE).contains(&bin), "{v}");
        }
    }

    #[test]
    fn bins_are_in_the_order_of_their_values_and_adjoin() {
        for bin in (-FINITE..FINITE - 1).step_by(97) {
            assert_eq!(Histogram::edges(bin).1, Histogram::edges(bin + 1).0, "{bin}");
        }
        assert_eq!(Histogram::edges(-1).1, 0.0);
        assert_eq!(Histogram::edges(FINITE - 1).1, 2.0_f64.powi(128));
    }

    #[test]
    fn counts_land_in_their_bins_and_what_is_not_finite_in_none() {
        let h = Histogram::of(&[1.0, 1.0, -2.0, f32::NAN, f32::INFINITY]).unwrap();
        assert_eq!(h.counts, [1, 2]);
        assert_eq!(Histogram::edges(h.bins[1]), (1.0, 1.0 + 2.0_f64.powi(-9)));
        assert_eq!(Histogram::edges(h.bins[0]), (-2.0 - 2.0_f64.powi(-8), -2.0));
        assert!(Histogram::of(&[f32::NAN]).is_none());
    }

    #[test]
    fn merging_equals_observing_everything_at_once() {
        let a = [0.1_f32, -0.3, 0.2, 1e-30, 3.0];
        let b = [700.0_f32, -1e-5, 3.0, -12.0, 0.1];
        let whole: Vec<f32> = a.iter().chain(&b).copied().collect();
        let merged = Histogram::of(&a).unwrap().merged(&Histogram::of(&b).unwrap());
        assert_eq!(merged, Histogram::of(&whole).unwrap());
        assert_eq!(merged.merged(&Histogram::default()), merged);
    }

    #[test]
    fn folding_is_the_histogram_of_magnitudes() {
        let values = [0.0, -0.5, 0.5, -3.0, 2.0, -1e-30];
        let map = |f: fn(f32) -> f32| Histogram::of(&values.map(f)).unwrap();
        let h = Histogram::of(&values).unwrap();
        assert_eq!(h.folded(), map(f32::abs));
        assert_eq!(h.negated(), map(|v| -v));
    }

    #[test]
    fn rebinning_keeps_the_mass_within() {
        let values: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.37).sin() * 3.0).collect();
        let (h, observed) = (Histogram::of(&values).unwrap(), Range::of(&values).unwrap());
        let all = h.rebinned(observed, -4.0, 4.0, 64);
        assert!((all.iter().sum::<f64>() - 1000.0).abs() < 1e-9);
        let inner = h.rebinned(observed, -1.0, 1.0, 32);
        let inside = values.iter().filter(|v| v.abs() < 1.0).count() as f64;
        assert!((inner.iter().sum::<f64>() - inside).abs() < 3.0);
    }

    #[test]
    fn shares_outside_a_range() {
        let values = [-2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 2.0, 2.0];
        let (h, observed) = (Histogram::of(&values).unwrap(), Range::of(&values).unwrap());
        assert_eq!(h.share_outside(observed, -2.0, 2.0), 0.0);
        assert_eq!(h.share_outside(observed, -1.5, 1.5), 0.5);
        assert_eq!(h.share_outside(observed, -9.0, 0.7), 0.5);
        let point = Range { low: 2.5, high: 2.5 };
        assert_eq!(Histogram::of(&[2.5]).unwrap().share_outside(point, 0.0, 2.0), 1.0);
    }

    #[test]
    fn a_constant_is_a_point_at_its_value() {
        let observed = Range { low: 2.5, high: 2.5 };
        let cells: Vec<Cell> = Histogram::of(&[2.5; 4]).unwrap().cells(observed).collect();
        assert_eq!(cells, [Cell { low: 2.5, high: 2.5, count: 4.0 }]);
    }

    #[test]
    fn faults_are_found() {
        let good = Histogram { bins: vec![-3, 7], counts: vec![1, 2] };
        assert_eq!(good.fault(), None);
        let with = |bins: &[i32], counts: &[u64]| Histogram { bins: bins.to_vec(), counts: counts.to_vec() };
        for bad in [
            with(&[], &[]),
            with(&[1], &[1, 2]),
            with(&[2, 2], &[1, 1]),
            with(&[FINITE], &[1]),
            with(&[-FINITE - 1], &[1]),
            with(&[1], &[0]),
            with(&[1, 2], &[u64::MAX, 1]),
        ] {
            assert!(bad.fault().is_some(), "{bad:?}");
        }
    }
}
