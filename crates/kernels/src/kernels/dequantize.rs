//! The epilogues of an integer product: to int8 at the output's scale, or to f32.

use super::{check_len, check_one_or_n, check_rows, check_zero_point};
use crate::{Kernels, Requant};

impl Kernels {
    /// Accumulators to int8: `y = clamp(zp + round(sat(acc + corr[col]) · M[col]), lo, hi)`.
    ///
    /// `acc` and `out` are rows of `n_cols`. `corr[col]` is `bias_i32 − zp_a · col_sum`; empty means
    /// zero. `requant` has one multiplier, or one per column; `round` is half-up and happens once
    /// ([`Requant::apply`]). `sat` is a saturating i32 addition: the only place where this can
    /// differ from the real formula, and only where the corrected sum itself leaves i32.
    ///
    /// Source: Jacob et al. 2017, §2.2 and §2.4.
    ///
    /// # Panics
    /// When a length does not fit, `lo > hi`, or the zero point is beyond
    /// ±[`MAX_ZERO_POINT`](crate::MAX_ZERO_POINT).
    pub fn requantize_s8(
        &self,
        acc: &[i32],
        n_cols: usize,
        corr: &[i32],
        requant: &[Requant],
        zero_point: i32,
        lo: i8,
        hi: i8,
        out: &mut [i8],
    ) {
        const OP: &str = "requantize_s8";
        check_rows(OP, acc.len(), n_cols);
        check_len(OP, "out", out.len(), acc.len());
        check_zero_point(OP, zero_point);
        assert!(lo <= hi, "{OP}: lo = {lo} is above hi = {hi}");
        if acc.is_empty() {
            return;
        }
        if !corr.is_empty() {
            check_len(OP, "corr", corr.len(), n_cols);
        }
        check_one_or_n(OP, "requant", requant.len(), n_cols);
        dispatch!(self, requantize::requantize_s8(acc, n_cols, corr, requant, zero_point, lo, hi, out));
    }

    /// i32 accumulators to f32: `y = f32(sat(acc + corr[col])) · scale[col] + bias[col]`, then
    /// `max(y, 0)` if `relu`.
    ///
    /// `acc` and `out` are rows of `n_cols`; `corr` may be empty (zero); `scale` has one element or
    /// `n_cols`. Each step rounds to nearest even, without fusing, so the result is the same bits
    /// on every instruction set. NaN (from a broken scale) goes through the ReLU.
    ///
    /// # Panics
    /// When a length does not fit.
    pub fn dequantize_s32(
        &self,
        acc: &[i32],
        n_cols: usize,
        corr: &[i32],
        scale: &[f32],
        bias: Option<&[f32]>,
        relu: bool,
        out: &mut [f32],
    ) {
        let op = "dequantize_s32";
        if !check_epilogue(op, acc, n_cols, corr, scale, bias, out) {
            return;
        }
        dispatch!(self, dequantize::accumulators | dequantize_s32(acc, n_cols, corr, scale, bias, relu, out));
    }

    /// i64 accumulators to f32, as [`dequantize_s32`](Self::dequantize_s32).
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
        dispatch!(self, dequantize::accumulators | dequantize_s64(acc, n_cols, corr, scale, bias, relu, out));
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
