//! Latency ratios measured in several processes: one estimate with its uncertainty.

use crate::median;
use crate::student::{Welch, t_quantile, two_means};

/// Rounds by process: the ratios, or times, that each round of each process gave.
pub type ProcessRounds = Vec<Vec<f64>>;

/// A mean of logarithms, and how uncertain it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogMean {
    /// Mean natural logarithm.
    pub mean: f64,
    /// Variance of that mean.
    pub variance: f64,
    /// Degrees of freedom of that variance.
    pub df: f64,
}

/// A ratio with its 95 % interval; below 1 the candidate is faster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatioEstimate {
    /// The ratio, without unit.
    pub ratio: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// From a median absolute deviation to a standard deviation, of normal values.
const MAD_TO_SD: f64 = 1.482_602;
/// Variance of a median over that of a mean, of normal values: π / 2.
const MEDIAN_VARIANCE: f64 = std::f64::consts::FRAC_PI_2;

/// From how many processes on their spread is taken for the uncertainty.
const ENOUGH: usize = 3;

impl LogMean {
    /// The mean logarithm of positive figures, measured in rounds of processes.
    ///
    /// With three processes or more, each stands for itself by the median of its rounds' logarithms: the mean of these
    /// medians, its variance from their spread, but no less than the rounds by themselves would leave (from the median absolute
    /// deviation of the rounds, so that a few disturbed ones do not count). With fewer, the mean
    /// over all rounds, its variance from theirs; how far processes differ is then unknown, and not in it.
    ///
    /// `None` for fewer than two rounds, a process without a round, or a figure that is not finite and positive.
    #[must_use]
    pub fn of(processes: &[Vec<f64>]) -> Option<Self> {
        let positive = |v: &f64| v.is_finite() && *v > 0.0;
        if processes.iter().any(|rounds| rounds.is_empty() || !rounds.iter().all(positive)) {
            return None;
        }
        let logs: Vec<Vec<f64>> =
            processes.iter().map(|rounds| rounds.iter().map(|v| v.ln()).collect()).collect();
        let all = logs.concat();
        if logs.len() < ENOUGH {
            let spread = squares(&all);
            let df = all.len().checked_sub(1).filter(|df| *df > 0)? as f64;
            return Some(Self { mean: mean(&all), variance: spread / df / all.len() as f64, df });
        }
        let medians: Option<Vec<f64>> = logs.iter().map(|rounds| median(rounds)).collect();
        let medians = medians?;
        let df = (medians.len() - 1) as f64;
        let between =
            Self { mean: mean(&medians), variance: squares(&medians) / df / medians.len() as f64, df };
        // Each round around the median of its process: what the rounds leave, whatever the processes do.
        let deviations: Vec<f64> = logs
            .iter()
            .zip(&medians)
            .flat_map(|(rounds, m)| rounds.iter().map(move |v| (v - m).abs()))
            .collect();
        let sd = MAD_TO_SD * median(&deviations)?;
        let floor = MEDIAN_VARIANCE * sd.powi(2) / all.len() as f64;
        if floor > between.variance {
            let df = all.len().saturating_sub(logs.len()).max(1) as f64;
            return Some(Self { variance: floor, df, ..between });
        }
        Some(between)
    }

    /// The difference to a later estimate, by Welch's test.
    #[must_use]
    pub fn change_to(&self, later: &Self) -> Option<Welch> {
        two_means(self.mean, self.variance, self.df, later.mean, later.variance, later.df)
    }

    /// The ratio that the mean stands for, with its 95 % interval.
    #[must_use]
    pub fn ratio(&self) -> Option<RatioEstimate> {
        let half = t_quantile(0.975, self.df)? * self.variance.sqrt();
        let ends = [self.mean - half, self.mean + half].map(f64::exp);
        Some(RatioEstimate { ratio: self.mean.exp(), low: ends[0], high: ends[1] })
    }
}

/// The ratio over the rounds of one or several processes, with its 95 % interval; see [`LogMean::of`].
#[must_use]
pub fn ratio_of_processes(processes: &[Vec<f64>]) -> Option<RatioEstimate> {
    LogMean::of(processes)?.ratio()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Sum of squared deviations from the mean.
fn squares(values: &[f64]) -> f64 {
    let centre = mean(values);
    values.iter().map(|v| (v - centre).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_is_judged_by_its_rounds() {
        // Logarithms ±0.1: mean 0, variance of the mean 4 · 0.01 / 3 / 4.
        let up = 0.1_f64.exp();
        let got = LogMean::of(&[vec![up, 1.0 / up, up, 1.0 / up]]).expect("defined");
        assert!(got.mean.abs() < 1e-12 && (got.variance - 0.04 / 3.0 / 4.0).abs() < 1e-12, "{got:?}");
        assert_eq!(got.df, 3.0);
        // scipy.stats.t.ppf(.975, 3) = 3.182446
        let ratio = got.ratio().expect("defined");
        assert!((ratio.high.ln() - 3.182_446 * (0.04_f64 / 12.0).sqrt()).abs() < 1e-5, "{ratio:?}");
        assert!((ratio.low * ratio.high - 1.0).abs() < 1e-9);
    }

    #[test]
    fn processes_that_differ_more_than_their_rounds_decide_the_interval() {
        let process = |level: f64| vec![level, level * 1.001, level / 1.001];
        let got = LogMean::of(&[process(0.9), process(1.0), process(1.1)]).expect("defined");
        assert_eq!(got.df, 2.0);
        let logs = [0.9_f64.ln(), 0.0, 1.1_f64.ln()];
        assert!((got.variance - squares(&logs) / 2.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn processes_that_agree_by_chance_leave_no_less_than_their_rounds_do() {
        let rounds = vec![0.8, 1.0, 1.25];
        let got = LogMean::of(&[rounds.clone(), rounds.clone(), rounds]).expect("defined");
        // Medians are equal; the median deviation is ln 1.25, two thirds of the rounds being that far off.
        let sd = MAD_TO_SD * 1.25_f64.ln();
        assert!((got.variance - MEDIAN_VARIANCE * sd * sd / 9.0).abs() < 1e-12, "{got:?}");
        assert_eq!((got.mean, got.df), (0.0, 6.0));
    }

    #[test]
    fn a_disturbed_round_or_two_change_little() {
        let calm = vec![1.0, 1.001, 0.999, 1.0, 1.001, 0.999, 1.0];
        let mut disturbed = calm.clone();
        disturbed.push(1.6);
        let got = LogMean::of(&[calm.clone(), disturbed, calm]).and_then(|m| m.ratio()).expect("defined");
        assert!((got.ratio - 1.0).abs() < 1e-3 && got.high < 1.002, "{got:?}");
    }

    #[test]
    fn a_change_is_the_ratio_of_ratios() {
        let before = LogMean::of(&[vec![0.5, 0.5, 0.51, 0.49]]).expect("defined");
        let after = LogMean::of(&[vec![0.55, 0.55, 0.56, 0.54]]).expect("defined");
        let change = before.change_to(&after).expect("defined");
        assert!((change.difference.exp() - 1.1).abs() < 1e-3 && change.p < 0.01, "{change:?}");
    }

    #[test]
    fn unusable_figures_give_none() {
        assert_eq!(LogMean::of(&[]), None);
        assert_eq!(LogMean::of(&[vec![1.0]]), None);
        assert_eq!(LogMean::of(&[vec![1.0, 1.0], vec![]]), None);
        assert_eq!(LogMean::of(&[vec![1.0, -1.0]]), None);
        assert_eq!(LogMean::of(&[vec![1.0, f64::NAN]]), None);
    }
}
