//! Which ONNX operators say what ours mean.

use calibench_graph::{Element, Op};

use super::emitter::{Emitter, Kind, Result};
use super::{elementwise, layout, products, windows};
use crate::{Attribute, Values};

/// Writes the node at hand: what its result is called, and its kind.
pub(super) fn convert(e: &mut Emitter<'_>) -> Result<(String, Kind)> {
    let (kind, float) = (e.result(), e.float());
    let name = match &e.at().op {
        Op::Linear => products::linear(e)?,
        Op::Conv2d(attributes) => products::conv2d(e, attributes)?,
        Op::MatMul { transpose_rhs } => products::matmul(e, *transpose_rhs)?,
        Op::BatchNorm2d { epsilon } => products::batch_norm(e, *epsilon)?,
        Op::LayerNorm { epsilon } => products::layer_norm(e, *epsilon)?,
        Op::Relu => simple(e, "Relu", vec![])?,
        Op::Gelu => elementwise::gelu(e)?,
        Op::Add => simple(e, "Add", vec![])?,
        Op::AddParam => {
            let (x, p) = (e.input(0, float)?, e.param(0, float, false)?);
            e.emit("Add", &[&x, &p], vec![])
        }
        Op::Scale { factor } => {
            let (x, factor) = (e.input(0, float)?, e.scalar("factor", *factor, float));
            e.emit("Mul", &[&x, &factor], vec![])
        }
        Op::Softmax => simple(e, "Softmax", vec![("axis", Attribute::Int(-1))])?,
        Op::LogSoftmax => simple(e, "LogSoftmax", vec![("axis", Attribute::Int(-1))])?,
        Op::Unary(unary) => elementwise::unary(e, *unary)?,
        Op::Binary(binary) => elementwise::binary(e, *binary)?,
        Op::Where => elementwise::choose(e)?,
        // A value that is held so already is the result.
        Op::Cast { to: Element::Float } => return Ok((e.input(0, float)?, float)),
        Op::Cast { to: Element::Integer } => return Ok((e.input(0, Kind::I64)?, Kind::I64)),
        Op::Constant { .. } => constant(e, kind)?,
        Op::Embedding => {
            let (table, indices) = (e.weight(false)?, e.input(0, Kind::I64)?);
            e.emit("Gather", &[&table, &indices], vec![("axis", Attribute::Int(0))])
        }
        Op::Gather { axis } => {
            let (x, indices) = (e.input(0, kind)?, e.input(1, Kind::I64)?);
            e.emit("Gather", &[&x, &indices], vec![("axis", Attribute::Int(*axis as i64))])
        }
        Op::GatherNd { batch_dims } => {
            let (x, indices) = (e.input(0, kind)?, e.input(1, Kind::I64)?);
            e.emit("GatherND", &[&x, &indices], vec![("batch_dims", Attribute::Int(*batch_dims as i64))])
        }
        Op::ScatterNd => {
            let (x, indices, updates) = (e.input(0, kind)?, e.input(1, Kind::I64)?, e.input(2, kind)?);
            e.emit("ScatterND", &[&x, &indices, &updates], vec![])
        }
        Op::Reshape { shape } => layout::reshape(e, shape)?,
        Op::Permute { axes } => simple(e, "Transpose", vec![("perm", ints(axes))])?,
        Op::Concat { axis } => simple(e, "Concat", vec![("axis", Attribute::Int(*axis as i64))])?,
        Op::Slice { axis, start, step, len } => layout::slice(e, *axis, (*start, *step, *len))?,
        Op::Pad { pads, mode } => layout::pad(e, pads, *mode)?,
        Op::Expand { shape } => layout::expand(e, shape)?,
        Op::Reduce { reduction, axes, keep } => windows::reduce(e, *reduction, axes, *keep)?,
        Op::MeanTokens => windows::reduce(e, calibench_graph::Reduction::Mean, &[1], false)?,
        Op::MaxPool2d(window) => windows::max_pool(e, window)?,
        Op::AvgPool2d { window, count_padding } => windows::avg_pool(e, window, *count_padding)?,
        Op::GlobalAvgPool => windows::global_avg_pool(e)?,
        Op::Resize2d { size, coordinates, interpolation, scale } => {
            windows::resize(e, *size, (*coordinates, *interpolation), *scale)?
        }
    };
    Ok((name, kind))
}

/// One operator whose inputs are all of the result's kind.
pub(super) fn simple(e: &mut Emitter<'_>, op: &str, attributes: Vec<(&str, Attribute)>) -> Result<String> {
    let kind = e.result();
    let inputs = (0..e.at().inputs.len()).map(|i| e.input(i, kind)).collect::<Result<Vec<_>>>()?;
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    Ok(e.emit(op, &inputs, attributes))
}

/// Sizes as an attribute.
pub(super) fn ints(sizes: &[usize]) -> Attribute {
    Attribute::Ints(sizes.iter().map(|n| *n as i64).collect())
}

/// An initializer is a value by itself; one whose value's name it cannot have is passed on.
fn constant(e: &mut Emitter<'_>, kind: Kind) -> Result<String> {
    let node = e.at();
    let tensor = e.graph.params_of(node)?[0];
    Ok(match kind {
        Kind::I64 => {
            let values: Vec<i64> = tensor.data().iter().map(|v| *v as i64).collect();
            e.store(&node.params[0], tensor.shape(), Values::I64(&values))
        }
        _ => e.param(0, kind, false)?,
    })
}
