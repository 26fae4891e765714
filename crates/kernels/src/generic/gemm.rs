//! Integer GEMM, scalar.

use crate::pack::{PANEL, PackedS8};

/// `C[i, j] = Σ_k A[i, k] · B[j, k]` for i8 or u8 activations, in i32.
pub(crate) fn gemm_i32<T: Copy + Into<i16>>(
    m: usize,
    a: &[T],
    lda: usize,
    b: &PackedS8,
    c: &mut [i32],
    ldc: usize,
) {
    for i in 0..m {
        let row = &a[i * lda..][..b.k()];
        for (panel, out) in c[i * ldc..][..b.n()].chunks_mut(PANEL).enumerate() {
            let mut sums = [0_i32; PANEL];
            for (pair, w) in row.chunks(2).zip(b.panel(panel)) {
                let a0 = i32::from(pair[0].into());
                let a1 = pair.get(1).map_or(0, |&v| i32::from(v.into()));
                for (lane, sum) in sums.iter_mut().enumerate() {
                    *sum += a0 * i32::from(w[2 * lane]) + a1 * i32::from(w[2 * lane + 1]);
                }
            }
            out.copy_from_slice(&sums[..out.len()]);
        }
    }
}

/// `C[i, j] = Σ_k A[i, k] · B[j, k]` for i16 activations, in i64.
pub(crate) fn gemm_i64(m: usize, a: &[i16], lda: usize, b: &PackedS8, c: &mut [i64], ldc: usize) {
    for i in 0..m {
        let row = &a[i * lda..][..b.k()];
        for (panel, out) in c[i * ldc..][..b.n()].chunks_mut(PANEL).enumerate() {
            let mut sums = [0_i64; PANEL];
            for (pair, w) in row.chunks(2).zip(b.panel(panel)) {
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
