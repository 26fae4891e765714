//! Quantization, scalar.

/// `clamp(round_ties_even(x / scale) + zp, lo, hi)`, with NaN as `clamp(zp, lo, hi)`.
#[inline]
pub(crate) fn one(x: f32, scale: f32, zp: i32, lo: i32, hi: i32) -> i32 {
    let steps = (x / scale).round_ties_even();
    let steps = if steps.is_nan() { 0.0 } else { steps };
    // Clamped before the zero point is added: both bounds are exact in f32, and ±inf lands on them.
    steps.clamp((lo - zp) as f32, (hi - zp) as f32) as i32 + zp
}

pub(crate) fn quantize_s8(x: &[f32], scale: f32, zp: i32, lo: i32, hi: i32, out: &mut [i8]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = one(x, scale, zp, lo, hi) as i8;
    }
}

pub(crate) fn quantize_s16(x: &[f32], scale: f32, zp: i32, lo: i32, hi: i32, out: &mut [i16]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = one(x, scale, zp, lo, hi) as i16;
    }
}
