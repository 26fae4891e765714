//! f32 products, with f32 weights or narrow ones.

use super::{check_len, check_matrix, check_one_or_n};
use crate::{Kernels, NarrowWeights, generic::dequantize::relu as relu_of};

/// Elements of widened weights per block: 256 KiB of f32, which stays in L2 while it is used.
const WIDENED: usize = 64 * 1024;

impl Kernels {
    /// `C = A · Bᵀ (+ bias) (then ReLU)` in f32; weights `b` are `[n, k]` row-major.
    ///
    /// `a` is `[m, k]` with leading dimension `lda`, `b` has `ldb`, `c` is `[m, n]` with `ldc`;
    /// `bias` has `n` elements and is added after the product. `c` is overwritten.
    ///
    /// Source: the `gemm` crate, one thread; scalar loops under [`Isa::Generic`](crate::Isa).
    /// Known limits: the order of summation, hence the last bits, depend on the instruction set.
    /// `gemm` picks its own: AVX2 + FMA, unless some crate turns on its feature `x86-v4` (AVX-512).
    ///
    /// # Panics
    /// When a slice is too short.
    pub fn gemm_f32(
        &self,
        m: usize,
        n: usize,
        k: usize,
        a: &[f32],
        lda: usize,
        b: &[f32],
        ldb: usize,
        bias: Option<&[f32]>,
        relu: bool,
        c: &mut [f32],
        ldc: usize,
    ) {
        const OP: &str = "gemm_f32";
        check_matrix(OP, "a", a.len(), m, k, lda);
        check_matrix(OP, "b", b.len(), n, k, ldb);
        check_matrix(OP, "c", c.len(), m, n, ldc);
        if let Some(bias) = bias {
            check_len(OP, "bias", bias.len(), n);
        }
        self.product(m, n, k, a, (lda, 1), b, (1, ldb), c, ldc);
        epilogue(m, n, bias, relu, c, ldc);
    }

    /// `C = A · B` in f32, any layout: element (r, s) of `A[m, k]` is `a[r * rs_a + s * cs_a]`, and
    /// likewise for `B[k, n]`; rows of `C[m, n]` are contiguous and `rs_c` apart. `c` is
    /// overwritten. For attention: `Q · Kᵀ` is a stride swap.
    ///
    /// Source and limits as [`gemm_f32`](Self::gemm_f32).
    ///
    /// # Panics
    /// When a slice is too short for its strides.
    pub fn matmul_f32(
        &self,
        m: usize,
        n: usize,
        k: usize,
        a: &[f32],
        rs_a: usize,
        cs_a: usize,
        b: &[f32],
        rs_b: usize,
        cs_b: usize,
        c: &mut [f32],
        rs_c: usize,
    ) {
        const OP: &str = "matmul_f32";
        check_strided(OP, "a", a.len(), (m, rs_a), (k, cs_a));
        check_strided(OP, "b", b.len(), (k, rs_b), (n, cs_b));
        check_matrix(OP, "c", c.len(), m, n, rs_c);
        self.product(m, n, k, a, (rs_a, cs_a), b, (rs_b, cs_b), c, rs_c);
    }

