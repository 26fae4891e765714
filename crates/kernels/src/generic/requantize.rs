//! Requantization, scalar.

use crate::Requant;

/// One value: `clamp(zp + round(sat(acc + corr) · M), lo, hi)`.
#[inline]
pub(crate) fn one(acc: i32, corr: i32, requant: Requant, zp: i32, lo: i8, hi: i8) -> i8 {
    let scaled = requant.apply(acc.saturating_add(corr)) + i64::from(zp);
    scaled.clamp(i64::from(lo), i64::from(hi)) as i8
}

/// Rows of `n_cols` accumulators; `corr` empty means zero; `requant` of length 1 or `n_cols`.
pub(crate) fn requantize_s8(
    acc: &[i32],
    n_cols: usize,
    corr: &[i32],
    requant: &[Requant],
    zp: i32,
    lo: i8,
    hi: i8,
    out: &mut [i8],
) {
    for (acc, out) in acc.chunks_exact(n_cols).zip(out.chunks_exact_mut(n_cols)) {
        columns(acc, corr, requant, zp, lo, hi, out, 0);
    }
}

/// One row from column `from` on.
pub(crate) fn columns(
    acc: &[i32],
    corr: &[i32],
    requant: &[Requant],
    zp: i32,
    lo: i8,
    hi: i8,
    out: &mut [i8],
    from: usize,
) {
    for j in from..acc.len() {
        let corr = corr.get(j).copied().unwrap_or(0);
        let requant = if requant.len() == 1 { requant[0] } else { requant[j] };
        out[j] = one(acc[j], corr, requant, zp, lo, hi);
    }
}
