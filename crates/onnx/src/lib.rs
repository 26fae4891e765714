//! ONNX files in and out, at the level of the format itself.
//!
//! [`Model::load`] reads a file that need not be trusted: every size that it claims is checked before memory is
//! taken for it, every name is resolved, and what is not supported is an error that says where. What an operator
//! means is not known here.

mod error;
mod model;

use std::ops::RangeInclusive;

pub use error::{Fault, OnnxError};
pub use model::{Attribute, Constant, Data, DataType, Input, InputDim, Model, Node};

/// Versions of the default operator set that are read and written.
pub const OPSETS: RangeInclusive<i64> = 8..=21;
