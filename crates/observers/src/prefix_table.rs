//! Counting by floating-point prefix: the hot loop of the histogram observers.

use calibench_quant::Histogram;

use crate::scan::Scan;

/// Sub-tables, filled in turn: a run of equal values (zeros after ReLU) then does not wait for its own store.
const LANES: usize = 2;
/// Elements scanned for their extremes and then counted while they are in the cache.
const BLOCK: usize = 4096;
/// Elements after which the 32-bit counters are emptied: no counter can have overflowed by then.
const FULL: usize = 1 << 31;

type Lane = [u32; Histogram::PREFIXES];

/// A counter for every floating-point prefix.
///
/// 2 MiB of address space; the pages that hold the exponents in use become resident, some 100 KiB.
#[derive(Debug, Clone, Default)]
pub(crate) struct PrefixTable {
    /// [`LANES`] tables of [`Histogram::PREFIXES`] counters; empty until the first value.
    counters: Vec<u32>,
    /// Elements in the counters.
    pending: usize,
    /// What the counters were emptied into.
    emptied: Histogram,
}

impl PrefixTable {
    /// Counts `values` and finds their extremes in the same pass.
    pub fn count(&mut self, values: &[f32]) -> Scan {
        if self.counters.is_empty() {
            self.counters = vec![0; LANES * Histogram::PREFIXES];
        }
        let mut scan = Scan::NOTHING;
        for part in values.chunks(FULL) {
            if self.pending + part.len() > FULL {
                self.empty();
            }
            self.pending += part.len();
            let (first, second) = self.counters.split_at_mut(Histogram::PREFIXES);
            let (Ok(first), Ok(second)) = (<&mut Lane>::try_from(first), <&mut Lane>::try_from(second))
            else {
                unreachable!("two tables of PREFIXES counters");
            };
            scan = scan.union(pulp::Arch::new().dispatch(ScanAndCount { values: part, first, second }));
        }
        scan
    }

    /// Everything counted so far; `None` when no finite value was.
    pub fn histogram(&self) -> Option<Histogram> {
        let live = (self.pending > 0).then(|| self.live()).flatten();
        match (live, self.emptied.bins.is_empty()) {
            (Some(live), false) => Some(live.merged(&self.emptied)),
            (Some(live), true) => Some(live),
            (None, false) => Some(self.emptied.clone()),
            (None, true) => None,
        }
    }

    /// Everything counted so far, leaving nothing.
    pub fn take(&mut self) -> Option<Histogram> {
        self.empty();
        let all = std::mem::take(&mut self.emptied);
        (!all.bins.is_empty()).then_some(all)
    }

    /// Adds counts from elsewhere.
    pub fn add(&mut self, other: &Histogram) {
        self.emptied = self.emptied.merged(other);
    }

    fn live(&self) -> Option<Histogram> {
        let (first, second) = self.counters.split_at(Histogram::PREFIXES);
        Histogram::from_prefixes(|p| u64::from(first[p]) + u64::from(second[p]))
    }

    fn empty(&mut self) {
        if self.pending == 0 {
            return;
        }
        if let Some(live) = self.live() {
            self.emptied = self.emptied.merged(&live);
        }
        self.counters.iter_mut().filter(|n| **n != 0).for_each(|n| *n = 0);
        self.pending = 0;
    }
}

/// Both passes over blocks that stay in the cache.
struct ScanAndCount<'a> {
    values: &'a [f32],
    first: &'a mut Lane,
    second: &'a mut Lane,
}

impl pulp::NullaryFnOnce for ScanAndCount<'_> {
    type Output = Scan;

    #[inline(always)]
    fn call(self) -> Scan {
        let mut scan = Scan::NOTHING;
        for block in self.values.chunks(BLOCK) {
            scan = scan.union(Scan::inlined(block));
            count(block, self.first, self.second);
        }
        scan
    }
}

/// Two elements at a time from one 64-bit word: the loop is bound by loads, and this saves a quarter.
#[inline(always)]
fn count(values: &[f32], first: &mut Lane, second: &mut Lane) {
    let fours = values.chunks_exact(4);
    let rest = fours.remainder();
    for four in fours {
        let word = |i: usize| u64::from(four[i].to_bits()) | u64::from(four[i + 1].to_bits()) << 32;
        let (a, b) = (word(0), word(2));
        first[Histogram::prefix(a as u32)] += 1;
        second[Histogram::prefix((a >> 32) as u32)] += 1;
        first[Histogram::prefix(b as u32)] += 1;
        second[Histogram::prefix((b >> 32) as u32)] += 1;
    }
    for v in rest {
        first[Histogram::prefix(v.to_bits())] += 1;
    }
}
