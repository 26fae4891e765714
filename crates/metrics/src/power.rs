//! What a comparison can find: the smallest detectable effect, and how many samples or repeats an effect needs.
//!
//! Two-sided tests at level `alpha` that find the effect with probability `power`, such as 0.8.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::student::t_quantile;

/// Largest number of samples or repeats that an answer names.
const MOST: u64 = 1 << 40;

fn z(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

fn is_share(value: f64) -> bool {
    value > 0.0 && value < 1.0
}

/// Paired samples that McNemar's test needs to find a `difference` of two shares, when a share `discordance` of the samples
/// tells the two apart: with ψ the discordance and d the difference,
/// n = (z₁₋α/₂·√ψ + z_power·√(ψ − d²))² / d².
///
/// `None` for a difference of zero or beyond the discordance, or a level, power or discordance outside 0..1.
///
/// Sources: Miettinen, "The matched pairs design in the case of all-or-none responses", Biometrics 24, 1968; Connor,
/// "Sample size for testing differences in proportions for the paired-sample design", Biometrics 43, 1987.
#[must_use]
pub fn mcnemar_samples(difference: f64, discordance: f64, alpha: f64, power: f64) -> Option<u64> {
    let d = difference.abs();
    let usable = d > 0.0 && d <= discordance && discordance <= 1.0 && is_share(alpha) && is_share(power);
    if !usable {
        return None;
    }
    let root = z(1.0 - alpha / 2.0) * discordance.sqrt() + z(power) * (discordance - d * d).sqrt();
    count((root / d).powi(2))
}

/// The smallest difference of two shares that McNemar's test finds in `n` paired samples: the inverse of [`mcnemar_samples`].
///
/// `None` where even the whole discordance would not be found, and for no samples or shares outside 0..1.
#[must_use]
pub fn mcnemar_detectable(n: u64, discordance: f64, alpha: f64, power: f64) -> Option<f64> {
    let enough = |d: f64| mcnemar_samples(d, discordance, alpha, power).is_some_and(|needed| needed <= n);
    if !enough(discordance) {
        return None;
    }
    let (mut too_small, mut found) = (0.0, discordance);
    for _ in 0..60 {
        let middle = f64::midpoint(too_small, found);
        if enough(middle) { found = middle } else { too_small = middle }
    }
    Some(found)
}

/// Repeats that each of two sides needs, so that Welch's test finds a `difference` of their means when each repeat has
/// standard deviation `sd`: the smallest n ≥ 2 with `(t₁₋α/₂ + t_power)·sd·√(2/n) ≤ |difference|`, t with 2n − 2 degrees of
/// freedom.
///
/// `None` for a difference of zero, a spread that is not finite, or a level or power outside 0..1.
#[must_use]
pub fn t_repeats(difference: f64, sd: f64, alpha: f64, power: f64) -> Option<u64> {
    let d = difference.abs();
    if !(d > 0.0 && sd.is_finite() && sd >= 0.0 && is_share(alpha) && is_share(power)) {
        return None;
    }
    // Normal quantiles are a lower bound to begin at; the t ones fall towards them.
    let normal = ((z(1.0 - alpha / 2.0) + z(power)) * sd / d).powi(2) * 2.0;
    let start = count(normal)?.max(2);
    (start..start + 100).find(|n| t_detectable(sd, *n, sd, *n, alpha, power).is_some_and(|found| found <= d))
}

/// The smallest difference of two means that Welch's test finds: `(t₁₋α/₂ + t_power)·√(s_a²/n_a + s_b²/n_b)`, t with Welch and
/// Satterthwaite's degrees of freedom.
///
/// `None` for fewer than two values a side, a spread that is not finite, or a level or power outside 0..1.
#[must_use]
pub fn t_detectable(sd_a: f64, n_a: u64, sd_b: f64, n_b: u64, alpha: f64, power: f64) -> Option<f64> {
    if n_a < 2 || n_b < 2 || !(is_share(alpha) && is_share(power)) {
        return None;
    }
    let (a, b) = (sd_a.powi(2) / n_a as f64, sd_b.powi(2) / n_b as f64);
    let variance = a + b;
    if variance == 0.0 {
        return Some(0.0);
    }
    let df = variance.powi(2) / (a.powi(2) / (n_a - 1) as f64 + b.powi(2) / (n_b - 1) as f64);
    let found = (t_quantile(1.0 - alpha / 2.0, df)? + t_quantile(power, df)?) * variance.sqrt();
    found.is_finite().then_some(found)
}

fn count(n: f64) -> Option<u64> {
    let n = n.ceil();
    (n.is_finite() && n <= MOST as f64).then_some(n as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Discordant, mcnemar_exact, welch};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn known_sizes() {
        // Miettinen's formula by hand: (1.959964·√0.1 + 0.841621·√(0.1 − 0.05²))² / 0.05²
        assert_eq!(mcnemar_samples(0.05, 0.1, 0.05, 0.8), Some(312));
        assert_eq!(mcnemar_samples(-0.05, 0.1, 0.05, 0.8), Some(312));
        assert_eq!(mcnemar_samples(0.2, 0.1, 0.05, 0.8), None);
        let found = mcnemar_detectable(312, 0.1, 0.05, 0.8).expect("defined");
        assert!((found - 0.05).abs() < 2e-4, "{found}");
        assert_eq!(mcnemar_detectable(10, 0.01, 0.05, 0.8), None);
        // statsmodels: TTestIndPower().solve_power(1.0, alpha=.05, power=.8) = 16.7
        assert_eq!(t_repeats(1.0, 1.0, 0.05, 0.8), Some(17));
        assert_eq!((t_repeats(0.0, 1.0, 0.05, 0.8), t_repeats(1.0, 0.0, 0.05, 0.8)), (None, Some(2)));
    }

    #[test]
    fn mcnemar_finds_what_it_is_said_to_find_with_about_that_power() {
        let (difference, discordance) = (0.03, 0.06);
        let n = mcnemar_samples(difference, discordance, 0.05, 0.8).expect("defined");
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let second = f64::midpoint(discordance, difference);
        let found = (0..1_000).filter(|_| {
            let mut d = Discordant::default();
            for _ in 0..n {
                let x: f64 = rng.random();
                d.only_second += u64::from(x < second);
                d.only_first += u64::from((second..discordance).contains(&x));
            }
            mcnemar_exact(d) < 0.05
        });
        let power = found.count() as f64 / 1_000.0;
        // The exact test is a little conservative.
        assert!((0.72..0.86).contains(&power), "{power}");
    }

    #[test]
    fn welch_finds_what_it_is_said_to_find_with_about_that_power() {
        let n = t_repeats(1.5, 1.0, 0.05, 0.8).expect("defined");
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let found = (0..2_000).filter(|_| {
            let a: Vec<f64> = (0..n).map(|_| normal()).collect();
            let b: Vec<f64> = (0..n).map(|_| normal() + 1.5).collect();
            welch(&a, &b).is_some_and(|w| w.p < 0.05)
        });
        let power = found.count() as f64 / 2_000.0;
        assert!((0.75..0.88).contains(&power), "{power}");
    }
}
