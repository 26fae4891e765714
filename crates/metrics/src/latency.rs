//! Latency: quantiles of repeated calls, and the paired ratio of a cell to its fp32 twin.

use serde::{Deserialize, Serialize};

use crate::interval::{RESAMPLES, percentile_bootstrap};

/// Quantile `q` in 0..1 of ascending values, type 7: linear between the order statistics at `q·(n − 1)`.
///
/// `None` for no values or a `q` outside 0..1. Source: Hyndman and Fan, "Sample Quantiles in Statistical
/// Packages", 1996; the default of NumPy's `quantile` and of R.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    if sorted.is_empty() || !(0.0..=1.0).contains(&q) {
        return None;
    }
    let position = q * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let (low, high) = (sorted[below], sorted[above]);
    Some(low + (high - low) * (position - below as f64))
}

/// Median of values in any order; `None` for none, or where one is not finite.
pub fn median(values: &[f64]) -> Option<f64> {
    if values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

/// Latency of one call at three quantiles, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencySummary {
    /// Median, in µs.
    pub p50: f64,
    /// 90th percentile, in µs.
    pub p90: f64,
    /// 99th percentile, in µs.
    pub p99: f64,
}

impl LatencySummary {
    /// The summary of calls in any order, each in µs; `None` for none, or where one is not finite.
    pub fn of(samples_us: &[f64]) -> Option<Self> {
        if samples_us.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let mut sorted = samples_us.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            p50: quantile(&sorted, 0.5)?,
            p90: quantile(&sorted, 0.9)?,
            p99: quantile(&sorted, 0.99)?,
        })
    }
}

/// A latency ratio with its 95 % interval; below 1 the candidate is faster.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedRatio {
    /// Median over blocks of candidate / twin, without unit.
    pub ratio: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
    /// How many blocks were paired.
    pub blocks: u32,
}

/// Median over blocks of `candidate / twin`, with a 95 % percentile bootstrap over rounds.
///
/// A round holds block pairs `(candidate, twin)`: latencies in one unit, measured next to each other in time,
/// so that a slow spell of the machine slows both and leaves the ratio. Each round runs in memory of its own.
/// Rounds are resampled whole, because where the buffers lie moves all blocks of a round alike: an interval
/// over blocks would leave that out. `seed` fixes the resampling.
///
/// `None` where there are fewer than two rounds (one says nothing about spread), a round without a block, or
/// a latency that is not finite and positive.
pub fn paired_ratio(rounds: &[Vec<(f64, f64)>], seed: u64) -> Option<PairedRatio> {
    let usable = |v: f64| v.is_finite() && v > 0.0;
    let whole =
        |round: &Vec<(f64, f64)>| !round.is_empty() && round.iter().all(|(c, t)| usable(*c) && usable(*t));
    if rounds.len() < 2 || !rounds.iter().all(whole) {
        return None;
    }
    let ratios: Vec<Vec<f64>> =
        rounds.iter().map(|round| round.iter().map(|(c, t)| c / t).collect()).collect();
    let rounds: Vec<&[f64]> = ratios.iter().map(Vec::as_slice).collect();
    let statistic = |sample: &[&[f64]]| median(&sample.concat()).unwrap_or(f64::NAN);
    let interval = percentile_bootstrap(&rounds, RESAMPLES, 0.95, seed, statistic)?;
    let all = rounds.concat();
    Some(PairedRatio {
        ratio: median(&all)?,
        low: interval.low,
        high: interval.high,
        blocks: u32::try_from(all.len()).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(got: Option<f64>, want: f64) {
        let got = got.expect("defined");
        assert!((got - want).abs() < 1e-12, "got {got}, want {want}");
    }

    #[test]
    fn quantiles_as_numpy() {
        // numpy.quantile([1, 2, 4, 8, 16], [0, .1, .25, .5, .9, .99, 1])
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        for (q, want) in
            [(0.0, 1.0), (0.1, 1.4), (0.25, 2.0), (0.5, 4.0), (0.9, 12.8), (0.99, 15.68), (1.0, 16.0)]
        {
            close(quantile(&values, q), want);
        }
        // numpy.quantile([1, 3], .5)
        close(quantile(&[1.0, 3.0], 0.5), 2.0);
        close(quantile(&[7.0], 0.99), 7.0);
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&values, 1.5), None);
        assert_eq!(quantile(&values, f64::NAN), None);
    }

    #[test]
    fn summary_sorts_first() {
        let summary = LatencySummary::of(&[16.0, 1.0, 8.0, 2.0, 4.0]).expect("defined");
        close(Some(summary.p50), 4.0);
        close(Some(summary.p90), 12.8);
        close(Some(summary.p99), 15.68);
        assert_eq!(LatencySummary::of(&[]), None);
        assert_eq!(LatencySummary::of(&[1.0, f64::NAN]), None);
    }

    #[test]
    fn ratio_is_paired_by_block() {
        // The machine slows down tenfold half way; each block keeps its ratio of one half.
        let rounds = [vec![(5.0, 10.0), (6.0, 12.0)], vec![(50.0, 100.0), (60.0, 120.0)]];
        let got = paired_ratio(&rounds, 3).expect("defined");
        assert_eq!(got, PairedRatio { ratio: 0.5, low: 0.5, high: 0.5, blocks: 4 });
    }

    #[test]
    fn ratio_interval_brackets_and_repeats() {
        let ratios = [0.8, 0.9, 1.0, 1.1, 1.2, 0.95, 1.05, 0.85, 1.15];
        let rounds = ratios.map(|ratio| vec![(ratio, 1.0)]);
        let got = paired_ratio(&rounds, 3).expect("defined");
        assert_eq!(got.ratio, 1.0);
        assert!(got.low < 1.0 && got.high > 1.0 && got.low >= 0.8 && got.high <= 1.2, "{got:?}");
        assert_eq!(Some(got), paired_ratio(&rounds, 3));
    }

    #[test]
    fn one_odd_round_widens_the_interval_and_leaves_the_ratio() {
        let mut rounds = vec![vec![(1.0, 1.0); 50]; 7];
        rounds.push(vec![(0.7, 1.0); 50]);
        let got = paired_ratio(&rounds, 3).expect("defined");
        assert_eq!((got.ratio, got.blocks), (1.0, 400));
        // Blocks taken as independent would never hold so many odd ones.
        rounds.extend(vec![vec![(0.7, 1.0); 50]; 2]);
        assert_eq!(paired_ratio(&rounds, 3).expect("defined").low, 0.7);
    }

    #[test]
    fn unusable_blocks_give_none() {
        let good = vec![(1.0, 1.0)];
        assert_eq!(paired_ratio(&[], 1), None);
        assert_eq!(paired_ratio(std::slice::from_ref(&good), 1), None);
        assert_eq!(paired_ratio(&[good.clone(), vec![]], 1), None);
        assert_eq!(paired_ratio(&[good.clone(), vec![(1.0, 0.0)]], 1), None);
        assert_eq!(paired_ratio(&[good, vec![(f64::NAN, 1.0)]], 1), None);
    }
}
