//! ONNX Runtime's min-max and percentile calibrators, and its scale and zero point.

use calibench_quant::{
    Calibrator, Entry, IntFormat, Job, PeerHistogram, PeerStat, QParams, QuantError, Range, StatKind,
    Symmetry,
};

use super::{ends, first_bin_at, per_tensor, refusal, supported};
use crate::inputs;

/// Registry entry.
pub(crate) const ENTRY_MINMAX: Entry<dyn Calibrator> = Entry {
    id: "minmax@onnxruntime",
    summary: "ONNX Runtime's MinMaxCalibrater: the observed range, mirrored when symmetric",
    source: "onnxruntime.quantization.calibrate.MinMaxCalibrater, ONNX Runtime 1.32.0",
    construct: || Box::new(MinMax),
};

const SOURCE: &str = "onnxruntime.quantization.calibrate.PercentileCalibrater, ONNX Runtime 1.32.0";

/// Registry entry for 99.9 %.
pub(crate) const ENTRY_99_9: Entry<dyn Calibrator> = Entry {
    id: "percentile-99.9@onnxruntime",
    summary: "ONNX Runtime's percentile 99.9: of |x| when symmetric, half on each side when affine; left edges",
    source: SOURCE,
    construct: || Box::new(Percentile { percentile: 99.9 }),
};

/// Registry entry for 99.99 %.
pub(crate) const ENTRY_99_99: Entry<dyn Calibrator> = Entry {
    id: "percentile-99.99@onnxruntime",
    summary: "ONNX Runtime's percentile 99.99: of |x| when symmetric, half on each side when affine; left edges",
    source: SOURCE,
    construct: || Box::new(Percentile { percentile: 99.99 }),
};

/// Registry entry for 99.999 %, the peer's default.
pub(crate) const ENTRY_99_999: Entry<dyn Calibrator> = Entry {
    id: "percentile-99.999@onnxruntime",
    summary: "ONNX Runtime's percentile 99.999: of |x| when symmetric, half on each side when affine; left edges",
    source: SOURCE,
    construct: || Box::new(Percentile { percentile: 99.999 }),
};

/// Why ONNX Runtime has no answer for a combination; `None` when it has one.
#[must_use]
pub fn unsupported(format: IntFormat, _symmetry: Symmetry) -> Option<&'static str> {
    (!matches!(format.bits, 4 | 8 | 16)).then_some("ONNX Runtime quantizes to 4, 8 and 16 bits")
}

/// The codes that ONNX Runtime uses, `(q_min, q_max)`.
///
/// Reduced ranges are the same symmetric or not: int8 `[−64, 64]`, uint8 `[0, 127]`, int16 `[−16384, 16384]`.
fn codes(format: IntFormat, symmetry: Symmetry) -> (i32, i32) {
    match format {
        IntFormat { bits: 8.., signed: true, reduce_range: true } => {
            let most = 1 << (format.bits - 2);
            (-most, most)
        }
        // No symmetric codes of their own: [−8, 7] and [−4, 3].
        IntFormat { bits: 4, .. } => format.range(Symmetry::Affine),
        _ => format.range(symmetry),
    }
}

/// ONNX Runtime's scale and zero point for a range, in fp64 as it computes them.
///
/// ```text
/// S = (high' − low') / (q_max − q_min)
/// symmetric:  low', high' = ∓max(|low|, |high|)             Z = round((q_min + q_max) / 2)
/// affine:     low', high' = min(low, 0), max(high, 0)       Z = round(q_min − low' / S)
/// ```
///
/// A scale below fp32's smallest normal number becomes 1 with Z = 0.
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
    let (mut low, mut high) = ends(site, range)?;
    if symmetry == Symmetry::Symmetric {
        high = high.max(-low);
        low = -high;
    }
    let (q_min, q_max) = codes(format, symmetry);
    let scale = (f64::from(high) - f64::from(low)) / f64::from(q_max - q_min);
    let (scale, zero_point) = if scale < f64::from(f32::MIN_POSITIVE) {
        (1.0, 0.0)
    } else if symmetry == Symmetry::Symmetric {
        (scale, (f64::from(q_min + q_max) / 2.0).round_ties_even())
    } else {
        (scale, (f64::from(q_min) - f64::from(low) / scale).round_ties_even())
    };
    Ok(per_tensor(format, symmetry, (q_min, q_max), scale as f32, zero_point as i32))
}

