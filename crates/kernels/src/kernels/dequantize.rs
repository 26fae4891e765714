//! The epilogue of a 64-bit integer product.

use super::{check_len, check_one_or_n, check_rows};
use crate::Kernels;

impl Kernels {
    /// i64 accumulators to f32: `y = f32(sat(acc + corr[col])) · scale[col] + bias[col]`, then
    /// `max(y, 0)` if `relu`.
    ///
    /// `acc` and `out` are rows of `n_cols`; `corr` may be empty (zero); `scale` has one element or
    /// `n_cols`. Each step rounds to nearest even, without fusing, so the result is the same bits
    /// on every instruction set. NaN (from a broken scale) goes through the ReLU.
    ///
    /// # Panics
    /// When a length does not fit.
    pub fn dequantize_s64(
        &self,
        acc: &[i64],
        n_cols: usize,
        corr: &[i64],
        scale: &[f32],
        bias: Option<&[f32]>,
        relu: bool,
        out: &mut [f32],
    ) {
        let op = "dequantize_s64";
        if !check_epilogue(op, acc, n_cols, corr, scale, bias, out) {
            return;
        }
        dispatch!(self, dequantize::dequantize_s64(acc, n_cols, corr, scale, bias, relu, out));
    }
}

/// Whether there is anything to do.
#[track_caller]
fn check_epilogue<T>(
    op: &str,
    acc: &[T],
    n_cols: usize,
    corr: &[T],
    scale: &[f32],
    bias: Option<&[f32]>,
    out: &[f32],
) -> bool {
    check_rows(op, acc.len(), n_cols);
    check_len(op, "out", out.len(), acc.len());
    if acc.is_empty() {
        return false;
    }
    if !corr.is_empty() {
        check_len(op, "corr", corr.len(), n_cols);
    }
    check_one_or_n(op, "scale", scale.len(), n_cols);
    if let Some(bias) = bias {
        check_len(op, "bias", bias.len(), n_cols);
    }
    true
}
