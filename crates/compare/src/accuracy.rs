//! Score and answers, paired sample by sample.

use calibench_metrics::{
    Answer, Discordant, Interval, MetricSpec, RESAMPLES, bca, counts_right_ones, is_right, mcnemar_exact,
    mcnemar_samples, measure, paired_share_interval, spec, swap_test,
};
use calibench_store::Row;

use crate::decide::Evidence;

/// Assignments that the permutation test draws: enough to reach p-values that survive a correction over dozens of cells.
const ASSIGNMENTS: u32 = 4_999;
/// Power that sample sizes are reckoned for.
const POWER: f64 = 0.8;

/// How the score of one cell changed.
#[derive(Clone, Debug)]
pub(crate) enum ScoreChange {
    /// Every answer is the same.
    Identical,
    /// What is known of the drop, with the p-value not yet corrected, and how many samples it rests on.
    Measured { evidence: Evidence, samples: u64, discordance: Option<f64> },
    /// Why the two cannot be compared.
    Incomparable(String),
}

/// Compares the scores of two rows by their answers, in the same order of samples.
pub(crate) fn score_change(before: &Row, after: &Row, a: &[Answer], b: &[Answer]) -> ScoreChange {
    let incomparable = |why: String| ScoreChange::Incomparable(why);
    if before.metric != after.metric {
        return incomparable(format!("scored by {} before, by {} now", before.metric, after.metric));
    }
    let Some(metric) = spec::find(&before.metric) else {
        return incomparable(format!("the metric `{}` is not known to this version", before.metric));
    };
    if a.is_empty() || b.is_empty() {
        return incomparable("one of the runs holds no answers by sample".to_owned());
    }
    if a.len() != b.len() {
        return incomparable(format!("{} test samples before, {} now", a.len(), b.len()));
    }
    let targets_differ = metric.id != "fidelity" && a.iter().zip(b).any(|(a, b)| a.0 != b.0);
    if targets_differ {
        return incomparable("the targets of the test samples are others".to_owned());
    }
    if a == b {
        return ScoreChange::Identical;
    }
    measured(metric, before.score, a, b)
}

fn measured(metric: &'static MetricSpec, score: Option<f64>, a: &[Answer], b: &[Answer]) -> ScoreChange {
    if counts_right_ones(metric.id) { share(a, b) } else { by_resampling(metric, score, a, b) }
}

/// How much worse one execution scores than another on the same samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreDrop {
    /// The drop: points of a share, else a share of the score. Below zero it is a gain.
    pub drop: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// p-value of "no change".
    pub p: f64,
}

/// The drop from the answers `a`, whose score is `score`, to the answers `b` of the same samples in the same order: exact
/// McNemar and Tango's interval for shares of right answers, else a permutation test and the BCa bootstrap.
///
/// `None` for a metric that is not known, and where a score or its interval is undefined.
#[must_use]
pub fn score_drop(metric: &str, score: Option<f64>, a: &[Answer], b: &[Answer]) -> Option<ScoreDrop> {
    let metric = spec::find(metric)?;
    if a == b && !counts_right_ones(metric.id) {
        return Some(ScoreDrop { drop: 0.0, interval: Interval { low: 0.0, high: 0.0 }, p: 1.0 });
    }
    match measured(metric, score, a, b) {
        ScoreChange::Measured { evidence: Evidence { effect, interval, p }, .. } => {
            Some(ScoreDrop { drop: effect, interval, p })
        }
        ScoreChange::Identical | ScoreChange::Incomparable(_) => None,
    }
}

/// A share of right answers: exact McNemar, and Tango's interval.
fn share(a: &[Answer], b: &[Answer]) -> ScoreChange {
    let right = |answers: &[Answer]| answers.iter().map(is_right).collect::<Vec<_>>();
    let n = a.len() as u64;
    let found = Discordant::from_outcomes(&right(a), &right(b))
        .and_then(|d| Some((d, paired_share_interval(d, n, 0.95)?)));
    let Some((d, gain)) = found else {
        return ScoreChange::Incomparable("the paired interval is undefined".to_owned());
    };
    ScoreChange::Measured {
        evidence: Evidence {
            effect: (d.only_first as f64 - d.only_second as f64) / n as f64,
            // From gain to drop.
            interval: Interval { low: -gain.high, high: -gain.low },
            p: mcnemar_exact(d),
        },
        samples: n,
        discordance: Some((d.only_first + d.only_second) as f64 / n as f64),
    }
}

