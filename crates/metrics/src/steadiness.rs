//! What the times of one measurement say of the machine that it ran on.

use crate::changepoint::change_points;
use crate::outliers::outliers;
use crate::quantile::median;

/// Chance that steady times are said to shift.
const FALSE_ALARM_RATE: f64 = 0.01;
/// Most points that drift and shifts are looked for in: neighbours are averaged down to that, since the search takes time with
/// the square of their number.
const MOST_POINTS: usize = 64;

/// How steady a series of times is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Steadiness {
    /// Share of times that are [`outliers`].
    pub outlier_share: f64,
    /// Change from the first to the last, relative to the median: the Theil–Sen slope (the median slope of all pairs) times the
    /// length.
    pub drift: f64,
    /// Number of [`change_points`].
    pub shifts: u32,
}

/// Looks at times of equal work in the order in which they were taken; `None` for fewer than four, or where one is not finite
/// and positive.
///
/// Source of the slope: Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63, 1968.
#[must_use]
pub fn steadiness(times: &[f64], seed: u64) -> Option<Steadiness> {
    if times.len() < 4 || times.iter().any(|t| !t.is_finite() || *t <= 0.0) {
        return None;
    }
    let outlier_share = outliers(times).len() as f64 / times.len() as f64;
    let size = times.len().div_ceil(MOST_POINTS);
    // Medians, so that single outliers are no shifts.
    let points: Vec<f64> = times.chunks(size).filter_map(median).collect();
    let slopes: Vec<f64> = (0..points.len())
        .flat_map(|j| (0..j).map(move |i| (i, j)))
        .map(|(i, j)| (points[j] - points[i]) / (j - i) as f64)
        .collect();
    let length = (points.len() - 1) as f64;
    let drift = if slopes.is_empty() { 0.0 } else { median(&slopes)? * length / median(&points)? };
    let shifts = change_points(&points, FALSE_ALARM_RATE, seed).len() as u32;
    Some(Steadiness { outlier_share, drift, shifts })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times around 1 that repeat no pattern.
    fn wobble(i: usize) -> f64 {
        1.0 + 0.01 * ((i * 7919 % 101) as f64 / 101.0 - 0.5)
    }

    #[test]
    fn steady_times_have_nothing() {
        let times: Vec<f64> = (0..200).map(wobble).collect();
        let got = steadiness(&times, 1).expect("defined");
        assert_eq!((got.outlier_share, got.shifts), (0.0, 0));
        assert!(got.drift.abs() < 0.003, "{got:?}");
    }

    #[test]
    fn outliers_drift_and_shifts_are_told_apart() {
        let mut times: Vec<f64> = (0..200).map(wobble).collect();
        times[50] = 3.0;
        times[150] = 4.0;
        let got = steadiness(&times, 1).expect("defined");
        assert_eq!((got.outlier_share, got.shifts), (0.01, 0));

        let rising: Vec<f64> = (0..200).map(|i| wobble(i) + 0.2 * i as f64 / 199.0).collect();
        let got = steadiness(&rising, 1).expect("defined");
        assert!((got.drift - 0.2 / 1.1).abs() < 0.02, "{got:?}");

        let shifted: Vec<f64> = (0..200).map(|i| if i < 100 { wobble(i) } else { 1.5 * wobble(i) }).collect();
        assert_eq!(steadiness(&shifted, 1).expect("defined").shifts, 1);
    }

    #[test]
    fn unusable_times_give_none() {
        assert_eq!(steadiness(&[1.0, 1.0, 1.0], 1), None);
        assert_eq!(steadiness(&[1.0, 1.0, 1.0, 0.0], 1), None);
        assert_eq!(steadiness(&[1.0, 1.0, f64::NAN, 1.0], 1), None);
    }
}
