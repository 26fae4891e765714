//! Half-precision storage.
//!
//! Narrowing rounds to nearest, ties to even, overflows to infinity and keeps subnormals. NaN stays
//! NaN: sign and the payload bits that fit are kept, and it is made quiet. Widening is exact, and
//! makes a signalling NaN quiet. The bits are those of the `half` crate on every instruction set.

use super::check_len;
use crate::Kernels;

impl Kernels {
    /// f32 to IEEE binary16 bits, nearest even; NaN is made quiet and keeps its upper payload.
    ///
    /// # Panics
    /// Unless both slices have the same length.
    pub fn f32_to_f16(&self, x: &[f32], out: &mut [u16]) {
        check_len("f32_to_f16", "out", out.len(), x.len());
        dispatch!(self, half::f32_to_f16(x, out));
    }

    /// IEEE binary16 bits to f32: exact; a signalling NaN is made quiet.
    ///
    /// # Panics
    /// Unless both slices have the same length.
    pub fn f16_to_f32(&self, x: &[u16], out: &mut [f32]) {
        check_len("f16_to_f32", "out", out.len(), x.len());
        dispatch!(self, half::f16_to_f32(x, out));
    }

    /// f32 to bfloat16 bits, nearest even; NaN is made quiet and keeps its upper payload.
    ///
    /// # Panics
    /// Unless both slices have the same length.
    pub fn f32_to_bf16(&self, x: &[f32], out: &mut [u16]) {
        check_len("f32_to_bf16", "out", out.len(), x.len());
        dispatch!(self, half::f32_to_bf16(x, out));
    }

    /// bfloat16 bits to f32: exact; a signalling NaN is made quiet.
    ///
    /// # Panics
    /// Unless both slices have the same length.
    pub fn bf16_to_f32(&self, x: &[u16], out: &mut [f32]) {
        check_len("bf16_to_f32", "out", out.len(), x.len());
        dispatch!(self, half::bf16_to_f32(x, out));
    }

    /// Rounds in place through binary16 and back.
    pub fn round_f16(&self, x: &mut [f32]) {
        dispatch!(self, half::round_f16(x));
    }

    /// Rounds in place through bfloat16 and back.
    pub fn round_bf16(&self, x: &mut [f32]) {
        dispatch!(self, half::round_bf16(x));
    }
}
