//! f32 to and from affine integers, and the range of a tensor.

use super::{check_len, check_zero_point};
use crate::{
    Kernels,
    lanes::{self, range::MinMax},
};

impl Kernels {
    /// f32 to int8: `q = clamp(round_ties_even(x / scale) + zp, lo, hi)`.
    ///
    /// A real division, so that ties fall where the formula puts them. NaN becomes
    /// `clamp(zp, lo, hi)` (the quantized zero); ±inf and whatever overflows land on the bounds.
    /// `scale` is meant to be finite and above 0; the caller sees to that.
    ///
    /// # Panics
    /// Unless `x` and `out` have the same length, `lo ≤ hi` lie in the range of i8, and the zero
    /// point within ±[`MAX_ZERO_POINT`](crate::MAX_ZERO_POINT).
    pub fn quantize_s8(&self, x: &[f32], scale: f32, zero_point: i32, lo: i32, hi: i32, out: &mut [i8]) {
        let op = "quantize_s8";
        check_len(op, "out", out.len(), x.len());
        check_range(op, zero_point, lo, hi, i8::MIN.into(), i8::MAX.into());
        dispatch!(self, quantize::quantize_s8(x, scale, zero_point, lo, hi, out));
    }

    /// f32 to int16, as [`quantize_s8`](Self::quantize_s8).
    ///
    /// # Panics
    /// As there, with the range of i16.
    pub fn quantize_s16(&self, x: &[f32], scale: f32, zero_point: i32, lo: i32, hi: i32, out: &mut [i16]) {
        let op = "quantize_s16";
        check_len(op, "out", out.len(), x.len());
        check_range(op, zero_point, lo, hi, i16::MIN.into(), i16::MAX.into());
        dispatch!(self, quantize::quantize_s16(x, scale, zero_point, lo, hi, out));
    }

    /// int8 to f32: `x = (q − zp) · scale`, one rounding.
    ///
    /// # Panics
    /// Unless `q` and `out` have the same length and the zero point is within
    /// ±[`MAX_ZERO_POINT`](crate::MAX_ZERO_POINT).
    pub fn dequantize_s8(&self, q: &[i8], scale: f32, zero_point: i32, out: &mut [f32]) {
        let op = "dequantize_s8";
        check_len(op, "out", out.len(), q.len());
        check_zero_point(op, zero_point);
        dispatch!(self, dequantize::values | dequantize_s8(q, scale, zero_point, out));
    }

    /// int16 to f32, as [`dequantize_s8`](Self::dequantize_s8).
    ///
    /// # Panics
    /// As there.
    pub fn dequantize_s16(&self, q: &[i16], scale: f32, zero_point: i32, out: &mut [f32]) {
        let op = "dequantize_s16";
        check_len(op, "out", out.len(), q.len());
        check_zero_point(op, zero_point);
        dispatch!(self, dequantize::values | dequantize_s16(q, scale, zero_point, out));
    }

    /// The smallest and largest finite value; NaN and ±inf are skipped. `None` where there is none.
    ///
    /// A zero is returned as +0, whichever sign it had, so that the answer does not depend on the
    /// order of the reduction.
    pub fn min_max(&self, x: &[f32]) -> Option<(f32, f32)> {
        let mut range = None;
        lanes::run(self.proof, MinMax { x, range: &mut range });
        range
    }
}

#[track_caller]
fn check_range(op: &str, zero_point: i32, lo: i32, hi: i32, min: i32, max: i32) {
    check_zero_point(op, zero_point);
    assert!(min <= lo && lo <= hi && hi <= max, "{op}: bounds [{lo}, {hi}] do not lie in [{min}, {max}]");
}
