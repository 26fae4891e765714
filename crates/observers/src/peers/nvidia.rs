//! `absolute-histogram-2048@nvidia`: what Model Optimizer's histogram calibrator holds.

use calibench_quant::{Entry, Observer, PeerHistogram, PeerStat, Range};

use super::{Collector, MOST_BINS, add, to_f32, torch};

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Observer> = Entry {
    id: PeerStat::AbsoluteHistogram2048Nvidia.id(),
    summary: "Model Optimizer's histogram of |x|, 2048 bins at first; depends on the order of batches",
    source: "modelopt.torch.quantization.calib.HistogramCalibrator.collect, NVIDIA Model Optimizer 0.47.0, \
             PyTorch 2.15.0",
    construct: || Collector::boxed(PeerStat::AbsoluteHistogram2048Nvidia, collect),
};

const BINS: usize = 2048;

/// Equal bins of |x| from 0 to the largest magnitude of the first batch, in fp32 counts.
///
/// A batch that reaches further adds bins of the same width; the edges are computed anew from zero. The
/// number of edges and of bins are found apart, so there can be one edge more or less than bins need.
fn collect(held: Option<PeerHistogram>, values: &[f32], range: Range) -> PeerHistogram {
    let magnitudes: Vec<f32> = values.iter().map(|v| v.abs()).collect();
    let reach = range.bound();
    let Some(mut held) = held else {
        return PeerHistogram {
            observed: range,
            batches: 1,
            edges: torch::linspace(0.0, reach, BINS + 1),
            counts: torch::histc(&magnitudes, BINS, 0.0, reach),
        };
    };
    held.observed = held.observed.union(range);
    held.batches += 1;
    let mut bins = held.counts.len();
    if reach > held.edges[held.edges.len() - 1] {
        let width = held.edges[1] - held.edges[0];
        let needed = (reach / width).ceil();
        if needed.is_finite() && needed <= MOST_BINS as f32 {
            bins = needed as usize;
            held.edges = torch::arange((reach + width).min(f32::MAX), width, MOST_BINS);
        } else {
            bins = BINS;
            held.edges = torch::linspace(0.0, reach, BINS + 1);
            held.counts = vec![held.total()];
        }
    }
    let mut counts = torch::histc(&magnitudes, bins, 0.0, held.edges[held.edges.len() - 1]);
    add(&held.counts, &mut counts, 0, to_f32);
    PeerHistogram { counts, ..held }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(batches: &[&[f32]]) -> PeerHistogram {
        let step = |held, values: &&[f32]| Some(collect(held, values, Range::of(values).unwrap()));
        batches.iter().fold(None, step).unwrap()
    }

    #[test]
    fn growth_keeps_the_width() {
        let held = after(&[&[-2.0, 1.0], &[3.0, 0.0]]);
        assert_eq!(held.counts.len(), 3072);
        assert_eq!((held.edges[0], held.edges[1], held.edges[3072]), (0.0, 2.0 / 2048.0, 3.0));
        assert_eq!((held.counts[0], held.counts[1024], held.counts[3071]), (1.0, 1.0, 1.0));
        assert_eq!((held.counts[2047], held.total()), (1.0, 4.0));
    }

    #[test]
    fn zeros_first_and_growth_without_end_start_anew() {
        let held = after(&[&[0.0; 5], &[1.0]]);
        assert_eq!((held.edges[2048], held.counts[0], held.counts[2047]), (1.0, 5.0, 1.0));
        let held = after(&[&[1e-30], &[-1.0]]);
        assert_eq!((held.counts[0], held.counts[2047]), (1.0, 1.0));
    }
}
