//! The machine that measures: where a process runs, how steady it is, and what it can count.

pub mod counter;
pub mod cpus;
pub mod gpu;
pub mod memory;
pub mod reference;
