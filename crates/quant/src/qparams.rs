//! Scales and zero points.

use serde::{Deserialize, Serialize};

use crate::{IntFormat, QuantError, Range};

/// Smallest scale that is ever returned: 2⁻⁶⁰.
///
/// The product of two scales then stays a normal fp32 number. A range that would need a smaller one
/// holds only values below 2⁻⁴⁵, which are zero for every practical purpose.
pub const MIN_SCALE: f32 = 8.673_617_4e-19;

/// Whether the zero point is free (affine) or fixed to zero (symmetric).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Symmetry {
    /// `[low, high]` maps onto all codes; the zero point is an integer, so that 0.0 is exact.
    #[serde(rename = "affine")]
    Affine,
    /// `[−a, a]` maps onto `[−q_max, q_max]`; the zero point is 0.
    #[serde(rename = "symmetric")]
    Symmetric,
}

impl Symmetry {
    /// Both, in report order.
    pub const ALL: &[Self] = &[Self::Affine, Self::Symmetric];

    /// The name used in rows and on the command line.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Affine => "affine",
            Self::Symmetric => "symmetric",
        }
    }
}

/// How many scales a tensor has.
///
/// Shape examples: a weight `[64, 32, 3, 3]` per tensor has one scale; per channel on axis 0 it has
/// 64, one for each output channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Granularity {
    /// One scale for the whole tensor.
    #[serde(rename = "per-tensor")]
    PerTensor,
    /// One scale per index of axis 0, the output channel of weights `[out, …]`.
    #[serde(rename = "per-channel")]
    PerChannel,
}

impl Granularity {
    /// Both, in report order.
    pub const ALL: &[Self] = &[Self::PerTensor, Self::PerChannel];

    /// The name used in rows and on the command line.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::PerTensor => "per-tensor",
            Self::PerChannel => "per-channel",
        }
    }
}

/// Scales and zero points of one tensor: `x = scale · (q − zero_point)`.
///
/// `scale` and `zero_point` have one entry, or one per channel of axis 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QParams {
    /// Integer format of the codes.
    pub format: IntFormat,
    /// Whether the zero point was free.
    pub symmetry: Symmetry,
    /// Lowest code in use: the format's, unless a peer's dialect uses another.
    pub q_min: i32,
    /// Highest code in use.
    pub q_max: i32,
    /// Positive, finite, in units of x per code.
    pub scale: Vec<f32>,
    /// The code of 0.0.
    pub zero_point: Vec<i32>,
}

impl QParams {
    /// Parameters for one range.
    ///
    /// ```text
    /// symmetric:  S = max(|low|, |high|) / q_max                                Z = 0
    /// affine:     S = (high' − low') / (q_max − q_min),  low' = min(low, 0), high' = max(high, 0)
    ///             Z = clamp(round(q_min − low' / S), q_min, q_max)
    /// ```
    ///
    /// The range is widened to hold 0.0, so that zero padding and ReLU are exact (Jacob et al. 2017,
    /// §2.1). Symmetric unsigned formats map `[0, high]`. Ends beyond half of fp32's largest value are
    /// moved there, so that every code has a finite value whatever the zero point is rounded to.
    ///
    /// # Errors
    /// [`QuantError::Invalid`] when the range is not finite or is empty.
    pub fn from_range(
        site: &str,
        range: Range,
        format: IntFormat,
        symmetry: Symmetry,
    ) -> Result<Self, QuantError> {
        if !range.low.is_finite() || !range.high.is_finite() || range.low > range.high {
            return Err(QuantError::Invalid {
                site: site.to_owned(),
                reason: format!("[{}, {}] is not a finite range", range.low, range.high),
            });
        }
        let (q_min, q_max) = format.range(symmetry);
        let (scale, zero_point) = Self::scale_and_zero_point(range, format, symmetry);
        Ok(Self { format, symmetry, q_min, q_max, scale: vec![scale], zero_point: vec![zero_point] })
    }

