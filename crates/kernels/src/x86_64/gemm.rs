//! Integer GEMM on `vpmaddwd`: exact for every input.
//!
//! Both operands are widened to i16, so a product of pairs is an exact i32 (at most
//! 2 · 255 · 128 for 8-bit activations, 2^23 for 16-bit ones) and nothing saturates, unlike
//! `vpmaddubsw`. B stays i8 in memory and is widened in registers; A is widened once into a scratch
//! block that lives in L2 and serves every panel of B. The 6×16 tile keeps 12 accumulators, 2
//! vectors of B and 1 broadcast pair of A in the 16 registers.

use std::{arch::x86_64::*, cell::RefCell};

use super::{broadcast_pair, load_i8x16, load_i8x32, store_i32x8, store_i64x4};
use crate::{
    Avx2, generic,
    pack::{PAIR_BYTES, PANEL, PackedS8},
};

/// Rows of a full tile.
const ROWS: usize = 6;
/// Bytes of widened A per block: half of the smallest L2 that comes with AVX2 (256 KiB).
const A_BLOCK_BYTES: usize = 128 * 1024;
/// k-pairs of i16 × s8 that an i32 lane holds: |−32768 · −128 · 2| = 2^23 each, 255 · 2^23 < 2^31.
const S16_PAIRS: usize = 255;

const _: () = assert!(S16_PAIRS as i64 * (1 << 23) <= i32::MAX as i64);

/// An activation type, widened exactly to i16.
trait Activation: Copy {
    fn widen(self) -> i16;
}

impl Activation for i8 {
    fn widen(self) -> i16 {
        self.into()
    }
}

impl Activation for u8 {
    fn widen(self) -> i16 {
        self.into()
    }
}

impl Activation for i16 {
    fn widen(self) -> i16 {
        self
    }
}

/// An accumulator: how many k-pairs an i32 tile may hold before it is added to this type.
trait Accumulator: Copy + Default {
    const FLUSH_PAIRS: usize;
    fn add(&mut self, tile: i32);
}

impl Accumulator for i32 {
    /// `PackedS8` bounds k, so that a whole reduction fits.
    const FLUSH_PAIRS: usize = usize::MAX;
    fn add(&mut self, tile: i32) {
        *self += tile;
    }
}

impl Accumulator for i64 {
    const FLUSH_PAIRS: usize = S16_PAIRS;
    fn add(&mut self, tile: i32) {
        *self += i64::from(tile);
    }
}

