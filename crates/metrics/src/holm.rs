//! Many tests at once.

/// p-values corrected so that rejecting those below α errs anywhere with probability at most α, in the order given.
///
/// Sorted ascending, the i-th of m (from 0) is multiplied by m − i, made at least as large as the one before, and at most 1.
/// No assumption of independence. p-values must not be NaN; one that is sorts last and stays NaN.
///
/// Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut corrected = vec![f64::NAN; p.len()];
    let mut largest = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate().filter(|(_, index)| !p[*index].is_nan()) {
        largest = largest.max(p[index] * (p.len() - rank) as f64).min(1.0);
        corrected[index] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_statsmodels() {
        // statsmodels.stats.multitest.multipletests([.01, .04, .03, .005, .9], method="holm")[1]
        let got = holm(&[0.01, 0.04, 0.03, 0.005, 0.9]);
        let want = [0.04, 0.09, 0.09, 0.025, 0.9];
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-12), "{got:?}");
        assert_eq!(holm(&[0.6, 0.7]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
