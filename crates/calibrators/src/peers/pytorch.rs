//! PyTorch's observers of ranges, and its scale and zero point.

use calibench_quant::{Calibrator, Entry, IntFormat, Job, QParams, QuantError, Range, StatKind, Symmetry};

use super::{ends, per_tensor, refusal, supported};
use crate::inputs;

/// Registry entry.
pub(crate) const ENTRY_MINMAX: Entry<dyn Calibrator> = Entry {
    id: "minmax@pytorch",
    summary: "PyTorch's MinMaxObserver: the observed range; symmetric int8 scales are absmax / 127.5",
    source: "torch.ao.quantization.observer.MinMaxObserver, PyTorch 2.15.0",
    construct: || Box::new(MinMax),
};

/// Registry entry.
pub(crate) const ENTRY_MOVING_AVERAGE: Entry<dyn Calibrator> = Entry {
    id: "moving-average-minmax@pytorch",
    summary: "PyTorch's MovingAverageMinMaxObserver: fp32 average of batch ranges, 0.01 a batch, in their order",
    source: "torch.ao.quantization.observer.MovingAverageMinMaxObserver, PyTorch 2.15.0",
    construct: || Box::new(MovingAverage),
};

/// Why PyTorch has no answer for a combination; `None` when it has one.
///
/// Its observers know codes of up to 8 bits and of 16. It keeps 128 as the zero point of symmetric
/// quint8 when the range is reduced to `[0, 127]`, and does not reduce 16-bit ranges.
#[must_use]
pub fn unsupported(format: IntFormat, symmetry: Symmetry) -> Option<&'static str> {
    match format {
        IntFormat { bits: 9..=15, .. } => Some("PyTorch's observers know codes of up to 8 bits, and of 16"),
        IntFormat { bits: 16, reduce_range: true, .. } => Some("PyTorch does not reduce 16-bit ranges"),
        IntFormat { bits: 8, signed: false, reduce_range: true } if symmetry == Symmetry::Symmetric => {
            Some("PyTorch puts the zero point of symmetric quint8 at 128, beyond the reduced range")
        }
        _ => None,
    }
}

/// PyTorch's scale and zero point for a range, in fp32 as PyTorch computes them.
///
/// ```text
/// symmetric:  S = max(−low', high') / ((q_max − q_min) / 2)      Z = 0, or the middle code if unsigned
/// affine:     S = (high' − low') / (q_max − q_min)               Z = clamp(q_min − round(low' / S))
/// ```
///
/// with `low' = min(low, 0)`, `high' = max(high, 0)`, S at least fp32's epsilon, 1.19e-7, and in both cases
/// all codes: int8 is `[−128, 127]`, or `[−64, 63]` when reduced. Fewer than 8 bits are custom codes of the
/// 8-bit types, as `quant_min` and `quant_max` give them.
///
/// # Errors
/// [`QuantError::Invalid`] for a range that is not finite, or where [`unsupported`] says why.
pub fn qparams(
    site: &str,
    range: Range,
    format: IntFormat,
    symmetry: Symmetry,
) -> Result<QParams, QuantError> {
    if let Some(why) = unsupported(format, symmetry) {
        return Err(refusal(site, format, symmetry, why));
    }
    let (low, high) = ends(site, range)?;
    let (q_min, q_max) = format.range(Symmetry::Affine);
    let codes = (q_max - q_min) as f32;
    let (scale, zero_point) = match symmetry {
        Symmetry::Symmetric => {
            let zero_point = match format {
                IntFormat { signed: true, .. } => 0,
                IntFormat { bits: 8 | 16, .. } => (q_max + 1) / 2,
                _ => (q_min + q_max) / 2,
            };
            ((high.max(-low) / (codes / 2.0)).max(f32::EPSILON), zero_point)
        }
        Symmetry::Affine => {
            let scale = ((high - low) / codes).max(f32::EPSILON);
            (scale, q_min - (low / scale).round_ties_even() as i32)
        }
    };
    Ok(per_tensor(format, symmetry, (q_min, q_max), scale, zero_point))
}

/// Everything that was seen, with [`qparams`].
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`], [`QuantError::Invalid`] where [`unsupported`].
///
/// Limits: PyTorch keeps ±Inf in the range and NaN spoils it; here both are left out.
struct MinMax;

impl Calibrator for MinMax {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Range]
    }

    fn unsupported(&self, format: IntFormat, symmetry: Symmetry) -> Option<&'static str> {
        unsupported(format, symmetry)
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        supported(self, job)?;
        inputs::range(job)
    }

    fn calibrate(&self, job: &Job<'_>) -> Result<QParams, QuantError> {
        qparams(job.site, self.range(job)?, job.format, job.symmetry)
    }
}

/// Each batch moves both ends by 0.01 of the way to its own, in the order of batch indices and in fp32; the
/// first batch sets them. [`qparams`] gives the scale.
///
/// # Errors
/// As for `minmax@pytorch`.
struct MovingAverage;

impl Calibrator for MovingAverage {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::BatchRanges]
    }

    fn unsupported(&self, format: IntFormat, symmetry: Symmetry) -> Option<&'static str> {
        unsupported(format, symmetry)
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        supported(self, job)?;
        let toward = |end: f32, batch: f32| end + 0.01 * (batch - end).clamp(f32::MIN, f32::MAX);
        let step = |end: Range, batch: Range| Range {
            low: toward(end.low, batch.low),
            high: toward(end.high, batch.high),
        };
        let batches = inputs::batch_ranges(job)?.values().copied();
        batches.reduce(step).ok_or_else(|| job.stats.no_sample(job.site))
    }

    fn calibrate(&self, job: &Job<'_>) -> Result<QParams, QuantError> {
        qparams(job.site, self.range(job)?, job.format, job.symmetry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(low: f32, high: f32, format: IntFormat, symmetry: Symmetry) -> (f32, i32) {
        let q = qparams("t", Range { low, high }, format, symmetry).unwrap();
        (q.scale[0], q.zero_point[0])
    }

    #[test]
    fn symmetric_scales_use_all_codes() {
        assert_eq!(of(-1.0, 2.55, IntFormat::INT8, Symmetry::Symmetric), (0.02, 0));
        assert_eq!(of(-1.0, 2.55, IntFormat::UINT8, Symmetry::Symmetric), (0.02, 128));
        assert_eq!(of(0.0, 1.0, IntFormat::INT8.reduced(), Symmetry::Affine), (1.0 / 127.0, -64));
        assert_eq!(of(0.0, 15.0, IntFormat::unsigned(4), Symmetry::Symmetric), (2.0, 7));
    }

    #[test]
    fn scales_are_at_least_epsilon() {
        assert_eq!(of(0.0, 0.0, IntFormat::INT8, Symmetry::Affine), (f32::EPSILON, -128));
    }

    #[test]
    fn what_pytorch_does_not_know_is_refused() {
        let q = qparams("s", Range { low: 0.0, high: 1.0 }, IntFormat::signed(12), Symmetry::Affine);
        assert!(q.unwrap_err().to_string().contains("up to 8 bits"));
        assert!(unsupported(IntFormat::UINT8.reduced(), Symmetry::Symmetric).is_some());
        assert!(unsupported(IntFormat::INT8.reduced(), Symmetry::Symmetric).is_none());
    }
}
