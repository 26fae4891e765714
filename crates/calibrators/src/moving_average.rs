//! `moving-average-minmax`: exponentially averaged batch ranges.

use calibench_quant::{Calibrator, Entry, Job, QuantError, Range, StatKind};

use crate::inputs;

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Calibrator> = Entry {
    id: "moving-average-minmax",
    summary: "exponential average of each batch's range (0.01 per batch); depends on the order of batches",
    source: "Jacob et al. 2017, arXiv 1712.05877, §3.1; torch.ao.quantization.MovingAverageMinMaxObserver",
    construct: || Box::new(MovingAverage { constant: 0.01 }),
};

/// Exponential moving average of each batch's ends, with `c` = 0.01:
///
/// ```text
/// low₀ = min(batch₀)    lowᵢ = lowᵢ₋₁ + c · (min(batchᵢ) − lowᵢ₋₁)      and so for high
/// ```
///
/// Batches are taken in the order of their indices; those without a finite value are passed over. By
/// definition the answer depends on that order and on the batch size, and on nothing else: batches
/// gathered on several machines give what one would have given.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`].
///
/// Source: PyTorch's `MovingAverageMinMaxObserver` (which averages in fp32; here fp64). Limits: after n
/// batches the first still weighs 0.99ⁿ⁻¹, so with few batches it decides nearly alone.
struct MovingAverage {
    constant: f64,
}

impl Calibrator for MovingAverage {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::BatchRanges]
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        let ranges = inputs::batch_ranges(job)?;
        let mut batches = ranges.values().map(|r| (f64::from(r.low), f64::from(r.high)));
        let first = batches.next().ok_or_else(|| job.stats.no_sample(job.site))?;
        let (low, high) = batches.fold(first, |(low, high), batch| {
            (low + self.constant * (batch.0 - low), high + self.constant * (batch.1 - high))
        });
        Ok(Range { low: low as f32, high: high as f32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::{IntFormat, Stats, Symmetry};
    use std::collections::BTreeMap;

    #[test]
    fn three_batches_by_hand() {
        let range = |low, high| Range { low, high };
        let batches = BTreeMap::from([(4, range(0.0, 30.0)), (0, range(-1.0, 10.0)), (2, range(-2.0, 20.0))]);
        let stats = Stats { elements: 6, batch_ranges: Some(batches), ..Stats::default() };
        let job = Job { site: "t", stats: &stats, format: IntFormat::INT8, symmetry: Symmetry::Affine };
        // low: −1 → −1.01 → −0.9999; high: 10 → 10.1 → 10.299.
        let answer = (ENTRY.construct)().range(&job).unwrap();
        assert_eq!(answer, range(-0.9999, 10.299));
    }
}
