//! `histogram@pytorch`: what PyTorch's `HistogramObserver` holds.

use calibench_quant::{Entry, Observer, PeerHistogram, PeerStat, Range};

use super::{Collector, add, to_f32, torch};

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Observer> = Entry {
    id: PeerStat::HistogramPytorch.id(),
    summary: "PyTorch's histogram of 2048 bins over the range so far; depends on the order of batches",
    source: "torch.ao.quantization.observer.HistogramObserver, PyTorch 2.15.0",
    construct: || Collector::boxed(PeerStat::HistogramPytorch, collect),
};

const BINS: usize = 2048;
/// Parts into which a bin is cut before the parts are dealt out over wider bins.
const UPSAMPLE: usize = 16;

/// 2,048 fp32 bins over `[min, max]` of everything so far, whose ends are the two edges kept.
///
/// A batch within the range is counted into the bins. A batch that widens it is counted over the new range,
/// and each old bin is cut into 16 equal parts that go, whole, to the new bin of their middle.
///
/// PyTorch drops ±Inf likewise, but NaN spoils its range: here NaN is left out. Counts beyond 2²⁴ are
/// rounded to fp32 once a batch, where PyTorch stops counting within one.
fn collect(held: Option<PeerHistogram>, values: &[f32], range: Range) -> PeerHistogram {
    let Some(held) = held else {
        return PeerHistogram {
            observed: range,
            batches: 1,
            edges: vec![range.low, range.high],
            counts: torch::histc(values, BINS, range.low, range.high),
        };
    };
    let before = held.observed;
    let now = before.union(range);
    let mut counts = torch::histc(values, BINS, now.low, now.high);
    if now == before {
        add(&held.counts, &mut counts, 0, to_f32);
    } else if before.low == before.high {
        // One value so far: all of it belongs to one bin.
        let place = torch::histc(&[before.low], BINS, now.low, now.high);
        let all = to_f32(held.total());
        let moved: Vec<f64> = place.iter().map(|one| one * all).collect();
        add(&moved, &mut counts, 0, to_f32);
    } else {
        add(&spread(&held.counts, before, now), &mut counts, 0, to_f32);
    }
    PeerHistogram { observed: now, batches: held.batches + 1, edges: vec![now.low, now.high], counts }
}

/// The counts over `before` as counts over the wider `now`.
fn spread(counts: &[f64], before: Range, now: Range) -> Vec<f64> {
    let parts = torch::linspace(before.low, before.high, BINS * UPSAMPLE + 1);
    let edges = torch::linspace(now.low, now.high, BINS + 1);
    let half = 0.5 * ((before.high - before.low) / (BINS * UPSAMPLE) as f32).min(f32::MAX);
    let mut sums = vec![0.0_f32; BINS];
    // Parts and edges both ascend, so the bin of the next part is found from that of the last.
    let mut above = 0;
    for (part, count) in parts.iter().zip(counts.iter().flat_map(|n| [*n as f32; UPSAMPLE])) {
        let middle = part + half;
        while above < edges.len() && edges[above] <= middle {
            above += 1;
        }
        while above > 0 && edges[above - 1] > middle {
            above -= 1;
        }
        sums[above.saturating_sub(1).min(BINS - 1)] += count / UPSAMPLE as f32;
    }
    sums.into_iter().map(f64::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_keeps_the_total_and_the_place() {
        let first: Vec<f32> = (0..4096).map(|i| i as f32 / 4095.0).collect();
        let range = Range::of(&first).unwrap();
        let held = collect(None, &first, range);
        assert_eq!(held.counts[..4], [2.0, 2.0, 2.0, 2.0]);
        let held = collect(Some(held), &[-1.0, 3.0], Range { low: -1.0, high: 3.0 });
        assert_eq!(held.edges, [-1.0, 3.0]);
        assert!((held.total() - 4098.0).abs() < 1e-3, "{}", held.total());
        // A quarter of the range holds what was everything: four times as many in a bin.
        assert_eq!(held.counts[512 + 10], 8.0);
        assert_eq!((held.counts[0], held.counts[511], held.counts[2047]), (1.0, 0.0, 1.0));
    }

    #[test]
    fn a_constant_moves_to_its_bin() {
        let held = collect(None, &[1.0; 3], Range { low: 1.0, high: 1.0 });
        assert_eq!(held.counts[BINS / 2], 3.0);
        let held = collect(Some(held), &[0.0, 4.0], Range { low: 0.0, high: 4.0 });
        assert_eq!((held.counts[0], held.counts[512], held.counts[2047]), (1.0, 3.0, 1.0));
    }
}
