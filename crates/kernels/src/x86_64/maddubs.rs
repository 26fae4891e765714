//! Integer GEMM on `vpmaddubsw`, AVX2's multiplication of bytes: exact for weights of 7 bits, or saturating.
//!
//! One instruction makes sixteen 16-bit sums of two products each; `vpmaddwd` with ones adds pairs of those to 32 bits. The
//! exact kernel leaves every second `vpmaddwd` out where the weights cannot bring the sum of two `vpmaddubsw` out of 16 bits
//! ([`crate::joins`]), which is nearly everywhere. Its 4×16 tile keeps 8 accumulators, 4 vectors of B, and 4 for cells, sums
//! and ones in the 16 registers; the saturating one's 5×16 tile 10, 2 and 4.

use std::{arch::x86_64::*, ops::Range};

use super::{at, load_i8x32, load_i32x8, store_i32x8};
use crate::{
    Avx2,
    blocks::{IntTile, Rows, by_height},
    pack::{Group, PANEL, PackedS8},
};

/// Bytes of one group of one panel.
const QUAD_BYTES: usize = 4 * PANEL;

/// Exact, for weights of 7 bits.
#[derive(Clone, Copy)]
pub(crate) struct SevenBit(pub Avx2);

/// Saturating, for all weights.
#[derive(Clone, Copy)]
pub(crate) struct Saturating(pub Avx2);

impl IntTile for SevenBit {
    const ROWS: usize = 4;
    const PANELS: usize = 1;
    type Cell = [u8; 4];

    fn tile(
        self,
        a: Rows<'_, [u8; 4]>,
        b: &PackedS8,
        panels: Range<usize>,
        init: &[i32],
        c: &mut [i32],
        ldc: usize,
    ) {
        let w = b.panel(panels.start, Group::Quads).as_chunks::<QUAD_BYTES>().0;
        let joins = b.joins(panels.start);
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { by_height!(a.starts.len(), [1 2 3 4], H => tile::<H>(a, w, joins, init, c, ldc)) }
    }
}

impl IntTile for Saturating {
    const ROWS: usize = 5;
    const PANELS: usize = 1;
    type Cell = [u8; 4];

    fn tile(
        self,
        a: Rows<'_, [u8; 4]>,
        b: &PackedS8,
        panels: Range<usize>,
        init: &[i32],
        c: &mut [i32],
        ldc: usize,
    ) {
        let w = b.panel(panels.start, Group::Quads).as_chunks::<QUAD_BYTES>().0;
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { by_height!(a.starts.len(), [1 2 3 4 5], H => tile::<H>(a, w, &[], init, c, ldc)) }
    }
}

/// One tile. `joins[g]` is the number of pairs of groups from g on, each of which may be added in 16 bits; there is none
/// beyond its end.
#[target_feature(enable = "avx2")]
fn tile<const MR: usize>(
    a: Rows<'_, [u8; 4]>,
    b: &[[i8; QUAD_BYTES]],
    joins: &[u16],
    init: &[i32],
    c: &mut [i32],
    ldc: usize,
) {
    let init = init.as_chunks::<8>().0;
    let mut acc = [[load_i32x8(&init[0]), load_i32x8(&init[1])]; MR];
    let len = a.pieces.len;
    for piece in 0..a.pieces.count {
        let first = piece * len;
        let rows: [&[[u8; 4]]; MR] = a.piece(piece);
        let mut p = 0;
        while p < len {
            let joined = joins.get(first + p).map_or(0, |pairs| usize::from(*pairs)).min((len - p) / 2);
            let count = if joined > 0 {
                2 * joined
            } else {
                // Until the next that may be joined.
                let single = |g: &usize| joins.get(*g).is_none_or(|pairs| *pairs == 0);
                (first + p..first + len).take_while(single).count().max(1)
            };
            let b = &b[first + p..][..count];
            let mut part = rows;
            for row in &mut part {
                *row = &row[p..][..count];
            }
            if joined > 0 {
                add_joined(part, b, &mut acc);
            } else {
                add_single(part, b, &mut acc);
            }
            p += count;
        }
    }
    for (r, acc) in acc.iter().enumerate() {
        let (halves, _) = c[r * ldc..][..PANEL].as_chunks_mut::<8>();
        store_i32x8(&mut halves[0], acc[0]);
        store_i32x8(&mut halves[1], acc[1]);
    }
}

/// Groups in twos, the sums of both added in 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn add_joined<const MR: usize>(a: [&[[u8; 4]]; MR], b: &[[i8; QUAD_BYTES]], sums: &mut [[__m256i; 2]; MR]) {
    let ones = _mm256_set1_epi16(1);
    let b = b.as_chunks::<2>().0;
    let mut rows: [&[[[u8; 4]; 2]]; MR] = [&[]; MR];
    for r in 0..MR {
        rows[r] = &a[r].as_chunks::<2>().0[..b.len()];
    }
    let mut acc = *sums;
    for (p, [first, second]) in b.iter().enumerate() {
        let (x, y) = (first.as_chunks::<32>().0, second.as_chunks::<32>().0);
        let (b0, b1) = (load_i8x32(&x[0]), load_i8x32(&x[1]));
        let (b2, b3) = (load_i8x32(&y[0]), load_i8x32(&y[1]));
        for r in 0..MR {
            // SAFETY: every row was cut to the length of b.
            let [x, y] = *unsafe { at(rows[r], p) };
            let (x, y) = (_mm256_set1_epi32(i32::from_le_bytes(x)), _mm256_set1_epi32(i32::from_le_bytes(y)));
            let low = _mm256_add_epi16(_mm256_maddubs_epi16(x, b0), _mm256_maddubs_epi16(y, b2));
            let high = _mm256_add_epi16(_mm256_maddubs_epi16(x, b1), _mm256_maddubs_epi16(y, b3));
            acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(low, ones));
            acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(high, ones));
        }
    }
    *sums = acc;
}

/// Groups one by one.
#[inline]
#[target_feature(enable = "avx2")]
fn add_single<const MR: usize>(a: [&[[u8; 4]]; MR], b: &[[i8; QUAD_BYTES]], sums: &mut [[__m256i; 2]; MR]) {
    let ones = _mm256_set1_epi16(1);
    let mut rows = a;
    for row in &mut rows {
        *row = &row[..b.len()];
    }
    let mut acc = *sums;
    for (p, b) in b.iter().enumerate() {
        let (halves, _) = b.as_chunks::<32>();
        let (b0, b1) = (load_i8x32(&halves[0]), load_i8x32(&halves[1]));
        for r in 0..MR {
            // SAFETY: every row was cut to the length of b.
            let x = _mm256_set1_epi32(i32::from_le_bytes(*unsafe { at(rows[r], p) }));
            let (low, high) = (_mm256_maddubs_epi16(x, b0), _mm256_maddubs_epi16(x, b1));
            acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(low, ones));
            acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(high, ones));
        }
    }
    *sums = acc;
}
