//! `jensen-shannon`: as entropy, with a divergence that is symmetric and bounded.

use calibench_quant::{Calibrator, Entry, Job, QuantError, Range, StatKind};

use crate::levels::{self, Divergence, fast_ln, sum};

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Calibrator> = Entry {
    id: "jensen-shannon",
    summary: "the range with the least Jensen-Shannon divergence between the values and their quantized self",
    source: "Lin 1991, Divergence Measures Based on the Shannon Entropy, IEEE Trans. Inf. Theory 37(1)",
    construct: || Box::new(JensenShannon),
};

/// The range that minimises the Jensen–Shannon divergence, in nats,
///
/// ```text
/// JS(P, Q) = ½ KL(P ‖ M) + ½ KL(Q ‖ M),   M = ½ (P + Q),   0 ≤ JS ≤ ln 2
/// ```
///
/// of the same P and Q over the same candidates as `entropy`. It needs no smoothing to be finite, and weighs
/// mass that Q lacks and mass that Q adds alike.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`].
///
/// Source: Lin 1991. Limits: as `entropy`; being bounded, it clips outliers more readily, and values that are few
/// and far apart (the 17 grey levels of the digits) most readily: each lies in one bin of its code, whose loss is
/// then at its bound whatever the threshold.
struct JensenShannon;

impl Calibrator for JensenShannon {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Range, StatKind::Histogram]
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        levels::least_divergence::<Js>(job)
    }
}

/// JS(p, q).
struct Js;

impl Divergence for Js {
    const BIAS: f64 = 0.125;

    #[inline(always)]
    fn between(p: &[f64], q: &[f64]) -> f64 {
        let half = |x: f64, middle: f64| x * fast_ln(if x > 0.0 { x / middle } else { 1.0 });
        sum(p.iter().zip(q).map(|(p, q)| half(*p, (p + q) / 2.0) + half(*q, (p + q) / 2.0))) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_symmetric_and_at_most_ln_two() {
        let (p, q) = ([0.75, 0.25, 0.0], [0.5, 0.25, 0.25]);
        let (there, back) = (Js::between(&p, &q), Js::between(&q, &p));
        assert!((there - back).abs() < 1e-15 && there > 0.0);
        let apart = Js::between(&[1.0, 0.0], &[0.0, 1.0]);
        assert!((apart - std::f64::consts::LN_2).abs() < 1e-12);
    }
}
