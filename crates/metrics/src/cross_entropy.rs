//! Cross-entropy of the right class under the softmax of logits.

use crate::distance::log_sum_exp;

/// `−ln softmax(logits)[class]`, in nats; lower is better. Uniform logits give ln of the number of classes.
///
/// Computed in `f64` as `ln Σ exp(x) − x[class]` with the greatest logit subtracted, so large logits do not overflow.
/// A logit of −∞ is a class that is ruled out. Perplexity is `exp` of the mean over what is predicted.
///
/// `None` where undefined: no such class, a logit that is NaN or +∞, or the right class ruled out.
pub fn cross_entropy(logits: &[f32], class: usize) -> Option<f64> {
    let right = f64::from(*logits.get(class)?);
    if !right.is_finite() || logits.iter().any(|x| x.is_nan() || *x == f32::INFINITY) {
        return None;
    }
    // Rounding below zero is set to zero.
    Some((log_sum_exp(logits) - right).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_by_hand() {
        let close = |got: Option<f64>, want: f64| assert!((got.expect("defined") - want).abs() < 1e-7);
        close(cross_entropy(&[0.0; 4], 2), 4.0_f64.ln());
        // softmax([ln 3, 0]) = [3/4, 1/4].
        close(cross_entropy(&[3.0_f32.ln(), 0.0], 0), (4.0_f64 / 3.0).ln());
        close(cross_entropy(&[3.0_f32.ln(), 0.0], 1), 4.0_f64.ln());
        close(cross_entropy(&[1e30, 0.0], 0), 0.0);
        close(cross_entropy(&[1e4, 0.0], 1), 1e4);
        close(cross_entropy(&[1.0, f32::NEG_INFINITY], 0), 0.0);
    }

    #[test]
    fn undefined_inputs_give_none() {
        assert_eq!(cross_entropy(&[], 0), None);
        assert_eq!(cross_entropy(&[1.0], 1), None);
        assert_eq!(cross_entropy(&[1.0, f32::NAN], 0), None);
        assert_eq!(cross_entropy(&[1.0, f32::INFINITY], 0), None);
        assert_eq!(cross_entropy(&[1.0, f32::NEG_INFINITY], 1), None);
    }
}
