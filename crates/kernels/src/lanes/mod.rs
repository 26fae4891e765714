//! Kernels written once, as loops over lanes without branches, and compiled for each instruction set.
//!
//! Every instruction set does the same operations in the same order (sums run in 16 lanes on all), and Rust fuses no
//! multiplication with an addition by itself: the bits are the same everywhere.

pub(crate) mod depthwise;
pub(crate) mod finish;
pub(crate) mod math;
pub(crate) mod rows;

use crate::isa::Proof;

/// Work that is compiled once for each instruction set. `run`, and all it calls, must be `#[inline(always)]`, so that the
/// loops end up in the functions that have the instructions.
pub(crate) trait Lanes {
    fn run(self);
}

/// Runs the work compiled for a proven instruction set.
pub(crate) fn run(proof: Proof, work: impl Lanes) {
    match proof {
        Proof::Generic => work.run(),
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
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512(work: impl Lanes) {
    work.run();
}