    /// The scale and zero point of [`from_range`](Self::from_range) alone, for a range that is finite and not empty.
    #[must_use]
    pub fn scale_and_zero_point(range: Range, format: IntFormat, symmetry: Symmetry) -> (f32, i32) {
        let (q_min, q_max) = format.range(symmetry);
        let low = f64::from(range.low.clamp(f32::MIN / 2.0, 0.0));
        let high = f64::from(range.high.clamp(0.0, f32::MAX / 2.0));
        match symmetry {
            Symmetry::Symmetric => {
                let bound = if format.signed { high.max(-low) } else { high };
                (to_scale(bound / f64::from(q_max)), 0)
            }
            Symmetry::Affine => {
                let scale = to_scale((high - low) / f64::from(q_max - q_min));
                let zero = (f64::from(q_min) - low / f64::from(scale)).round_ties_even();
                (scale, zero.clamp(f64::from(q_min), f64::from(q_max)) as i32)
            }
        }
    }

    /// Symmetric min-max parameters of a weight tensor whose first axis is the output channel.
    ///
    /// `data` is row-major `[channels, …]`. Per tensor gives one scale, per channel `channels`.
    ///
    /// # Errors
    /// [`QuantError::Invalid`] when a weight is not finite or the shape does not divide the data.
    pub fn of_weights(
        site: &str,
        data: &[f32],
        channels: usize,
        format: IntFormat,
        granularity: Granularity,
    ) -> Result<Self, QuantError> {
        if channels == 0 || data.is_empty() || !data.len().is_multiple_of(channels) {
            return Err(QuantError::Invalid {
                site: site.to_owned(),
                reason: format!("{} weights cannot be split over {channels} channels", data.len()),
            });
        }
        let chunk = match granularity {
            Granularity::PerTensor => data.len(),
            Granularity::PerChannel => data.len() / channels,
        };
        Self::of_chunks(site, data, chunk, format, |values, _| {
            values.iter().fold(0.0_f32, |most, w| most.max(w.abs()))
        })
    }

    /// Symmetric parameters with one scale for every `chunk` values in turn: a whole tensor, the weights of
    /// an output channel, or a group of them. `bound(values, q_max)` chooses the magnitude of the outermost code.
    ///
    /// # Errors
    /// [`QuantError::Invalid`] when a weight is not finite or `chunk` does not divide their number.
    pub fn of_chunks(
        site: &str,
        data: &[f32],
        chunk: usize,
        format: IntFormat,
        bound: impl Fn(&[f32], i32) -> f32,
    ) -> Result<Self, QuantError> {
        let invalid = |reason: String| QuantError::Invalid { site: site.to_owned(), reason };
        if chunk == 0 || data.is_empty() || !data.len().is_multiple_of(chunk) {
            return Err(invalid(format!("{} weights cannot be split into groups of {chunk}", data.len())));
        }
        if let Some(at) = data.iter().position(|w| !w.is_finite()) {
            return Err(invalid(format!("weight {at} is {}", data[at])));
        }
        let symmetry = Symmetry::Symmetric;
        let (q_min, q_max) = format.range(symmetry);
        let scale = data.chunks_exact(chunk).map(|values| {
            let bound = bound(values, q_max);
            let range = Range { low: -bound, high: bound };
            Ok(Self::from_range(site, range, format, symmetry)?.scale[0])
        });
        let scale = scale.collect::<Result<Vec<f32>, QuantError>>()?;
        let zero_point = vec![0; scale.len()];
        Ok(Self { format, symmetry, q_min, q_max, scale, zero_point })
    }

    /// Lowest and highest code.
    #[must_use]
    pub fn code_range(&self) -> (i32, i32) {
        (self.q_min, self.q_max)
    }

    /// Scale of a channel (any channel of a per-tensor scheme).
    #[must_use]
    pub fn scale_of(&self, channel: usize) -> f32 {
        self.scale[if self.scale.len() == 1 { 0 } else { channel }]
    }

    /// Zero point of a channel (any channel of a per-tensor scheme).
    #[must_use]
    pub fn zero_point_of(&self, channel: usize) -> i32 {
        self.zero_point[if self.zero_point.len() == 1 { 0 } else { channel }]
    }

    /// The code of `x`: `clamp(round(x / S) + Z)`, ties to even; NaN becomes the zero point.
    #[must_use]
    pub fn quantize(&self, x: f32, channel: usize) -> i32 {
        let (q_min, q_max) = self.code_range();
        let zero = self.zero_point_of(channel);
        // Round and clamp in floating point: exact, since codes are far below 2^24.
        let q = (x / self.scale_of(channel)).round_ties_even() + zero as f32;
        if q.is_nan() { zero } else { q.clamp(q_min as f32, q_max as f32) as i32 }
    }

