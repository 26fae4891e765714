//! Two classifiers on the same samples: exact McNemar's test, and the interval of the difference of shares.

use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal};

use crate::Interval;

/// Samples on which exactly one of two runs is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discordant {
    /// Right in the first run only.
    pub only_first: u64,
    /// Right in the second run only.
    pub only_second: u64,
}

impl Discordant {
    /// Counts of two lists of right and wrong, in the same order of samples; `None` for lists of different lengths.
    #[must_use]
    pub fn from_outcomes(first: &[bool], second: &[bool]) -> Option<Self> {
        let count = |which: (bool, bool)| {
            first.iter().zip(second).filter(|(a, b)| (**a, **b) == which).count() as u64
        };
        (first.len() == second.len())
            .then(|| Self { only_first: count((true, false)), only_second: count((false, true)) })
    }
}

/// Two-sided p-value of "both are right equally often": with k the smaller count and m their sum,
/// `min(1, 2·P(X ≤ k))`, X binomial of m and ½. 1 where no sample tells the two apart.
///
/// Exact at any number of samples; conservative when few are discordant.
///
/// Source: McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12, 1947.
#[must_use]
pub fn mcnemar_exact(discordant: Discordant) -> f64 {
    let Discordant { only_first, only_second } = discordant;
    match Binomial::new(0.5, only_first + only_second) {
        Ok(binomial) => (2.0 * binomial.cdf(only_first.min(only_second))).min(1.0),
        Err(_) => 1.0,
    }
}

/// Score interval of the second share less the first, over `n` paired samples.
///
/// The differences δ that a score test does not reject: with b and c the discordant counts,
/// `|c − b − n·δ| ≤ z·√(n·(2·q(δ) + δ·(1 − δ)))`, where q(δ), the probability of the first kind under δ, is the larger root of
/// `2n·q² + (−b − c + (2n − c + b)·δ)·q − b·δ·(1 − δ) = 0`. Ends are found by bisection. Without a discordant pair it is not a
/// point: that n samples agree does not say that all would.
///
/// `None` for no samples, more discordant ones than samples, or a confidence outside 0..1.
///
/// Source: Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample design",
/// Statistics in Medicine 17, 1998.
#[must_use]
pub fn paired_share_interval(discordant: Discordant, n: u64, confidence: f64) -> Option<Interval> {
    let (b, c) = (discordant.only_first as f64, discordant.only_second as f64);
    if n == 0 || b + c > n as f64 || !(confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    let n = n as f64;
    let z = Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence));
    // The score statistic of a difference; it falls as the difference grows.
    let score = |delta: f64| {
        let linear = -b - c + (2.0 * n - c + b) * delta;
        let constant = -b * delta * (1.0 - delta);
        let q = ((linear.powi(2) - 8.0 * n * constant).max(0.0).sqrt() - linear) / (4.0 * n);
        let variance = n * (2.0 * q + delta * (1.0 - delta));
        let distance = c - b - n * delta;
        if variance > 0.0 { distance / variance.sqrt() } else { distance.signum() * f64::INFINITY }
    };
    let estimate = (c - b) / n;
    let end = |outer: f64, limit: f64| {
        let (mut inside, mut outside) = (estimate, outer);
        for _ in 0..80 {
            let middle = f64::midpoint(inside, outside);
            if score(middle).abs() <= limit { inside = middle } else { outside = middle }
        }
        f64::midpoint(inside, outside)
    };
    Some(Interval { low: end(-1.0, z), high: end(1.0, z) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(only_first: u64, only_second: u64) -> Discordant {
        Discordant { only_first, only_second }
    }

    #[test]
    fn p_values_as_scipy() {
        // scipy.stats.binomtest(min(b, c), b + c).pvalue
        for (b, c, want) in [(5, 0, 0.0625), (6, 0, 0.03125), (1, 9, 0.021_484_375), (10, 25, 0.016_673_848)]
        {
            let got = mcnemar_exact(d(b, c));
            assert!((got - want).abs() < 1e-6, "{b} and {c}: {got}, want {want}");
        }
        assert_eq!((mcnemar_exact(d(0, 0)), mcnemar_exact(d(4, 4))), (1.0, 1.0));
    }

    #[test]
    fn intervals_as_the_likelihood_says() {
        // The constrained likelihood maximised numerically (scipy.optimize.minimize_scalar over q), and the score statistic
        // solved for z = 1.959964 (scipy.optimize.brentq).
        for (b, c, n, low, high) in [
            (0, 1, 44, -0.059_393_2, 0.118_077_1),
            (1, 9, 21, 0.100_769_5, 0.607_237_6),
            (2, 5, 500, -0.005_636_3, 0.019_688_6),
        ] {
            let got = paired_share_interval(d(b, c), n, 0.95).expect("defined");
            assert!((got.low - low).abs() < 1e-6 && (got.high - high).abs() < 1e-6, "{got:?}");
            let mirrored = paired_share_interval(d(c, b), n, 0.95).expect("defined");
            assert!((mirrored.low + got.high).abs() < 1e-9 && (mirrored.high + got.low).abs() < 1e-9);
        }
    }

    #[test]
    fn agreement_on_few_samples_is_no_proof_of_agreement_on_all() {
        let got = paired_share_interval(d(0, 0), 100, 0.95).expect("defined");
        // z²/(n + z²), where the score test of nothing observed ends.
        let end = 3.841_459 / 103.841_459;
        assert!((got.high - end).abs() < 1e-6 && (got.low + end).abs() < 1e-6, "{got:?}");
        assert!(paired_share_interval(d(0, 0), 100_000, 0.95).expect("defined").high < 1e-4);
    }

    #[test]
    fn unusable_input_gives_none() {
        assert_eq!(paired_share_interval(d(0, 0), 0, 0.95), None);
        assert_eq!(paired_share_interval(d(8, 8), 10, 0.95), None);
        assert_eq!(paired_share_interval(d(1, 1), 10, 1.0), None);
        assert_eq!(Discordant::from_outcomes(&[true], &[]), None);
        let found = Discordant::from_outcomes(&[true, true, false], &[true, false, true]);
        assert_eq!(found, Some(d(1, 1)));
    }
}
