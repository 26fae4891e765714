//! Instruction sets, and tokens that prove the CPU has them.

use std::{fmt, str::FromStr};

use crate::KernelError;

/// Whether this machine has a feature of x86, or of AArch64: no other architecture has those.
macro_rules! has {
    (x86 $name:tt) => {{
        #[cfg(target_arch = "x86_64")]
        let present = is_x86_feature_detected!($name);
        #[cfg(not(target_arch = "x86_64"))]
        let present = false;
        present
    }};
    (arm $name:tt) => {{
        #[cfg(target_arch = "aarch64")]
        let present = std::arch::is_aarch64_feature_detected!($name);
        #[cfg(not(target_arch = "aarch64"))]
        let present = false;
        present
    }};
}

/// An instruction set that this crate has kernels for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Portable scalar Rust. Always there; the oracle that the others are tested against.
    Generic,
    /// x86-64 with AVX2, FMA and F16C (Haswell 2013, Zen 2017, and later).
    Avx2,
    /// The same with AVX-VNNI, dot products of four bytes in 256 bits (Alder Lake 2021, Zen 5 2024, and later).
    AvxVnni,
    /// x86-64 with AVX-512 F, BW, DQ, VL and VNNI (Ice Lake 2019, Zen 4 2022, and later).
    Avx512Vnni,
    /// AArch64 with NEON and its dot products of four bytes (Cortex-A76 and Neoverse N1 2018, Apple M1 2020, and later).
    NeonDot,
}

impl Isa {
    /// Every instruction set known to this crate, slowest first.
    pub const ALL: &'static [Isa] = &[Isa::Generic, Isa::Avx2, Isa::AvxVnni, Isa::Avx512Vnni, Isa::NeonDot];

    /// The fastest one that this machine can run.
    pub fn best() -> Self {
        Self::ALL.iter().copied().rev().find(|isa| isa.is_available()).unwrap_or(Isa::Generic)
    }

    /// Those of [`Isa::ALL`] that this machine can run, slowest first. Never empty.
    pub fn available() -> Vec<Self> {
        Self::ALL.iter().copied().filter(|i| i.is_available()).collect()
    }

    /// Whether this machine can run it.
    pub fn is_available(self) -> bool {
        self.features().iter().all(|&(_, present)| present)
    }

    /// The one whose kernels it uses where it has none of its own.
    pub const fn base(self) -> Option<Self> {
        match self {
            Isa::Generic => None,
            Isa::Avx2 | Isa::NeonDot => Some(Isa::Generic),
            Isa::AvxVnni | Isa::Avx512Vnni => Some(Isa::Avx2),
        }
    }

    /// The name used in flags, result rows and `CALIBENCH_REQUIRE_ISA`: `generic`, `avx2`, `avxvnni`, `avx512vnni`,
    /// `neondot`.
    pub const fn id(self) -> &'static str {
        match self {
            Isa::Generic => "generic",
            Isa::Avx2 => "avx2",
            Isa::AvxVnni => "avxvnni",
            Isa::Avx512Vnni => "avx512vnni",
            Isa::NeonDot => "neondot",
        }
    }

    /// The CPU features that it needs, each with whether this machine has it.
    pub fn features(self) -> Vec<(&'static str, bool)> {
        macro_rules! features {
            ($arch:ident: $($name:tt),*) => {
                vec![$(($name, has!($arch $name))),*]
            };
        }
        match self {
            Isa::Generic => Vec::new(),
            Isa::Avx2 => features![x86: "avx2", "fma", "f16c"],
            Isa::AvxVnni => features![x86: "avx2", "fma", "f16c", "avxvnni"],
            Isa::Avx512Vnni => {
                features![x86: "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni"]
            }
            Isa::NeonDot => features![arm: "neon", "dotprod"],
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl FromStr for Isa {
    type Err = KernelError;

    /// Reads an [`id`](Isa::id).
    ///
    /// # Errors
    /// [`KernelError::UnknownIsa`], which lists the ids.
    fn from_str(name: &str) -> Result<Self, KernelError> {
        Self::ALL.iter().copied().find(|i| i.id() == name).ok_or_else(|| KernelError::UnknownIsa {
            name: name.to_owned(),
            known: join(Self::ALL.iter().map(|i| i.id())),
        })
    }
}

/// Proof that the CPU has AVX2, FMA and F16C: only [`Avx2::detect`] can make one.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// The token, or `None` where the CPU (or the operating system) lacks one of the three.
    pub fn detect() -> Option<Self> {
        Isa::Avx2.is_available().then_some(Self(()))
    }
}

/// Proof that the CPU has AVX-VNNI, and what [`Avx2`] proves.
#[derive(Clone, Copy, Debug)]
pub struct AvxVnni(Avx2);

impl AvxVnni {
    /// The token, or `None` where the CPU (or the operating system) lacks a feature.
    pub fn detect() -> Option<Self> {
        Isa::AvxVnni.is_available().then_some(Self(Avx2(())))
    }

    /// What it implies.
    pub fn avx2(self) -> Avx2 {
        self.0
    }
}

/// Proof that the CPU has AVX-512 F, BW, DQ, VL and VNNI, and what [`Avx2`] proves.
#[derive(Clone, Copy, Debug)]
pub struct Avx512Vnni(Avx2);

impl Avx512Vnni {
    /// The token, or `None` where the CPU (or the operating system) lacks a feature.
    pub fn detect() -> Option<Self> {
        Isa::Avx512Vnni.is_available().then_some(Self(Avx2(())))
    }

    /// What it implies.
    pub fn avx2(self) -> Avx2 {
        self.0
    }
}

/// Proof that the CPU has NEON and dot products of four bytes.
#[derive(Clone, Copy, Debug)]
pub struct NeonDot(());

impl NeonDot {
    /// The token, or `None` where the CPU (or the operating system) lacks a feature.
    pub fn detect() -> Option<Self> {
        Isa::NeonDot.is_available().then_some(Self(()))
    }
}

/// What a [`Kernels`](crate::Kernels) value holds: an instruction set that was seen to be there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Proof {
    Generic,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    AvxVnni(AvxVnni),
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Avx512Vnni),
    #[cfg(target_arch = "aarch64")]
    NeonDot(NeonDot),
}

