//! Strided f32 matrix product, scalar.

/// `C[i, j] = Σ_k A[i, k] · B[k, j]`, element (r, c) of an operand at `r · rs + c · cs`.
///
/// Sixteen partial sums per output, so that the compiler may vectorise the contiguous case.
pub(crate) fn matmul(
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
    for i in 0..m {
        for j in 0..n {
            c[i * rs_c + j] = if cs_a == 1 && rs_b == 1 && k > 0 {
                dot(&a[i * rs_a..][..k], &b[j * cs_b..][..k])
            } else {
                (0..k).map(|kk| a[i * rs_a + kk * cs_a] * b[kk * rs_b + j * cs_b]).sum()
            };
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a16, a_tail) = a.as_chunks::<16>();
    let (b16, b_tail) = b.as_chunks::<16>();
    let mut sums = [0.0_f32; 16];
    for (a, b) in a16.iter().zip(b16) {
        for lane in 0..16 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let tail: f32 = a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + tail
}
