//! A graph as an ONNX model, for the runtime of the user's choice.
//!
//! # Values
//! Inputs and outputs keep the graph's names; fp32 for real numbers, int64 for integers (token ids, masks), the
//! batch as the symbol `batch`. A value inside is called as the node that defines it, what is put around it by a
//! suffix: `conv1.quantized`, `conv1.weight.scale`. Integers are int64 inside too; comparisons, which are bool in
//! ONNX, are cast to int64. Division of integers truncates.
//!
//! # Forms
//! See [`Form`]. Quantized models are in QDQ form: `QuantizeLinear` and `DequantizeLinear` around what stays, to
//! read, an fp32 model. Runtimes fuse the pairs into integer operators where they have them.
//!
//! # What agrees
//! fp32 differs from our execution in the order of sums alone. A QDQ model has the codes, scales and readers of our
//! integer execution, operator by operator, with the bias of a convolution, and of a matrix product of rank 2, rounded
//! to int32 with the scale `s_input · s_weight`, as integer kernels want it. A value next to the middle between two
//! codes falls on either side as the order of sums decides; the deeper the model, the more of them. A NaN has no code in
//! ONNX; we give it the zero point.
//!
//! A dynamic model is what ONNX Runtime's own dynamic quantizer writes: products read codes, all else reads the value in fp32.
//! In our dynamic execution all readers of a quantized value read its codes, so that the two differ by that rounding.
//!
//! Largest root mean square of the difference, as a share of the output's own, over two ResNets, a LeNet and a
//! transformer (`tests/onnxruntime.rs`, ONNX Runtime 1.32, AVX2 without VNNI), operators as written | with integer kernels:
//!
//! | form | against | as written | fused |
//! |---|---|---|---|
//! | fp32 | our fp32 | 3e-7 | 4e-7 |
//! | fp16, softmax and normalisation kept | our fp32 | 1e-3 | 1e-3 |
//! | weight-only int8 | our execution | 4e-7 | 1e-2; 4e-7 with the settings below |
//! | W8A16 | our execution | 1e-4 | 1e-2; 1e-4 with the settings below |
//! | W8A8, uint8 weights | our execution | 6e-3 | 5e-3 |
//! | W8A8, int8 weights | our execution | 6e-3 | 2e-1; 5e-3 with the settings below |
//! | W8A8 | our simulation, which leaves the bias in fp32 | 3e-2 | |
//!
//! # Kernels that saturate
//! On x86 without VNNI, products of uint8 activations and int8 weights are summed in pairs in 16 bits, which saturate.
//! int8 activations do not avoid it: ONNX Runtime turns them to uint8 first. What does: uint8 weights
//! ([`Qdq::weight_codes`]), whose kernels widen to 16 bits before they multiply (at half to a third of the speed of int8
//! weights with VNNI; OpenVINO runs convolutions with them in fp32); ONNX Runtime's session
//! setting `session.x64quantprecision = 1`; a CPU with VNNI; weights of 7 bits, at their cost in accuracy. By
//! default ONNX Runtime also rounds the activations of a matrix product with int8 weights to int8, where they
//! are fp32 or 16 bits: `session.qdq_matmulnbits_accuracy_level = 1` keeps them.
//!
//! # Codes
//! `QuantizeLinear` saturates at the ends of its type. Where ours end earlier (symmetric int8 leaves −128 out,
//! reduced ranges leave half out), a `Clip` before it holds the value at the outermost code, which costs runtimes
//! the fusion with what is before it. It is left out where the value cannot be negative and the upper ends agree:
//! behind ReLU, softmax and sigmoid. Affine codes use the whole type and need none: they fuse best. Unsigned codes are the
//! signed ones + 128, with the zero point moved as far: the same values, bit for bit.

mod dynamic;
mod elementwise;
mod emitter;
mod error;
mod half_form;
mod layout;
mod ops;
mod products;
mod qparams;
mod quantize;
mod windows;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use calibench_graph::{Graph, ValueId, placement};
use calibench_quant::QParams;

pub use error::ExportError;
pub use half_form::HalfLoss;
pub use qparams::{QPARAMS_SCHEMA, qparams_json};

use crate::ModelBuilder;
use emitter::Emitter;

/// Versions of the operator set that are exported: from 13 on, `QuantizeLinear` knows channels.
pub const EXPORT_OPSETS: RangeInclusive<i64> = 13..=21;

/// The version to export unless there is a reason for another: every current runtime reads it.
pub const DEFAULT_OPSET: i64 = 13;

/// Whether 8-bit codes are written as int8 or uint8. The values are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Codes {
    /// int8.
    #[default]
    Signed,
    /// uint8: int8 + 128.
    Unsigned,
}

