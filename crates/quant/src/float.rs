//! Floating-point number formats.

/// What a conversion makes of magnitudes beyond the largest finite value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// They become infinite.
    Infinity,
    /// They become the largest finite value: the format has no infinity, or conversions to it saturate by convention.
    Saturates,
}

/// A binary floating-point format with subnormal numbers.
///
/// # Example
/// ```
/// use calibench_quant::FloatFormat;
/// assert_eq!(FloatFormat::FP16.largest, 65504.0);
/// assert_eq!(FloatFormat::FP16.round(1e-12), 0.0);
/// assert_eq!(FloatFormat::FP16.round(1e5), f64::INFINITY);
/// assert_eq!(FloatFormat::BF16.round(1.003), 1.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FloatFormat {
    /// Its name.
    pub id: &'static str,
    /// Bits in memory.
    pub bits: u32,
    /// Bits of the exponent.
    pub exponent_bits: u32,
    /// Bits of the fraction: of the significand, the leading one aside.
    pub fraction_bits: i32,
    /// Exponent of the smallest normal number, whose spacing the subnormal numbers share.
    pub least_exponent: i32,
    /// Largest finite value.
    pub largest: f64,
    /// What is done beyond it.
    pub overflow: Overflow,
}

/// The power of two below the largest numbers of formats with the exponent of fp32.
const TWO_TO_127: f64 = (1_u128 << 127) as f64;

const fn format(
    id: &'static str,
    [bits, exponent_bits]: [u32; 2],
    [fraction_bits, least_exponent]: [i32; 2],
    largest: f64,
    overflow: Overflow,
) -> FloatFormat {
    FloatFormat { id, bits, exponent_bits, fraction_bits, least_exponent, largest, overflow }
}

impl FloatFormat {
    /// IEEE 754 binary32.
    pub const FP32: Self = format("fp32", [32, 8], [23, -126], f32::MAX as f64, Overflow::Infinity);
    /// NVIDIA's 19-bit format of matrix units, held in 32 bits: the range of fp32, the significand of fp16. Rounded to
    /// nearest here; some hardware cuts off.
    pub const TF32: Self =
        format("tf32", [32, 8], [10, -126], (2.0 - 1.0 / 1024.0) * TWO_TO_127, Overflow::Infinity);
    /// bfloat16: the upper half of fp32.
    pub const BF16: Self =
        format("bf16", [16, 8], [7, -126], (2.0 - 1.0 / 128.0) * TWO_TO_127, Overflow::Infinity);
    /// IEEE 754 binary16.
    pub const FP16: Self = format("fp16", [16, 5], [10, -14], 65504.0, Overflow::Infinity);
    /// OCP 8-bit E4M3: no infinities.
    pub const FP8_E4M3: Self = format("fp8-e4m3", [8, 4], [3, -6], 448.0, Overflow::Saturates);
    /// OCP 8-bit E5M2; conversions saturate, as the specification recommends for inference.
    pub const FP8_E5M2: Self = format("fp8-e5m2", [8, 5], [2, -14], 57344.0, Overflow::Saturates);

    /// All of them, the most precise first.
    pub const ALL: &[Self] =
        &[Self::FP32, Self::TF32, Self::BF16, Self::FP16, Self::FP8_E4M3, Self::FP8_E5M2];

    /// The nearest value of the format, ties to even; NaN stays NaN.
    ///
    /// With e the exponent of x, but at least that of the smallest normal number, the spacing is `2^(e − fraction bits)`.
    #[must_use]
    pub fn round(&self, x: f64) -> f64 {
        if x.is_nan() {
            return x;
        }
        let magnitude = x.abs();
        // The exponent field of a normal f64 is floor(log2); what is subnormal there is far below any format here.
        let exponent = ((magnitude.to_bits() >> 52) as i32 - 1023).max(self.least_exponent);
        let spacing = 2.0_f64.powi(exponent - self.fraction_bits);
        let rounded = (magnitude / spacing).round_ties_even() * spacing;
        let kept = match self.overflow {
            Overflow::Saturates => rounded.min(self.largest),
            Overflow::Infinity if rounded > self.largest => f64::INFINITY,
            Overflow::Infinity => rounded,
        };
        kept.copysign(x)
    }

