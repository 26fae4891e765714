//! What runs a graph.
//!
//! - [`interpret`]: candle, node by node, with a [`interpret::Tap`] on every value: the reference, fake
//!   quantization, observation, half precision and autograd for training.
//! - [`compile`]: planned execution on the kernels crate: the code whose latency is reported.

pub mod compile;
mod error;
pub mod interpret;
mod spec;

pub use error::EngineError;
pub use spec::QuantSpec;
