//! 64-bit accumulators and quantized values to f32, 4 and 8 a step.
//!
//! Multiply, then add, as two rounded operations: FMA would round once and differ from the oracle.

use std::arch::x86_64::*;

use super::{load_f32x4, load_i16x8, load_i64x4, store_f32x4, store_f32x8, widen_i8x8};
use crate::{Avx2, generic::dequantize as scalar};

pub(crate) fn dequantize_s64(
    _: Avx2,
    acc: &[i64],
    n_cols: usize,
    corr: &[i64],
    scale: &[f32],
    bias: Option<&[f32]>,
    relu: bool,
    out: &mut [f32],
) {
    // SAFETY: the token proves that the CPU has AVX2.
    unsafe { rows_s64(acc, n_cols, corr, scale, bias, relu, out) }
}

#[target_feature(enable = "avx2")]
fn rows_s64(
    acc: &[i64],
    n_cols: usize,
    corr: &[i64],
    scale: &[f32],
    bias: Option<&[f32]>,
    relu: bool,
    out: &mut [f32],
) {
    let single = [scale[0]; 4];
    let zero = [0_i64; 4];
    let (corr4, _) = corr.as_chunks::<4>();
    let (scale4, _) = scale.as_chunks::<4>();
    let bias4 = bias.map(|b| b.as_chunks::<4>().0);
    for (acc, out) in acc.chunks_exact(n_cols).zip(out.chunks_exact_mut(n_cols)) {
        let (acc4, _) = acc.as_chunks::<4>();
        let (out4, _) = out.as_chunks_mut::<4>();
        for (j, (acc, out)) in acc4.iter().zip(out4).enumerate() {
            let corr = corr4.get(j).unwrap_or(&zero);
            let s = if scale.len() == 1 { &single } else { &scale4[j] };
            let bias = bias4.map(|b| &b[j]);
            match sum_to_f32(load_i64x4(acc), load_i64x4(corr)) {
                Some(v) => {
                    let mut x = _mm_mul_ps(v, load_f32x4(s));
                    if let Some(bias) = bias {
                        x = _mm_add_ps(x, load_f32x4(bias));
                    }
                    if relu {
                        x = _mm_max_ps(_mm_setzero_ps(), x);
                    }
                    store_f32x4(out, x);
                }
                None => scalar::columns(acc, corr, s, bias.map(|b| &b[..]), relu, out, 0),
            }
        }
        scalar::columns(acc, corr, scale, bias, relu, out, 4 * acc4.len());
    }
}

/// `(a + b) as f32`, or `None` where an operand leaves [−2^50, 2^50): there the scalar path is taken.
///
/// AVX2 cannot convert i64. Below 2^51 an integer added to the bits of 1.5 · 2^52 is that double
/// plus the integer, exactly; the one rounding left is from f64 to f32, as in a direct conversion.
#[inline]
#[target_feature(enable = "avx2")]
fn sum_to_f32(a: __m256i, b: __m256i) -> Option<__m128> {
    let offset = _mm256_set1_epi64x(1 << 50);
    let outside =
        _mm256_srli_epi64::<51>(_mm256_or_si256(_mm256_add_epi64(a, offset), _mm256_add_epi64(b, offset)));
    if _mm256_testz_si256(outside, outside) == 0 {
        return None;
    }
    let magic = _mm256_set1_pd(6_755_399_441_055_744.0); // 1.5 · 2^52
    let bits = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_castpd_si256(magic));
    Some(_mm256_cvtpd_ps(_mm256_sub_pd(_mm256_castsi256_pd(bits), magic)))
}

pub(crate) fn dequantize_s8(_: Avx2, q: &[i8], scale: f32, zp: i32, out: &mut [f32]) {
    // SAFETY: the token proves that the CPU has AVX2.
    unsafe { values_s8(q, scale, zp, out) }
}

#[target_feature(enable = "avx2")]
fn values_s8(q: &[i8], scale: f32, zp: i32, out: &mut [f32]) {
    let (q8, q_tail) = q.as_chunks::<8>();
    let (out8, out_tail) = out.as_chunks_mut::<8>();
    for (q, out) in q8.iter().zip(out8) {
        store_f32x8(out, to_f32(widen_i8x8(q), scale, zp));
    }
    scalar::values(q_tail, scale, zp, out_tail);
}

pub(crate) fn dequantize_s16(_: Avx2, q: &[i16], scale: f32, zp: i32, out: &mut [f32]) {
    // SAFETY: the token proves that the CPU has AVX2.
    unsafe { values_s16(q, scale, zp, out) }
}

#[target_feature(enable = "avx2")]
fn values_s16(q: &[i16], scale: f32, zp: i32, out: &mut [f32]) {
    let (q8, q_tail) = q.as_chunks::<8>();
    let (out8, out_tail) = out.as_chunks_mut::<8>();
    for (q, out) in q8.iter().zip(out8) {
        store_f32x8(out, to_f32(_mm256_cvtepi16_epi32(load_i16x8(q)), scale, zp));
    }
    scalar::values(q_tail, scale, zp, out_tail);
}

#[inline]
#[target_feature(enable = "avx2")]
fn to_f32(q: __m256i, scale: f32, zp: i32) -> __m256 {
    let steps = _mm256_cvtepi32_ps(_mm256_sub_epi32(q, _mm256_set1_epi32(zp)));
    _mm256_mul_ps(steps, _mm256_set1_ps(scale))
}
