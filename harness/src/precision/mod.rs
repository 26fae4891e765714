//! The precision lab: which operations of a model suffer from a reduced precision, why, and which to keep in fp32.
//!
//! `sensitivity` looks: statistics of every site, and the effect of each on the output, alone and left out. `tune` chooses: the
//! configuration that costs least within a budget of accuracy. Both are made of trials: executions of our plan
//! with a set of nodes kept in fp32.

mod constants;
mod effects;
mod half;
mod keep;
mod print;
mod reason;
mod sensitivity;
mod site;
mod statistics;
mod support;
mod trials;
mod tune;

/// Names of the formats that the lab converts to.
const FORMATS: [&str; 4] = ["fp16", "bf16", "int8", "int16"];

pub use sensitivity::{Sensitivity, run as sensitivity};
pub use support::{Support, run as support};
pub use tune::{Tune, run as tune};
