//! The precision lab: which operations of a model suffer from a reduced precision, why, and which to keep in fp32.
//!
//! `sensitivity` looks: statistics of every site, and the effect of each on the output, alone and left out. Both are
//! [`trials::Trials`]: executions of our plan, a set of nodes kept in fp32 each.

mod constants;
mod effects;
mod half;
mod keep;
mod print;
mod reason;
mod sensitivity;
mod site;
mod statistics;
mod trials;

pub use sensitivity::{Sensitivity, run as sensitivity};