    /// `C = A · Wᵀ (+ bias) (then ReLU)` with weights kept narrow in memory and computed in f32.
    ///
    /// Rows of `W[n, k]` are widened, a block that fits L2 at a time, into `scratch` (grown to at
    /// most `max(65 536, 16 · k)` elements), and multiplied there. Shapes as in
    /// [`gemm_f32`](Self::gemm_f32), with `n` and `k` from `w`.
    ///
    /// The result is that of [`gemm_f32`](Self::gemm_f32) on the widened weights, up to the order
    /// of summation.
    ///
    /// # Panics
    /// When a slice is too short, or `w`'s fields do not agree.
    pub fn gemm_weight_only(
        &self,
        m: usize,
        a: &[f32],
        lda: usize,
        w: &NarrowWeights,
        bias: Option<&[f32]>,
        relu: bool,
        c: &mut [f32],
        ldc: usize,
        scratch: &mut Vec<f32>,
    ) {
        const OP: &str = "gemm_weight_only";
        let (n, k) = (w.n(), w.k());
        check_matrix(OP, "a", a.len(), m, k, lda);
        check_matrix(OP, "c", c.len(), m, n, ldc);
        if let Some(bias) = bias {
            check_len(OP, "bias", bias.len(), n);
        }
        match w {
            NarrowWeights::S8 { data, scale, .. } => {
                check_len(OP, "w.data", data.len(), n * k);
                check_one_or_n(OP, "w.scale", scale.len(), n);
            }
            NarrowWeights::F16 { data, .. } | NarrowWeights::Bf16 { data, .. } => {
                check_len(OP, "w.data", data.len(), n * k);
            }
        }
        let rows = (WIDENED / k.max(1) / 16).max(1) * 16;
        for first in (0..n).step_by(rows) {
            let count = rows.min(n - first);
            let needed = count * k;
            if scratch.len() < needed {
                scratch.resize(needed, 0.0);
            }
            let block = &mut scratch[..needed];
            self.widen(w, first, block);
            if m > 0 {
                let c = &mut c[first..];
                self.product(m, count, k, a, (lda, 1), block, (1, k), c, ldc);
            }
        }
        epilogue(m, n, bias, relu, c, ldc);
    }

    /// Rows of `w` from `first` on, as f32.
    fn widen(&self, w: &NarrowWeights, first: usize, out: &mut [f32]) {
        let k = w.k();
        let from = first * k;
        match w {
            NarrowWeights::S8 { data, scale, .. } => {
                if k == 0 {
                    return;
                }
                for (r, out) in out.chunks_exact_mut(k).enumerate() {
                    let row = first + r;
                    let scale = if scale.len() == 1 { scale[0] } else { scale[row] };
                    self.dequantize_s8(&data[row * k..][..k], scale, 0, out);
                }
            }
            NarrowWeights::F16 { data, .. } => self.f16_to_f32(&data[from..][..out.len()], out),
            NarrowWeights::Bf16 { data, .. } => self.bf16_to_f32(&data[from..][..out.len()], out),
        }
    }

    /// `C = A · B` with (row, column) strides, bounds already checked.
    fn product(
        &self,
        m: usize,
        n: usize,
        k: usize,
        a: &[f32],
        strides_a: (usize, usize),
        b: &[f32],
        strides_b: (usize, usize),
        c: &mut [f32],
        ldc: usize,
    ) {
        if m == 0 || n == 0 {
            return;
        }
        if k == 0 {
            for i in 0..m {
                c[i * ldc..][..n].fill(0.0);
            }
            return;
        }
        dispatch!(self, float::matmul(m, n, k, a, strides_a, b, strides_b, c, ldc));
    }
}

fn epilogue(m: usize, n: usize, bias: Option<&[f32]>, relu: bool, c: &mut [f32], ldc: usize) {
    if n == 0 || (bias.is_none() && !relu) {
        return;
    }
    for i in 0..m {
        let row = &mut c[i * ldc..][..n];
        if let Some(bias) = bias {
            for (x, b) in row.iter_mut().zip(bias) {
                *x += b;
            }
        }
        if relu {
            for x in row {
                *x = relu_of(*x);
            }
        }
    }
}

/// Panics unless every element of a strided matrix lies inside `len`.
#[track_caller]
fn check_strided(op: &str, name: &str, len: usize, (rows, rs): (usize, usize), (cols, cs): (usize, usize)) {
    if rows == 0 || cols == 0 {
        return;
    }
    // Wide arithmetic: what is checked here is relied on by unsafe code.
    let needed = (rows as u128 - 1) * rs as u128 + (cols as u128 - 1) * cs as u128 + 1;
    assert!(
        len as u128 >= needed,
        "{op}: {name} has {len} elements, [{rows}, {cols}] with strides ({rs}, {cs}) needs {needed}"
    );
}
