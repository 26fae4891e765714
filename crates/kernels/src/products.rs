//! How kernels multiply bytes, and sets of kernels by name.

use std::{fmt, str::FromStr};

use crate::{Isa, KernelError};

/// How products of 8-bit activations and int8 weights are summed.
///
/// AVX2 has one instruction that multiplies bytes, `vpmaddubsw`: it adds two products of u8 and s8 in 16 bits, with
/// saturation. With weights of 7 bits (±64) a pair is at most 255 · 2 · 64 = 32,640 and fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Products {
    /// The exact sum, for every weight.
    Exact,
    /// The exact sum, for weights within ±[`SEVEN_BITS`] only.
    SevenBit,
    /// Each sum of two products saturates at 16 bits, as in other runtimes on CPUs without VNNI: the result is wrong where it does.
    Saturating,
}

/// The largest magnitude of a weight of 7 bits: 255 · 2 · 64 < 2¹⁵.
pub const SEVEN_BITS: i8 = 64;

/// A set of kernels: an instruction set, and how it multiplies bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelSet {
    /// The instruction set.
    pub isa: Isa,
    /// How products of bytes are summed.
    pub products: Products,
}

impl KernelSet {
    /// Every set that can be chosen, by instruction set; the best one is always exact.
    pub const ALL: &'static [KernelSet] = &[
        Self::exact(Isa::Generic),
        Self::exact(Isa::Avx2),
        Self { isa: Isa::Avx2, products: Products::SevenBit },
        Self { isa: Isa::Avx2, products: Products::Saturating },
        Self::exact(Isa::AvxVnni),
        Self::exact(Isa::Avx512Vnni),
        Self::exact(Isa::NeonDot),
    ];

    /// The exact kernels of an instruction set.
    pub const fn exact(isa: Isa) -> Self {
        Self { isa, products: Products::Exact }
    }

    /// The name used in flags and result rows: that of the instruction set, with `-7bit` or `-saturating`.
    pub const fn id(self) -> &'static str {
        match (self.isa, self.products) {
            (isa, Products::Exact) => isa.id(),
            (Isa::Generic, Products::SevenBit) => "generic-7bit",
            (Isa::Generic, Products::Saturating) => "generic-saturating",
            (_, Products::SevenBit) => "avx2-7bit",
            (_, Products::Saturating) => "avx2-saturating",
        }
    }
}

impl fmt::Display for KernelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl FromStr for KernelSet {
    type Err = KernelError;

    /// Reads an [`id`](KernelSet::id).
    ///
    /// # Errors
    /// [`KernelError::UnknownIsa`], which lists the ids.
    fn from_str(name: &str) -> Result<Self, KernelError> {
        Self::ALL.iter().copied().find(|set| set.id() == name).ok_or_else(|| KernelError::UnknownIsa {
            name: name.to_owned(),
            known: Self::ALL.iter().map(|set| set.id()).collect::<Vec<_>>().join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_every_instruction_set_has_exact_kernels() {
        for &set in KernelSet::ALL {
            assert_eq!(set.id().parse::<KernelSet>(), Ok(set));
        }
        for &isa in Isa::ALL {
            assert!(KernelSet::ALL.contains(&KernelSet::exact(isa)));
        }
    }

    #[test]
    fn a_pair_of_seven_bit_products_fits_in_sixteen_bits() {
        assert!(255 * 2 * i32::from(SEVEN_BITS) <= i32::from(i16::MAX));
    }
}
