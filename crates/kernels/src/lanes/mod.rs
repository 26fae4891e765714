//! Kernels written once, as loops over lanes without branches, and compiled for each instruction set.
//!
//! Every instruction set does the same operations in the same order (sums run in 16 lanes on all), and a multiplication is
//! fused with an addition on all or on none: the bits are the same everywhere. Lanes are a [`Vector`], or loops that the compiler
//! turns into as much.

pub(crate) mod depthwise;
pub(crate) mod finish;
pub(crate) mod math;
pub(crate) mod range;
pub(crate) mod rows;
pub(crate) mod vector;

use crate::isa::Proof;
#[cfg(target_arch = "x86_64")]
use crate::x86_64::vector::{V256, V512};
use vector::Vector;

/// Work that is compiled once for each instruction set. `run`, and all it calls, must be `#[inline(always)]`, so that the
/// loops end up in the functions that have the instructions.
pub(crate) trait Lanes {
    fn run<V: Vector>(self);
}

/// Runs the work compiled for a proven instruction set.
pub(crate) fn run(proof: Proof, work: impl Lanes) {
    match proof {
        Proof::Generic => work.run::<[f32; 16]>(),
        // What every AArch64 has.
        #[cfg(target_arch = "aarch64")]
        Proof::NeonDot(_) => work.run::<[f32; 16]>(),
        // SAFETY: the token proves that the CPU has the features.
        #[cfg(target_arch = "x86_64")]
        Proof::Avx2(_) | Proof::AvxVnni(_) => unsafe { avx2(work) },
        // SAFETY: the token proves that the CPU has the features.
        #[cfg(target_arch = "x86_64")]
        Proof::Avx512Vnni(_) => unsafe { avx512(work) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn avx2(work: impl Lanes) {
    work.run::<V256>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512(work: impl Lanes) {
    work.run::<V512>();
}
