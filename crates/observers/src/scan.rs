//! The pass that every observer makes first: extremes, and what is not finite.

use calibench_quant::{Batch, Range, Stats};

/// Independent running extremes: enough to hide the latency of min and max on any vector width.
const LANES: usize = 32;

/// Elements scanned before it is looked whether all were numbers.
const BLOCK: usize = 1 << 14;

/// An integer in the order of the floating-point numbers: NaN lies beyond the infinities, on the side of its
/// sign, so that the extremes alone tell whether all were finite.
#[inline(always)]
pub(crate) fn key(v: f32) -> i32 {
    let bits = v.to_bits() as i32;
    bits ^ ((bits >> 31) as u32 >> 1) as i32
}

/// The range between two keys; `None` unless both are of finite numbers.
pub(crate) fn between(low: i32, high: i32) -> Option<Range> {
    let value = |key: i32| f32::from_bits((key ^ ((key >> 31) as u32 >> 1) as i32) as u32);
    let (low, high) = (value(low), value(high));
    // −0.0 and 0.0 are one: adding 0.0 leaves 0.0 of both.
    (low.is_finite() && high.is_finite()).then_some(Range { low: low + 0.0, high: high + 0.0 })
}

/// What one pass over a batch finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scan {
    /// Smallest and largest finite value.
    pub range: Option<Range>,
    nan: u64,
    infinite: u64,
}

impl Scan {
    /// Of no values.
    pub const NOTHING: Self = Self { range: None, nan: 0, infinite: 0 };

    /// Extremes and counts of `values`.
    pub fn of(values: &[f32]) -> Self {
        pulp::Arch::new().dispatch(ScanOf(values))
    }

    /// As [`Scan::of`], within the instruction set of the caller.
    #[inline(always)]
    pub fn inlined(values: &[f32]) -> Self {
        let mut scan = Self::NOTHING;
        for block in values.chunks(BLOCK) {
            let mut low = [i32::MAX; LANES];
            let mut high = [i32::MIN; LANES];
            let (whole, rest) = block.as_chunks::<LANES>();
            for chunk in whole {
                for lane in 0..LANES {
                    let key = key(chunk[lane]);
                    low[lane] = low[lane].min(key);
                    high[lane] = high[lane].max(key);
                }
            }
            for (lane, v) in rest.iter().enumerate() {
                let key = key(*v);
                low[lane] = low[lane].min(key);
                high[lane] = high[lane].max(key);
            }
            let low = low.into_iter().fold(i32::MAX, i32::min);
            let high = high.into_iter().fold(i32::MIN, i32::max);
            scan = scan.union(match between(low, high) {
                range @ Some(_) => Self { range, ..Self::NOTHING },
                None => Self::counted(block),
            });
        }
        scan
    }

    /// By definition: not all are finite.
    #[cold]
    #[inline(never)]
    fn counted(values: &[f32]) -> Self {
        let mut stats = Stats::default();
        stats.count(0, values);
        Self { range: Range::of(values), nan: stats.nan, infinite: stats.infinite }
    }

    /// Whether every element is finite.
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

/// [`Scan::inlined`] as an operation: a closure would not be compiled for the instruction set that runs it,
/// since nothing forces it to be inlined.
struct ScanOf<'a>(&'a [f32]);

impl pulp::NullaryFnOnce for ScanOf<'_> {
    type Output = Scan;

    #[inline(always)]
    fn call(self) -> Scan {
        Scan::inlined(self.0)
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
