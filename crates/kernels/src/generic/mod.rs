//! Portable scalar kernels: always compiled, and the oracle of every other instruction set.
//!
//! Written to be read against the formulas; the only concession to speed is loops that a compiler
//! can vectorise without changing a result.

pub(crate) mod bytes;
pub(crate) mod dequantize;
pub(crate) mod float;
pub(crate) mod gemm;
pub(crate) mod half;
pub(crate) mod quantize;
