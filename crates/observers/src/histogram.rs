//! `histogram`: counts by floating-point prefix, with the ranges that come for free.

use std::collections::BTreeMap;

use calibench_quant::{Batch, Entry, Observer, QuantError, Stats};

use crate::prefix_table::PrefixTable;

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Observer> = Entry {
    id: "histogram",
    summary: "counts by sign, exponent and nine significand bits, with the ranges of the pass and of each batch",
    source: "exactly mergeable variant of torch.ao.quantization.HistogramObserver and \
             onnxruntime.quantization.calibrate.HistogramCollector",
    construct: || Box::new(HistogramObserver::default()),
};

/// Keeps [`Stats::histogram`] (see [`Histogram`](calibench_quant::Histogram) for the bins), [`Stats::range`]
/// and [`Stats::batch_ranges`]: everything that the library's own methods read, in one pass.
///
/// Each element is one increment of the counter of its floating-point prefix. No range has to be known
/// beforehand, and no outlier changes the bins of the others.
///
/// Limits: a value is known to within 2⁻⁹ of itself. Memory is 2 MiB of address space a site, of which the
/// exponents in use become resident.
#[derive(Debug)]
struct HistogramObserver {
    table: PrefixTable,
    /// All but the histogram.
    stats: Stats,
}

impl Default for HistogramObserver {
    fn default() -> Self {
        let stats = Stats { batch_ranges: Some(BTreeMap::new()), ..Stats::default() };
        Self { table: PrefixTable::default(), stats }
    }
}

impl Observer for HistogramObserver {
    fn observe(&mut self, batch: &Batch<'_>) {
        let scan = self.table.count(batch.values);
        scan.count_into(&mut self.stats, batch);
        scan.widen(&mut self.stats);
        scan.widen_batch(&mut self.stats, batch.index);
    }

    fn stats(&self) -> Stats {
        Stats { histogram: self.table.histogram(), ..self.stats.clone() }
    }

    fn absorb(&mut self, other: &Stats) -> Result<(), QuantError> {
        self.stats.absorb(&Stats { histogram: None, ..other.clone() })?;
        if let Some(histogram) = &other.histogram {
            self.table.add(histogram);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::Histogram;
    use calibench_testkit::hostile;
    use proptest::prelude::*;

    fn observed(values: &[f32]) -> Option<Histogram> {
        let mut observer = HistogramObserver::default();
        observer.observe(&Batch { index: 0, samples: 1, values });
        observer.stats().histogram
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_definition(values in hostile::tensor()) {
            prop_assert_eq!(observed(&values), Histogram::of(&values));
        }
    }
}
