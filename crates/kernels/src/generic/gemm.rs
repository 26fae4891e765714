//! Integer GEMM, scalar.

use crate::blocks::{Block, Rows};
use crate::pack::{Group, PANEL, PackedS8};

/// `A · Bᵀ` for i8 or u8 activations, a panel of a row at a time.
pub(crate) fn accumulate<T: Copy + Into<i16>>(
    (m, a, lda): (usize, &[T], usize),
    b: &PackedS8,
    mut sink: impl FnMut(Block<'_, i32>),
) {
    for top in 0..m {
        let row = &a[top * lda..][..b.k()];
        for panel in 0..b.panels() {
            let mut sums = [0_i32; PANEL];
            for (pair, w) in row.chunks(2).zip(b.panel(panel, Group::Pairs).as_chunks::<{ 2 * PANEL }>().0) {
                let a0 = i32::from(pair[0].into());
                let a1 = pair.get(1).map_or(0, |&v| i32::from(v.into()));
                for (lane, sum) in sums.iter_mut().enumerate() {
                    *sum += a0 * i32::from(w[2 * lane]) + a1 * i32::from(w[2 * lane + 1]);
                }
            }
            let left = panel * PANEL;
            let width = PANEL.min(b.n() - left);
            sink(Block { top, rows: 1, left, width, acc: &sums, ld: PANEL });
        }
    }
}

/// The same for rows that lie in pieces of an image; all counted in pairs.
pub(crate) fn accumulate_pieces(
    Rows { data: pairs, starts, pieces }: Rows<'_, [i16; 2]>,
    b: &PackedS8,
    mut sink: impl FnMut(Block<'_, i32>),
) {
    for (top, start) in starts.iter().enumerate() {
        for panel in 0..b.panels() {
            let mut sums = [0_i32; PANEL];
            let mut weights = b.panel(panel, Group::Pairs).as_chunks::<{ 2 * PANEL }>().0.iter();
            for piece in 0..pieces.count {
                for (pair, w) in pairs[start + piece * pieces.stride..][..pieces.len].iter().zip(&mut weights)
                {
                    for (lane, sum) in sums.iter_mut().enumerate() {
                        let product = |i: usize| i32::from(pair[i]) * i32::from(w[2 * lane + i]);
                        *sum += product(0) + product(1);
                    }
                }
            }
            let left = panel * PANEL;
            let width = PANEL.min(b.n() - left);
            sink(Block { top, rows: 1, left, width, acc: &sums, ld: PANEL });
        }
    }
}

/// `C[i, j] = Σ_k A[i, k] · B[j, k]` for i16 activations, in i64.
pub(crate) fn gemm_s16(m: usize, a: &[i16], lda: usize, b: &PackedS8, c: &mut [i64], ldc: usize) {
    for i in 0..m {
        let row = &a[i * lda..][..b.k()];
        for (panel, out) in c[i * ldc..][..b.n()].chunks_mut(PANEL).enumerate() {
            let mut sums = [0_i64; PANEL];
            for (pair, w) in row.chunks(2).zip(b.panel(panel, Group::Pairs).as_chunks::<{ 2 * PANEL }>().0) {
                let a0 = i32::from(pair[0]);
                let a1 = i32::from(pair.get(1).copied().unwrap_or(0));
                for (lane, sum) in sums.iter_mut().enumerate() {
                    // Each product is at most 2^22 in magnitude, so the pair fits an i32.
                    let pair_sum = a0 * i32::from(w[2 * lane]) + a1 * i32::from(w[2 * lane + 1]);
                    *sum += i64::from(pair_sum);
                }
            }
            out.copy_from_slice(&sums[..out.len()]);
        }
    }
}

/// `out[i] = Σ_k A[i, k]`.
pub(crate) fn row_sums_s8(m: usize, k: usize, a: &[i8], lda: usize, out: &mut [i32]) {
    for (i, sum) in out[..m].iter_mut().enumerate() {
        *sum = if k == 0 { 0 } else { a[i * lda..][..k].iter().map(|&v| i32::from(v)).sum() };
    }
}
