//! `batch-minmax`: the range of each batch, by its place in the calibration order.

use std::collections::BTreeMap;

use calibench_quant::{Batch, Entry, Observer, QuantError, Stats};

use crate::scan::Scan;

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Observer> = Entry {
    id: "batch-minmax",
    summary: "smallest and largest finite value of each batch, by batch index",
    source: "Jacob et al. 2017, arXiv 1712.05877, §3.1; torch.ao.quantization.MovingAverageMinMaxObserver",
    construct: || Box::new(BatchMinMax::default()),
};

/// Keeps [`Stats::batch_ranges`]: batch index → `[min x, max x]` of that batch, and [`Stats::range`] over all.
///
/// Methods that average over batches depend on the order of the batches. Keeping each batch's range
/// under its index leaves that dependence to the calibrator: gathering stays exactly mergeable, and the
/// average is the same however the batches were spread over workers.
///
/// A batch without a finite value has no entry. A batch observed in several pieces under one index has
/// the range of all pieces. 8 bytes and an index for each batch.
///
/// # Errors
/// Merging fails when both sides hold the same batch index.
#[derive(Debug)]
struct BatchMinMax {
    stats: Stats,
}

impl Default for BatchMinMax {
    fn default() -> Self {
        Self { stats: Stats { batch_ranges: Some(BTreeMap::new()), ..Stats::default() } }
    }
}

impl Observer for BatchMinMax {
    fn observe(&mut self, batch: &Batch<'_>) {
        let scan = Scan::of(batch.values);
        scan.count_into(&mut self.stats, batch);
        scan.widen(&mut self.stats);
        scan.widen_batch(&mut self.stats, batch.index);
    }

    fn stats(&self) -> Stats {
        self.stats.clone()
    }

    fn absorb(&mut self, other: &Stats) -> Result<(), QuantError> {
        self.stats.absorb(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::Range;

    #[test]
    fn ranges_are_kept_by_index_whatever_the_order() {
        let mut observer = BatchMinMax::default();
        observer.observe(&Batch { index: 7, samples: 1, values: &[2.0] });
        observer.observe(&Batch { index: 3, samples: 1, values: &[-1.0, 5.0] });
        observer.observe(&Batch { index: 4, samples: 1, values: &[f32::NAN] });
        let ranges = observer.stats().batch_ranges.unwrap();
        let expected =
            BTreeMap::from([(3, Range { low: -1.0, high: 5.0 }), (7, Range { low: 2.0, high: 2.0 })]);
        assert_eq!(ranges, expected);
    }

    #[test]
    fn the_same_batch_on_both_sides_is_refused() {
        let mut a = BatchMinMax::default();
        a.observe(&Batch { index: 0, samples: 1, values: &[1.0] });
        let b = a.stats();
        assert!(a.absorb(&b).unwrap_err().to_string().contains("both hold batch 0"));
    }
}
