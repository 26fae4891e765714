//! Kernels for AArch64 with dot products of bytes. Every entry point takes a [`NeonDot`](crate::NeonDot) token: the proof that
//! its `unsafe` call into a `target_feature` function is sound.
//!
//! What is no product runs as loops over lanes, which the compiler turns into NEON: every AArch64 has that.

pub(crate) mod dot;
pub(crate) mod float;