impl Proof {
    pub(crate) fn of(isa: Isa) -> Result<Self, KernelError> {
        #[cfg(target_arch = "x86_64")]
        let proof = match isa {
            Isa::Generic => Some(Proof::Generic),
            Isa::Avx2 => Avx2::detect().map(Proof::Avx2),
            Isa::AvxVnni => AvxVnni::detect().map(Proof::AvxVnni),
            Isa::Avx512Vnni => Avx512Vnni::detect().map(Proof::Avx512Vnni),
            Isa::NeonDot => None,
        };
        #[cfg(target_arch = "aarch64")]
        let proof = match isa {
            Isa::Generic => Some(Proof::Generic),
            Isa::NeonDot => NeonDot::detect().map(Proof::NeonDot),
            Isa::Avx2 | Isa::AvxVnni | Isa::Avx512Vnni => None,
        };
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let proof = (isa == Isa::Generic).then_some(Proof::Generic);
        proof.ok_or_else(|| missing(isa))
    }

    pub(crate) fn isa(self) -> Isa {
        match self {
            Proof::Generic => Isa::Generic,
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(_) => Isa::Avx2,
            #[cfg(target_arch = "x86_64")]
            Proof::AvxVnni(_) => Isa::AvxVnni,
            #[cfg(target_arch = "x86_64")]
            Proof::Avx512Vnni(_) => Isa::Avx512Vnni,
            #[cfg(target_arch = "aarch64")]
            Proof::NeonDot(_) => Isa::NeonDot,
        }
    }
}

fn missing(isa: Isa) -> KernelError {
    let features = isa.features();
    KernelError::MissingIsa {
        isa,
        needs: join(features.iter().map(|f| f.0)),
        lacks: join(features.iter().filter(|f| !f.1).map(|f| f.0)),
        available: join(Isa::available().iter().map(|i| i.id())),
    }
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip() {
        for &isa in Isa::ALL {
            assert_eq!(isa.id().parse::<Isa>(), Ok(isa));
        }
        let message = "avx9".parse::<Isa>().unwrap_err().to_string();
        assert!(message.contains("generic, avx2, avxvnni, avx512vnni, neondot"), "{message}");
    }

    #[test]
    fn best_is_available_and_generic_always_is() {
        assert!(Isa::Generic.is_available());
        assert!(Isa::available().contains(&Isa::best()));
    }

    #[test]
    fn missing_isa_names_what_to_use_instead() {
        let message = missing(Isa::Avx2).to_string();
        assert!(message.contains("avx2, fma, f16c"), "{message}");
        assert!(message.contains("use one of: generic"), "{message}");
    }
}
