//! Elementary functions without branches.

use super::vector::Vector;

/// e^x for x ≤ 0, within 4 units in the last place; 0 below −87.3, NaN for NaN.
///
/// x = n · ln 2 + r with |r| ≤ ln 2 / 2; e^r by its Taylor polynomial of degree 6, whose remainder is below 2^-23, times
/// 2^n. The first part of ln 2 has nine trailing zero bits (Cody and Waite). Adding 1.5 · 2^23
/// rounds to a whole number, which then is the low bits of the sum.
#[inline(always)]
pub(crate) fn exp_nonpositive<V: Vector>(x: V) -> V {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const ROUND: f32 = 12_582_912.0;
    let shifted = x.mul_add(V::splat(std::f32::consts::LOG2_E), V::splat(ROUND));
    let n = shifted.sub(V::splat(ROUND));
    let r = n.mul_add(V::splat(-LN2_LOW), n.mul_add(V::splat(-LN2_HIGH), x));
    let mut p = V::splat(1.0 / 720.0);
    for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = p.mul_add(r, V::splat(c));
    }
    p.mul(shifted.power_of_two()).zero_where_below(x, V::splat(-87.3))
}

/// The error function, within 5e-7 in absolute terms.
///
/// x · P(x²) / Q(x²) on [−4, 4], beyond which it is ±1 in fp32. A rational minimax approximation with the coefficients
/// that Eigen and XLA use.
#[inline(always)]
pub(crate) fn erf<V: Vector>(x: V) -> V {
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
    let x = x.at_least(V::splat(-4.0)).at_most(V::splat(4.0));
    let square = x.mul(x);
    let mut p = V::splat(P[0]);
    for c in &P[1..] {
        p = p.mul_add(square, V::splat(*c));
    }
    let mut q = V::splat(Q[0]);
    for c in &Q[1..] {
        q = q.mul_add(square, V::splat(*c));
    }
    x.mul(p).div(q)
}

/// x · Φ(x) = x/2 · (1 + erf(x/√2)) (Hendrycks and Gimpel 2016, arXiv 1606.08415).
#[inline(always)]
pub(crate) fn gelu<V: Vector>(x: V) -> V {
    let half = x.mul(V::splat(0.5));
    half.mul_add(erf(x.mul(V::splat(std::f32::consts::FRAC_1_SQRT_2))), half)
}

#[cfg(test)]
mod tests {
    fn exp_nonpositive(x: f32) -> f32 {
        super::exp_nonpositive([x; 16])[0]
    }

    fn sweep(low: f32, high: f32) -> impl Iterator<Item = f32> {
        (0..=400_000).map(move |i| low + (high - low) * (i as f32 / 400_000.0))
    }

    fn erf(x: f32) -> f32 {
        super::erf([x; 16])[0]
    }

    fn gelu(x: f32) -> f32 {
        super::gelu([x; 16])[0]
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
