//! 8-bit floating-point formats.

use serde::{Deserialize, Serialize};

use crate::{FloatFormat, QuantError, nearest};

/// An 8-bit floating-point format of the OCP 8-bit Floating Point Specification (2023).
///
/// # Example
/// ```
/// use calibench_quant::Fp8Format;
/// assert_eq!(Fp8Format::E4M3.largest(), 448.0);
/// assert_eq!(Fp8Format::E4M3.round(0.3), 0.3125);
/// assert_eq!(Fp8Format::E5M2.round(1e9), 57344.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fp8Format {
    /// Four exponent and three significand bits, bias 7, no infinities: largest 448, smallest 2⁻⁹.
    #[serde(rename = "fp8-e4m3")]
    E4M3,
    /// Five exponent and two significand bits, bias 15: largest 57344, smallest 2⁻¹⁶.
    #[serde(rename = "fp8-e5m2")]
    E5M2,
}

impl Fp8Format {
    /// Both.
    pub const ALL: &[Self] = &[Self::E4M3, Self::E5M2];

    /// The name used on the command line.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.float().id
    }

    /// Its numbers.
    #[must_use]
    pub fn float(self) -> &'static FloatFormat {
        match self {
            Self::E4M3 => &FloatFormat::FP8_E4M3,
            Self::E5M2 => &FloatFormat::FP8_E5M2,
        }
    }

    /// Largest finite value.
    #[must_use]
    pub fn largest(self) -> f32 {
        self.float().largest as f32
    }

    /// The nearest value of the format, ties to even; magnitudes beyond the largest become the largest
    /// (saturating conversion), NaN stays NaN.
    #[must_use]
    pub fn round(self, x: f32) -> f32 {
        self.float().round(f64::from(x)) as f32
    }

    /// `S · round(x / S)`: what quantization with a scale makes of `x`.
    #[must_use]
    pub fn fake_quantize(self, x: f32, scale: f32) -> f32 {
        scale * self.round(x / scale)
    }

    /// Every finite value that is not negative, ascending, from 0.
    pub fn magnitudes(self) -> impl Iterator<Item = f32> {
        let FloatFormat { fraction_bits: mantissa, least_exponent: least, .. } = *self.float();
        let (steps, largest) = (1 << mantissa, self.largest());
        let subnormal = (0..steps).map(move |m| (m, least));
        let normal = (least..16).flat_map(move |e| (steps..2 * steps).map(move |m| (m, e)));
        subnormal
            .chain(normal)
            .map(move |(m, e)| (f64::from(m) * 2.0_f64.powi(e - mantissa)) as f32)
            .take_while(move |v| *v <= largest)
    }
}

impl std::fmt::Display for Fp8Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.id())
    }
}

impl std::str::FromStr for Fp8Format {
    type Err = QuantError;

    fn from_str(name: &str) -> Result<Self, QuantError> {
        let ids = || Self::ALL.iter().map(|f| f.id());
        Self::ALL.iter().copied().find(|f| f.id() == name).ok_or_else(|| QuantError::Unknown {
            what: "8-bit floating-point format",
            name: name.to_owned(),
            suggestion: nearest(name, ids()).map(str::to_owned),
            known: ids().collect::<Vec<_>>().join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formats_have_their_values() {
        // OCP 8-bit Floating Point Specification, table 2.
        for (format, count, least) in [(Fp8Format::E4M3, 127, -9), (Fp8Format::E5M2, 124, -16)] {
            let values: Vec<f32> = format.magnitudes().collect();
            assert_eq!(values.len(), count, "{format}");
            assert_eq!(values[1], 2.0_f64.powi(least) as f32);
            assert_eq!(values[count - 1], format.largest());
            assert!(values.windows(2).all(|w| w[0] < w[1]));
        }
    }

    #[test]
    fn rounding_finds_the_nearest_and_ties_go_to_even() {
        for format in Fp8Format::ALL {
            let values: Vec<f32> = format.magnitudes().collect();
            for (i, pair) in values.windows(2).enumerate() {
                let middle = (pair[0] + pair[1]) / 2.0;
                let even = if i % 2 == 0 { pair[0] } else { pair[1] };
                assert_eq!(format.round(middle), even, "{format} {middle}");
                assert_eq!(format.round(-middle), -even);
                assert_eq!(format.round(middle.next_down()), pair[0]);
                assert_eq!(format.round(middle.next_up()), pair[1]);
                assert_eq!(format.round(pair[1]), pair[1]);
            }
            assert_eq!(format.round(f32::INFINITY), format.largest());
            assert!(format.round(f32::NAN).is_nan());
            assert_eq!(format.id().parse::<Fp8Format>().unwrap(), *format);
        }
    }
}