thread_local! {
    /// Widened A, kept between calls: at most `A_BLOCK_BYTES`, or 6 rows of k where that is more.
    static SCRATCH: RefCell<Vec<[i16; 2]>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn gemm_s8(_: Avx2, m: usize, a: &[i8], lda: usize, b: &PackedS8, c: &mut [i32], ldc: usize) {
    // SAFETY: the token proves that the CPU has AVX2.
    unsafe { gemm(m, a, lda, b, c, ldc) }
}

pub(crate) fn gemm_u8(_: Avx2, m: usize, a: &[u8], lda: usize, b: &PackedS8, c: &mut [i32], ldc: usize) {
    // SAFETY: the token proves that the CPU has AVX2.
    unsafe { gemm(m, a, lda, b, c, ldc) }
}

pub(crate) fn gemm_s16(_: Avx2, m: usize, a: &[i16], lda: usize, b: &PackedS8, c: &mut [i64], ldc: usize) {
    // SAFETY: the token proves that the CPU has AVX2.
    unsafe { gemm(m, a, lda, b, c, ldc) }
}

#[target_feature(enable = "avx2")]
fn gemm<A: Activation, C: Accumulator>(m: usize, a: &[A], lda: usize, b: &PackedS8, c: &mut [C], ldc: usize) {
    let (n, k, pairs) = (b.n(), b.k(), b.pairs());
    let block_rows = (A_BLOCK_BYTES / (4 * pairs.max(1)) / ROWS).max(1) * ROWS;
    let mut scratch = SCRATCH.take();
    for top in (0..m).step_by(block_rows) {
        let rows = block_rows.min(m - top);
        scratch.resize(rows * pairs, [0; 2]);
        widen_rows(k, &a[top * lda..], lda, &mut scratch);
        for panel in 0..b.panels() {
            let left = panel * PANEL;
            let width = PANEL.min(n - left);
            let w = b.panel(panel);
            for tile in (0..rows).step_by(ROWS) {
                let height = ROWS.min(rows - tile);
                let a = &scratch[tile * pairs..][..height * pairs];
                let c = &mut c[(top + tile) * ldc + left..];
                match height {
                    1 => write_tile::<C, 1>(a, w, c, ldc, width),
                    2 => write_tile::<C, 2>(a, w, c, ldc, width),
                    3 => write_tile::<C, 3>(a, w, c, ldc, width),
                    4 => write_tile::<C, 4>(a, w, c, ldc, width),
                    5 => write_tile::<C, 5>(a, w, c, ldc, width),
                    _ => write_tile::<C, ROWS>(a, w, c, ldc, width),
                }
            }
        }
    }
    SCRATCH.set(scratch);
}

/// Widens rows of A into k-pairs, row after row; an odd last k is paired with 0.
fn widen_rows<A: Activation>(k: usize, a: &[A], lda: usize, dst: &mut [[i16; 2]]) {
    for (r, pairs) in dst.chunks_exact_mut(k.div_ceil(2)).enumerate() {
        let (head, odd) = pairs.as_flattened_mut().split_at_mut(k);
        for (slot, v) in head.iter_mut().zip(&a[r * lda..][..k]) {
            *slot = v.widen();
        }
        odd.fill(0);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn write_tile<C: Accumulator, const MR: usize>(
    a: &[[i16; 2]],
    b: &[[i8; PAIR_BYTES]],
    c: &mut [C],
    ldc: usize,
    width: usize,
) {
    let rows: [&[[i16; 2]]; MR] = std::array::from_fn(|r| &a[r * b.len()..][..b.len()]);
    let mut sums = [[C::default(); PANEL]; MR];
    let mut from = 0;
    for b in b.chunks(C::FLUSH_PAIRS) {
        let a = rows.map(|row| &row[from..][..b.len()]);
        from += b.len();
        for (sums, tile) in sums.iter_mut().zip(micro_kernel(a, b)) {
            for (sum, v) in sums.iter_mut().zip(tile) {
                sum.add(v);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        c[r * ldc..][..width].copy_from_slice(&sums[..width]);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn micro_kernel<const MR: usize>(a: [&[[i16; 2]]; MR], b: &[[i8; PAIR_BYTES]]) -> [[i32; PANEL]; MR] {
    // The same length for all, in a form that lets the compiler drop the bounds checks.
    let a = a.map(|row| &row[..b.len()]);
    let mut acc = [[_mm256_setzero_si256(); 2]; MR];
    for (p, b) in b.iter().enumerate() {
        let (halves, _) = b.as_chunks::<16>();
        let b0 = _mm256_cvtepi8_epi16(load_i8x16(&halves[0]));
        let b1 = _mm256_cvtepi8_epi16(load_i8x16(&halves[1]));
        for r in 0..MR {
            let pair = broadcast_pair(&a[r][p]);
            acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(pair, b0));
            acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(pair, b1));
        }
    }
    let mut out = [[0; PANEL]; MR];
    for (out, acc) in out.iter_mut().zip(acc) {
        let (halves, _) = out.as_chunks_mut::<8>();
        store_i32x8(&mut halves[0], acc[0]);
        store_i32x8(&mut halves[1], acc[1]);
    }
    out
}

/// `vpsadbw` against zero sums bytes as unsigned: values are biased by 128, which is then removed.
pub(crate) fn row_sums_s8(_: Avx2, m: usize, k: usize, a: &[i8], lda: usize, out: &mut [i32]) {
    if k < 32 {
        return generic::gemm::row_sums_s8(m, k, a, lda, out);
    }
    for (i, out) in out[..m].iter_mut().enumerate() {
        // SAFETY: the token proves that the CPU has AVX2.
        *out = unsafe { sum_s8(&a[i * lda..][..k]) };
    }
}

#[target_feature(enable = "avx2")]
fn sum_s8(row: &[i8]) -> i32 {
    let (chunks, tail) = row.as_chunks::<32>();
    let mut biased = _mm256_setzero_si256();
    for chunk in chunks {
        let bytes = _mm256_xor_si256(load_i8x32(chunk), _mm256_set1_epi8(i8::MIN));
        biased = _mm256_add_epi64(biased, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
    }
    let mut lanes = [0_i64; 4];
    store_i64x4(&mut lanes, biased);
    let body = lanes.iter().sum::<i64>() - 128 * 32 * chunks.len() as i64;
    body as i32 + tail.iter().map(|&v| i32::from(v)).sum::<i32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_widened_in_pairs() {
        let a = [1_i8, -2, 3, 99, 4, 5, -128, 99];
        let mut dst = [[7; 2]; 4];
        widen_rows(3, &a, 4, &mut dst);
        assert_eq!(dst, [[1, -2], [3, 0], [4, 5], [-128, 0]]);
    }
}
