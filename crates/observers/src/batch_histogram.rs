//! `batch-histogram`: the histogram of each batch, by its place in the calibration order.

use std::collections::BTreeMap;

use calibench_quant::{Batch, Entry, Observer, QuantError, Stats};

use crate::prefix_table::PrefixTable;

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Observer> = Entry {
    id: "batch-histogram",
    summary: "the histogram of each batch, by batch index: what resampling and per-batch searches read",
    source: "Efron and Tibshirani 1993, An Introduction to the Bootstrap, ch. 6; mqbench.observer.MSEObserver",
    construct: || Box::new(BatchHistogram::default()),
};

/// Keeps [`Stats::batch_histograms`]: batch index → the histogram of that batch, and what the `histogram`
/// observer keeps.
///
/// A batch without a finite value has no entry. A batch observed in several pieces under one index has
/// the counts of all pieces. Some 10 bytes for each different prefix of each batch.
///
/// # Errors
/// Merging fails when both sides hold the same batch index.
#[derive(Debug)]
struct BatchHistogram {
    table: PrefixTable,
    stats: Stats,
}

impl Default for BatchHistogram {
    fn default() -> Self {
        let stats = Stats {
            batch_ranges: Some(BTreeMap::new()),
            batch_histograms: Some(BTreeMap::new()),
            ..Stats::default()
        };
        Self { table: PrefixTable::default(), stats }
    }
}

impl Observer for BatchHistogram {
    fn observe(&mut self, batch: &Batch<'_>) {
        let scan = self.table.count(batch.values);
        scan.count_into(&mut self.stats, batch);
        scan.widen(&mut self.stats);
        scan.widen_batch(&mut self.stats, batch.index);
        if let Some(new) = self.table.take() {
            let batches = self.stats.batch_histograms.get_or_insert_default();
            batches.entry(batch.index).and_modify(|seen| *seen = seen.merged(&new)).or_insert(new);
        }
    }

    fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        let batches = self.stats.batch_histograms.iter().flat_map(BTreeMap::values);
        stats.histogram = batches.cloned().reduce(|a, b| a.merged(&b));
        stats
    }

    fn absorb(&mut self, other: &Stats) -> Result<(), QuantError> {
        self.stats.absorb(&Stats { histogram: None, ..other.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::Histogram;

    #[test]
    fn each_batch_has_its_own_histogram_and_all_together_theirs() {
        let (a, b) = ([1.0, -2.0, 0.0], [3.0, 1.0]);
        let mut observer = BatchHistogram::default();
        observer.observe(&Batch { index: 4, samples: 1, values: &a });
        observer.observe(&Batch { index: 2, samples: 1, values: &b });
        let stats = observer.stats();
        let expected = BTreeMap::from([(4, Histogram::of(&a).unwrap()), (2, Histogram::of(&b).unwrap())]);
        assert_eq!(stats.batch_histograms, Some(expected));
        assert_eq!(stats.histogram, Histogram::of(&[1.0, -2.0, 0.0, 3.0, 1.0]));
    }
}
