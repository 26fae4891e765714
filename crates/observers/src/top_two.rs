//! `top-two`: the two largest values of each sample.

use std::collections::BTreeMap;

use calibench_quant::{Batch, Entry, Observer, QuantError, Stats, TopTwo};

use crate::scan::Scan;

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Observer> = Entry {
    id: "top-two",
    summary: "the two largest values of each sample: what keeps the order of a classifier's logits",
    source: "ppq.quantization.observer.TorchIsotoneObserver",
    construct: || Box::new(TopTwoObserver::default()),
};

/// Keeps [`Stats::top_two`] (batch index → its samples in order) and [`Stats::range`].
///
/// A batch of `n` samples is `n` rows of equal length. A batch observed in several pieces under one index
/// has the two largest of all pieces, row by row. 8 bytes a sample.
///
/// # Errors
/// Merging fails when both sides hold the same batch index.
#[derive(Debug)]
struct TopTwoObserver {
    stats: Stats,
}

impl Default for TopTwoObserver {
    fn default() -> Self {
        Self { stats: Stats { top_two: Some(BTreeMap::new()), ..Stats::default() } }
    }
}

impl Observer for TopTwoObserver {
    fn observe(&mut self, batch: &Batch<'_>) {
        let rows = usize::try_from(batch.samples).unwrap_or(1).max(1);
        let row = batch.values.len().div_ceil(rows).max(1);
        self.see(batch, batch.values.chunks(row));
    }

    fn observe_uneven(&mut self, batch: &Batch<'_>, ends: &[usize]) {
        let starts = [0].into_iter().chain(ends.iter().copied());
        self.see(batch, starts.zip(ends).map(|(start, end)| &batch.values[start..*end]));
    }

    fn stats(&self) -> Stats {
        self.stats.clone()
    }

    fn absorb(&mut self, other: &Stats) -> Result<(), QuantError> {
        self.stats.absorb(other)
    }
}

impl TopTwoObserver {
    /// Sees a batch, sample by sample.
    fn see<'v>(&mut self, batch: &Batch<'_>, samples: impl Iterator<Item = &'v [f32]>) {
        let scan = Scan::of(batch.values);
        scan.count_into(&mut self.stats, batch);
        scan.widen(&mut self.stats);
        if batch.values.is_empty() {
            return;
        }
        let seen = self.stats.top_two.get_or_insert_default().entry(batch.index).or_default();
        for (i, values) in samples.enumerate() {
            let finite = values.iter().filter(|v| v.is_finite());
            let top = finite.fold(TopTwo::NONE, |top, v| top.with(*v));
            match seen.get_mut(i) {
                Some(seen) => *seen = seen.union(top),
                None => seen.push(top),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_has_its_own_two() {
        let mut observer = TopTwoObserver::default();
        observer.observe(&Batch { index: 0, samples: 2, values: &[1.0, 5.0, 3.0, -1.0, f32::NAN, -2.0] });
        let top = |first, second| TopTwo { first, second };
        let expected = BTreeMap::from([(0, vec![top(5.0, 3.0), top(-1.0, -2.0)])]);
        assert_eq!(observer.stats().top_two, Some(expected));
        let mut uneven = TopTwoObserver::default();
        let batch = Batch { index: 0, samples: 2, values: &[1.0, 5.0, 3.0, 9.0] };
        uneven.observe_uneven(&batch, &[3, 4]);
        let expected = BTreeMap::from([(0, vec![top(5.0, 3.0), top(9.0, f32::NEG_INFINITY)])]);
        assert_eq!(uneven.stats().top_two, Some(expected));
    }
}
