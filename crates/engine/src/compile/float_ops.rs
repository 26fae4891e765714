//! Operators that stay in floating point.
//!
//! Each takes the rounding of the half-precision compute modes: with `R` not the identity, every
//! intermediate that an fp16 (bf16) program would store is rounded, so that an epsilon below the format
//! really becomes zero. Sums accumulate in fp32 and are rounded once, as hardware reductions do.

use calibench_kernels::Kernels;

use super::Rounding;

impl Rounding {
    /// The value in the format, back in fp32.
    pub(super) fn apply(self, x: f32) -> f32 {
        match self {
            Self::None => x,
            Self::Fp16 => half::f16::from_f32(x).to_f32(),
            Self::Bf16 => half::bf16::from_f32(x).to_f32(),
        }
    }

    /// The same for all values, in place.
    pub(super) fn apply_all(self, kernels: Kernels, values: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Fp16 => kernels.round_f16(values),
            Self::Bf16 => kernels.round_bf16(values),
        }
    }
}

/// Layer normalisation of each row of `width` values.
pub(super) fn layer_norm(
    x: &[f32],
    width: usize,
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
    rounding: Rounding,
    out: &mut [f32],
) {
    let r = |v: f32| rounding.apply(v);
    let n = width as f32;
    for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let mean = r(x.iter().sum::<f32>() / n);
        let mut squares = 0.0;
        for (o, x) in out.iter_mut().zip(x) {
            *o = r(x - mean);
            squares += r(*o * *o);
        }
        let deviation = r(r(r(squares / n) + r(epsilon)).sqrt());
        for ((o, g), b) in out.iter_mut().zip(gamma).zip(beta) {
            *o = r(r(r(*o / deviation) * g) + b);
        }
    }
}

/// Softmax of each row of `width` values.
pub(super) fn softmax(x: &[f32], width: usize, rounding: Rounding, out: &mut [f32]) {
    let r = |v: f32| rounding.apply(v);
    for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let max = x.iter().copied().fold(f32::NEG_INFINITY, |a, v| if v.is_nan() { v } else { a.max(v) });
        let mut sum = 0.0;
        for (o, x) in out.iter_mut().zip(x) {
            *o = r(r(x - max).exp());
            sum += *o;
        }
        let sum = r(sum);
        for o in out.iter_mut() {
            *o = r(*o / sum);
        }
    }
}

/// Mean over the middle axis of `[outer, rows, width]`: global average pooling of channels-last images,
/// and the mean over tokens.
pub(super) fn mean_rows(x: &[f32], rows: usize, width: usize, rounding: Rounding, out: &mut [f32]) {
    for (x, out) in x.chunks_exact(rows * width).zip(out.chunks_exact_mut(width)) {
        out.fill(0.0);
        for row in x.chunks_exact(width) {
            for (o, v) in out.iter_mut().zip(row) {
                *o += v;
            }
        }
        for o in out.iter_mut() {
            *o = rounding.apply(*o / rows as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epsilon_below_fp16_becomes_zero_and_gives_nan() {
        let x = [2.0_f32; 4];
        let mut out = [0.0; 4];
        layer_norm(&x, 4, &[1.0; 4], &[0.0; 4], 1e-12, Rounding::Fp16, &mut out);
        assert!(out.iter().all(|v| v.is_nan()), "0 / sqrt(0 + 0): {out:?}");
        layer_norm(&x, 4, &[1.0; 4], &[0.0; 4], 1e-12, Rounding::None, &mut out);
        assert_eq!(out, [0.0; 4]);
    }

    #[test]
    fn softmax_rows_sum_to_one() {
        let mut out = [0.0; 6];
        softmax(&[1.0, 2.0, 3.0, 1000.0, 0.0, -1000.0], 3, Rounding::None, &mut out);
        assert!((out[..3].iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(out[3..], [1.0, 0.0, 0.0]);
    }

    #[test]
    fn the_mean_of_rows_is_taken_column_by_column() {
        let mut out = [0.0; 2];
        mean_rows(&[1., 10., 3., 30.], 2, 2, Rounding::None, &mut out);
        assert_eq!(out, [2., 20.]);
    }
}
