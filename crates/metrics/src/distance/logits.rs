//! Kullback–Leibler divergence between the classes that two tensors of logits predict.

/// Mean over rows of `KL(softmax(reference) ‖ softmax(candidate))`, in nats; 0 for equal logits.
///
/// Both slices are row-major `[rows, classes]`. `KL(p ‖ q) = Σ p·(ln p − ln q)`, from `f64` log-softmax with
/// the row maximum subtracted, so large logits do not overflow. Rounding below zero is set to zero.
///
/// `None` where undefined, which includes `classes == 0` and a length that is no multiple of `classes`.
///
/// Not to be confused with [`super::Divergence`], which compares the distributions of the values themselves.
pub fn kl_divergence(reference_logits: &[f32], candidate_logits: &[f32], classes: usize) -> Option<f64> {
    if classes == 0
        || reference_logits.len() != candidate_logits.len()
        || !super::is_sample(reference_logits)
        || !super::is_sample(candidate_logits)
        || !reference_logits.len().is_multiple_of(classes)
    {
        return None;
    }
    let rows = reference_logits.len() / classes;
    let total: f64 = reference_logits
        .chunks_exact(classes)
        .zip(candidate_logits.chunks_exact(classes))
        .map(|(reference, candidate)| {
            let (log_p_shift, log_q_shift) = (log_sum_exp(reference), log_sum_exp(candidate));
            let row: f64 = reference
                .iter()
                .zip(candidate)
                .map(|(&r, &c)| {
                    let (log_p, log_q) = (f64::from(r) - log_p_shift, f64::from(c) - log_q_shift);
                    // A class of probability zero adds nothing, however unlikely the candidate holds it.
                    let p = log_p.exp();
                    if p == 0.0 { 0.0 } else { p * (log_p - log_q) }
                })
                .sum();
            row.max(0.0)
        })
        .sum();
    Some(total / rows as f64)
}

/// `ln Σ exp(x)` of one row of logits whose greatest is finite.
pub(crate) fn log_sum_exp(row: &[f32]) -> f64 {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let max = f64::from(max);
    max + row.iter().map(|&x| (f64::from(x) - max).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kl_by_hand() {
        // softmax([ln 3, 0]) = [3/4, 1/4], softmax([0, 0]) = [1/2, 1/2].
        let want = 0.75 * 1.5_f64.ln() + 0.25 * 0.5_f64.ln();
        let ln3 = 3.0_f32.ln();
        let got = kl_divergence(&[ln3, 0.0], &[0.0, 0.0], 2).expect("defined");
        assert!((got - want).abs() < 1e-7, "{got} {want}");
        // A second row without a difference halves the mean.
        let got = kl_divergence(&[ln3, 0.0, 1.0, 2.0], &[0.0, 0.0, 1.0, 2.0], 2).expect("defined");
        assert!((got - want / 2.0).abs() < 1e-7, "{got}");
        // A shift of a whole row changes nothing, and large logits do not overflow.
        assert!(kl_divergence(&[1e4, 0.0], &[2e4, 1e4], 2).expect("defined") < 1e-12);
        // Probability zero under the candidate stays finite: log-softmax, not a ratio of probabilities.
        let got = kl_divergence(&[1e4, 0.0], &[0.0, 1e4], 2).expect("defined");
        assert!((got - 1e4).abs() < 1e-5, "{got}");
    }

    #[test]
    fn undefined_inputs_give_none() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(kl_divergence(&[1.0, bad], &[1.0, 2.0], 2), None);
            assert_eq!(kl_divergence(&[1.0, 2.0], &[1.0, bad], 2), None);
        }
        assert_eq!(kl_divergence(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], 2), None);
        assert_eq!(kl_divergence(&[1.0, 2.0], &[1.0], 1), None);
        assert_eq!(kl_divergence(&[1.0], &[1.0], 0), None);
        assert_eq!(kl_divergence(&[], &[], 2), None);
    }
}
