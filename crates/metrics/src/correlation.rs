//! Correlation of predictions with gold values: Pearson's of the values, Spearman's of their ranks.

use crate::ranks::{Ranked, average_ranks};

/// Pearson's correlation, `Σ(x − x̄)(y − ȳ) / √(Σ(x − x̄)²·Σ(y − ȳ)²)`, in −1..1.
///
/// `None` where undefined: lengths that differ, fewer than two pairs, a value that is not finite, or a side without
/// variance.
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() || x.len() < 2 {
        return None;
    }
    // The mean of equal values may differ from them in the last bit, which would pass for variance.
    let varies = |values: &[f64]| values.iter().any(|v| *v != values[0]);
    if !varies(x) || !varies(y) {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (dx, dy) = (x - mean_x, y - mean_y);
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    let r = xy / (xx.sqrt() * yy.sqrt());
    r.is_finite().then(|| r.clamp(-1.0, 1.0))
}

/// Spearman's rank correlation, in −1..1: [`pearson`] of the ranks, where ties share the mean of their ranks.
///
/// `None` where undefined: as for [`pearson`], but infinities have a rank like any other value.
///
/// Source: Spearman, "The proof and measurement of association between two things", 1904; ties as in SciPy's
/// `spearmanr`.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() {
        return None;
    }
    let (x, y) = (Ranked::of(x)?, Ranked::of(y)?);
    let pairs: Vec<_> = x.levels.iter().copied().zip(y.levels.iter().copied()).collect();
    spearman_of_levels(&pairs, x.distinct, y.distinct)
}

/// [`spearman`] of pairs of levels, as [`Ranked`] gives them, or of a resample of these pairs, in linear time.
pub fn spearman_of_levels(pairs: &[(u32, u32)], distinct_x: usize, distinct_y: usize) -> Option<f64> {
    let x = average_ranks(pairs.iter().map(|p| p.0), distinct_x);
    let y = average_ranks(pairs.iter().map(|p| p.1), distinct_y);
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().map(|p| (x[p.0 as usize], y[p.1 as usize])).unzip();
    pearson(&x, &y)
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
    fn pearson_by_hand() {
        // Deviations −1.5, −0.5, 0.5, 1.5 and −1, −1, 0, 2.
        close(pearson(&[1.0, 2.0, 3.0, 4.0], &[0.0, 0.0, 1.0, 3.0]), 5.0 / 30.0_f64.sqrt());
        close(pearson(&[1.0, 2.0, 4.0], &[-3.0, -5.0, -9.0]), -1.0);
    }

    #[test]
    fn spearman_by_hand() {
        // Without ties 1 − 6·Σd² / (n(n² − 1)), here d = 0, 1, −1, 0, 0: 1 − 12/120.
        close(spearman(&[1.0, 2.0, 3.0, 4.0, 5.0], &[10.0, 30.0, 20.0, 1e6, f64::INFINITY]), 0.9);
        // Ranks 1.5, 1.5, 3, 4 and 1, 2, 3.5, 3.5: deviations −1, −1, .5, 1.5 and −1.5, −.5, 1, 1.
        close(spearman(&[0.0, 0.0, 1.0, 2.0], &[1.0, 2.0, 3.0, 3.0]), 4.0 / 4.5);
        close(spearman(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), -1.0);
    }

    #[test]
    fn undefined_inputs_give_none() {
        for correlation in [pearson, spearman] {
            assert_eq!(correlation(&[], &[]), None);
            assert_eq!(correlation(&[1.0], &[1.0]), None);
            assert_eq!(correlation(&[1.0, 2.0], &[1.0]), None);
            assert_eq!(correlation(&[1.0, f64::NAN], &[1.0, 2.0]), None);
            assert_eq!(correlation(&[0.1; 3], &[1.0, 2.0, 3.0]), None);
        }
        assert_eq!(pearson(&[1.0, f64::INFINITY], &[1.0, 2.0]), None);
    }
}
