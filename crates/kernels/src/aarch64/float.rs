//! The fp32 tile on NEON's fused multiply-add: A is read where it lies, a broadcast for each row and k; B is packed, 16 columns
//! to a panel: four registers. 6×16 keeps 24 accumulators, more than the 16 (4 cycles × 4 units) that hide the latency of
//! the addition.

use std::arch::aarch64::*;

use crate::{
    NeonDot,
    blocks::{Pieces, Rows, by_height},
    blocks_float::FloatTile,
    pack::PANEL,
};

/// The 6×16 tile.
#[derive(Clone, Copy)]
pub(crate) struct Fma128(pub NeonDot);

impl FloatTile for Fma128 {
    const ROWS: usize = 6;
    const PANELS: usize = 1;

    fn tile(self, a: Rows<'_, f32>, b: &[&[f32]], c: &mut [f32], ldc: usize) {
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { by_height!(a.starts.len(), [1 2 3 4 5 6], H => tile::<H>(a, b[0], c, ldc)) }
    }
}

#[target_feature(enable = "neon")]
fn tile<const MR: usize>(a: Rows<'_, f32>, b: &[f32], c: &mut [f32], ldc: usize) {
    let mut acc = [[vdupq_n_f32(0.0); 4]; MR];
    let (rows, Pieces { count, len, stride }) = (a.begin::<MR>(), a.pieces);
    let b = &b.as_chunks::<PANEL>().0[..count * len];
    let mut k = 0;
    for piece in 0..count {
        for p in piece * stride..piece * stride + len {
            let mut weights = [vdupq_n_f32(0.0); 4];
            // SAFETY: k counts the elements of all pieces.
            let (parts, _) = unsafe { b.get_unchecked(k) }.as_chunks::<4>();
            for (weights, part) in weights.iter_mut().zip(parts) {
                // SAFETY: reads the 16 bytes of the array.
                *weights = unsafe { vld1q_f32(part.as_ptr()) };
            }
            for r in 0..MR {
                // SAFETY: p is in a piece, and `begin` has seen that pieces lie in the data.
                let x = unsafe { *rows[r].add(p) };
                for v in 0..4 {
                    acc[r][v] = vfmaq_n_f32(acc[r][v], weights[v], x);
                }
            }
            k += 1;
        }
    }
    for (r, acc) in acc.iter().enumerate() {
        let (parts, _) = c[r * ldc..][..PANEL].as_chunks_mut::<4>();
        for (part, acc) in parts.iter_mut().zip(acc) {
            // SAFETY: writes the 16 bytes of the array.
            unsafe { vst1q_f32(part.as_mut_ptr(), *acc) }
        }
    }
}
