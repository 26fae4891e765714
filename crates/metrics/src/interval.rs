//! Intervals: Wilson's for a share, the percentile bootstrap for a statistic over blocks.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::quantile::quantile;

/// The two-sided 95 % point of the standard normal distribution.
pub const Z95: f64 = 1.959_964;

/// How many resamples the intervals in this crate draw.
pub const RESAMPLES: u32 = 2_000;

/// A closed interval, `low ≤ high`, in the unit of the statistic that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Wilson score interval of a share of `successes` in `n` trials; [`Z95`] gives 95 %.
///
/// With `p = successes / n`: centre `(p + z²/2n) / (1 + z²/n)`, half width
/// `z·√(p(1−p)/n + z²/4n²) / (1 + z²/n)`, both ends kept in 0..1. No trials say nothing: 0..1.
///
/// Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
pub fn wilson(successes: u32, n: u32, z: f64) -> Interval {
    if n == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let n = f64::from(n);
    let p = (f64::from(successes) / n).min(1.0);
    let z2 = z * z;
    let scale = 1.0 + z2 / n;
    let centre = (p + z2 / (2.0 * n)) / scale;
    let half = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / scale;
    // The ends meet 0 and 1 exactly in theory; rounding must not leave 1e-17 there.
    let low = if p == 0.0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if p == 1.0 { 1.0 } else { (centre + half).min(1.0) };
    Interval { low, high }
}

/// Percentile bootstrap of `statistic` over `blocks`, with `confidence` such as 0.95.
///
/// Draws `resamples` sets of `blocks.len()` blocks with replacement, and gives the type-7 quantiles
/// `(1 − confidence)/2` and `(1 + confidence)/2` of the statistic. Blocks are resampled whole, so dependence
/// inside a block is kept. ChaCha8 seeded with `seed`: same input, same interval, on every machine.
///
/// `None` for no blocks, no resamples, a confidence outside 0..1, or a statistic that is not finite.
///
/// Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3. Known limit: with
/// fewer than about ten blocks the interval is too narrow.
pub fn percentile_bootstrap<T: Clone>(
    blocks: &[T],
    resamples: u32,
    confidence: f64,
    seed: u64,
    statistic: impl Fn(&[T]) -> f64,
) -> Option<Interval> {
    if blocks.is_empty() || resamples == 0 || !(0.0..=1.0).contains(&confidence) {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sample: Vec<T> = Vec::with_capacity(blocks.len());
    let mut values = Vec::with_capacity(resamples as usize);
    for _ in 0..resamples {
        sample.clear();
        for _ in 0..blocks.len() {
            sample.push(blocks[rng.random_range(0..blocks.len())].clone());
        }
        let value = statistic(&sample);
        if !value.is_finite() {
            return None;
        }
        values.push(value);
    }
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    Some(Interval { low: quantile(&values, tail)?, high: quantile(&values, 1.0 - tail)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(got: Interval, low: f64, high: f64) {
        assert!((got.low - low).abs() < 5e-6 && (got.high - high).abs() < 5e-6, "{got:?}");
    }

    #[test]
    fn wilson_known_answers() {
        close(wilson(95, 100, Z95), 0.88825, 0.97846);
        close(wilson(0, 10, Z95), 0.0, 0.277533);
        close(wilson(10, 10, Z95), 0.722467, 1.0);
        close(wilson(5, 10, Z95), 0.236593, 0.763407);
        assert_eq!(wilson(0, 10, Z95).low, 0.0);
        assert_eq!(wilson(10, 10, Z95).high, 1.0);
        assert_eq!(wilson(0, 0, Z95), Interval { low: 0.0, high: 1.0 });
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn bootstrap_brackets_the_mean_and_repeats() {
        let blocks: Vec<f64> = (0..100).map(f64::from).collect();
        let first = percentile_bootstrap(&blocks, RESAMPLES, 0.95, 7, mean).expect("defined");
        assert_eq!(Some(first), percentile_bootstrap(&blocks, RESAMPLES, 0.95, 7, mean));
        assert_ne!(Some(first), percentile_bootstrap(&blocks, RESAMPLES, 0.95, 8, mean));
        // Standard error of the mean: 28.87 / √100 = 2.89, so 95 % is 49.5 ± 5.66.
        assert!((first.low - 43.84).abs() < 0.6 && (first.high - 55.16).abs() < 0.6, "{first:?}");
    }

    #[test]
    fn bootstrap_edges() {
        assert_eq!(percentile_bootstrap(&[], RESAMPLES, 0.95, 1, mean), None);
        assert_eq!(percentile_bootstrap(&[1.0], 0, 0.95, 1, mean), None);
        assert_eq!(percentile_bootstrap(&[f64::NAN], 10, 0.95, 1, mean), None);
        assert_eq!(percentile_bootstrap(&[1.0], 10, f64::NAN, 1, mean), None);
        let constant = percentile_bootstrap(&[2.0; 5], 10, 0.95, 1, mean);
        assert_eq!(constant, Some(Interval { low: 2.0, high: 2.0 }));
    }
}
