//! Laws that every plug-in must satisfy, and the inputs that try to break them.
//!
//! - [`laws`]: functions that panic with a message when a plug-in breaks a law. The tests of a plug-in
//!   crate walk its registry and call them, so a new plug-in is tested the moment it is registered.
//! - [`hostile`]: tensors that break careless code, named and as property-test strategies.
//! - [`Random`]: seeded numbers with the tails that activations have.
//!
//! Depended on by tests and benches only. `tests/layering.rs` keeps that, and every other edge between
//! the workspace's crates, true.

pub mod hostile;
pub mod laws;
mod random;

pub use random::Random;