/// Static quantization of activations and weights.
#[derive(Debug, Clone, Copy)]
pub struct Qdq<'q> {
    /// Parameters by value, for every activation that the placement quantizes. One scale each.
    pub activations: &'q BTreeMap<ValueId, QParams>,
    /// Parameters by name, for every weight that the placement quantizes. One scale, or one per output channel.
    pub weights: &'q BTreeMap<String, QParams>,
    /// How 8-bit activation codes are written.
    pub codes: Codes,
    /// How 8-bit weight codes are written: int8 is what most runtimes have kernels for, uint8 what is exact on
    /// every CPU under ONNX Runtime and OpenVINO.
    pub weight_codes: Codes,
}

/// What an exported model computes in.
#[derive(Debug, Clone, Copy)]
pub enum Form<'q> {
    /// fp32 throughout.
    Fp32,
    /// fp16 weights and values; inputs and outputs stay fp32, with a cast at the edge.
    ///
    /// A parameter beyond the format is held at ±65504, because an infinity becomes NaN in the first difference;
    /// every such loss is in [`Export::half_losses`].
    Fp16 {
        /// Names of nodes that compute in fp32, with casts around them.
        keep: &'q BTreeSet<String>,
    },
    /// Integer codes for activations and weights of products, frozen. Codes of more than 8 bits need opset 21.
    Qdq(Qdq<'q>),
    /// Integer codes for weights; activations get theirs while the model runs, from `DynamicQuantizeLinear`: uint8, affine,
    /// one scale. Products are `MatMulInteger` and `ConvInteger`.
    Dynamic {
        /// Parameters by name, as in [`Qdq::weights`].
        weights: &'q BTreeMap<String, QParams>,
        /// How weight codes are written, as in [`Qdq::weight_codes`].
        weight_codes: Codes,
    },
    /// Integer codes for the weights of products alone.
    WeightOnly {
        /// Parameters by name, as in [`Qdq::weights`].
        weights: &'q BTreeMap<String, QParams>,
    },
}

/// A graph as an ONNX model.
#[derive(Debug, Clone)]
pub struct Export {
    /// The model, to be saved.
    pub model: ModelBuilder,
    /// Constants that fp16 does not hold; empty for the other forms.
    pub half_losses: Vec<HalfLoss>,
}

/// Writes a graph in operators of version `opset`.
///
/// # Example
/// ```
/// use calibench_graph::{Dim, GraphBuilder, Op, Tensor};
/// use calibench_onnx::{DEFAULT_OPSET, Form, Model, export};
///
/// let mut g = GraphBuilder::new("tiny", vec![Dim::Batch, Dim::Fixed(2)]);
/// let weight = Tensor::new([3, 2], vec![0.5; 6])?;
/// let y = g.add("fc", Op::Linear, &[g.input()], vec![("fc.weight", weight)])?;
///
/// let export = export(&g.finish(y), &Form::Fp32, DEFAULT_OPSET)?;
/// let model = Model::from_bytes(&export.model.to_bytes()?, None)?;
/// assert_eq!(model.nodes[0].op, "Gemm");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ExportError`]: a graph that is not valid, an opset that is not written or lacks what a node needs, sites without
/// parameters or with some that `QuantizeLinear` does not express.
pub fn export(graph: &Graph, form: &Form<'_>, opset: i64) -> Result<Export, ExportError> {
    graph.validate()?;
    if !EXPORT_OPSETS.contains(&opset) {
        return Err(ExportError::Opset { opset });
    }
    check(graph, form)?;
    Emitter::new(graph, form, opset).run()
}

/// That the form names what the graph has, and has what the placement quantizes.
fn check(graph: &Graph, form: &Form<'_>) -> Result<(), ExportError> {
    let missing = |site: &str| ExportError::MissingQParams { site: site.to_owned() };
    let weights = match form {
        Form::Fp32 => return Ok(()),
        Form::Fp16 { keep } => {
            let unknown = keep.iter().find(|name| !graph.nodes.iter().any(|n| n.name == **name));
            return unknown.map_or(Ok(()), |name| Err(ExportError::Keep { name: name.clone() }));
        }
        Form::Qdq(Qdq { weights, .. }) | Form::Dynamic { weights, .. } | Form::WeightOnly { weights } => {
            weights
        }
    };
    let sites = placement(graph);
    if let Some(site) = sites.weights.iter().find(|w| !weights.contains_key(&w.param)) {
        return Err(missing(&site.param));
    }
    let Form::Qdq(Qdq { activations, .. }) = form else { return Ok(()) };
    match sites.activations.iter().find(|id| !activations.contains_key(id)) {
        Some(id) => Err(missing(&graph.value(*id).name)),
        None => Ok(()),
    }
}
