//! Elementary functions without branches.

/// e^x for x ≤ 0, within 4 units in the last place; 0 below −87.3, NaN for NaN.
///
/// x = n · ln 2 + r with |r| ≤ ln 2 / 2; e^r by its Taylor polynomial of degree 6, whose remainder is below 2^-23, times
/// 2^n. The first part of ln 2 has nine trailing zero bits, so that n times it is exact (Cody and Waite). Adding 1.5 · 2^23
/// rounds to a whole number, which then is the low bits of the sum.
#[inline(always)]
pub(crate) fn exp_nonpositive(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = 1.0 / 720.0;
    for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = p * r + c;
    }
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    if x < -87.3 { 0.0 } else { p * power }
}

/// The error function, within 5e-7 in absolute terms.
///
/// x · P(x²) / Q(x²) on [−4, 4], beyond which it is ±1 in fp32. A rational minimax approximation with the coefficients
/// that Eigen and XLA use.
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    const P: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const Q: [f32; 5] = [-1.456_607_2e-5, -2.133_740_5e-4, -1.682_827e-3, -7.373_329_2e-3, -1.426_473_9e-2];
    let x = if x < -4.0 { -4.0 } else { x };
    let x = if x > 4.0 { 4.0 } else { x };
    let square = x * x;
    let mut p = P[0];
    for c in &P[1..] {
        p = p * square + c;
    }
    let mut q = Q[0];
    for c in &Q[1..] {
        q = q * square + c;
    }
    x * p / q
}

/// x · Φ(x) = x/2 · (1 + erf(x/√2)) (Hendrycks and Gimpel 2016, arXiv 1606.08415).
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    let half = 0.5 * x;
    half + half * erf(x * std::f32::consts::FRAC_1_SQRT_2)
}

/// The larger of x and 0; NaN stays.
#[inline(always)]
pub(crate) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(low: f32, high: f32) -> impl Iterator<Item = f32> {
        (0..=400_000).map(move |i| low + (high - low) * (i as f32 / 400_000.0))
    }

    #[test]
    fn exp_is_within_four_units() {
        for x in sweep(-87.3, 0.0) {
            let exact = f64::from(x).exp();
            let error = (f64::from(exp_nonpositive(x)) - exact).abs() / exact;
            assert!(error < 4.0 * 2.0_f64.powi(-23), "{x}: {error:e}");
        }
        assert_eq!(exp_nonpositive(0.0), 1.0);
        assert_eq!([-1e9, f32::NEG_INFINITY, f32::MIN, -88.0].map(exp_nonpositive), [0.0; 4]);
        assert!(exp_nonpositive(f32::NAN).is_nan());
    }

    #[test]
    fn erf_and_gelu_are_within_their_bounds() {
        // By its Taylor series in f64 where it converges fast, known values beyond.
        let series = |x: f64| {
            let (mut term, mut sum) = (x, x);
            for n in 1..60 {
                term *= -x * x / f64::from(n);
                sum += term / f64::from(2 * n + 1);
            }
            sum * 2.0 / std::f64::consts::PI.sqrt()
        };
        for x in sweep(-3.0, 3.0) {
            let exact = series(x.into());
            assert!((f64::from(erf(x)) - exact).abs() < 5e-7, "{x}");
            let gelu_exact =
                0.5 * f64::from(x) * (1.0 + series(f64::from(x) * std::f64::consts::FRAC_1_SQRT_2));
            assert!((f64::from(gelu(x)) - gelu_exact).abs() < 8e-7, "{x}");
        }
        for x in sweep(6.0, 30.0) {
            assert!((erf(x) - 1.0).abs() < 5e-7 && (gelu(x) / x - 1.0).abs() < 5e-7, "{x}");
            assert!(gelu(-x).abs() < 5e-7 * x, "{x}");
        }
        assert_eq!([erf(0.0), gelu(0.0)], [0.0; 2]);
        assert!(gelu(f32::NAN).is_nan());
    }
}