    /// Smallest magnitude with all bits of the significand.
    #[must_use]
    pub fn smallest_normal(&self) -> f64 {
        2.0_f64.powi(self.least_exponent)
    }

    /// Smallest magnitude above 0. Half of it, and less, becomes 0.
    #[must_use]
    pub fn smallest_subnormal(&self) -> f64 {
        2.0_f64.powi(self.least_exponent - self.fraction_bits)
    }

    /// Distance from 1 to the next larger value. The relative error of rounding is at most half of it.
    #[must_use]
    pub fn epsilon(&self) -> f64 {
        2.0_f64.powi(-self.fraction_bits)
    }

    /// Decimal digits that survive a round trip: `floor(fraction bits · log10 2)`.
    #[must_use]
    pub fn decimal_digits(&self) -> u32 {
        (f64::from(self.fraction_bits) * 2.0_f64.log10()).floor() as u32
    }

    /// Bits of the significand, the leading one included, that the format keeps of a value; 0 for what becomes 0.
    #[must_use]
    pub fn significant_bits(&self, x: f64) -> u32 {
        let kept = self.round(x).abs();
        if kept == 0.0 || !kept.is_finite() {
            return 0;
        }
        let exponent = (kept.to_bits() >> 52) as i32 - 1023;
        (self.fraction_bits + 1 - (self.least_exponent - exponent).max(0)).max(0) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_beyond_the_largest_are_infinite_or_the_largest() {
        for f in FloatFormat::ALL {
            assert_eq!(f.round(f.largest), f.largest, "{}", f.id);
            let spacing = 2.0_f64.powi(f.largest.log2().floor() as i32 - f.fraction_bits);
            let beyond = f.round(f.largest + spacing / 2.0);
            let expected = if f.overflow == Overflow::Infinity { f64::INFINITY } else { f.largest };
            assert_eq!(beyond, expected, "{}", f.id);
        }
        // The four formats of one width have all exponents but the last for finite numbers.
        for f in [FloatFormat::FP32, FloatFormat::TF32, FloatFormat::BF16, FloatFormat::FP16] {
            let top = -f.least_exponent + 1;
            assert_eq!(f.largest, (2.0 - f.epsilon()) * 2.0_f64.powi(top), "{}", f.id);
        }
    }

    #[test]
    fn fp32_is_what_the_hardware_rounds_to() {
        for bits in (0..=u16::MAX).map(|b| u64::from(b) << 48 | 0x0008_1234_5678_9abc) {
            let x = f64::from_bits(bits);
            if !x.is_nan() {
                assert_eq!(FloatFormat::FP32.round(x), f64::from(x as f32), "{x:e}");
            }
        }
    }

    #[test]
    fn known_values_of_fp16() {
        let f = FloatFormat::FP16;
        assert_eq!(
            (f.smallest_normal(), f.smallest_subnormal()),
            (6.103_515_625e-5, 5.960_464_477_539_063e-8)
        );
        assert_eq!((f.epsilon(), f.decimal_digits()), (2.0_f64.powi(-10), 3));
        assert_eq!(f.round(65519.99), 65504.0);
        assert_eq!(f.round(65520.0), f64::INFINITY);
        assert_eq!(f.round(-1e-12), 0.0);
        assert!(f.round(-1e-12).is_sign_negative());
        assert_eq!(f.round(2.9e-8), 0.0, "less than half of the smallest");
        assert_eq!(f.round(3.0e-8), f.smallest_subnormal());
        assert_eq!(
            (f.significant_bits(0.1), f.significant_bits(1e-6), f.significant_bits(1e-12)),
            (11, 5, 0)
        );
    }
}
