//! Distances between a reference tensor and a candidate tensor.
//!
//! Every function takes the reference first and answers `None` where the distance is undefined: a length
//! mismatch, an empty input, or any value that is not finite. A cell whose logits overflowed to NaN so gets
//! nulls in its row instead of a number that looks like a measurement. Sums run in `f64`, front to back, so
//! the same input gives the same bits on every machine.

/// The value, in dB, that [`sqnr_db`] gives for two equal tensors, and the largest it ever gives.
///
/// Equal tensors have an infinite ratio, which JSON cannot hold; two `f32` tensors that differ anywhere stay
/// far below this cap in practice.
pub const SQNR_CAP_DB: f64 = 200.0;

/// Whether the pair has one length, is not empty and holds only finite values.
fn comparable(reference: &[f32], candidate: &[f32]) -> bool {
    !reference.is_empty()
        && reference.len() == candidate.len()
        && reference.iter().chain(candidate).all(|x| x.is_finite())
}

/// The pairs as `f64`.
fn pairs<'a>(reference: &'a [f32], candidate: &'a [f32]) -> impl Iterator<Item = (f64, f64)> + 'a {
    reference.iter().zip(candidate).map(|(&r, &c)| (f64::from(r), f64::from(c)))
}

/// Mean squared error, `Σ(r − c)² / n`, in squared units of the tensor; `None` where undefined.
pub fn mse(reference: &[f32], candidate: &[f32]) -> Option<f64> {
    if !comparable(reference, candidate) {
        return None;
    }
    let sum: f64 = pairs(reference, candidate).map(|(r, c)| (r - c) * (r - c)).sum();
    Some(sum / reference.len() as f64)
}

/// Signal-to-quantization-noise ratio, `10·log10(Σr² / Σ(r − c)²)`, in dB; higher is better.
///
/// Two equal tensors give [`SQNR_CAP_DB`], which is also the upper limit. A reference that is all zero with a
/// candidate that is not has no signal: `None`, as for every other undefined input.
pub fn sqnr_db(reference: &[f32], candidate: &[f32]) -> Option<f64> {
    if !comparable(reference, candidate) {
        return None;
    }
    let (mut signal, mut noise) = (0.0_f64, 0.0_f64);
    for (r, c) in pairs(reference, candidate) {
        signal += r * r;
        noise += (r - c) * (r - c);
    }
    if noise == 0.0 {
        return Some(SQNR_CAP_DB);
    }
    if signal == 0.0 {
        return None;
    }
    Some((10.0 * (signal / noise).log10()).min(SQNR_CAP_DB))
}

/// Cosine similarity, `Σr·c / (‖r‖·‖c‖)`, in −1..1; `None` where undefined, which includes a zero norm.
pub fn cosine(reference: &[f32], candidate: &[f32]) -> Option<f64> {
    if !comparable(reference, candidate) {
        return None;
    }
    let (mut dot, mut rr, mut cc) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (r, c) in pairs(reference, candidate) {
        dot += r * c;
        rr += r * r;
        cc += c * c;
    }
    if rr == 0.0 || cc == 0.0 {
        return None;
    }
    Some((dot / (rr.sqrt() * cc.sqrt())).clamp(-1.0, 1.0))
}

/// Largest absolute error, `max |r − c|`, in units of the tensor; `None` where undefined.
pub fn max_abs_error(reference: &[f32], candidate: &[f32]) -> Option<f64> {
    if !comparable(reference, candidate) {
        return None;
    }
    Some(pairs(reference, candidate).map(|(r, c)| (r - c).abs()).fold(0.0, f64::max))
}

/// Mean over rows of `KL(softmax(reference) ‖ softmax(candidate))`, in nats; 0 for equal logits.
///
/// Both slices are row-major `[rows, classes]`. `KL(p ‖ q) = Σ p·(ln p − ln q)`, from `f64` log-softmax with
/// the row maximum subtracted, so large logits do not overflow. Rounding below zero is set to zero.
///
/// `None` where undefined, which includes `classes == 0` and a length that is no multiple of `classes`.
pub fn kl_divergence(reference_logits: &[f32], candidate_logits: &[f32], classes: usize) -> Option<f64> {
    if classes == 0
        || !comparable(reference_logits, candidate_logits)
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
            let row: f64 = pairs(reference, candidate)
                .map(|(r, c)| {
                    let (log_p, log_q) = (r - log_p_shift, c - log_q_shift);
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

/// `ln Σ exp(x)` of one row of finite logits.
fn log_sum_exp(row: &[f32]) -> f64 {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let max = f64::from(max);
    max + row.iter().map(|&x| (f64::from(x) - max).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(got: Option<f64>, want: f64) {
        let got = got.expect("defined");
        assert!((got - want).abs() <= 1e-9 * want.abs().max(1.0), "got {got}, want {want}");
    }

    #[test]
    fn known_answers() {
        let (r, c) = ([3.0_f32, -4.0, 0.0], [3.0_f32, -3.0, 1.0]);
        close(mse(&r, &c), 2.0 / 3.0);
        close(sqnr_db(&r, &c), 10.0 * (25.0_f64 / 2.0).log10());
        close(cosine(&r, &c), 21.0 / (5.0 * 19.0_f64.sqrt()));
        close(max_abs_error(&r, &c), 1.0);
    }

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
        close(kl_divergence(&[1e4, 0.0], &[0.0, 1e4], 2), 1e4);
        assert_eq!(kl_divergence(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], 2), None);
        assert_eq!(kl_divergence(&[1.0], &[1.0], 0), None);
    }

    #[test]
    fn equal_tensors_hit_the_cap_and_zero_has_no_signal() {
        assert_eq!(sqnr_db(&[1.0, 2.0], &[1.0, 2.0]), Some(SQNR_CAP_DB));
        assert_eq!(sqnr_db(&[0.0], &[0.0]), Some(SQNR_CAP_DB));
        assert_eq!(sqnr_db(&[0.0], &[1.0]), None);
        assert_eq!(sqnr_db(&[1e30], &[1e30 + 1e23]).map(|x| x <= SQNR_CAP_DB), Some(true));
        assert_eq!(cosine(&[0.0], &[1.0]), None);
        assert_eq!(mse(&[1.0], &[1.0]), Some(0.0));
    }

    #[test]
    fn undefined_inputs_give_none() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for (r, c) in [([1.0, bad], [1.0, 2.0]), ([1.0, 2.0], [1.0, bad])] {
                assert_eq!(mse(&r, &c), None);
                assert_eq!(sqnr_db(&r, &c), None);
                assert_eq!(cosine(&r, &c), None);
                assert_eq!(max_abs_error(&r, &c), None);
                assert_eq!(kl_divergence(&r, &c, 2), None);
            }
        }
        assert_eq!(mse(&[], &[]), None);
        assert_eq!(mse(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(kl_divergence(&[], &[], 2), None);
    }
}
