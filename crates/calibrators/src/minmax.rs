//! `minmax`: everything that was seen.

use calibench_quant::{Calibrator, Entry, Job, QuantError, Range, StatKind};

use crate::inputs;

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Calibrator> = Entry {
    id: "minmax",
    summary: "the observed range: clips nothing that was seen",
    source: "Jacob et al. 2017, arXiv 1712.05877, §2.1; torch.ao.quantization.MinMaxObserver",
    construct: || Box::new(MinMax),
};

/// `[low, high] = [min x, max x]` over the calibration data, in units of the tensor.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`].
///
/// Source: Jacob et al. 2017, §2.1. Limits: one outlier sets the scale of every other value.
struct MinMax;

impl Calibrator for MinMax {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Range]
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        inputs::range(job)
    }
}
