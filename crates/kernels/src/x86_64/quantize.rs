//! Quantization, 8 values a step. A real division, not a multiplication by the reciprocal: that
//! would round differently near ties.

use std::arch::x86_64::*;

use super::{load_f32x8, pack_i16x8, store_i8x8, store_i16x8};
use crate::{Avx2, generic::quantize as scalar};

pub(crate) fn quantize_s8(_: Avx2, x: &[f32], scale: f32, zp: i32, lo: i32, hi: i32, out: &mut [i8]) {
    // SAFETY: the token proves that the CPU has AVX2.
    unsafe { values_s8(x, scale, zp, lo, hi, out) }
}

#[target_feature(enable = "avx2")]
fn values_s8(x: &[f32], scale: f32, zp: i32, lo: i32, hi: i32, out: &mut [i8]) {
    let (x8, x_tail) = x.as_chunks::<8>();
    let (out8, out_tail) = out.as_chunks_mut::<8>();
    for (x, out) in x8.iter().zip(out8) {
        let words = pack_i16x8(quantize8(load_f32x8(x), scale, zp, lo, hi));
        store_i8x8(out, _mm_packs_epi16(words, words));
    }
    scalar::quantize_s8(x_tail, scale, zp, lo, hi, out_tail);
}

pub(crate) fn quantize_s16(_: Avx2, x: &[f32], scale: f32, zp: i32, lo: i32, hi: i32, out: &mut [i16]) {
    // SAFETY: the token proves that the CPU has AVX2.
    unsafe { values_s16(x, scale, zp, lo, hi, out) }
}

#[target_feature(enable = "avx2")]
fn values_s16(x: &[f32], scale: f32, zp: i32, lo: i32, hi: i32, out: &mut [i16]) {
    let (x8, x_tail) = x.as_chunks::<8>();
    let (out8, out_tail) = out.as_chunks_mut::<8>();
    for (x, out) in x8.iter().zip(out8) {
        store_i16x8(out, pack_i16x8(quantize8(load_f32x8(x), scale, zp, lo, hi)));
    }
    scalar::quantize_s16(x_tail, scale, zp, lo, hi, out_tail);
}

#[inline]
#[target_feature(enable = "avx2")]
fn quantize8(x: __m256, scale: f32, zp: i32, lo: i32, hi: i32) -> __m256i {
    let ratio = _mm256_div_ps(x, _mm256_set1_ps(scale));
    let steps = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(ratio);
    // NaN becomes 0 steps.
    let steps = _mm256_and_ps(steps, _mm256_cmp_ps::<_CMP_ORD_Q>(steps, steps));
    let raised = _mm256_max_ps(steps, _mm256_set1_ps((lo - zp) as f32));
    let clamped = _mm256_min_ps(raised, _mm256_set1_ps((hi - zp) as f32));
    _mm256_add_epi32(_mm256_cvttps_epi32(clamped), _mm256_set1_epi32(zp))
}
