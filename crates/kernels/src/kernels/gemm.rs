//! Integer GEMM and row sums.

use super::check_matrix;
use crate::{Kernels, PackedS8};

impl Kernels {
    /// Packs int8 weights for the integer GEMMs.
    ///
    /// `b` is `[n, k]` row-major (output features by input features), contiguous.
    ///
    /// # Panics
    /// When `b` is shorter than `n · k`, or `k` is above [`MAX_K_S8`](crate::MAX_K_S8).
    pub fn pack_s8(&self, b: &[i8], n: usize, k: usize) -> PackedS8 {
        PackedS8::pack(b, n, k, k, 1)
    }

    /// [`pack_s8`](Self::pack_s8) for any layout: element (j, kk) of `B[n, k]` is
    /// `b[j * stride_n + kk * stride_k]`. A `[k, n]` row-major matrix has strides (1, n).
    ///
    /// # Panics
    /// As [`pack_s8`](Self::pack_s8).
    pub fn pack_s8_strided(
        &self,
        b: &[i8],
        n: usize,
        k: usize,
        stride_n: usize,
        stride_k: usize,
    ) -> PackedS8 {
        PackedS8::pack(b, n, k, stride_n, stride_k)
    }

    /// Signed int8 product: `C[i, j] = Σ_k A[i, k] · B[j, k]`, exact in i32.
    ///
    /// `a` is `[m, k]` with leading dimension `lda`, `c` is `[m, n]` with leading dimension `ldc`;
    /// `c` is overwritten, its padding left alone. `k = 0` gives zeros.
    ///
    /// # Panics
    /// When a slice is too short.
    pub fn gemm_s8(&self, m: usize, a: &[i8], lda: usize, b: &PackedS8, c: &mut [i32], ldc: usize) {
        if !prepare("gemm_s8", m, a.len(), lda, b, c, ldc) {
            return;
        }
        match self.proof {
            crate::isa::Proof::Generic => crate::generic::gemm::gemm_i32(m, a, lda, b, c, ldc),
            #[cfg(target_arch = "x86_64")]
            crate::isa::Proof::Avx2(token) => {
                crate::x86_64::gemm::gemm_s8(token, m, a, lda, b, c, ldc);
            }
        }
    }

    /// Unsigned activations by signed weights: as [`gemm_s8`](Self::gemm_s8) with `A` in u8.
    ///
    /// # Panics
    /// When a slice is too short.
    pub fn gemm_u8(&self, m: usize, a: &[u8], lda: usize, b: &PackedS8, c: &mut [i32], ldc: usize) {
        if !prepare("gemm_u8", m, a.len(), lda, b, c, ldc) {
            return;
        }
        match self.proof {
            crate::isa::Proof::Generic => crate::generic::gemm::gemm_i32(m, a, lda, b, c, ldc),
            #[cfg(target_arch = "x86_64")]
            crate::isa::Proof::Avx2(token) => {
                crate::x86_64::gemm::gemm_u8(token, m, a, lda, b, c, ldc);
            }
        }
    }

    /// 16-bit activations by int8 weights (W8A16): `C[i, j] = Σ_k A[i, k] · B[j, k]`, exact in i64.
    ///
    /// Shapes as in [`gemm_s8`](Self::gemm_s8).
    ///
    /// # Panics
    /// When a slice is too short.
    pub fn gemm_s16(&self, m: usize, a: &[i16], lda: usize, b: &PackedS8, c: &mut [i64], ldc: usize) {
        if !prepare("gemm_s16", m, a.len(), lda, b, c, ldc) {
            return;
        }
        match self.proof {
            crate::isa::Proof::Generic => crate::generic::gemm::gemm_i64(m, a, lda, b, c, ldc),
            #[cfg(target_arch = "x86_64")]
            crate::isa::Proof::Avx2(token) => {
                crate::x86_64::gemm::gemm_s16(token, m, a, lda, b, c, ldc);
            }
        }
    }

    /// `out[i] = Σ_k A[i, k]`: what a zero point of `B` multiplies, in products of two activations.
    ///
    /// `a` is `[m, k]` with leading dimension `lda`; `out` has at least `m` elements.
    ///
    /// # Panics
    /// When a slice is too short, or `k` is above 2^24 (where a sum could overflow).
    pub fn row_sums_s8(&self, m: usize, k: usize, a: &[i8], lda: usize, out: &mut [i32]) {
        check_matrix("row_sums_s8", "a", a.len(), m, k, lda);
        check_matrix("row_sums_s8", "out", out.len(), 1, m, m);
        assert!(k <= 1 << 24, "row_sums_s8: k = {k} is above 2^24");
        dispatch!(self, gemm::row_sums_s8(m, k, a, lda, out));
    }
}

/// Checks the slices; zero-fills `c` where there is nothing to sum. Whether a kernel must run.
#[track_caller]
fn prepare<C: Copy + Default>(
    op: &str,
    m: usize,
    a_len: usize,
    lda: usize,
    b: &PackedS8,
    c: &mut [C],
    ldc: usize,
) -> bool {
    let (n, k) = (b.n(), b.k());
    check_matrix(op, "a", a_len, m, k, lda);
    check_matrix(op, "c", c.len(), m, n, ldc);
    if m == 0 || n == 0 {
        return false;
    }
    if k == 0 {
        for i in 0..m {
            c[i * ldc..][..n].fill(C::default());
        }
    }
    k > 0
}
