//! Products and normalisations of constants. Sums are in 64-bit floats and rounded once.

use super::{Number, View};

/// `[…, M, K] × […, K, N]`, or `[…, N, K]` transposed.
pub(super) fn matmul<T: Number>(x: View<'_, T>, y: View<'_, T>, transpose_rhs: bool, out: &mut [T]) {
    let (&[.., m, k], &[.., a, b]) = (x.shape, y.shape) else { return };
    let n = if transpose_rhs { a } else { b };
    let (row_step, column_step) = if transpose_rhs { (k, 1) } else { (1, n) };
    if m * n == 0 {
        return;
    }
    for (matrix, out) in out.chunks_exact_mut(m * n).enumerate() {
        let (x, y) = (&x.data[matrix * m * k..][..m * k], &y.data[matrix * k * n..][..k * n]);
        for (at, o) in out.iter_mut().enumerate() {
            let (row, column) = (at / n, at % n);
            let product =
                |i: usize| x[row * k + i].to_f64() * y[column * row_step + i * column_step].to_f64();
            *o = T::from_f64((0..k).map(product).sum());
        }
    }
}

/// `x · Wᵀ + b` on rows, weight `[out, in]`.
pub(super) fn linear<T: Number>(
    x: View<'_, T>,
    weight: View<'_, T>,
    bias: Option<View<'_, T>>,
    out: &mut [T],
) {
    let &[outputs, inner] = weight.shape else { return };
    if outputs == 0 {
        return;
    }
    for (row, out) in out.chunks_exact_mut(outputs).enumerate() {
        for (at, o) in out.iter_mut().enumerate() {
            let product = |i: usize| x.data[row * inner + i].to_f64() * weight.data[at * inner + i].to_f64();
            let bias = bias.map_or(0.0, |b| b.data[at].to_f64());
            *o = T::from_f64((0..inner).map(product).sum::<f64>() + bias);
        }
    }
}

/// `γ · (x − mean) / √(variance + ε) + β` of rows.
pub(super) fn layer_norm<T: Number>(x: View<'_, T>, [gamma, beta]: [&[T]; 2], epsilon: f32, out: &mut [T]) {
    let width = gamma.len().max(1);
    for (x, out) in x.data.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let mean = x.iter().map(|v| v.to_f64()).sum::<f64>() / width as f64;
        let variance = x.iter().map(|v| (v.to_f64() - mean).powi(2)).sum::<f64>() / width as f64;
        let deviation = (variance + f64::from(epsilon)).sqrt();
        for (i, o) in out.iter_mut().enumerate() {
            let normal = (x[i].to_f64() - mean) / deviation;
            *o = T::from_f64(normal * gamma[i].to_f64() + beta[i].to_f64());
        }
    }
}
