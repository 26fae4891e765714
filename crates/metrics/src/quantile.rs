//! Quantiles and the median.

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
}
