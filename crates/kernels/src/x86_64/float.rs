//! fp32 tiles on fused multiply-add.
//!
//! A is read where it lies, a broadcast for each row and k; B is packed, 16 columns to a panel: two registers of 256
//! bits, or one of 512. 6×16 and 12×32 keep 12 and 24 accumulators, more than the 8 (4 cycles × 2 units) that hide the
//! latency of the addition.

use std::arch::x86_64::*;

use super::{load_f32x8, store_f32x8};
use crate::{
    Avx2, Avx512Vnni,
    blocks::{Pieces, Rows, by_height},
    blocks_float::FloatTile,
    pack::PANEL,
};

/// The 6×16 tile.
#[derive(Clone, Copy)]
pub(crate) struct Fma256(pub Avx2);

/// The 12×32 tile.
#[derive(Clone, Copy)]
pub(crate) struct Fma512(pub Avx512Vnni);

impl FloatTile for Fma256 {
    const ROWS: usize = 6;
    const PANELS: usize = 1;

    fn tile(self, a: Rows<'_, f32>, b: &[&[f32]], c: &mut [f32], ldc: usize) {
        // SAFETY: the token proves that the CPU has AVX2 and FMA.
        unsafe { by_height!(a.starts.len(), [1 2 3 4 5 6], H => tile_256::<H>(a, b[0], c, ldc)) }
    }
}

impl FloatTile for Fma512 {
    const ROWS: usize = 12;
    const PANELS: usize = 2;

    fn tile(self, a: Rows<'_, f32>, b: &[&[f32]], c: &mut [f32], ldc: usize) {
        // SAFETY: the token proves that the CPU has AVX-512 F.
        unsafe {
            match b {
                [one] => {
                    by_height!(a.starts.len(), [1 2 3 4 5 6 7 8 9 10 11 12], H => tile_512::<H, 1>(a, [one], c, ldc));
                }
                [one, two] => {
                    by_height!(a.starts.len(), [1 2 3 4 5 6 7 8 9 10 11 12], H => tile_512::<H, 2>(a, [one, two], c, ldc));
                }
                _ => unreachable!("a tile of {} panels", b.len()),
            }
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn tile_256<const MR: usize>(a: Rows<'_, f32>, b: &[f32], c: &mut [f32], ldc: usize) {
    let mut acc = [[_mm256_setzero_ps(); 2]; MR];
    let (rows, Pieces { count, len, stride }) = (a.begin::<MR>(), a.pieces);
    let b = &b.as_chunks::<PANEL>().0[..count * len];
    let mut k = 0;
    for piece in 0..count {
        for p in piece * stride..piece * stride + len {
            // SAFETY: k counts the elements of all pieces.
            let (halves, _) = unsafe { b.get_unchecked(k) }.as_chunks::<8>();
            let (b0, b1) = (load_f32x8(&halves[0]), load_f32x8(&halves[1]));
            for r in 0..MR {
                // SAFETY: p is in a piece, and `begin` has seen that pieces lie in the data.
                let x = _mm256_set1_ps(unsafe { *rows[r].add(p) });
                acc[r][0] = _mm256_fmadd_ps(x, b0, acc[r][0]);
                acc[r][1] = _mm256_fmadd_ps(x, b1, acc[r][1]);
            }
            k += 1;
        }
    }
    for (r, acc) in acc.iter().enumerate() {
        let (halves, _) = c[r * ldc..][..PANEL].as_chunks_mut::<8>();
        store_f32x8(&mut halves[0], acc[0]);
        store_f32x8(&mut halves[1], acc[1]);
    }
}

#[target_feature(enable = "avx512f")]
fn tile_512<const MR: usize, const NP: usize>(a: Rows<'_, f32>, b: [&[f32]; NP], c: &mut [f32], ldc: usize) {
    let mut acc = [[_mm512_setzero_ps(); NP]; MR];
    let (rows, Pieces { count, len, stride }) = (a.begin::<MR>(), a.pieces);
    let mut panels: [&[[f32; PANEL]]; NP] = [&[]; NP];
    for v in 0..NP {
        panels[v] = &b[v].as_chunks::<PANEL>().0[..count * len];
    }
    let mut k = 0;
    for piece in 0..count {
        for p in piece * stride..piece * stride + len {
            // A loop: a closure given to a function without these features would be called, not inlined.
            let mut weights = [_mm512_setzero_ps(); NP];
            for v in 0..NP {
                // SAFETY: k counts the elements of all pieces.
                weights[v] = load_f32x16(unsafe { panels[v].get_unchecked(k) });
            }
            for r in 0..MR {
                // SAFETY: p is in a piece, and `begin` has seen that pieces lie in the data.
                let x = _mm512_set1_ps(unsafe { *rows[r].add(p) });
                for v in 0..NP {
                    acc[r][v] = _mm512_fmadd_ps(x, weights[v], acc[r][v]);
                }
            }
            k += 1;
        }
    }
    for (r, acc) in acc.iter().enumerate() {
        let (parts, _) = c[r * ldc..][..NP * PANEL].as_chunks_mut::<PANEL>();
        for (part, acc) in parts.iter_mut().zip(acc) {
            store_f32x16(part, *acc);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_f32x16(src: &[f32; 16]) -> __m512 {
    // SAFETY: reads the 64 bytes of the array, unaligned.
    unsafe { _mm512_loadu_ps(src.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_f32x16(dst: &mut [f32; 16], value: __m512) {
    // SAFETY: writes the 64 bytes of the array, unaligned.
    unsafe { _mm512_storeu_ps(dst.as_mut_ptr(), value) }
}
