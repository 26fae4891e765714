//! The typed model graph: one representation that is trained, interpreted, quantized and compiled.
//!
//! A [`Graph`] is a list of [`Node`]s in execution order. Every value has a shape whose first dimension
//! is usually the batch ([`Dim::Batch`]); parameters are plain fp32 [`Tensor`]s by name. The passes in
//! [`passes`] rewrite a graph without changing what it computes, and [`placement`] decides which values
//! and parameters are quantized, and why.

mod attributes;
mod builder;
mod error;
pub mod eval;
mod graph;
mod op;
mod padding;
pub mod passes;
mod placement;
mod shape;
mod tensor;

pub use attributes::{Binary, Conv2d, Coordinates, Interpolation, PadMode, Reduction, Unary, Window};
pub use builder::GraphBuilder;
pub use error::GraphError;
pub use graph::{Graph, HalfType, Node, Value, ValueId};
pub use op::Op;
pub use padding::Padding;
pub use placement::{
    FloatOp, Placement, WeightSite, computes, holds_codes, is_lookup, is_quantized, keep_float, placement,
    unrounded,
};
pub use shape::{Dim, Element, bind, infer, is_batched, per_sample};
pub use tensor::Tensor;
