//! Strided f32 matrix product: the `gemm` crate, which dispatches on the CPU by itself: AVX2 + FMA,
//! the same instruction set as the integer kernels, unless its feature `x86-v4` (AVX-512) is on.

use crate::Avx2;

/// `C[i, j] = Σ_k A[i, k] · B[k, j]`, element (r, s) of an operand at `r · rs + s · cs`.
///
/// # Panics
/// When a slice is too short for its strides.
pub(crate) fn matmul(
    _: Avx2,
    m: usize,
    n: usize,
    k: usize,
    a: &[f32],
    (rs_a, cs_a): (usize, usize),
    b: &[f32],
    (rs_b, cs_b): (usize, usize),
    c: &mut [f32],
    rs_c: usize,
) {
    assert!(m > 0 && n > 0 && k > 0 && rs_c >= n, "matmul: empty or overlapping rows");
    assert!((m - 1) * rs_a + (k - 1) * cs_a < a.len(), "matmul: a is too short");
    assert!((k - 1) * rs_b + (n - 1) * cs_b < b.len(), "matmul: b is too short");
    assert!((m - 1) * rs_c + n <= c.len(), "matmul: c is too short");
    // SAFETY: every index that the strides reach lies inside its slice (asserted above), slices are
    // at most isize::MAX bytes so the strides in use fit isize, `c` is borrowed mutably and so
    // overlaps neither operand, and its rows do not overlap. `read_dst` is false: `alpha` is unused.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            rs_c as isize,
            false,
            a.as_ptr(),
            cs_a as isize,
            rs_a as isize,
            b.as_ptr(),
            cs_b as isize,
            rs_b as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
