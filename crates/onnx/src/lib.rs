//! ONNX files in and out, at the level of the format itself.
//!
//! [`Model::load`] reads a file that need not be trusted: every size that it claims is checked before memory is
//! taken for it, every name is resolved, and what is not supported is an error that says where. What an operator
//! means is not known here. [`ModelBuilder`] writes what the reader accepts.

mod convert;
mod element;
mod error;
mod export;
mod model;
mod proto;
mod read;
mod writer;

use std::ops::RangeInclusive;

pub use convert::{ConvertError, ConvertOptions, Converted, OPERATORS, Signature};
pub use element::ElementType;
pub use error::{Fault, OnnxError};
pub use export::{
    Codes, DEFAULT_OPSET, EXPORT_OPSETS, Export, ExportError, Form, HalfLoss, QPARAMS_SCHEMA, Qdq, export,
    qparams_json,
};
pub use model::{Attribute, Constant, Data, DataType, Input, InputDim, Model, Node};
pub use writer::{ModelBuilder, Values};

/// Most bytes of a file: what protobuf can say.
pub const LONGEST_FILE: u64 = i32::MAX as u64;

/// Versions of the default operator set that are read and written.
pub const OPSETS: RangeInclusive<i64> = 8..=21;
