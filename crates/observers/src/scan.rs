//! The pass that every observer makes first: extremes, and what is not finite.

use calibench_quant::{Batch, Range, Stats};

/// Independent running extremes: enough to hide the latency of min and max on any vector width.
const LANES: usize = 32;

/// What one pass over a batch finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scan {
    /// Smallest and largest finite value.
    pub range: Option<Range>,
    nan: u64,
    infinite: u64,
}

impl Scan {
    /// Extremes and counts of `values`.
    pub fn of(values: &[f32]) -> Self {
        pulp::Arch::new().dispatch(|| Self::inlined(values))
    }

    /// As [`Scan::of`], within the instruction set of the caller.
    #[inline(always)]
    pub fn inlined(values: &[f32]) -> Self {
        // One vectorisable pass: a comparison with NaN is false, so NaN never becomes an extreme.
        let mut low = [f32::INFINITY; LANES];
        let mut high = [f32::NEG_INFINITY; LANES];
        let mut nan = 0_u64;
        // Parts so short that a lane's NaN count fits 32 bits.
        for part in values.chunks(1 << 24) {
            let mut lane_nan = [0_u32; LANES];
            let chunks = part.chunks_exact(LANES);
            let rest = chunks.remainder();
            for chunk in chunks {
                for lane in 0..LANES {
                    let v = chunk[lane];
                    low[lane] = if v < low[lane] { v } else { low[lane] };
                    high[lane] = if v > high[lane] { v } else { high[lane] };
                    lane_nan[lane] += u32::from(v.is_nan());
                }
            }
            for v in rest {
                low[0] = if *v < low[0] { *v } else { low[0] };
                high[0] = if *v > high[0] { *v } else { high[0] };
                nan += u64::from(v.is_nan());
            }
            nan += lane_nan.iter().map(|n| u64::from(*n)).sum::<u64>();
        }
        let low = low.into_iter().fold(f32::INFINITY, f32::min);
        let high = high.into_iter().fold(f32::NEG_INFINITY, f32::max);
        if low.is_finite() && high.is_finite() {
            // −0.0 and 0.0 compare equal; adding 0.0 leaves one of them, whichever came first.
            return Self { range: Some(Range { low: low + 0.0, high: high + 0.0 }), nan, infinite: 0 };
        }
        Self::with_infinities(values, nan)
    }

    #[cold]
    #[inline(never)]
    fn with_infinities(values: &[f32], nan: u64) -> Self {
        // Rare: an infinity took part, or there was no number at all.
        let infinite = values.iter().filter(|v| v.is_infinite()).count() as u64;
        Self { range: Range::of(values), nan, infinite }
    }

    /// Whether every value was a number.
    pub fn all_finite(&self) -> bool {
        self.nan == 0 && self.infinite == 0
    }

    /// Of both parts.
    pub fn union(self, other: Self) -> Self {
        Self {
            range: match (self.range, other.range) {
                (Some(a), Some(b)) => Some(a.union(b)),
                (a, b) => a.or(b),
            },
            nan: self.nan + other.nan,
            infinite: self.infinite + other.infinite,
        }
    }

    /// Adds the batch's counts, as [`Stats::count`] does in three passes.
    pub fn count_into(&self, stats: &mut Stats, batch: &Batch<'_>) {
        stats.samples += batch.samples;
        stats.elements += batch.values.len() as u64;
        stats.nan += self.nan;
        stats.infinite += self.infinite;
    }

    /// Widens the range of the whole pass.
    pub fn widen(&self, stats: &mut Stats) {
        stats.range = match (stats.range, self.range) {
            (Some(seen), Some(new)) => Some(seen.union(new)),
            (seen, new) => seen.or(new),
        };
    }

    /// Widens the range of the batch.
    pub fn widen_batch(&self, stats: &mut Stats, index: u64) {
        let ranges = stats.batch_ranges.get_or_insert_default();
        if let Some(range) = self.range {
            ranges.entry(index).and_modify(|r| *r = r.union(range)).or_insert(range);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_testkit::hostile;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_the_plain_definition(values in hostile::tensor()) {
            let scan = Scan::of(&values);
            let mut expected = Stats::default();
            expected.count(3, &values);
            let mut counted = Stats::default();
            scan.count_into(&mut counted, &Batch { index: 0, samples: 3, values: &values });
            prop_assert_eq!(counted, expected);
            prop_assert_eq!(scan.range, Range::of(&values));
        }
    }
}
