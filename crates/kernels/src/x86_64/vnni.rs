//! Integer GEMM on `vpdpbusd`: four u8 × s8 products added to an i32 in one instruction, exact for every input.
//!
//! Activations are the unsigned operand, in cells of four. Panels are 16 columns: one register of 512 bits or two of 256.

use std::{arch::x86_64::*, ops::Range};

use crate::{
    Avx512Vnni, AvxVnni,
    blocks::{IntTile, Pieces, Rows, by_height},
    pack::{Group, PANEL, PackedS8},
};

/// Bytes of one group of one panel.
const QUAD_BYTES: usize = 4 * PANEL;

/// The 6×16 tile: 12 accumulators, 2 vectors of B, 1 cell of A in 16 registers.
#[derive(Clone, Copy)]
pub(crate) struct Vnni256(pub AvxVnni);

/// The 12×32 tile: 24 accumulators, 2 vectors of B, 1 cell of A in 32 registers.
#[derive(Clone, Copy)]
pub(crate) struct Vnni512(pub Avx512Vnni);

impl IntTile for Vnni256 {
    const ROWS: usize = 6;
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
        // SAFETY: the token proves that the CPU has AVX2 and AVX-VNNI.
        unsafe { by_height!(a.starts.len(), [1 2 3 4 5 6], H => tile_256::<H>(a, w, init, c, ldc)) }
    }
}

impl IntTile for Vnni512 {
    const ROWS: usize = 12;
    const PANELS: usize = 2;
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
        let w = |panel| b.panel(panel, Group::Quads).as_chunks::<QUAD_BYTES>().0;
        // SAFETY: the token proves that the CPU has AVX-512 F, BW and VNNI.
        unsafe {
            if panels.len() == 1 {
                let w = [w(panels.start)];
                by_height!(a.starts.len(), [1 2 3 4 5 6 7 8 9 10 11 12], H => tile_512::<H, 1>(a, w, init, c, ldc));
            } else {
                let w = [w(panels.start), w(panels.start + 1)];
                by_height!(a.starts.len(), [1 2 3 4 5 6 7 8 9 10 11 12], H => tile_512::<H, 2>(a, w, init, c, ldc));
            }
        }
    }
}

#[target_feature(enable = "avx2,avxvnni")]
fn tile_256<const MR: usize>(
    a: Rows<'_, [u8; 4]>,
    b: &[[i8; QUAD_BYTES]],
    init: &[i32],
    c: &mut [i32],
    ldc: usize,
) {
    let init = init.as_chunks::<8>().0;
    let mut acc = [[super::load_i32x8(&init[0]), super::load_i32x8(&init[1])]; MR];
    let (rows, Pieces { count, len, stride }) = (a.begin::<MR>(), a.pieces);
    let b = &b[..count * len];
    let mut k = 0;
    for piece in 0..count {
        for p in piece * stride..piece * stride + len {
            // SAFETY: k counts the cells of all pieces.
            let (halves, _) = unsafe { b.get_unchecked(k) }.as_chunks::<32>();
            let (b0, b1) = (super::load_i8x32(&halves[0]), super::load_i8x32(&halves[1]));
            for r in 0..MR {
                // SAFETY: p is in a piece, and `begin` has seen that pieces lie in the data.
                let cell = _mm256_set1_epi32(i32::from_le_bytes(unsafe { *rows[r].add(p) }));
                acc[r][0] = _mm256_dpbusd_avx_epi32(acc[r][0], cell, b0);
                acc[r][1] = _mm256_dpbusd_avx_epi32(acc[r][1], cell, b1);
            }
            k += 1;
        }
    }
    for (r, acc) in acc.iter().enumerate() {
        let (halves, _) = c[r * ldc..][..PANEL].as_chunks_mut::<8>();
        super::store_i32x8(&mut halves[0], acc[0]);
        super::store_i32x8(&mut halves[1], acc[1]);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn tile_512<const MR: usize, const NP: usize>(
    a: Rows<'_, [u8; 4]>,
    b: [&[[i8; QUAD_BYTES]]; NP],
    init: &[i32],
    c: &mut [i32],
    ldc: usize,
) {
    let init = init.as_chunks::<PANEL>().0;
    // Loops, because a closure given to a function without these features would be called, not inlined.
    let mut first = [_mm512_setzero_si512(); NP];
    for v in 0..NP {
        first[v] = load_i32x16(&init[v]);
    }
    let mut acc = [first; MR];
    let (rows, Pieces { count, len, stride }) = (a.begin::<MR>(), a.pieces);
    let mut panels = b;
    for panel in &mut panels {
        *panel = &panel[..count * len];
    }
    let mut k = 0;
    for piece in 0..count {
        for p in piece * stride..piece * stride + len {
            let mut weights = [_mm512_setzero_si512(); NP];
            for v in 0..NP {
                // SAFETY: k counts the cells of all pieces.
                weights[v] = load_i8x64(unsafe { panels[v].get_unchecked(k) });
            }
            for r in 0..MR {
                // SAFETY: p is in a piece, and `begin` has seen that pieces lie in the data.
                let cell = _mm512_set1_epi32(i32::from_le_bytes(unsafe { *rows[r].add(p) }));
                for v in 0..NP {
                    acc[r][v] = _mm512_dpbusd_epi32(acc[r][v], cell, weights[v]);
                }
            }
            k += 1;
        }
    }
    for (r, acc) in acc.iter().enumerate() {
        let (parts, _) = c[r * ldc..][..NP * PANEL].as_chunks_mut::<PANEL>();
        for (part, acc) in parts.iter_mut().zip(acc) {
            store_i32x16(part, *acc);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_i32x16(src: &[i32; 16]) -> __m512i {
    // SAFETY: reads the 64 bytes of the array, unaligned.
    unsafe { _mm512_loadu_si512(src.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_i8x64(src: &[i8; 64]) -> __m512i {
    // SAFETY: reads the 64 bytes of the array, unaligned.
    unsafe { _mm512_loadu_si512(src.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_i32x16(dst: &mut [i32; 16], value: __m512i) {
    // SAFETY: writes the 64 bytes of the array, unaligned.
    unsafe { _mm512_storeu_si512(dst.as_mut_ptr().cast(), value) }
}
