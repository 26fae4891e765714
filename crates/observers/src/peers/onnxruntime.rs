//! `histogram-N@onnxruntime`: what ONNX Runtime's collector of values holds, for entropy and percentiles.

use calibench_quant::{Entry, Observer, PeerHistogram, PeerStat, Range};

use super::{Collector, MOST_BINS, add, exact, numpy};

const SOURCE: &str =
    "onnxruntime.quantization.calibrate.HistogramCollector.collect_value, ONNX Runtime 1.32.0, NumPy 2.4.6";

/// Registry entry for 128 bins, the default of ONNX Runtime's entropy method.
pub(crate) const ENTRY_128: Entry<dyn Observer> = Entry {
    id: PeerStat::Histogram128OnnxRuntime.id(),
    summary: "ONNX Runtime's histogram over ±threshold, 128 bins at first; depends on the order of batches",
    source: SOURCE,
    construct: || Collector::boxed(PeerStat::Histogram128OnnxRuntime, collect::<128>),
};

/// Registry entry for 512 bins.
pub(crate) const ENTRY_512: Entry<dyn Observer> = Entry {
    id: PeerStat::Histogram512OnnxRuntime.id(),
    summary: "ONNX Runtime's histogram over ±threshold, 512 bins at first; depends on the order of batches",
    source: SOURCE,
    construct: || Collector::boxed(PeerStat::Histogram512OnnxRuntime, collect::<512>),
};

/// Registry entry for 2,048 bins, the default of ONNX Runtime's percentile method.
pub(crate) const ENTRY_2048: Entry<dyn Observer> = Entry {
    id: PeerStat::Histogram2048OnnxRuntime.id(),
    summary: "ONNX Runtime's histogram over ±threshold, 2048 bins at first; depends on the order of batches",
    source: SOURCE,
    construct: || Collector::boxed(PeerStat::Histogram2048OnnxRuntime, collect::<2048>),
};

/// Equal bins over `[−T, T]`, T being the largest magnitude of the first batch.
///
/// A batch that reaches further adds bins of about the old width on both sides, so that T grows by whole
/// bins; the old counts keep their place in the middle. The new edges are computed anew, so what is
/// added and what was there differ by roundings. T is the last edge, but for zeros only: then the ends
/// are ±0.5.
fn collect<const BINS: usize>(held: Option<PeerHistogram>, values: &[f32], range: Range) -> PeerHistogram {
    let reach = range.bound();
    let Some(held) = held else {
        let (edges, counts) = counted(values, BINS, reach);
        return PeerHistogram { observed: range, batches: 1, edges, counts };
    };
    let bins = held.counts.len();
    let threshold = if held.observed.bound() == 0.0 { 0.0 } else { held.edges[bins] };
    let (edges, counts) = if reach <= threshold {
        let (_, mut counts) = counted(values, bins, threshold);
        add(&held.counts, &mut counts, 0, exact);
        (held.edges, counts)
    } else {
        grown(&held, threshold, values, reach, BINS)
    };
    PeerHistogram { observed: held.observed.union(range), batches: held.batches + 1, edges, counts }
}

/// A histogram that reaches `reach`, beyond the threshold, with the counts so far in its middle.
fn grown(
    held: &PeerHistogram,
    threshold: f32,
    values: &[f32],
    reach: f32,
    first_bins: usize,
) -> (Vec<f32>, Vec<f64>) {
    let bins = held.counts.len();
    if threshold == 0.0 {
        // Zeros only so far: they stay where they are.
        let (edges, mut counts) = counted(values, bins, reach);
        add(&held.counts, &mut counts, 0, exact);
        return (edges, counts);
    }
    let width = 2.0 * threshold / bins as f32;
    let more = floor_divide(reach - threshold, width) + 1.0;
    if !more.is_finite() || more as usize > (MOST_BINS - bins) / 2 {
        let (edges, mut counts) = counted(values, first_bins, reach);
        let half = bins / 2;
        counts[first_bins / 2 - 1] += held.counts[..half].iter().sum::<f64>();
        counts[first_bins / 2] += held.counts[half..].iter().sum::<f64>();
        return (edges, counts);
    }
    let (edges, mut counts) =
        counted(values, bins + 2 * more as usize, (more * width + threshold).min(f32::MAX));
    add(&held.counts, &mut counts, more as usize, exact);
    (edges, counts)
}

/// Edges of equal bins over `[−threshold, threshold]`, and the elements in each.
fn counted(values: &[f32], bins: usize, threshold: f32) -> (Vec<f32>, Vec<f64>) {
    let (first, last) = numpy::widened(-threshold, threshold);
    let edges = numpy::linspace(first, last, bins);
    let counts = numpy::equal_bins(values, &edges);
    (edges, counts)
}

/// Python's `a // b` of positive fp32 numbers, as NumPy computes it.
fn floor_divide(a: f32, b: f32) -> f32 {
    let quotient = (a - a % b) / b;
    let floor = quotient.floor();
    if quotient - floor > 0.5 { floor + 1.0 } else { floor }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(batches: &[&[f32]]) -> PeerHistogram {
        let step = |held, values: &&[f32]| Some(collect::<128>(held, values, Range::of(values).unwrap()));
        batches.iter().fold(None, step).unwrap()
    }

    #[test]
    fn growth_is_by_whole_bins_on_both_sides() {
        let held = after(&[&[-1.0, 0.5], &[1.02]]);
        // Bins are 1/64 wide; 0.02 // (1/64) + 1 = 2 more on each side.
        assert_eq!(held.counts.len(), 132);
        assert_eq!(held.edges[132], 1.0 + 2.0 / 64.0);
        assert_eq!(held.total(), 3.0);
        assert_eq!((held.counts[2], held.counts[2 + 96], held.counts[131]), (1.0, 1.0, 1.0));
    }

    #[test]
    fn zeros_first_keep_their_bin() {
        let held = after(&[&[0.0; 7], &[0.0], &[2.0]]);
        assert_eq!((held.edges[128], held.counts[64], held.counts[127]), (2.0, 8.0, 1.0));
    }

    #[test]
    fn growth_without_end_starts_anew() {
        let held = after(&[&[-1e-20, 1e-20], &[1.0]]);
        assert_eq!(held.counts.len(), 128);
        assert_eq!((held.counts[63], held.counts[64], held.counts[127]), (1.0, 1.0, 1.0));
        let held = after(&[&[1e-45], &[f32::MAX], &[f32::MIN]]);
        assert_eq!(held.total(), 3.0);
    }
}
