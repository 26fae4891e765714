//! From accumulators and quantized values back to f32, scalar.

/// `max(x, 0)` that lets NaN through: a broken scale must stay visible.
#[inline]
pub(crate) fn relu(x: f32) -> f32 {
    if 0.0 > x { 0.0 } else { x }
}

/// Rows of `n_cols` accumulators; `corr` empty means zero; `scale` of length 1 or `n_cols`.
pub(crate) fn dequantize_s64(
    acc: &[i64],
    n_cols: usize,
    corr: &[i64],
    scale: &[f32],
    bias: Option<&[f32]>,
    with_relu: bool,
    out: &mut [f32],
) {
    for (acc, out) in acc.chunks_exact(n_cols).zip(out.chunks_exact_mut(n_cols)) {
        columns(acc, corr, scale, bias, with_relu, out, 0);
    }
}

/// One row from column `from` on.
#[inline]
pub(crate) fn columns(
    acc: &[i64],
    corr: &[i64],
    scale: &[f32],
    bias: Option<&[f32]>,
    with_relu: bool,
    out: &mut [f32],
    from: usize,
) {
    for j in from..acc.len() {
        let v = acc[j].saturating_add(corr.get(j).copied().unwrap_or_default());
        // Two roundings, in this order, in every kernel: never a fused multiply-add.
        let mut x = v as f32 * if scale.len() == 1 { scale[0] } else { scale[j] };
        if let Some(bias) = bias {
            x += bias[j];
        }
        out[j] = if with_relu { relu(x) } else { x };
    }
}

/// `(q − zp) · scale`; the caller bounds `zp` so that the difference is exact in i32 and f32.
pub(crate) fn values<T: Copy + Into<i32>>(q: &[T], scale: f32, zp: i32, out: &mut [f32]) {
    for (out, &q) in out.iter_mut().zip(q) {
        *out = (q.into() - zp) as f32 * scale;
    }
}
