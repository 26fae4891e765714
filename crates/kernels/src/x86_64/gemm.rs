//! Integer GEMM on `vpmaddwd`: exact for every input.
//!
//! Both operands are widened to i16, so a product of pairs is an exact i32 (at most
//! 2 · 255 · 128 for 8-bit activations, 2^23 for 16-bit ones) and nothing saturates, unlike
//! `vpmaddubsw`. B stays i8 in memory and is widened in registers; A is widened once into a scratch
//! block that lives in L2 and serves every panel of B. The 6×16 tile keeps 12 accumulators, 2
//! vectors of B and 1 broadcast pair of A in the 16 registers.

use std::{arch::x86_64::*, cell::RefCell, ops::Range};

use super::{at, broadcast_pair, load_i8x16, load_i8x32, load_i32x8, store_i32x8, store_i64x4};
use crate::{
    Aligned, Avx2,
    blocks::{Block, IntTile, Memory, Rows, accumulate, accumulate_pieces, by_height, tiles},
    generic,
    pack::{Group, PANEL, PackedS8},
};

/// Rows of a full tile.
const ROWS: usize = 6;
/// Bytes of one k-pair of one panel.
const PAIR_BYTES: usize = 2 * PANEL;
/// k-pairs of i16 × s8 that an i32 lane holds: |−32768 · −128 · 2| = 2^23 each, 255 · 2^23 < 2^31.
const S16_PAIRS: usize = 255;

const _: () = assert!(S16_PAIRS as i64 * (1 << 23) <= i32::MAX as i64);

thread_local! {
    static MEMORY: RefCell<Memory<[i16; 2]>> = const { RefCell::new(Memory::new()) };
    /// Widened rows of 16-bit activations.
    static WIDE: RefCell<Aligned<[i16; 2]>> = const { RefCell::new(Aligned::new()) };
}

