//! Integer, half and float kernels behind runtime ISA dispatch.
//!
//! [`Kernels`] is the entry point: it holds an instruction set that was seen to be there, and has
//! one method per kernel. The scalar kernels ([`Isa::Generic`]) are always compiled and are the
//! oracle: every integer, quantize, dequantize and half kernel gives the same bits on every
//! instruction set, for every input (`tests/conformance.rs` walks [`ALL`]). Float products differ
//! in the order of summation only.
//!
//! No kernel saturates an intermediate but those of [`Products::Saturating`], which are there to show what that costs; and
//! [`PackedS8`] refuses a K that could overflow the accumulator ([`MAX_K_S8`]).
//!
//! This is the only crate of the workspace with unsafe code. Kernels check the lengths of their
//! slices and panic with the sizes when a caller gets them wrong; the engine validates shapes
//! before it compiles a plan, so a panic here is a bug.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod aligned;
mod blocks;
mod blocks_float;
mod byte;
mod depthwise;
mod error;
mod finish;
mod generic;
mod isa;
mod joins;
mod kernels;
mod lanes;
mod pack;
mod pack_float;
mod products;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod quads;
mod registry;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub use aligned::Aligned;
pub use depthwise::Depthwise;
pub use error::KernelError;
pub use finish::{Activation, Finish, Output, Quantizer, Residual};
pub use isa::{Avx2, Avx512Vnni, AvxVnni, Isa, NeonDot};
pub use kernels::{CodeImage, Kernels, MAX_ZERO_POINT, Windows};
pub use pack::{MAX_K_S8, PackedS8};
pub use pack_float::PackedFloat;
pub use products::{KernelSet, Products, SEVEN_BITS};
pub use registry::{ALL, KernelEntry, Op};
