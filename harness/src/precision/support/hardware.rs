//! Instructions of this CPU that have to do with reduced precision.

use serde::Serialize;

use crate::precision::half::Half;

/// An extension of the instruction set.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Feature {
    /// As in flags of compilers.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// Whether this CPU, and its operating system, has it.
    pub present: bool,
}

macro_rules! features {
    ($detect:ident; $(($name:tt, $what:literal)),* $(,)?) => {
        vec![$(Feature { name: $name, what: $what, present: std::arch::$detect!($name) }),*]
    };
}

/// The extensions that matter here, present or not.
pub(super) fn features() -> Vec<Feature> {
    #[cfg(target_arch = "x86_64")]
    return features![
        is_x86_feature_detected;
        ("avx2", "integer products of 8 and 16 bits"),
        ("f16c", "fp16 to and from fp32"),
        ("avxvnni", "int8 dot products"),
        ("avx512vnni", "int8 dot products"),
        ("avx512bf16", "bf16 dot products"),
        ("avx512fp16", "fp16 arithmetic"),
    ];
    #[cfg(target_arch = "aarch64")]
    return features![
        is_aarch64_feature_detected;
        ("dotprod", "int8 dot products"),
        ("i8mm", "int8 matrix products"),
        ("bf16", "bf16 dot products"),
        ("fp16", "fp16 arithmetic"),
    ];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    Vec::new()
}

/// Whether the CPU computes in a format, be it products only.
pub(super) fn computes(half: Half) -> bool {
    let names: &[&str] = match half {
        Half::Fp16 => &["avx512fp16", "fp16"],
        Half::Bf16 => &["avx512bf16", "bf16"],
    };
    features().iter().any(|f| f.present && names.contains(&f.name))
}
