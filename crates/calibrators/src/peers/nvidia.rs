//! Model Optimizer's percentile calibrator, and what its methods share.

use calibench_quant::{
    Calibrator, Entry, IntFormat, Job, PeerHistogram, PeerStat, QuantError, Range, StatKind, Symmetry,
};

use super::{first_bin_at, supported};
use crate::inputs;

const SOURCE: &str =
    "modelopt.torch.quantization.calib.HistogramCalibrator, method percentile, NVIDIA Model Optimizer 0.47.0";

/// Registry entry for 99.9 %.
pub(crate) const ENTRY_99_9: Entry<dyn Calibrator> = Entry {
    id: "percentile-99.9@nvidia",
    summary: "Model Optimizer's percentile 99.9 of |x|: the left edge of its bin; symmetric only",
    source: SOURCE,
    construct: || Box::new(Percentile { percentile: 99.9 }),
};

/// Registry entry for 99.99 %, the peer's default.
pub(crate) const ENTRY_99_99: Entry<dyn Calibrator> = Entry {
    id: "percentile-99.99@nvidia",
    summary: "Model Optimizer's percentile 99.99 of |x|: the left edge of its bin; symmetric only",
    source: SOURCE,
    construct: || Box::new(Percentile { percentile: 99.99 }),
};

/// Registry entry for 99.999 %.
pub(crate) const ENTRY_99_999: Entry<dyn Calibrator> = Entry {
    id: "percentile-99.999@nvidia",
    summary: "Model Optimizer's percentile 99.999 of |x|: the left edge of its bin; symmetric only",
    source: SOURCE,
    construct: || Box::new(Percentile { percentile: 99.999 }),
};

/// Why Model Optimizer has no answer for a combination.
pub(super) fn unsupported(format: IntFormat, symmetry: Symmetry) -> Option<&'static str> {
    match (symmetry, format.reduce_range) {
        (Symmetry::Affine, _) => Some("Model Optimizer's histogram calibrators find amax only"),
        (_, true) => Some("Model Optimizer has no reduced ranges"),
        _ => None,
    }
}

/// `[−amax, amax]` at an edge.
pub(super) fn at_edge(held: &PeerHistogram, edge: usize) -> Range {
    let amax = held.edges[edge.min(held.edges.len() - 1)];
    Range { low: -amax, high: amax }
}

/// `[−amax, amax]`, with amax the left edge of the bin of |x| at which the running share of elements reaches
/// the percentile; `S = amax / q_max`, and unsigned formats map `[0, amax]`.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`], [`QuantError::Invalid`] for affine formats and
/// reduced ranges.
struct Percentile {
    percentile: f64,
}

impl Calibrator for Percentile {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Peer(PeerStat::AbsoluteHistogram2048Nvidia)]
    }

    fn unsupported(&self, format: IntFormat, symmetry: Symmetry) -> Option<&'static str> {
        unsupported(format, symmetry)
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        supported(self, job)?;
        let held = inputs::peer(job, PeerStat::AbsoluteHistogram2048Nvidia)?;
        Ok(at_edge(held, first_bin_at(&held.counts, self.percentile / 100.0)))
    }
}
