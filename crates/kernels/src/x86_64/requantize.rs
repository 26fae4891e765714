//! Requantization in 64-bit lanes: the same single rounding as the scalar kernel, 8 outputs a step.

use std::arch::x86_64::*;

use super::{load_i32x8, load_requant4, pack_i16x8, saturating_add_i32, store_i8x8};
use crate::{Avx2, Requant, generic};

/// `zp`, `lo`, `hi` of the output.
#[derive(Clone, Copy)]
struct Range {
    zp: i32,
    lo: i8,
    hi: i8,
}

pub(crate) fn requantize_s8(
    _: Avx2,
    acc: &[i32],
    n_cols: usize,
    corr: &[i32],
    requant: &[Requant],
    zp: i32,
    lo: i8,
    hi: i8,
    out: &mut [i8],
) {
    let range = Range { zp, lo, hi };
    // With a shift of 31 or more, |v · M0 · 2^-shift| is below 2^31: the result fits 32 bits and
    // the 64-bit clamp (three more instructions a lane) is not needed.
    let narrow = requant.iter().all(|r| r.shift() >= 31);
    // SAFETY: the token proves that the CPU has AVX2.
    unsafe {
        if narrow {
            rows::<false>(acc, n_cols, corr, requant, range, out);
        } else {
            rows::<true>(acc, n_cols, corr, requant, range, out);
        }
    }
}

#[target_feature(enable = "avx2")]
fn rows<const WIDE: bool>(
    acc: &[i32],
    n_cols: usize,
    corr: &[i32],
    requant: &[Requant],
    range: Range,
    out: &mut [i8],
) {
    let per_column = requant.len() > 1;
    let single = load_requant4(&[requant[0]; 4]);
    let (requant4, _) = requant.as_chunks::<4>();
    let (corr8, _) = corr.as_chunks::<8>();
    for (acc, out) in acc.chunks_exact(n_cols).zip(out.chunks_exact_mut(n_cols)) {
        let (acc8, _) = acc.as_chunks::<8>();
        let (out8, _) = out.as_chunks_mut::<8>();
        for (j, (acc, out)) in acc8.iter().zip(out8).enumerate() {
            let mut v = load_i32x8(acc);
            if !corr8.is_empty() {
                v = saturating_add_i32(v, load_i32x8(&corr8[j]));
            }
            let (first, second) = if per_column {
                (load_requant4(&requant4[2 * j]), load_requant4(&requant4[2 * j + 1]))
            } else {
                (single, single)
            };
            let low = scale4::<WIDE>(_mm256_castsi256_si128(v), first, range);
            let high = scale4::<WIDE>(_mm256_extracti128_si256::<1>(v), second, range);
            store_i8x8(out, finish(low, high, range));
        }
        generic::requantize::columns(acc, corr, requant, range.zp, range.lo, range.hi, out, 8 * acc8.len());
    }
}

/// Four accumulators to four rounded 64-bit results, clamped to [lo − zp, hi − zp] if `WIDE`.
#[inline]
#[target_feature(enable = "avx2")]
fn scale4<const WIDE: bool>(v: __m128i, requant: __m256i, range: Range) -> __m256i {
    let shift = _mm256_srli_epi64::<32>(requant);
    let one = _mm256_set1_epi64x(1);
    let half = _mm256_sllv_epi64(one, _mm256_sub_epi64(shift, one));
    let product = _mm256_mul_epi32(_mm256_cvtepi32_epi64(v), requant);
    let sum = _mm256_add_epi64(product, half);
    // AVX2 has no 64-bit arithmetic shift: bias to unsigned, shift, take the shifted bias off.
    let bias = _mm256_set1_epi64x(i64::MIN);
    let result = _mm256_sub_epi64(
        _mm256_srlv_epi64(_mm256_xor_si256(sum, bias), shift),
        _mm256_srlv_epi64(bias, shift),
    );
    if !WIDE {
        return result;
    }
    let lo = _mm256_set1_epi64x(i64::from(range.lo) - i64::from(range.zp));
    let hi = _mm256_set1_epi64x(i64::from(range.hi) - i64::from(range.zp));
    let raised = _mm256_blendv_epi8(result, lo, _mm256_cmpgt_epi64(lo, result));
    _mm256_blendv_epi8(raised, hi, _mm256_cmpgt_epi64(raised, hi))
}

/// Low dwords of eight 64-bit results, clamped in 32 bits, plus zp, as i8.
#[inline]
#[target_feature(enable = "avx2")]
fn finish(low: __m256i, high: __m256i, range: Range) -> __m128i {
    let mixed = _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(
        _mm256_castsi256_ps(low),
        _mm256_castsi256_ps(high),
    ));
    let ordered = _mm256_permute4x64_epi64::<0b11_01_10_00>(mixed);
    // The caller bounds zp, so these do not overflow.
    let lo = _mm256_set1_epi32(i32::from(range.lo) - range.zp);
    let hi = _mm256_set1_epi32(i32::from(range.hi) - range.zp);
    let clamped = _mm256_min_epi32(_mm256_max_epi32(ordered, lo), hi);
    let words = pack_i16x8(_mm256_add_epi32(clamped, _mm256_set1_epi32(range.zp)));
    _mm_packs_epi16(words, words)
}
