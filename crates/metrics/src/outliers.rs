//! Values far outside the others.

use crate::quantile::median;

/// Modified z-score from which a value is an outlier, as Iglewicz and Hoaglin recommend.
const LIMIT: f64 = 3.5;

/// Indices of outliers: |0.6745·(x − median) / MAD| > 3.5, where MAD is the median of |x − median|. Where more than half of
/// the values are equal MAD is 0, and 1.253314 times the mean absolute deviation takes the place of MAD / 0.6745.
///
/// Empty for fewer than three values, for equal ones, and where one is not finite.
///
/// Source: Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993.
#[must_use]
pub fn outliers(values: &[f64]) -> Vec<usize> {
    let Some(centre) = median(values).filter(|_| values.len() > 2) else { return Vec::new() };
    let deviations: Vec<f64> = values.iter().map(|v| (v - centre).abs()).collect();
    let unit = match median(&deviations) {
        Some(mad) if mad > 0.0 => mad / 0.6745,
        _ => 1.253_314 * deviations.iter().sum::<f64>() / values.len() as f64,
    };
    let far = |(i, d): (usize, &f64)| (*d > LIMIT * unit).then_some(i);
    deviations.iter().enumerate().filter_map(far).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_that_hide_each_other_from_a_plain_z_score_are_found() {
        // Mean 3.54, standard deviation 2.48: the two last are within 1.95 of those.
        let values = [2.1, 2.6, 2.4, 2.5, 2.3, 2.1, 2.3, 2.6, 8.2, 8.3];
        assert_eq!(outliers(&values), [8, 9]);
    }

    #[test]
    fn equal_values_have_none_and_one_among_equals_is_one() {
        assert!(outliers(&[1.0; 9]).is_empty());
        let mut values = [1.0; 40];
        values[7] = 2.0;
        assert_eq!(outliers(&values), [7]);
        assert!(outliers(&[1.0, 99.0]).is_empty());
        assert!(outliers(&[1.0, f64::NAN, 1.0, 5.0]).is_empty());
    }
}