/// `A · Bᵀ` for i8 or u8 activations, block by block.
pub(crate) fn accumulate_pairs<T: Copy + Into<i16>>(
    token: Avx2,
    (m, a, lda): (usize, &[T], usize),
    b: &PackedS8,
    sink: impl FnMut(Block<'_, i32>),
) {
    MEMORY.with(|memory| accumulate(Pairs(token), memory, (m, a, lda), b, (0, widen_row), sink));
}

/// `A · Bᵀ` for rows in pieces of an image, block by block.
pub(crate) fn accumulate_pairs_of_pieces(
    token: Avx2,
    image: Rows<'_, [i16; 2]>,
    b: &PackedS8,
    sink: impl FnMut(Block<'_, i32>),
) {
    MEMORY.with(|memory| accumulate_pieces(Pairs(token), memory, image, b, 0, sink));
}

/// The 6×16 tile.
#[derive(Clone, Copy)]
struct Pairs(Avx2);

impl IntTile for Pairs {
    const ROWS: usize = ROWS;
    const PANELS: usize = 1;
    type Cell = [i16; 2];

    fn tile(
        self,
        a: Rows<'_, [i16; 2]>,
        b: &PackedS8,
        panels: Range<usize>,
        init: &[i32],
        c: &mut [i32],
        ldc: usize,
    ) {
        let w = b.panel(panels.start, Group::Pairs).as_chunks::<PAIR_BYTES>().0;
        let init = init.first_chunk().expect("a panel of 16 columns");
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { by_height!(a.starts.len(), [1 2 3 4 5 6], H => write_tile::<H>(a, w, init, c, ldc)) }
    }
}

#[target_feature(enable = "avx2")]
fn write_tile<const MR: usize>(
    a: Rows<'_, [i16; 2]>,
    b: &[[i8; PAIR_BYTES]],
    init: &[i32; PANEL],
    c: &mut [i32],
    ldc: usize,
) {
    let (init, _) = init.as_chunks::<8>();
    let mut acc = [[load_i32x8(&init[0]), load_i32x8(&init[1])]; MR];
    for piece in 0..a.pieces.count {
        let b = &b[piece * a.pieces.len..][..a.pieces.len];
        accumulate_tile(a.piece(piece), b, &mut acc);
    }
    for (r, sums) in stored(acc).iter().enumerate() {
        c[r * ldc..][..PANEL].copy_from_slice(sums);
    }
}

/// 16-bit activations: an i32 tile is added to i64 sums before it could overflow.
pub(crate) fn gemm_s16(_: Avx2, m: usize, a: &[i16], lda: usize, b: &PackedS8, c: &mut [i64], ldc: usize) {
    let (n, k, pairs) = (b.n(), b.k(), b.groups());
    let mut wide = WIDE.take();
    for (top, height) in tiles(m, ROWS) {
        wide.grow(height * pairs);
        for (r, cells) in wide[..height * pairs].chunks_exact_mut(pairs).enumerate() {
            widen_row(&a[(top + r) * lda..][..k], cells);
        }
        for panel in 0..b.panels() {
            let width = PANEL.min(n - panel * PANEL);
            let w = b.panel(panel, Group::Pairs).as_chunks::<PAIR_BYTES>().0;
            let c = &mut c[top * ldc + panel * PANEL..];
            let a = &wide[..height * pairs];
            // SAFETY: the token proves that the CPU has AVX2.
            unsafe { by_height!(height, [1 2 3 4 5 6], H => wide_tile::<H>(a, w, c, ldc, width)) }
        }
    }
    WIDE.set(wide);
}

#[target_feature(enable = "avx2")]
fn wide_tile<const MR: usize>(
    a: &[[i16; 2]],
    b: &[[i8; PAIR_BYTES]],
    c: &mut [i64],
    ldc: usize,
    width: usize,
) {
    let rows: [&[[i16; 2]]; MR] = std::array::from_fn(|r| &a[r * b.len()..][..b.len()]);
    let mut sums = [[0_i64; PANEL]; MR];
    let mut from = 0;
    for b in b.chunks(S16_PAIRS) {
        let mut a = rows;
        for row in &mut a {
            *row = &row[from..][..b.len()];
        }
        from += b.len();
        let mut acc = [[_mm256_setzero_si256(); 2]; MR];
        accumulate_tile(a, b, &mut acc);
        for (sums, tile) in sums.iter_mut().zip(stored(acc)) {
            for (sum, v) in sums.iter_mut().zip(tile) {
                *sum += i64::from(v);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        c[r * ldc..][..width].copy_from_slice(&sums[..width]);
    }
}

/// Widens a row of A into k-pairs; an odd last k is paired with 0.
fn widen_row<T: Copy + Into<i16>>(row: &[T], pairs: &mut [[i16; 2]]) {
    let (head, odd) = pairs.as_flattened_mut().split_at_mut(row.len());
    for (slot, v) in head.iter_mut().zip(row) {
        *slot = (*v).into();
    }
    odd.fill(0);
}

#[inline]
#[target_feature(enable = "avx2")]
fn accumulate_tile<const MR: usize>(
    a: [&[[i16; 2]]; MR],
    b: &[[i8; PAIR_BYTES]],
    sums: &mut [[__m256i; 2]; MR],
) {
    let mut rows = a;
    for row in &mut rows {
        *row = &row[..b.len()];
    }
    let mut acc = *sums;
    for (p, b) in b.iter().enumerate() {
        let (halves, _) = b.as_chunks::<16>();
        let b0 = _mm256_cvtepi8_epi16(load_i8x16(&halves[0]));
        let b1 = _mm256_cvtepi8_epi16(load_i8x16(&halves[1]));
        for r in 0..MR {
            // SAFETY: every row was cut to the length of b.
            let pair = broadcast_pair(unsafe { at(rows[r], p) });
            acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(pair, b0));
            acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(pair, b1));
        }
    }
    *sums = acc;
}

#[inline]
#[target_feature(enable = "avx2")]
fn stored<const MR: usize>(acc: [[__m256i; 2]; MR]) -> [[i32; PANEL]; MR] {
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
        let mut pairs = [[7; 2]; 2];
        widen_row(&[1_i8, -2, 3], &mut pairs);
        assert_eq!(pairs, [[1, -2], [3, 0]]);
        widen_row(&[200_u8, 255], &mut pairs[..1]);
        assert_eq!(pairs[0], [200, 255]);
    }
}
