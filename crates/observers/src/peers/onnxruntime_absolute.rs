//! `absolute-histogram-2048@onnxruntime`: what ONNX Runtime's collector of magnitudes holds.

use calibench_quant::{Entry, Observer, PeerHistogram, PeerStat, Range};

use super::{Collector, MOST_BINS, add, exact, numpy};

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Observer> = Entry {
    id: PeerStat::AbsoluteHistogram2048OnnxRuntime.id(),
    summary: "ONNX Runtime's histogram of |x|, 2048 bins at first; depends on the order of batches",
    source: "onnxruntime.quantization.calibrate.HistogramCollector.collect_absolute_value, \
             ONNX Runtime 1.32.0, NumPy 2.4.6",
    construct: || Collector::boxed(PeerStat::AbsoluteHistogram2048OnnxRuntime, collect),
};

const BINS: usize = 2048;

/// Equal bins of |x| from the smallest to the largest magnitude of the first batch.
///
/// A batch that reaches further appends edges a bin's width apart until they pass its largest magnitude.
/// Magnitudes below the smallest of the first batch belong to no bin and are lost, as in the peer.
fn collect(held: Option<PeerHistogram>, values: &[f32], range: Range) -> PeerHistogram {
    let magnitudes: Vec<f32> = values.iter().map(|v| v.abs()).collect();
    let reach = range.bound();
    let Some(mut held) = held else {
        let least = magnitudes.iter().copied().fold(f32::INFINITY, f32::min);
        let (first, last) = numpy::widened(least, reach);
        let edges = numpy::linspace(first, last, BINS);
        let counts = numpy::equal_bins(&magnitudes, &edges);
        return PeerHistogram { observed: range, batches: 1, edges, counts };
    };
    held.observed = held.observed.union(range);
    held.batches += 1;
    let last = held.edges[held.edges.len() - 1];
    let width = held.edges[1] - held.edges[0];
    let mut edges: Vec<f64> = held.edges.iter().copied().map(f64::from).collect();
    if reach > last {
        let most = MOST_BINS - held.counts.len();
        if (reach - last) / width < most as f32 {
            // Counted with the appended edges in fp64, which are then rounded.
            edges.extend(numpy::arange(last + width, (reach + width).min(f32::MAX), width, most));
        } else {
            let anew = numpy::linspace(held.edges[0].min(last), reach, BINS);
            edges = anew.into_iter().map(f64::from).collect();
            held.counts = vec![held.total()];
        }
    }
    let mut counts = numpy::any_bins(&magnitudes, &edges);
    add(&held.counts, &mut counts, 0, exact);
    PeerHistogram { counts, edges: edges.into_iter().map(|e| (e as f32).min(f32::MAX)).collect(), ..held }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(batches: &[&[f32]]) -> PeerHistogram {
        let step = |held, values: &&[f32]| Some(collect(held, values, Range::of(values).unwrap()));
        batches.iter().fold(None, step).unwrap()
    }

    #[test]
    fn edges_are_appended_and_small_magnitudes_lost() {
        let held = after(&[&[-1.0, 3.0, 2.0], &[0.5, -4.0, 2.0]]);
        assert_eq!((held.edges[0], held.edges[2048]), (1.0, 3.0));
        assert_eq!(held.edges.len(), held.counts.len() + 1);
        // A bin is 2/2048 wide: 1024 more, and the last edge is at or past 4.
        assert!((3072..=3073).contains(&held.counts.len()), "{}", held.counts.len());
        assert_eq!(held.total(), 5.0, "0.5 lies below the first edge");
        assert_eq!(held.counts[1024], 2.0);
    }

    #[test]
    fn growth_without_end_starts_anew() {
        let held = after(&[&[1e-30, 2e-30], &[1.0]]);
        assert_eq!((held.counts.len(), held.counts[0], held.counts[2047]), (2048, 2.0, 1.0));
        let held = after(&[&[1e30; 3], &[2e30]]);
        assert_eq!(held.total(), 4.0);
        let held = after(&[&[3e36, 0.0], &[f32::MAX]]);
        assert!(held.edges.iter().all(|e| e.is_finite()), "the edge past the largest number");
    }
}
