//! From what a model answered sample by sample to its score, with an interval.

use crate::{
    Interval, RESAMPLES, Ranked, Z95, auc_of_levels, pearson, percentile_bootstrap, psnr_db,
    spearman_of_levels, wilson,
};

/// Seed of the bootstrap.
const SEED: u64 = 0x5a_4d_50_4c;

/// What is right for a sample and what the model gave, or how far off it was; `reports/schema.md` says what each metric
/// keeps of a sample.
pub type Answer = (Option<f64>, Option<f64>);

/// A score, and its interval where that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// The score, in the metric's unit; `None` where it is undefined.
    pub score: Option<f64>,
    /// Its 95 % interval; `None` where it is undefined or was not asked for.
    pub interval: Option<Interval>,
}

/// The score of answers by a task metric: `top1` and `top5` the share of right ones, `spearman`, `pearson` and `auc` what
/// [`spearman_of_levels`], [`pearson`] and [`auc_of_levels`] say of targets and outputs, `perplexity` the exponential of the
/// mean loss, `psnr` the PSNR of the mean error against `peak`, which no other metric reads; every other metric the mean of
/// the outputs, weighted by the targets where there are any.
///
/// An answer without output is wrong where the score counts right ones; every other score is undefined with it. The interval
/// is Wilson's for a share, else the percentile bootstrap over samples, seeded; it is costly, so `interval` asks for it.
#[must_use]
pub fn measure(metric: &str, peak: f64, answers: &[Answer], interval: bool) -> Measured {
    if counts_right_ones(metric) {
        if answers.is_empty() {
            return Measured::default();
        }
        let right = answers.iter().filter(|a| is_right(a)).count();
        return Measured {
            score: Some(right as f64 / answers.len() as f64),
            interval: Some(wilson(right as u32, answers.len() as u32, Z95)),
        };
    }
    let pairs: Option<Vec<(f64, f64)>> =
        answers.iter().map(|(target, output)| Some((target.unwrap_or(1.0), (*output)?))).collect();
    let Some(pairs) = pairs else { return Measured::default() };
    let (targets, outputs): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    match metric {
        "spearman" => {
            let (Some(x), Some(y)) = (Ranked::of(&targets), Ranked::of(&outputs)) else {
                return Measured::default();
            };
            let levels: Vec<_> = x.levels.into_iter().zip(y.levels).collect();
            resampled(&levels, interval, |levels| spearman_of_levels(levels, x.distinct, y.distinct))
        }
        "auc" => {
            let Some(scores) = Ranked::of(&outputs) else { return Measured::default() };
            let levels: Vec<_> = scores.levels.into_iter().zip(targets.iter().map(|t| *t > 0.0)).collect();
            resampled(&levels, interval, |levels| auc_of_levels(levels, scores.distinct))
        }
        "pearson" => resampled(&pairs, interval, |pairs| {
            let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
            pearson(&x, &y)
        }),
        "perplexity" => resampled(&pairs, interval, |pairs| weighted_mean(pairs).map(f64::exp)),
        "psnr" => resampled(&pairs, interval, |pairs| psnr_db(weighted_mean(pairs)?, peak)),
        _ => resampled(&pairs, interval, weighted_mean),
    }
}

/// Whether the metric's score is a share of right answers, so that each answer is right or wrong.
#[must_use]
pub fn counts_right_ones(metric: &str) -> bool {
    matches!(metric, "top1" | "top5")
}

/// Whether the output is the target. No output is wrong.
#[must_use]
pub fn is_right((target, output): &Answer) -> bool {
    output.is_some() && output == target
}

/// Mean of the values of (weight, value) pairs; `None` without weight.
fn weighted_mean(pairs: &[(f64, f64)]) -> Option<f64> {
    let weight: f64 = pairs.iter().map(|p| p.0).sum();
    (weight > 0.0).then(|| pairs.iter().map(|p| p.0 * p.1).sum::<f64>() / weight)
}

/// A statistic that is finite, and its bootstrap interval where `interval` asks for it.
fn resampled<T: Clone>(blocks: &[T], interval: bool, statistic: impl Fn(&[T]) -> Option<f64>) -> Measured {
    let score = statistic(blocks).filter(|s| s.is_finite());
    let bootstrap = || {
        percentile_bootstrap(blocks, RESAMPLES, 0.95, SEED, |blocks| statistic(blocks).unwrap_or(f64::NAN))
    };
    Measured { score, interval: score.filter(|_| interval).and_then(|_| bootstrap()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(metric: &str, answers: &[Answer]) -> Option<f64> {
        measure(metric, 2.0, answers, false).score
    }

    #[test]
    fn right_answers_are_counted_and_no_output_is_wrong() {
        let answers = [(Some(1.0), Some(1.0)), (Some(1.0), Some(2.0)), (Some(3.0), None), (None, None)];
        assert_eq!(score("top1", &answers), Some(0.25));
        assert_eq!(score("top1", &[]), None);
    }

    #[test]
    fn errors_are_averaged_with_their_weights_and_undefined_without_an_output() {
        let answers = [(Some(1.0), Some(3.0)), (Some(3.0), Some(1.0))];
        assert_eq!(score("cross_entropy", &answers), Some(1.5));
        assert_eq!(score("perplexity", &answers), Some(1.5_f64.exp()));
        assert_eq!(score("mse", &[(None, Some(1.0)), (None, Some(3.0))]), Some(2.0));
        // 10 · log10(2² / 0.04)
        assert_eq!(score("psnr", &[(None, Some(0.04))]), Some(20.0));
        assert_eq!(score("mse", &[(None, Some(1.0)), (None, None)]), None);
    }

    #[test]
    fn ranks_and_order_are_scored_by_their_own_functions() {
        let answers = [(Some(0.0), Some(0.1)), (Some(1.0), Some(0.7)), (Some(1.0), Some(0.05))];
        assert_eq!(score("auc", &answers), Some(0.5));
        let rising = [(Some(1.0), Some(0.1)), (Some(2.0), Some(0.2)), (Some(3.0), Some(9.0))];
        assert!(score("spearman", &rising).is_some_and(|s| (s - 1.0).abs() < 1e-12));
        assert!(measure("spearman", 0.0, &rising, true).interval.is_none_or(|i| i.high <= 1.0));
    }
}
