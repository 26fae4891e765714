//! The expected squared error of quantization under a histogram.

use calibench_quant::{Histogram, IntFormat, QParams, Range, Symmetry};

use crate::side::{Moments, Side};

/// Codes from zero outward that are integrated one by one; beyond them a bin holds at least one code.
const SINGLE: i32 = 1 << calibench_quant::MANTISSA_BITS;

/// Expected squared quantization error, values being spread evenly within each bin.
///
/// ```text
/// E(S, Z) = Σ (x − S · (clamp(round(x / S) + Z, q_min, q_max) − Z))²
/// ```
///
/// in units of x² summed over all elements. Code k of one side of zero stands for the magnitudes from
/// `(k − ½) S` to `(k + ½) S`, whose error is `M₂ − 2 k S M₁ + (k S)² M₀` with their moments M: a difference
/// of running sums, so a code costs the same however many bins it spans. Beyond the 512th code bins are
/// wider than codes; there, in code units `t = x / S` and with `r = round(t)`, the error has the
/// antiderivative
///
/// ```text
/// F(t) = r / 12 + (t − r)³ / 3
/// ```
///
/// and a bin costs `ρ S³ (F(b / S) − F(a / S))`. Both are exact for the piecewise-uniform density.
#[derive(Debug, Clone)]
pub(crate) enum SquaredError {
    /// For codes that lie alike on both sides of zero: the magnitudes of all values.
    Folded(Side<Moments>),
    /// For any codes: the magnitudes of the positive and of the negative values.
    Sides(Side<Moments>, Side<Moments>),
}

impl SquaredError {
    /// For scales and zero points of this format and symmetry.
    pub fn of(histogram: &Histogram, observed: Range, format: IntFormat, symmetry: Symmetry) -> Self {
        if symmetry == Symmetry::Symmetric && format.signed {
            Self::Folded(Side::folded(histogram, observed))
        } else {
            Self::Sides(Side::positive(histogram, observed), Side::negative(histogram, observed))
        }
    }

    /// `Σ (x − fake_quantize(x))²` over all elements.
    pub fn total(&self, q: &QParams) -> f64 {
        let scale = f64::from(q.scale_of(0));
        let (above, below) = (q.q_max - q.zero_point_of(0), q.zero_point_of(0) - q.q_min);
        match self {
            Self::Folded(all) => one_side(all, scale, above.min(below)),
            Self::Sides(positive, negative) => {
                one_side(positive, scale, above) + one_side(negative, scale, below)
            }
        }
    }
}

/// Error of the magnitudes of one side that has `codes` codes besides zero.
fn one_side(side: &Side<Moments>, scale: f64, codes: i32) -> f64 {
    let mut error = 0.0;
    let mut below = Moments::default();
    let single = codes.min(SINGLE);
    for code in 0..single {
        let boundary = (f64::from(code) + 0.5) * scale;
        let upto = side.below(boundary);
        error += upto.minus(below).squares_about(f64::from(code) * scale);
        below = upto;
        if boundary >= side.top() {
            return error;
        }
    }
    if codes > single {
        let (from, to) = ((f64::from(single) - 0.5) * scale, (f64::from(codes) + 0.5) * scale);
        error += many_codes(side, scale, from, to);
        below = side.below(to);
    }
    error + side.all().minus(below).squares_about(f64::from(codes) * scale)
}

/// Error of rounding alone of the magnitudes between two boundaries of codes.
fn many_codes(side: &Side<Moments>, scale: f64, from: f64, to: f64) -> f64 {
    let inverse = 1.0 / scale;
    let antiderivative = |x: f64| {
        let t = x * inverse;
        let r = rounded(t);
        let d = t - r;
        r * (1.0 / 12.0) + d * d * d * (1.0 / 3.0)
    };
    let (mut error, mut points) = (0.0, 0.0);
    // Neighbouring bins share an edge.
    let mut last = (f64::NAN, 0.0);
    for (low, high, count) in side.cells_from(from).take_while(|(low, _, _)| *low < to) {
        if high > low {
            let (a, b) = (low.max(from), high.min(to));
            let start = if a == last.0 { last.1 } else { antiderivative(a) };
            last = (b, antiderivative(b));
            error += count / (high - low) * (last.1 - start);
        } else {
            let off = low - rounded(low * inverse) * scale;
            points += count * off * off;
        }
    }
    error * scale.powi(3) + points
}

/// `round(t)`, ties to even, for `|t| < 2^51`.
#[inline(always)]
fn rounded(t: f64) -> f64 {
    // Adding and subtracting 1.5 · 2^52 rounds to an integer and, without SSE4.1, is no library call.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    (t + SHIFT) - SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_testkit::Random;

    fn total(values: &[f32], q: &QParams) -> f64 {
        let (histogram, observed) = (Histogram::of(values).unwrap(), Range::of(values).unwrap());
        SquaredError::of(&histogram, observed, q.format, q.symmetry).total(q)
    }

    fn on_the_values(values: &[f32], q: &QParams) -> f64 {
        values.iter().map(|v| f64::from(v - q.fake_quantize(*v, 0)).powi(2)).sum()
    }

    #[test]
    fn it_is_the_error_of_the_values_themselves() {
        let mut random = Random::new(5);
        let tensors = [
            random.normals(200_000),
            random.many(200_000, Random::lognormal),
            random.many(200_000, |r| -r.student_t().abs()),
        ];
        for values in &tensors {
            let observed = Range::of(values).unwrap();
            for format in IntFormat::ALL {
                for symmetry in Symmetry::ALL {
                    for shrink in [1.0, 0.6, 0.2] {
                        let range = Range { low: observed.low * shrink, high: observed.high * shrink };
                        let q = QParams::from_range("t", range, *format, *symmetry).unwrap();
                        let (expected, true_error) = (total(values, &q), on_the_values(values, &q));
                        let off = (expected - true_error).abs() / true_error;
                        assert!(
                            off < 0.02,
                            "{format} {symmetry:?} {shrink}: {expected} against {true_error}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn one_integral_and_many_agree_where_both_hold() {
        // int16 scales, integrated code by code against bin by bin.
        let values = Random::new(6).normals(10_000);
        let side = Side::folded(&Histogram::of(&values).unwrap(), Range::of(&values).unwrap());
        let scale = 1e-4;
        let by_bins = many_codes(&side, scale, 0.5 * scale, 20_000.5 * scale);
        let mut by_codes = 0.0;
        let mut below = side.below(0.5 * scale);
        for code in 1..=20_000 {
            let upto = side.below((f64::from(code) + 0.5) * scale);
            by_codes += upto.minus(below).squares_about(f64::from(code) * scale);
            below = upto;
        }
        assert!((by_bins - by_codes).abs() < 1e-5 * by_codes, "{by_bins} {by_codes}");
    }

    #[test]
    fn a_constant_costs_what_it_costs() {
        let values = [2.5; 10];
        let observed = Range { low: 2.5, high: 2.5 };
        let q = QParams::from_range("t", observed, IntFormat::INT8, Symmetry::Affine).unwrap();
        assert!(total(&values, &q) < 1e-10);
        let half = Range { low: 0.0, high: 1.25 };
        let q = QParams::from_range("t", half, IntFormat::INT8, Symmetry::Affine).unwrap();
        assert!((total(&values, &q) - 10.0 * 1.25 * 1.25).abs() < 1e-5);
    }
}