/// Any other metric: the BCa bootstrap of the drop over samples, and the permutation test that swaps their answers.
fn by_resampling(metric: &'static MetricSpec, score: Option<f64>, a: &[Answer], b: &[Answer]) -> ScoreChange {
    let peak = if metric.id == "psnr" { peak(score, a) } else { 0.0 };
    let drop = |a: &[Answer], b: &[Answer]| {
        let score = |answers| measure(metric.id, peak, answers, false).score;
        metric.drop(score(a)?, score(b)?)
    };
    let units: Vec<(Answer, Answer)> = a.iter().copied().zip(b.iter().copied()).collect();
    let of_units = |units: &[&(Answer, Answer)]| {
        let (a, b): (Vec<Answer>, Vec<Answer>) = units.iter().map(|u| **u).unzip();
        drop(&a, &b).unwrap_or(f64::NAN)
    };
    let swapped = |swap: &[bool]| {
        let pairs = units.iter().zip(swap).map(|(u, swap)| if *swap { (u.1, u.0) } else { *u });
        let (a, b): (Vec<Answer>, Vec<Answer>) = pairs.unzip();
        drop(&a, &b).unwrap_or(f64::NAN)
    };
    let evidence = drop(a, b).and_then(|effect| {
        Some(Evidence {
            effect,
            interval: bca(&units, RESAMPLES, 0.95, 0, of_units)?,
            p: swap_test(units.len(), ASSIGNMENTS, 0, swapped)?,
        })
    });
    match evidence {
        Some(evidence) => ScoreChange::Measured { evidence, samples: units.len() as u64, discordance: None },
        None => ScoreChange::Incomparable("its score is undefined in one of the runs".to_owned()),
    }
}

/// The peak that gave a PSNR: `psnr = 10·log10(peak² / mse)`.
fn peak(psnr: Option<f64>, answers: &[Answer]) -> f64 {
    let mse = measure("mse", 0.0, answers, false).score;
    match (psnr, mse) {
        (Some(psnr), Some(mse)) => (mse * 10_f64.powf(psnr / 10.0)).sqrt(),
        _ => 0.0,
    }
}

/// What would make an unclear drop clear, in words.
pub(crate) fn samples_that_would_do(
    evidence: Evidence,
    budget: f64,
    alpha: f64,
    samples: u64,
    discordance: Option<f64>,
) -> String {
    let difference = (budget - evidence.effect).abs();
    let needed = match discordance {
        Some(discordance) => mcnemar_samples(difference, discordance.max(difference), alpha, POWER),
        None => crate::decide::would_do(evidence, budget, samples),
    };
    match needed {
        Some(needed) if needed > samples => {
            format!("{samples} samples are too few to tell; about {needed} would do")
        }
        _ => format!("{samples} samples are too few to tell, and the drop lies on the budget"),
    }
}

/// Share of samples whose answer is another one; of answers that are not classes, the root mean square of their change in
/// units of their standard deviation. `None` where there is nothing to compare.
pub(crate) fn changed_answers(metric: &str, a: &[Answer], b: &[Answer]) -> Option<f64> {
    if a.is_empty() || a.len() != b.len() {
        return None;
    }
    let n = a.len() as f64;
    if counts_right_ones(metric) {
        return Some(a.iter().zip(b).filter(|(a, b)| a.1 != b.1).count() as f64 / n);
    }
    if a == b {
        return Some(0.0);
    }
    let outputs: Option<Vec<(f64, f64)>> = a.iter().zip(b).map(|(a, b)| Some((a.1?, b.1?))).collect();
    let outputs = outputs?;
    let mean = outputs.iter().map(|o| o.0).sum::<f64>() / n;
    let spread = outputs.iter().map(|o| (o.0 - mean).powi(2)).sum::<f64>() / n;
    let change = outputs.iter().map(|o| (o.1 - o.0).powi(2)).sum::<f64>() / n;
    Some((change / spread).sqrt()).filter(|share| share.is_finite())
}
