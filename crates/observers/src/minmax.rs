//! `minmax`: the smallest and the largest value.

use calibench_quant::{Batch, Entry, Observer, QuantError, Stats};

use crate::scan::Scan;

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Observer> = Entry {
    id: "minmax",
    summary: "smallest and largest finite value of the whole pass",
    source: "Jacob et al. 2017, arXiv 1712.05877, §3.1; torch.ao.quantization.MinMaxObserver",
    construct: || Box::new(MinMax::default()),
};

/// Keeps [`Stats::range`]: `[min x, max x]` over every finite value, in units of the tensor.
///
/// Source: as PyTorch's `MinMaxObserver`, without its policy (no scale is computed here).
#[derive(Debug, Default)]
struct MinMax {
    stats: Stats,
}

impl Observer for MinMax {
    fn observe(&mut self, batch: &Batch<'_>) {
        let scan = Scan::of(batch.values);
        scan.count_into(&mut self.stats, batch);
        scan.widen(&mut self.stats);
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
    fn the_range_grows_over_batches_and_ignores_what_is_not_finite() {
        let mut observer = MinMax::default();
        observer.observe(&Batch { index: 0, samples: 2, values: &[1.0, f32::NAN] });
        assert_eq!(observer.stats().range, Some(Range { low: 1.0, high: 1.0 }));
        observer.observe(&Batch { index: 1, samples: 2, values: &[-3.0, f32::INFINITY] });
        let stats = observer.stats();
        assert_eq!(stats.range, Some(Range { low: -3.0, high: 1.0 }));
        assert_eq!((stats.samples, stats.elements, stats.nan, stats.infinite), (4, 4, 1, 1));
    }
}
