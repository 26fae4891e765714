//! The calibench harness: from a configuration to a run folder with rows and a report.
//!
//! [`sweep::sweep`] is the main flow. Everything it measures happens in [`cell`], in a process of its own
//! per cell.

pub mod axes;
pub mod backend;
pub mod cell;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod console;
mod footprint;
pub mod interrupt;
pub mod lab;
pub mod machine;
pub mod own;
mod parked;
pub mod plan;
pub mod precision;
pub mod prepare;
pub mod provenance;
pub mod regress;
pub mod sites;
pub mod sources;
pub mod subject;
pub mod sweep;
pub mod worker;

/// Exit status: everything asked for was done.
pub const EXIT_OK: u8 = 0;
/// Exit status: an error stopped the command.
pub const EXIT_ERROR: u8 = 1;
/// Exit status: the sweep ended, but some of its cells failed.
pub const EXIT_CELLS_FAILED: u8 = 3;
/// Exit status of `check`: no comparison came about.
pub const EXIT_COULD_NOT_RUN: u8 = 3;
/// Exit status: interrupted; what was measured is kept.
pub const EXIT_INTERRUPTED: u8 = 130;
