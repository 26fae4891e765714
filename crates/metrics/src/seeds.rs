//! One figure over several trainings and several calibration sets: how good it is on average, at worst, and what it depends on.

use std::collections::BTreeMap;

use crate::Interval;
use crate::student::t_interval;

/// A figure of one training seed and one calibration set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// Seed of the training.
    pub seed: u64,
    /// Which calibration set was drawn.
    pub draw: u64,
    /// The figure.
    pub value: f64,
}

/// What observations say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aggregate {
    /// Mean over seeds of the mean over their draws.
    pub mean: f64,
    /// 95 % t interval of the mean: over the means of seeds, or over draws where there is one seed; `None` for one observation.
    pub interval: Option<Interval>,
    /// The worst observation.
    pub worst: f64,
    /// The best observation.
    pub best: f64,
    /// Training seeds.
    pub seeds: u32,
    /// Observations.
    pub observations: u32,
    /// Standard deviation between trainings, less what the draws leave in their means; `None` for one seed.
    pub sd_seeds: Option<f64>,
    /// Standard deviation between calibration sets within a training; `None` where no seed has two.
    pub sd_draws: Option<f64>,
}

/// Brings observations together as a random-effects layout, draws nested in seeds.
///
/// Between draws, s_d² is the pooled variance within seeds. Between seeds, s_s² is the variance of their means less
/// s_d²·mean(1/n_i), n_i the draws of a seed; where sampling makes that negative it is 0. Seeds may have different numbers of
/// draws. `None` for no observation, or one that is not finite.
///
/// Source: Searle, Casella and McCulloch, "Variance Components", 1992, section 3.6 (unweighted means).
#[must_use]
pub fn aggregate(observations: &[Observation], higher_is_better: bool) -> Option<Aggregate> {
    if observations.is_empty() || observations.iter().any(|o| !o.value.is_finite()) {
        return None;
    }
    let mut by_seed: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for o in observations {
        by_seed.entry(o.seed).or_default().push(o.value);
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let means: Vec<f64> = by_seed.values().map(|values| mean(values)).collect();
    let squares = |values: &[f64]| values.iter().map(|v| (v - mean(values)).powi(2)).sum::<f64>();
    let spare = observations.len() - means.len();
    let within: f64 = by_seed.values().map(|values| squares(values)).sum();
    let sd_draws = (spare > 0).then(|| (within / spare as f64).sqrt());
    let sd_seeds = (means.len() > 1).then(|| {
        let inverse: Vec<f64> = by_seed.values().map(|values| 1.0 / values.len() as f64).collect();
        let between = squares(&means) / (means.len() - 1) as f64;
        (between - sd_draws.unwrap_or(0.0).powi(2) * mean(&inverse)).max(0.0).sqrt()
    });
    let all: Vec<f64> = observations.iter().map(|o| o.value).collect();
    let (low, high) = all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    let (worst, best) = if higher_is_better { (low, high) } else { (high, low) };
    Some(Aggregate {
        mean: mean(&means),
        interval: t_interval(if means.len() > 1 { &means } else { &all }, 0.95),
        worst,
        best,
        seeds: means.len() as u32,
        observations: all.len() as u32,
        sd_seeds,
        sd_draws,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(u64, f64)]) -> Vec<Observation> {
        values
            .iter()
            .enumerate()
            .map(|(i, (seed, value))| Observation { seed: *seed, draw: i as u64, value: *value })
            .collect()
    }

    #[test]
    fn components_of_a_balanced_layout() {
        // Means 2, 6 and 4: variance 4. Within: 2·1² each over one degree, so 2; of their mean of two, 1.
        let observations = of(&[(0, 1.0), (0, 3.0), (1, 5.0), (1, 7.0), (2, 3.0), (2, 5.0)]);
        let got = aggregate(&observations, true).expect("defined");
        assert_eq!((got.mean, got.worst, got.best, got.seeds, got.observations), (4.0, 1.0, 7.0, 3, 6));
        assert!((got.sd_draws.expect("two draws") - 2.0_f64.sqrt()).abs() < 1e-12);
        assert!((got.sd_seeds.expect("three seeds") - 3.0_f64.sqrt()).abs() < 1e-12);
        // 4 ± t(.975, 2)·2/√3, scipy.stats.t.ppf(.975, 2) = 4.302653
        let interval = got.interval.expect("defined");
        assert!((interval.high - 4.0 - 4.302_653 * 2.0 / 3.0_f64.sqrt()).abs() < 1e-5);
    }

    #[test]
    fn seeds_that_agree_better_than_their_draws_have_no_spread_of_their_own() {
        let got = aggregate(&of(&[(0, 1.0), (0, 3.0), (1, 3.0), (1, 1.0)]), false).expect("defined");
        assert_eq!((got.sd_seeds, got.worst, got.best), (Some(0.0), 3.0, 1.0));
    }

    #[test]
    fn what_there_is_one_of_has_no_spread() {
        let got = aggregate(&of(&[(7, 0.9)]), true).expect("defined");
        assert_eq!((got.interval, got.sd_seeds, got.sd_draws), (None, None, None));
        let got = aggregate(&of(&[(7, 0.8), (7, 0.9)]), true).expect("defined");
        assert!(got.interval.is_some() && got.sd_draws.is_some() && got.sd_seeds.is_none());
        assert_eq!(aggregate(&[], true), None);
        assert_eq!(aggregate(&of(&[(0, f64::NAN)]), true), None);
    }
}
