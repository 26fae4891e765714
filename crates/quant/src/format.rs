//! Integer number formats.

use serde::{Deserialize, Serialize};

/// A two's-complement or unsigned integer format of 2 to 16 bits.
///
/// # Example
/// ```
/// use calibench_quant::{IntFormat, Symmetry};
/// assert_eq!(IntFormat::INT8.range(Symmetry::Affine), (-128, 127));
/// assert_eq!(IntFormat::INT8.range(Symmetry::Symmetric), (-127, 127));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IntFormat {
    /// Width in bits.
    pub bits: u8,
    /// Whether negative codes exist.
    pub signed: bool,
}

impl IntFormat {
    /// Signed 8 bits.
    pub const INT8: Self = Self { bits: 8, signed: true };
    /// Unsigned 8 bits.
    pub const UINT8: Self = Self { bits: 8, signed: false };
    /// Signed 16 bits.
    pub const INT16: Self = Self { bits: 16, signed: true };
    /// Unsigned 16 bits.
    pub const UINT16: Self = Self { bits: 16, signed: false };
    /// The formats that laws and tests walk.
    pub const ALL: &[Self] = &[Self::INT8, Self::UINT8, Self::INT16, Self::UINT16];

    /// Lowest and highest code, `(q_min, q_max)`.
    ///
    /// A symmetric signed format leaves out its most negative code, so that |q_min| = q_max and
    /// negation is exact: int8 uses [−127, 127] (Wu et al. 2020, §3.1).
    #[must_use]
    pub fn range(self, symmetry: crate::Symmetry) -> (i32, i32) {
        if self.signed {
            let high = (1_i32 << (self.bits - 1)) - 1;
            match symmetry {
                crate::Symmetry::Symmetric => (-high, high),
                crate::Symmetry::Affine => (-high - 1, high),
            }
        } else {
            (0, (1_i32 << self.bits) - 1)
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
        write!(f, "{}int{}", if self.signed { "" } else { "u" }, self.bits)
    }
}
