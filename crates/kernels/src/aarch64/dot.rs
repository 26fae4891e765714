//! Integer GEMM on `sdot`: four s8 × s8 products added to an i32 in one instruction, exact for every input.
//!
//! Cells are unsigned bytes, as for the other kernels that multiply bytes; the tile makes them signed again, sixteen at a time.
//! Panels are 16 columns: four registers. The 5×16 tile keeps 20 accumulators, 4 vectors of B and 5 of A in 32 registers.

use std::{
    arch::{aarch64::*, asm},
    ops::Range,
};

use crate::{
    NeonDot,
    blocks::{IntTile, Pieces, Rows, by_height},
    pack::{Group, PANEL, PackedS8},
};

/// Bytes of one group of one panel.
const QUAD_BYTES: usize = 4 * PANEL;
/// Groups whose activations fill a register.
const GROUPS: usize = 4;

/// The 5×16 tile.
#[derive(Clone, Copy)]
pub(crate) struct Dot(pub NeonDot);

impl IntTile for Dot {
    const ROWS: usize = 5;
    const PANELS: usize = 1;
    const MOVED: i32 = 128;
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
        // SAFETY: the token proves that the CPU has NEON and dot products.
        unsafe { by_height!(a.starts.len(), [1 2 3 4 5], H => tile::<H>(a, w, init, c, ldc)) }
    }
}

#[target_feature(enable = "neon,dotprod")]
fn tile<const MR: usize>(
    a: Rows<'_, [u8; 4]>,
    b: &[[i8; QUAD_BYTES]],
    init: &[i32],
    c: &mut [i32],
    ldc: usize,
) {
    let mut first = [vdupq_n_s32(0); 4];
    for (first, init) in first.iter_mut().zip(init.as_chunks::<4>().0) {
        *first = load_i32x4(init);
    }
    let mut acc = [first; MR];
    let (rows, Pieces { count, len, stride }) = (a.begin::<MR>(), a.pieces);
    let b = &b[..count * len];
    let sign = vdupq_n_u8(0x80);
    let mut k = 0;
    for piece in 0..count {
        let mut p = piece * stride;
        let end = p + len;
        while p + GROUPS <= end {
            let mut cells = [vdupq_n_s8(0); MR];
            for r in 0..MR {
                // SAFETY: `begin` has seen that the groups from p to the end of the piece lie in the data: 16 bytes.
                let bytes = unsafe { vld1q_u8(rows[r].add(p).cast()) };
                cells[r] = vreinterpretq_s8_u8(veorq_u8(bytes, sign));
            }
            // SAFETY: k counts the cells of all pieces.
            unsafe {
                group::<MR, 0>(&mut acc, &cells, b.get_unchecked(k));
                group::<MR, 1>(&mut acc, &cells, b.get_unchecked(k + 1));
                group::<MR, 2>(&mut acc, &cells, b.get_unchecked(k + 2));
                group::<MR, 3>(&mut acc, &cells, b.get_unchecked(k + 3));
            }
            p += GROUPS;
            k += GROUPS;
        }
        for p in p..end {
            let mut cells = [vdupq_n_s8(0); MR];
            for r in 0..MR {
                // SAFETY: p is in a piece, and `begin` has seen that pieces lie in the data.
                let cell = u32::from_le_bytes(unsafe { *rows[r].add(p) });
                cells[r] = vreinterpretq_s8_u8(veorq_u8(vreinterpretq_u8_u32(vdupq_n_u32(cell)), sign));
            }
            // SAFETY: as above.
            group::<MR, 0>(&mut acc, &cells, unsafe { b.get_unchecked(k) });
            k += 1;
        }
    }
    for (r, acc) in acc.iter().enumerate() {
        let (parts, _) = c[r * ldc..][..PANEL].as_chunks_mut::<4>();
        for (part, acc) in parts.iter_mut().zip(acc) {
            // SAFETY: writes the 16 bytes of the array.
            unsafe { vst1q_s32(part.as_mut_ptr(), *acc) }
        }
    }
}

/// Adds the products of one group: activations are lane `LANE` of each row's cells.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn group<const MR: usize, const LANE: i32>(
    acc: &mut [[int32x4_t; 4]; MR],
    cells: &[int8x16_t; MR],
    b: &[i8; QUAD_BYTES],
) {
    let mut weights = [vdupq_n_s8(0); 4];
    for (weights, b) in weights.iter_mut().zip(b.as_chunks::<16>().0) {
        // SAFETY: reads the 16 bytes of the array.
        *weights = unsafe { vld1q_s8(b.as_ptr()) };
    }
    for r in 0..MR {
        for v in 0..4 {
            acc[r][v] = dot::<LANE>(acc[r][v], weights[v], cells[r]);
        }
    }
}

/// Each lane of `acc` plus four products of `b`'s bytes in it with those of lane `LANE` of `a`. By name, because the intrinsic
/// is not stable yet.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot<const LANE: i32>(mut acc: int32x4_t, b: int8x16_t, a: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction reads and writes these registers only, and the caller's features include it.
    unsafe {
        asm!(
            "sdot {acc:v}.4s, {b:v}.16b, {a:v}.4b[{lane}]",
            acc = inlateout(vreg) acc,
            b = in(vreg) b,
            a = in(vreg) a,
            lane = const LANE,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    acc
}

#[inline]
#[target_feature(enable = "neon")]
fn load_i32x4(src: &[i32; 4]) -> int32x4_t {
    // SAFETY: reads the 16 bytes of the array.
    unsafe { vld1q_s32(src.as_ptr()) }
}
