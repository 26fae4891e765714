//! Instruction sets, and tokens that prove the CPU has them.

use std::{fmt, str::FromStr};

use crate::KernelError;

/// An instruction set that this crate has kernels for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Portable scalar Rust. Always there; the oracle that the others are tested against.
    Generic,
    /// x86-64 with AVX2, FMA and F16C (Haswell 2013, Zen 2017, and later).
    Avx2,
}

impl Isa {
    /// Every instruction set known to this crate, slowest first.
    pub const ALL: &'static [Isa] = &[Isa::Generic, Isa::Avx2];

    /// The fastest one that this machine can run.
    pub fn best() -> Self {
        if Isa::Avx2.is_available() { Isa::Avx2 } else { Isa::Generic }
    }

    /// Those of [`Isa::ALL`] that this machine can run, slowest first. Never empty.
    pub fn available() -> Vec<Self> {
        Self::ALL.iter().copied().filter(|i| i.is_available()).collect()
    }

    /// Whether this machine can run it.
    pub fn is_available(self) -> bool {
        self.features().iter().all(|&(_, present)| present)
    }

    /// The name used in flags, result rows and `CALIBENCH_REQUIRE_ISA`: `generic`, `avx2`.
    pub const fn id(self) -> &'static str {
        match self {
            Isa::Generic => "generic",
            Isa::Avx2 => "avx2",
        }
    }

    /// The CPU features that it needs, each with whether this machine has it.
    pub fn features(self) -> Vec<(&'static str, bool)> {
        match self {
            Isa::Generic => Vec::new(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => vec![
                ("avx2", is_x86_feature_detected!("avx2")),
                ("fma", is_x86_feature_detected!("fma")),
                ("f16c", is_x86_feature_detected!("f16c")),
            ],
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 => vec![("avx2", false), ("fma", false), ("f16c", false)],
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

/// What a [`Kernels`](crate::Kernels) value holds: an instruction set that was seen to be there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Proof {
    Generic,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
}

impl Proof {
    pub(crate) fn of(isa: Isa) -> Result<Self, KernelError> {
        match isa {
            Isa::Generic => Ok(Proof::Generic),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Avx2::detect().map(Proof::Avx2).ok_or_else(|| missing(isa)),
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 => Err(missing(isa)),
        }
    }

    pub(crate) fn isa(self) -> Isa {
        match self {
            Proof::Generic => Isa::Generic,
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(_) => Isa::Avx2,
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
        assert!(message.contains("generic, avx2"), "{message}");
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
