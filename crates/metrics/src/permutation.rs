//! Permutation tests: how often a difference as large arises when nothing differs.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Relative slack with which two statistics count as equal, whatever the order of summation.
const SLACK: f64 = 1e-9;

/// Two-sided p-value of a paired difference over `n` units: the share of assignments, in which each unit's two outcomes
/// change places or not, whose `statistic` is at least as large in absolute value as that of the assignment as it is.
///
/// `statistic(swapped)` is told which units change places, and must be 0 in expectation when all assignments are as likely. All
/// 2ⁿ assignments are tried where they are at most `resamples`; else as many are drawn, and the observed one counts among them,
/// so p is never 0: (k + 1) / (resamples + 1). ChaCha8 seeded with `seed`.
///
/// `None` for no units, no resamples, or a statistic that is not finite.
///
/// Sources: Fisher, "The Design of Experiments", 1935; Phipson and Smyth, "Permutation p-values should never be zero", 2010.
pub fn swap_test(n: usize, resamples: u32, seed: u64, statistic: impl Fn(&[bool]) -> f64) -> Option<f64> {
    if n == 0 || resamples == 0 {
        return None;
    }
    let mut swapped = vec![false; n];
    let mut counter = Counter::new(statistic(&swapped))?;
    if n < 32 && 1_u64 << n <= u64::from(resamples) {
        for assignment in 0..1_u64 << n {
            (0..n).for_each(|unit| swapped[unit] = assignment >> unit & 1 == 1);
            counter.add(statistic(&swapped))?;
        }
        return Some(counter.exact());
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..resamples {
        swapped.iter_mut().for_each(|swap| *swap = rng.random());
        counter.add(statistic(&swapped))?;
    }
    Some(counter.drawn())
}

/// Two-sided p-value of the difference of the means of two independent samples: the share of ways to divide all values into
/// samples of these sizes whose means differ as much.
///
/// All divisions are tried where they are at most `resamples`, else as many drawn, as in [`swap_test`]. `None` for an empty
/// sample, no resamples, or a value that is not finite.
#[must_use]
pub fn label_test(a: &[f64], b: &[f64], resamples: u32, seed: u64) -> Option<f64> {
    if a.is_empty() || b.is_empty() || resamples == 0 {
        return None;
    }
    let mut all = [a, b].concat();
    let total: f64 = all.iter().sum();
    let (n_a, n_b) = (a.len() as f64, b.len() as f64);
    let difference = |sum_a: f64| (total - sum_a) / n_b - sum_a / n_a;
    let mut counter = Counter::new(difference(a.iter().sum()))?;
    if combinations(all.len(), a.len()).is_some_and(|count| count <= u64::from(resamples)) {
        each_sum(&all, a.len(), 0.0, &mut |sum| counter.add(difference(sum)))?;
        return Some(counter.exact());
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..resamples {
        all.shuffle(&mut rng);
        counter.add(difference(all[..a.len()].iter().sum()))?;
    }
    Some(counter.drawn())
}

/// Counts statistics that are at least as far from 0 as the observed one.
struct Counter {
    observed: f64,
    as_large: u64,
    seen: u64,
}

impl Counter {
    fn new(observed: f64) -> Option<Self> {
        observed.is_finite().then_some(Self { observed: observed.abs(), as_large: 0, seen: 0 })
    }

    fn add(&mut self, statistic: f64) -> Option<()> {
        self.seen += 1;
        self.as_large += u64::from(statistic.abs() >= self.observed * (1.0 - SLACK));
        statistic.is_finite().then_some(())
    }

    fn exact(&self) -> f64 {
        self.as_large as f64 / self.seen as f64
    }

    fn drawn(&self) -> f64 {
        (self.as_large + 1) as f64 / (self.seen + 1) as f64
    }
}

/// n over k; `None` beyond 64 bits.
fn combinations(n: usize, k: usize) -> Option<u64> {
    (0..k.min(n - k))
        .try_fold(1_u64, |count, i| count.checked_mul((n - i) as u64).map(|c| c / (i as u64 + 1)))
}

/// Calls `with` on the sum of every choice of `k` of the values.
fn each_sum(values: &[f64], k: usize, sum: f64, with: &mut impl FnMut(f64) -> Option<()>) -> Option<()> {
    if k == 0 {
        return with(sum);
    }
    for i in 0..=values.len() - k {
        each_sum(&values[i + 1..], k - 1, sum + values[i], with)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean of paired differences, with the sign of those that are swapped changed.
    fn mean(differences: &[f64]) -> impl Fn(&[bool]) -> f64 {
        move |swapped| {
            let signed = differences.iter().zip(swapped).map(|(d, s)| if *s { -d } else { *d });
            signed.sum::<f64>() / differences.len() as f64
        }
    }

    #[test]
    fn all_assignments_of_few_pairs() {
        // Of 2⁵ assignments only all as they are and all swapped are as large.
        assert_eq!(swap_test(5, 1_000, 1, mean(&[1.0, 2.0, 3.0, 4.0, 5.0])), Some(2.0 / 32.0));
        assert_eq!(swap_test(2, 1_000, 1, mean(&[1.0, -1.0])), Some(1.0));
    }

    #[test]
    fn many_pairs_are_drawn_and_p_is_never_zero() {
        let p = swap_test(60, 999, 1, mean(&[1.0; 60])).expect("defined");
        assert_eq!(p, 0.001);
        let mixed: Vec<f64> = (0..60).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        assert_eq!(swap_test(60, 999, 1, mean(&mixed)), Some(1.0));
    }

    #[test]
    fn all_divisions_of_few_values() {
        // 2 of the 35 divisions, counted with itertools.combinations and numpy.
        let got = label_test(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.5, 7.0], 100, 1).expect("defined");
        assert!((got - 2.0 / 35.0).abs() < 1e-12, "{got}");
        let drawn = label_test(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.5, 7.0], 34, 1).expect("defined");
        assert!(drawn > 0.0 && drawn < 0.4, "{drawn}");
    }

    #[test]
    fn unusable_input_gives_none() {
        assert_eq!(swap_test(0, 10, 1, |_| 0.0), None);
        assert_eq!(swap_test(3, 10, 1, |_| f64::NAN), None);
        assert_eq!(label_test(&[], &[1.0], 10, 1), None);
        assert_eq!(label_test(&[f64::NAN], &[1.0], 10, 1), None);
    }
}
