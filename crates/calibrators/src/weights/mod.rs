//! Weights: scales from the values themselves, for a tensor, a channel or a group.
//!
//! # Adding a method
//! One new file with an `ENTRY`, and its two lines here.

mod minmax;
mod mse;

use calibench_quant::{Entry, WeightCalibrator};

/// Every method for weights, in the order of help texts and reports.
pub const ALL: &[Entry<dyn WeightCalibrator>] = &[minmax::ENTRY, mse::ENTRY];
