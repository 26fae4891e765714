//! Integer number formats.

use serde::{Deserialize, Serialize};

use crate::{QuantError, Symmetry, nearest};

/// A two's-complement or unsigned integer format of 2 to 16 bits.
///
/// # Example
/// ```
/// use calibench_quant::{IntFormat, Symmetry};
/// assert_eq!(IntFormat::INT8.range(Symmetry::Affine), (-128, 127));
/// assert_eq!(IntFormat::INT8.range(Symmetry::Symmetric), (-127, 127));
/// assert_eq!(IntFormat::INT8.reduced().range(Symmetry::Affine), (-64, 63));
/// assert_eq!("uint4".parse::<IntFormat>()?.range(Symmetry::Affine), (0, 15));
/// # Ok::<(), calibench_quant::QuantError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IntFormat {
    /// Width in bits.
    pub bits: u8,
    /// Whether negative codes exist.
    pub signed: bool,
    /// Whether one bit is left unused, so that products of pairs cannot saturate 16-bit sums (the peers'
    /// `reduce_range`).
    #[serde(default)]
    pub reduce_range: bool,
}

impl IntFormat {
    /// Signed 8 bits.
    pub const INT8: Self = Self::signed(8);
    /// Unsigned 8 bits.
    pub const UINT8: Self = Self::unsigned(8);
    /// Signed 16 bits.
    pub const INT16: Self = Self::signed(16);
    /// Unsigned 16 bits.
    pub const UINT16: Self = Self::unsigned(16);
    /// Signed 4 bits.
    pub const INT4: Self = Self::signed(4);
    /// The formats that laws and tests walk.
    pub const ALL: &[Self] = &[Self::INT8, Self::UINT8, Self::INT16, Self::UINT16, Self::INT4];

    /// The signed format of this many bits (2 to 16).
    #[must_use]
    pub const fn signed(bits: u8) -> Self {
        Self { bits, signed: true, reduce_range: false }
    }

    /// The unsigned format of this many bits (2 to 16).
    #[must_use]
    pub const fn unsigned(bits: u8) -> Self {
        Self { bits, signed: false, reduce_range: false }
    }

    /// The same storage with one bit left unused: int8 then holds 7-bit codes.
    #[must_use]
    pub const fn reduced(self) -> Self {
        Self { reduce_range: true, ..self }
    }

    /// Lowest and highest code, `(q_min, q_max)`.
    ///
    /// A symmetric signed format leaves out its most negative code, so that |q_min| = q_max and
    /// negation is exact: int8 uses [−127, 127] (Wu et al. 2020, §3.1).
    #[must_use]
    pub fn range(self, symmetry: Symmetry) -> (i32, i32) {
        let bits = self.bits - u8::from(self.reduce_range);
        if self.signed {
            let high = (1_i32 << (bits - 1)) - 1;
            match symmetry {
                Symmetry::Symmetric => (-high, high),
                Symmetry::Affine => (-high - 1, high),
            }
        } else {
            (0, (1_i32 << bits) - 1)
        }
    }

    /// Storage of one code, in bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        usize::from(self.bits).div_ceil(8)
    }
}

impl std::fmt::Display for IntFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = format!("{}int{}", if self.signed { "" } else { "u" }, self.bits);
        f.pad(&if self.reduce_range { name + "-reduced" } else { name })
    }
}

impl std::str::FromStr for IntFormat {
    type Err = QuantError;

    /// `int2` … `int16` and `uint2` … `uint16`, each with `-reduced` for one bit less.
    fn from_str(name: &str) -> Result<Self, QuantError> {
        let every = (2..=16_u8)
            .flat_map(|bits| [Self::signed(bits), Self::unsigned(bits)])
            .flat_map(|format| [format, format.reduced()]);
        // A 2-bit format reduced to one bit has no code but zero.
        let known = every.filter(|f| !(f.reduce_range && f.bits == 2));
        known.clone().find(|f| f.to_string() == name).ok_or_else(|| {
            let names: Vec<String> = known.map(|f| f.to_string()).collect();
            QuantError::Unknown {
                what: "integer format",
                name: name.to_owned(),
                suggestion: nearest(name, names.iter().map(String::as_str)).map(str::to_owned),
                known: "int2 to int16 and uint2 to uint16, each also with -reduced".to_owned(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_a_slip_names_the_nearest() {
        for format in IntFormat::ALL.iter().flat_map(|f| [*f, f.reduced()]) {
            assert_eq!(format.to_string().parse::<IntFormat>().unwrap(), format);
        }
        let error = "itn8".parse::<IntFormat>().unwrap_err().to_string();
        assert!(error.contains("did you mean `int8`?"), "{error}");
        assert!("int2-reduced".parse::<IntFormat>().is_err());
        assert!("int17".parse::<IntFormat>().is_err());
    }
}
