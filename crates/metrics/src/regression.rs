//! Quality of continuous outputs. The mean squared error itself is [`crate::mse`].

/// The value, in dB, that [`psnr_db`] gives for outputs without error, and the largest it ever gives.
pub const PSNR_CAP_DB: f64 = 200.0;

/// Peak signal-to-noise ratio, `10·log10(peak² / mse)`, in dB; higher is better.
///
/// `peak` is the range that the values can span, in the unit of the values: 1 for images scaled to 0..1, 255 for raw
/// 8-bit ones. No error gives [`PSNR_CAP_DB`], which is also the upper limit: the ratio is infinite, which JSON cannot
/// hold.
///
/// `None` where undefined: a peak that is not positive and finite, or an error that is negative or not finite.
pub fn psnr_db(mse: f64, peak: f64) -> Option<f64> {
    if !(peak.is_finite() && peak > 0.0 && mse.is_finite() && mse >= 0.0) {
        return None;
    }
    // Logarithms apart: the square of a tiny peak would be zero.
    Some((20.0 * peak.log10() - 10.0 * mse.log10()).min(PSNR_CAP_DB))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn psnr_by_hand() {
        let close = |got: Option<f64>, want: f64| assert!((got.expect("defined") - want).abs() < 1e-9);
        close(psnr_db(0.01, 1.0), 20.0);
        close(psnr_db(650.25, 255.0), 20.0);
        close(psnr_db(4.0, 1.0), -6.020_599_913_279_624);
        assert_eq!(psnr_db(0.0, 1.0), Some(PSNR_CAP_DB));
        assert_eq!(psnr_db(1e-300, 1.0), Some(PSNR_CAP_DB));
    }

    #[test]
    fn undefined_inputs_give_none() {
        for (mse, peak) in [(f64::NAN, 1.0), (-1.0, 1.0), (f64::INFINITY, 1.0), (1.0, 0.0), (1.0, f64::NAN)] {
            assert_eq!(psnr_db(mse, peak), None, "{mse} {peak}");
        }
    }
}
