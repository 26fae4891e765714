//! Student's t: intervals of means, and Welch's comparison of two.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::Interval;

/// Quantile `p` in 0..1 of Student's t with `df` degrees of freedom; `None` outside, or where `df` is not positive.
#[must_use]
pub fn t_quantile(p: f64, df: f64) -> Option<f64> {
    let inside = p > 0.0 && p < 1.0 && df > 0.0;
    let t = inside.then(|| StudentsT::new(0.0, 1.0, df).ok())??;
    Some(t.inverse_cdf(p)).filter(|t| t.is_finite())
}

/// Interval of the mean of independent values: `mean ± t·s/√n`, `t` with n − 1 degrees of freedom.
///
/// `None` for fewer than two values, one that is not finite, or a confidence outside 0..1. Exact for normal values; for
/// skewed ones it is too short on the long side while n is small.
///
/// Source: Student, "The probable error of a mean", Biometrika 6, 1908.
#[must_use]
pub fn t_interval(values: &[f64], confidence: f64) -> Option<Interval> {
    let (mean, variance) = mean_and_variance(values)?;
    let n = values.len() as f64;
    let half = t_quantile(f64::midpoint(1.0, confidence), n - 1.0)? * (variance / n).sqrt();
    Some(Interval { low: mean - half, high: mean + half })
}

/// Mean and sample variance (over n − 1); `None` for fewer than two values, or one that is not finite.
#[must_use]
pub fn mean_and_variance(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 2 || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    Some((mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)))
}

/// Two means compared without assuming equal variances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Welch {
    /// Second mean less the first.
    pub difference: f64,
    /// Standard error of the difference.
    pub standard_error: f64,
    /// `difference / standard_error`; 0 where both are 0.
    pub t: f64,
    /// Degrees of freedom, by Welch and Satterthwaite.
    pub df: f64,
    /// Two-sided p-value of equal means.
    pub p: f64,
}

impl Welch {
    /// Interval of the difference; `None` for a confidence outside 0..1.
    #[must_use]
    pub fn interval(&self, confidence: f64) -> Option<Interval> {
        let half = t_quantile(f64::midpoint(1.0, confidence), self.df)? * self.standard_error;
        Some(Interval { low: self.difference - half, high: self.difference + half })
    }
}

/// Welch's test of two independent samples; `None` where [`mean_and_variance`] of either is.
///
/// Source: Welch, "The generalization of 'Student's' problem when several different population variances are involved",
/// Biometrika 34, 1947.
#[must_use]
pub fn welch(a: &[f64], b: &[f64]) -> Option<Welch> {
    let (mean_a, variance_a) = mean_and_variance(a)?;
    let (mean_b, variance_b) = mean_and_variance(b)?;
    let (n_a, n_b) = (a.len() as f64, b.len() as f64);
    two_means(mean_a, variance_a / n_a, n_a - 1.0, mean_b, variance_b / n_b, n_b - 1.0)
}

/// The same from two means, the variances of these means, and the degrees of freedom of those.
///
/// Without any variance the means are known exactly: p is 1 where they are equal, else 0. `None` where a number is not
/// finite, a variance negative or a degree of freedom not positive.
#[must_use]
pub fn two_means(
    mean_a: f64,
    variance_a: f64,
    df_a: f64,
    mean_b: f64,
    variance_b: f64,
    df_b: f64,
) -> Option<Welch> {
    let difference = mean_b - mean_a;
    let variance = variance_a + variance_b;
    let usable = difference.is_finite() && variance_a >= 0.0 && variance_b >= 0.0 && df_a > 0.0 && df_b > 0.0;
    if !usable || !variance.is_finite() {
        return None;
    }
    if variance == 0.0 {
        let p = if difference == 0.0 { 1.0 } else { 0.0 };
        let t = if difference == 0.0 { 0.0 } else { difference.signum() * f64::INFINITY };
        return Some(Welch { difference, standard_error: 0.0, t, df: df_a + df_b, p });
    }
    let df = variance.powi(2) / (variance_a.powi(2) / df_a + variance_b.powi(2) / df_b);
    let standard_error = variance.sqrt();
    let t = difference / standard_error;
    let distribution = StudentsT::new(0.0, 1.0, df).ok()?;
    Some(Welch { difference, standard_error, t, df, p: (2.0 * distribution.cdf(-t.abs())).min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-6 * want.abs().max(1.0), "got {got}, want {want}");
    }

    #[test]
    fn quantiles_as_scipy() {
        // scipy.stats.t.ppf(.975, [1, 4, 30.5])
        close(t_quantile(0.975, 1.0).expect("defined"), 12.706_204_736);
        close(t_quantile(0.975, 4.0).expect("defined"), 2.776_445_105);
        close(t_quantile(0.975, 30.5).expect("defined"), 2.040869445);
        assert_eq!((t_quantile(1.0, 4.0), t_quantile(0.5, 0.0)), (None, None));
    }

    #[test]
    fn interval_as_scipy() {
        // scipy.stats.t.interval(.95, 4, 3, scipy.stats.sem([1, 2, 3, 4, 5]))
        let got = t_interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).expect("defined");
        close(got.low, 1.036_756_838);
        close(got.high, 4.963_243_162);
        assert_eq!(t_interval(&[1.0], 0.95), None);
        assert_eq!(t_interval(&[1.0, f64::NAN], 0.95), None);
    }

    #[test]
    fn welch_as_scipy() {
        // scipy.stats.ttest_ind([3.1, 4.4, 5.9, 4.1, 6.6], [1.1, 2.3, 2.9, 4.2], equal_var=False), with its interval
        let got = welch(&[1.1, 2.3, 2.9, 4.2], &[3.1, 4.4, 5.9, 4.1, 6.6]).expect("defined");
        close(got.t, 2.431358834);
        close(got.p, 0.046252555);
        close(got.df, 6.815675458);
        let interval = got.interval(0.95).expect("defined");
        close(interval.low, 0.048487734);
        close(interval.high, 4.341512266);
    }

    #[test]
    fn without_variance_equal_means_are_equal_and_others_are_not() {
        assert_eq!(welch(&[2.0, 2.0], &[2.0, 2.0]).map(|w| w.p), Some(1.0));
        assert_eq!(welch(&[2.0, 2.0], &[3.0, 3.0]).map(|w| w.p), Some(0.0));
        assert_eq!(two_means(0.0, -1.0, 1.0, 0.0, 1.0, 1.0), None);
    }
}
