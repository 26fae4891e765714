//! The fixed-point multiplier that brings an accumulator to the output's scale.

use crate::KernelError;

/// A positive real multiplier `M = s_a · s_b / s_out` as `M0 · 2^-shift`, with `M0` in
/// [2^30, 2^31) and `shift` in [1, 63].
///
/// An accumulator `v` becomes `floor((v · M0 + 2^(shift−1)) / 2^shift)`: the nearest integer to
/// `v · M0 · 2^-shift`, halves up, rounded once, exactly, in 64 bits.
///
/// Source: Jacob et al. 2017, "Quantization and Training of Neural Networks for Efficient
/// Integer-Arithmetic-Only Inference", §2.2. gemmlowp and TFLite round twice (a doubling high
/// multiply, then a shift); this rounds once.
///
/// Known limits: `M` itself is rounded to 31 bits (relative error ≤ 2^-31). See
/// [`Requant::from_real`] for multipliers outside [2^-32, 2^30).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)] // Two i32 side by side: SIMD kernels load four of these as four 64-bit lanes.
pub struct Requant {
    multiplier: i32,
    shift: i32,
}

const _: () = assert!(size_of::<Requant>() == 8);

impl Requant {
    /// The nearest fixed-point pair to the real multiplier `m`.
    ///
    /// - `m` below 2^-32 has its shift held at 63: every accumulator then rounds to 0, which is
    ///   also the exact answer, since `|v · m|` is below one half.
    /// - `m` of 2^30 and more saturates to just under 2^30: any accumulator but 0 then lands beyond
    ///   every 8-bit bound, as it would have with the true `m`.
    ///
    /// # Errors
    /// [`KernelError::Multiplier`] unless `m` is finite and above 0.
    pub fn from_real(m: f64) -> Result<Self, KernelError> {
        if !(m.is_finite() && m > 0.0) {
            return Err(KernelError::Multiplier { value: m });
        }
        if m >= (1_u64 << 30) as f64 {
            return Ok(Self { multiplier: i32::MAX, shift: 1 });
        }
        if m < 2.0_f64.powi(-40) {
            return Ok(Self { multiplier: 1 << 30, shift: 63 });
        }
        // `m` is a normal number here: its exponent field gives m = fraction · 2^exponent with the
        // fraction in [0.5, 1).
        let exponent = ((m.to_bits() >> 52) & 0x7FF) as i32 - 1022;
        let mut multiplier = (m * 2.0_f64.powi(31 - exponent)).round() as i64;
        let mut shift = 31 - exponent;
        if multiplier == 1 << 31 {
            multiplier >>= 1;
            shift -= 1;
        }
        if shift < 1 {
            // Rounding carried it to 2^30 exactly.
            return Ok(Self { multiplier: i32::MAX, shift: 1 });
        }
        Ok(Self { multiplier: multiplier as i32, shift: shift.min(63) })
    }

    /// `M0`, in [2^30, 2^31).
    pub fn multiplier(self) -> i32 {
        self.multiplier
    }

    /// The right shift, in [1, 63].
    pub fn shift(self) -> i32 {
        self.shift
    }

    /// The multiplier that this pair stands for: `M0 · 2^-shift`.
    pub fn real(self) -> f64 {
        f64::from(self.multiplier) * 2.0_f64.powi(-self.shift)
    }

    /// `round_half_up(v · M0 · 2^-shift)`, exact for every `v`: the product is below 2^62 in
    /// magnitude and the rounding term at most 2^62, so the sum fits an `i64`.
    #[inline]
    pub fn apply(self, v: i32) -> i64 {
        let product = i64::from(v) * i64::from(self.multiplier);
        (product + (1_i64 << (self.shift - 1))) >> self.shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_pairs() {
        let half = Requant::from_real(0.5).unwrap();
        assert_eq!((half.multiplier(), half.shift()), (1 << 30, 31));
        let one = Requant::from_real(1.0).unwrap();
        assert_eq!((one.multiplier(), one.shift()), (1 << 30, 30));
        assert_eq!(half.apply(3), 2); // 1.5 rounds up
        assert_eq!(half.apply(-3), -1); // -1.5 rounds up too
        assert_eq!(one.apply(i32::MIN), i64::from(i32::MIN));
        let just_below_one = Requant::from_real(1.0 - f64::EPSILON / 2.0).unwrap();
        assert_eq!(just_below_one, one);
    }

    #[test]
    fn extremes_are_defined() {
        for tiny in [f64::MIN_POSITIVE, 5e-324, 2.0_f64.powi(-33), 2.0_f64.powi(-41)] {
            let r = Requant::from_real(tiny).unwrap();
            assert_eq!((r.apply(i32::MAX), r.apply(i32::MIN)), (0, 0), "{tiny}");
        }
        for huge in [2.0_f64.powi(30), 2.0_f64.powi(30) - 1e-9, 1e300] {
            let r = Requant::from_real(huge).unwrap();
            assert_eq!((r.multiplier(), r.shift()), (i32::MAX, 1));
            assert!(r.apply(1) > 1 << 29 && r.apply(-1) < -(1 << 29) && r.apply(0) == 0);
        }
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Requant::from_real(bad).is_err());
        }
    }

    #[test]
    fn real_is_within_two_to_the_minus_31() {
        let mut m = 3.1e-9;
        while m < 1e9 {
            let r = Requant::from_real(m).unwrap();
            assert!((r.real() / m - 1.0).abs() <= 2.0_f64.powi(-31), "{m}");
            m *= 1.618;
        }
    }
}
