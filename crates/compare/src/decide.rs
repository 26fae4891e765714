//! From an effect and its uncertainty to a verdict.

use calibench_metrics::Interval;

use crate::verdict::Verdict;

/// What is known of a quantity in which chance takes part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    /// How much worse it is.
    pub effect: f64,
    /// The 95 % interval of that.
    pub interval: Interval,
    /// p-value of "no change", corrected.
    pub p: f64,
}

/// The rule for what chance takes part in.
///
/// Worse by more than the budget in the best estimate, and by a test that a change of nothing passes: regressed. So a
/// comparison of two runs without any difference reports a regression no more often than the test says, however wide the
/// intervals. Better by that test: improved. Within the budget up to the interval's end: within. Anything else cannot be told.
pub(crate) fn decide(evidence: Evidence, budget: f64, false_alarm_rate: f64) -> Verdict {
    let significant = evidence.p < false_alarm_rate;
    match evidence.effect {
        effect if effect > budget && significant => Verdict::Regressed,
        effect if effect < 0.0 && significant => Verdict::Improved,
        _ if evidence.interval.high <= budget => Verdict::Within,
        _ => Verdict::Unclear,
    }
}

/// The rule for what is the same at every repetition.
pub(crate) fn decide_exact(effect: f64, budget: f64) -> Verdict {
    match effect {
        0.0 => Verdict::Identical,
        effect if effect > budget => Verdict::Regressed,
        effect if effect < -budget => Verdict::Improved,
        _ => Verdict::Within,
    }
}

/// How many samples, or repeats, would make the interval narrow enough to tell, from how many gave it: its half width shrinks
/// with the square root. `None` where the effect lies on the budget, which no number can tell from it.
pub(crate) fn would_do(evidence: Evidence, budget: f64, have: u64) -> Option<u64> {
    let margin = (budget - evidence.effect).abs();
    let half = (evidence.interval.high - evidence.effect).max(evidence.effect - evidence.interval.low);
    let needed = have as f64 * (half / margin).powi(2);
    (margin > 0.0 && needed.is_finite() && needed < 1e9).then(|| (needed.ceil() as u64).max(have + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(effect: f64, half: f64, p: f64) -> Verdict {
        let interval = Interval { low: effect - half, high: effect + half };
        decide(Evidence { effect, interval, p }, 0.05, 0.05)
    }

    #[test]
    fn a_regression_is_beyond_the_budget_and_beyond_chance() {
        assert_eq!(told(0.10, 0.02, 0.001), Verdict::Regressed);
        assert_eq!(told(0.10, 0.20, 0.4), Verdict::Unclear);
        assert_eq!(told(0.03, 0.01, 0.001), Verdict::Within);
        assert_eq!(told(0.03, 0.04, 0.2), Verdict::Unclear);
        assert_eq!(told(-0.10, 0.02, 0.001), Verdict::Improved);
        assert_eq!(told(-0.01, 0.02, 0.5), Verdict::Within);
        assert_eq!(told(f64::NAN, f64::NAN, f64::NAN), Verdict::Unclear);
    }

    #[test]
    fn what_has_no_chance_in_it_is_judged_by_the_budget_alone() {
        let verdicts = [0.0, 0.01, 0.06, -0.01, -0.06].map(|effect| decide_exact(effect, 0.05));
        use Verdict::{Identical, Improved, Regressed, Within};
        assert_eq!(verdicts, [Identical, Within, Regressed, Within, Improved]);
    }

    #[test]
    fn four_times_the_samples_halve_the_interval() {
        let evidence = Evidence { effect: 0.0, interval: Interval { low: -0.1, high: 0.1 }, p: 1.0 };
        assert_eq!(would_do(evidence, 0.05, 500), Some(2_000));
        assert_eq!(would_do(Evidence { effect: 0.05, ..evidence }, 0.05, 500), None);
    }
}