/// Ends held to what was observed, as both histogram methods do last.
///
/// Over data far to one side of zero the ends can cross; the one that zero replaces is then moved to the
/// other, which changes no scale.
pub(super) fn held_to(observed: Range, low: f32, high: f32) -> Range {
    let (low, high) = (low.max(observed.low), high.min(observed.high));
    match (low <= high, low > 0.0) {
        (true, _) => Range { low, high },
        (false, true) => Range { low: high, high },
        (false, false) => Range { low, high: low },
    }
}

/// Everything that was seen; when symmetric `[−a, a]` with the largest magnitude a.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`], [`QuantError::Invalid`] for widths that ONNX
/// Runtime does not know.
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
        let observed = inputs::range(job)?;
        let bound = observed.bound();
        Ok(match job.symmetry {
            Symmetry::Symmetric => Range { low: -bound, high: bound },
            Symmetry::Affine => observed,
        })
    }

    fn calibrate(&self, job: &Job<'_>) -> Result<QParams, QuantError> {
        qparams(job.site, self.range(job)?, job.format, job.symmetry)
    }
}

/// The left edges of the bins at which the running share of elements reaches the percentile.
///
/// Symmetric: one edge T of the histogram of |x|, for `[−T, T]`. Affine: of the histogram of x, half of
/// what is cut on each side. Both held to the observed range.
///
/// ONNX Runtime's own symmetry of the collector is apart from that of the format, and its
/// `create_calibrator` collects |x| by default even for affine formats. Here the format's symmetry decides
/// both; [`qparams`] gives the other combinations for the range of either.
///
/// # Errors
/// As for `minmax@onnxruntime`.
///
/// Limits: left edges on both sides clip more on the right; magnitudes below the smallest of the first batch
/// are not in the histogram of |x|.
struct Percentile {
    percentile: f64,
}

impl Calibrator for Percentile {
    fn needs(&self) -> &'static [StatKind] {
        &[
            StatKind::Peer(PeerStat::Histogram2048OnnxRuntime),
            StatKind::Peer(PeerStat::AbsoluteHistogram2048OnnxRuntime),
        ]
    }

    fn unsupported(&self, format: IntFormat, symmetry: Symmetry) -> Option<&'static str> {
        unsupported(format, symmetry)
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        supported(self, job)?;
        let values = inputs::peer(job, PeerStat::Histogram2048OnnxRuntime)?;
        let magnitudes = inputs::peer(job, PeerStat::AbsoluteHistogram2048OnnxRuntime)?;
        let edge = |held: &PeerHistogram, share: f64| held.edges[first_bin_at(&held.counts, share)];
        Ok(match job.symmetry {
            Symmetry::Symmetric => {
                let threshold = edge(magnitudes, self.percentile / 100.0);
                held_to(magnitudes.observed, -threshold, threshold)
            }
            Symmetry::Affine => {
                let cut = (100.0 - self.percentile) / 200.0;
                held_to(values.observed, edge(values, cut), edge(values, 1.0 - cut))
            }
        })
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
    fn the_middle_code_is_the_zero_of_symmetric_unsigned_formats() {
        assert_eq!(of(-1.27, 1.0, IntFormat::INT8, Symmetry::Symmetric), (0.01, 0));
        assert_eq!(of(-2.55, 1.0, IntFormat::UINT8, Symmetry::Symmetric), (0.02, 128));
        assert_eq!(of(-1.0, 1.0, IntFormat::UINT16, Symmetry::Symmetric).1, 32768);
        assert_eq!(of(-1.28, 1.0, IntFormat::INT8.reduced(), Symmetry::Symmetric), (0.02, 0));
        assert_eq!(of(-1.5, 1.0, IntFormat::INT4, Symmetry::Symmetric), (0.2, 0));
    }

    #[test]
    fn a_range_without_width_has_scale_one() {
        assert_eq!(of(0.0, 0.0, IntFormat::UINT8, Symmetry::Affine), (1.0, 0));
    }

    #[test]
    fn ends_that_cross_are_joined_on_the_side_of_zero() {
        let observed = Range { low: 10.0, high: 11.0 };
        assert_eq!(held_to(observed, -5.0, 5.0), Range { low: 5.0, high: 5.0 });
        let observed = Range { low: -11.0, high: -10.0 };
        assert_eq!(held_to(observed, -5.0, 5.0), Range { low: -5.0, high: -5.0 });
        assert_eq!(held_to(observed, -10.5, 5.0), Range { low: -10.5, high: -10.0 });
    }
}
