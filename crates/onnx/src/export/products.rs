//! Matrix products, convolutions and normalisations.

use calibench_graph::Conv2d;

use super::dynamic;
use super::emitter::{Emitter, Result};
use super::ops::ints;
use crate::Attribute;

/// `Gemm` for matrices, which has a bias; else `MatMul` and `Add`. The weight is stored `[in, out]`.
pub(super) fn linear(e: &mut Emitter<'_>) -> Result<String> {
    if e.is_dynamic() {
        return dynamic::linear(e);
    }
    let float = e.float();
    let x = e.input(0, float)?;
    let weight = e.weight(true)?;
    let biased = e.at().params.len() > 1;
    if e.shape(0).len() == 2 {
        let bias = if biased { e.bias()? } else { String::new() };
        return Ok(e.emit("Gemm", &[&x, &weight, &bias], vec![]));
    }
    if !biased {
        return Ok(e.emit("MatMul", &[&x, &weight], vec![]));
    }
    let product = e.step("product", "MatMul", &[&x, &weight], vec![]);
    let bias = e.param(1, float, false)?;
    Ok(e.emit("Add", &[&product, &bias], vec![]))
}

pub(super) fn conv2d(e: &mut Emitter<'_>, attributes: &Conv2d) -> Result<String> {
    if e.is_dynamic() {
        return dynamic::conv2d(e, attributes);
    }
    let float = e.float();
    let x = e.input(0, float)?;
    let weight = e.weight(false)?;
    let bias = if e.at().params.len() > 1 { e.bias()? } else { String::new() };
    let attributes = conv_attributes(e, attributes)?;
    Ok(e.emit("Conv", &[&x, &weight, &bias], attributes))
}

/// Attributes of `Conv` and of its integer form.
pub(super) fn conv_attributes(
    e: &Emitter<'_>,
    attributes: &Conv2d,
) -> Result<Vec<(&'static str, Attribute)>> {
    let kernel = &e.graph.params_of(e.at())?[0].shape()[2..];
    Ok(vec![
        ("kernel_shape", ints(kernel)),
        ("strides", ints(&attributes.stride)),
        ("pads", ints(&attributes.padding)),
        ("dilations", ints(&attributes.dilation)),
        ("group", Attribute::Int(attributes.groups as i64)),
    ])
}

pub(super) fn matmul(e: &mut Emitter<'_>, transpose_rhs: bool) -> Result<String> {
    if e.is_dynamic() {
        return dynamic::matmul(e, transpose_rhs);
    }
    let float = e.float();
    let (x, mut y) = (e.input(0, float)?, e.input(1, float)?);
    if transpose_rhs {
        y = transposed(e, &y);
    }
    Ok(e.emit("MatMul", &[&x, &y], vec![]))
}

/// The right-hand side of the product at hand with its last two axes exchanged.
pub(super) fn transposed(e: &mut Emitter<'_>, value: &str) -> String {
    let rank = e.shape(1).len();
    let mut axes: Vec<usize> = (0..rank).collect();
    axes.swap(rank - 1, rank - 2);
    e.step("transposed", "Transpose", &[value], vec![("perm", ints(&axes))])
}

pub(super) fn batch_norm(e: &mut Emitter<'_>, epsilon: f32) -> Result<String> {
    let float = e.float();
    let mut inputs = vec![e.input(0, float)?];
    for index in 0..4 {
        inputs.push(e.param(index, float, false)?);
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    Ok(e.emit("BatchNormalization", &inputs, vec![("epsilon", Attribute::Float(epsilon))]))
}

/// `(x − mean) / √(mean((x − mean)²) + ε) · γ + β`, spelled out before there was an operator for it.
pub(super) fn layer_norm(e: &mut Emitter<'_>, epsilon: f32) -> Result<String> {
    let float = e.float();
    let x = e.input(0, float)?;
    let (gamma, beta) = (e.param(0, float, false)?, e.param(1, float, false)?);
    if e.opset >= 17 {
        let attributes = vec![("axis", Attribute::Int(-1)), ("epsilon", Attribute::Float(epsilon))];
        return Ok(e.emit("LayerNormalization", &[&x, &gamma, &beta], attributes));
    }
    let last = || vec![("axes", Attribute::Ints(vec![-1])), ("keepdims", Attribute::Int(1))];
    let mean = e.step("mean", "ReduceMean", &[&x], last());
    let centred = e.step("centred", "Sub", &[&x, &mean], vec![]);
    let square = e.step("square", "Mul", &[&centred, &centred], vec![]);
    let variance = e.step("variance", "ReduceMean", &[&square], last());
    let epsilon = e.scalar("epsilon", epsilon, float);
    let sum = e.step("sum", "Add", &[&variance, &epsilon], vec![]);
    let deviation = e.step("deviation", "Sqrt", &[&sum], vec![]);
    let normal = e.step("normal", "Div", &[&centred, &deviation], vec![]);
    let scaled = e.step("scaled", "Mul", &[&normal, &gamma], vec![]);
    Ok(e.emit("Add", &[&scaled, &beta], vec![]))
}