    /// The value of a code: `S · (q − Z)`.
    #[must_use]
    pub fn dequantize(&self, q: i32, channel: usize) -> f32 {
        self.scale_of(channel) * (q - self.zero_point_of(channel)) as f32
    }

    /// `dequantize(quantize(x))`: what quantization makes of `x`.
    #[must_use]
    pub fn fake_quantize(&self, x: f32, channel: usize) -> f32 {
        self.dequantize(self.quantize(x, channel), channel)
    }

    /// The values of the lowest and the highest code: everything outside is clipped.
    #[must_use]
    pub fn thresholds(&self, channel: usize) -> Range {
        let (q_min, q_max) = self.code_range();
        Range { low: self.dequantize(q_min, channel), high: self.dequantize(q_max, channel) }
    }
}

fn to_scale(scale: f64) -> f32 {
    (scale as f32).max(MIN_SCALE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affine(low: f32, high: f32) -> QParams {
        QParams::from_range("t", Range { low, high }, IntFormat::INT8, Symmetry::Affine).unwrap()
    }

    #[test]
    fn affine_int8_of_0_to_255_has_scale_one_and_zero_point_at_the_bottom() {
        let q = affine(0.0, 255.0);
        assert_eq!((q.scale[0], q.zero_point[0]), (1.0, -128));
    }

    #[test]
    fn zero_is_always_exact() {
        for (low, high) in [(-1.0, 3.0), (0.5, 2.0), (-7.3, -0.1), (-0.001, 1000.0)] {
            let q = affine(low, high);
            assert_eq!(q.fake_quantize(0.0, 0), 0.0, "[{low}, {high}]");
        }
    }

    #[test]
    fn symmetric_scale_is_absmax_over_127() {
        let q =
            QParams::from_range("t", Range { low: -2.54, high: 1.0 }, IntFormat::INT8, Symmetry::Symmetric)
                .unwrap();
        assert_eq!(q.scale[0], (2.54_f32 as f64 / 127.0) as f32);
        assert_eq!(q.quantize(-1e9, 0), -127);
    }

    #[test]
    fn extreme_and_empty_ranges_give_a_positive_finite_scale() {
        for format in IntFormat::ALL {
            for symmetry in Symmetry::ALL {
                for (low, high) in [(f32::MIN, f32::MAX), (0.0, 0.0), (0.0, 1e-45)] {
                    let q = QParams::from_range("t", Range { low, high }, *format, *symmetry).unwrap();
                    assert!(q.scale[0].is_finite() && q.scale[0] > 0.0, "{format} {symmetry:?}");
                    assert!(q.thresholds(0).bound().is_finite(), "{format} {symmetry:?} [{low}, {high}]");
                }
            }
        }
        assert!(
            QParams::from_range("t", Range { low: 1.0, high: 0.0 }, IntFormat::INT8, Symmetry::Affine)
                .is_err()
        );
        assert!(
            QParams::from_range("t", Range { low: f32::NAN, high: 0.0 }, IntFormat::INT8, Symmetry::Affine)
                .is_err()
        );
    }

    #[test]
    fn ties_go_to_even_and_nan_to_the_zero_point() {
        let q = affine(0.0, 255.0);
        assert_eq!(q.quantize(0.5, 0), -128);
        assert_eq!(q.quantize(1.5, 0), -126);
        assert_eq!(q.quantize(f32::NAN, 0), -128);
        assert_eq!(q.quantize(f32::INFINITY, 0), 127);
    }

    #[test]
    fn weights_that_are_not_finite_are_refused() {
        let of = |w: &[f32]| QParams::of_weights("w", w, 2, IntFormat::INT8, Granularity::PerChannel);
        assert_eq!(of(&[1.0, -2.0, 0.0, 4.0]).unwrap().scale, vec![2.0 / 127.0, 4.0 / 127.0]);
        assert!(of(&[1.0, f32::NAN, 0.0, 4.0]).is_err());
        assert!(of(&[1.0, 2.0, f32::INFINITY, 4.0]).is_err());
        assert!(of(&[1.0, 2.0, 3.0]).is_err());
    }
}
