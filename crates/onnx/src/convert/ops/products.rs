//! Matrix products, convolutions and normalisations.

use calibench_graph::{Binary, Conv2d, Element, Op, Tensor};

use super::super::converter::{Converter, Operand, Result};
use super::super::fold;
use super::layout::expanded;
use super::pooling::{Padding, padding};
use crate::Constant;

/// Floats of a known input with their shape.
fn tensor(c: &Converter<'_>, constant: &Constant) -> Result<Tensor> {
    c.tensor(constant)
}

/// `[rows, columns]` to `[columns, rows]`.
fn transposed(constant: &Constant) -> Vec<f32> {
    let data = fold::floats(constant);
    let (rows, columns) = (constant.shape[0], constant.shape[1]);
    (0..columns).flat_map(|j| (0..rows).map(move |i| (i, j))).map(|(i, j)| data[i * columns + j]).collect()
}

pub(super) fn conv<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let x = c.input(0)?;
    let weight = tensor(c, &*c.known(1, "weight")?)?;
    let bias = c.optional_known(2, "bias")?.map(|b| tensor(c, &b)).transpose()?;
    let (shape, kernel) = (c.shape(&x), weight.shape().to_vec());
    if !matches!(shape.len(), 3 | 4) || kernel.len() != shape.len() {
        let what = format!(
            "takes [N, C, L] or [N, C, H, W] and a weight of as many axes, got {shape:?} and {kernel:?}"
        );
        return Err(c.unsupported(what));
    }
    let spatial = shape.len() - 2;
    let ones = vec![1; spatial];
    let stride = c.sizes("strides", &ones)?;
    let dilation = c.sizes("dilations", &ones)?;
    let groups = c.size_of("group", 1)?;
    let Padding { before, after } = padding(c, &shape[2..], &kernel[2..], &stride, &dilation, false)?;
    let mut params = vec![("weight", weight.reshaped(square(&kernel))?)];
    params.extend(bias.map(|b| ("bias", b)));
    let attributes = Conv2d {
        stride: pair(&stride, 1),
        padding: sides(&before, &after),
        dilation: pair(&dilation, 1),
        groups,
    };
    let x = reshaped_as(c, "image", x, &square(&shape))?;
    let y = c.emit_with(Op::Conv2d(attributes), &[x], params)?;
    unsquared(c, y, spatial)
}

/// `[N, C, L]` as an image of height 1.
fn square(shape: &[usize]) -> Vec<usize> {
    if shape.len() == 3 { vec![shape[0], shape[1], 1, shape[2]] } else { shape.to_vec() }
}

/// Height and width, the height of a line being `one`.
pub(super) fn pair(values: &[usize], one: usize) -> [usize; 2] {
    if values.len() == 1 { [one, values[0]] } else { [values[0], values[1]] }
}

/// Top, left, bottom, right.
pub(super) fn sides(before: &[usize], after: &[usize]) -> [usize; 4] {
    let ([top, left], [bottom, right]) = (pair(before, 0), pair(after, 0));
    [top, left, bottom, right]
}

/// An operand reshaped under a name of its own.
fn reshaped_as<'m>(
    c: &mut Converter<'m>,
    suffix: &str,
    x: Operand<'m>,
    shape: &[usize],
) -> Result<Operand<'m>> {
    if c.shape(&x) == shape {
        return Ok(x);
    }
    let shape = shape.iter().map(|n| calibench_graph::Dim::Fixed(*n)).collect();
    c.step(suffix, Op::Reshape { shape }, &[x])
}

/// An image of a line back to `[N, C, L]`.
pub(super) fn unsquared<'m>(c: &mut Converter<'m>, y: Operand<'m>, spatial: usize) -> Result<Operand<'m>> {
    let shape = c.shape(&y);
    if spatial == 2 { Ok(y) } else { reshaped_as(c, "line", y, &[shape[0], shape[1], shape[3]]) }
}

/// An input as an image, for windows that move over lines too.
pub(super) fn squared<'m>(c: &mut Converter<'m>, x: Operand<'m>) -> Result<Operand<'m>> {
    let shape = square(&c.shape(&x));
    reshaped_as(c, "image", x, &shape)
}

pub(super) fn gemm<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let (mut x, y) = (c.input(0)?, c.input(1)?);
    let (alpha, beta) = (c.float("alpha", 1.0)?, c.float("beta", 1.0)?);
    let (trans_a, trans_b) = (c.int("transA", 0)? != 0, c.int("transB", 0)? != 0);
    if c.shape(&x).len() != 2 || c.shape(&y).len() != 2 {
        return Err(c.unsupported(format!("takes matrices, got {:?} and {:?}", c.shape(&x), c.shape(&y))));
    }
    if trans_a {
        x = c.step("transposed", Op::Permute { axes: vec![1, 0] }, &[x])?;
    }
    let addend = c.optional(2)?.filter(|_| beta != 0.0);
    let product = match &y {
        Operand::Known(weight) if matches!(x, Operand::Value(_)) => {
            let (out, inner, mut data) = match trans_b {
                true => (weight.shape[0], weight.shape[1], fold::floats(weight)),
                false => (weight.shape[1], weight.shape[0], transposed(weight)),
            };
            data.iter_mut().for_each(|w| *w *= alpha);
            let mut params = vec![("weight", Tensor::new([out, inner], data)?)];
            let bias = match &addend {
                Some(Operand::Known(bias)) => bias_of(&bias.shape, &fold::floats(bias), out, beta),
                _ => None,
            };
            if let Some(bias) = bias {
                params.push(("bias", Tensor::new([out], bias)?));
                return c.emit_with(Op::Linear, &[x], params);
            }
            c.emit_with(Op::Linear, &[x], params)?
        }
        _ => {
            let product = c.step("product", Op::MatMul { transpose_rhs: trans_b }, &[x, y])?;
            if alpha == 1.0 { product } else { c.step("alpha", Op::Scale { factor: alpha }, &[product])? }
        }
    };
    let Some(mut addend) = addend else { return Ok(product) };
    if beta != 1.0 {
        addend = c.step("beta", Op::Scale { factor: beta }, &[addend])?;
    }
    c.step("sum", Op::Add, &[product, addend])
}

/// The addend as a bias per output, when it is the same for every row.
fn bias_of(shape: &[usize], data: &[f32], out: usize, beta: f32) -> Option<Vec<f32>> {
    let rows: usize = shape.iter().rev().skip(1).product();
    let data: Vec<f32> = data.iter().map(|b| b * beta).collect();
    match data.len() {
        1 => Some(vec![data[0]; out]),
        n if n == out && rows == 1 => Some(data),
        _ => None,
    }
}

pub(super) fn matmul<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let (x, y) = (c.input(0)?, c.input(1)?);
    let (sx, sy) = (c.shape(&x), c.shape(&y));
    let fits = sx.last() == if sy.len() == 1 { sy.first() } else { sy.get(sy.len().wrapping_sub(2)) };
    if sx.is_empty() || sy.is_empty() || !fits {
        return Err(c.unsupported(format!("cannot multiply {sx:?} by {sy:?}")));
    }
    if let (Operand::Known(weight), 2, Operand::Value(_)) = (&y, sy.len(), &x) {
        let weight = Tensor::new([sy[1], sy[0]], transposed(weight))?;
        return c.emit_with(Op::Linear, &[x], vec![("weight", weight)]);
    }
    // Vectors become matrices for the product, as in NumPy.
    let mx = if sx.len() == 1 { vec![1, sx[0]] } else { sx.clone() };
    let my = if sy.len() == 1 { vec![sy[0], 1] } else { sy.clone() };
    let outer = broadcast(&mx[..mx.len() - 2], &my[..my.len() - 2])
        .ok_or_else(|| c.unsupported(format!("cannot multiply {sx:?} by {sy:?}")))?;
    let x = reshaped_as(c, "lhs_matrix", x, &mx)?;
    let y = reshaped_as(c, "rhs_matrix", y, &my)?;
    let x = expanded(c, "lhs", x, &[&outer, &mx[mx.len() - 2..]].concat())?;
    let y = expanded(c, "rhs", y, &[&outer, &my[my.len() - 2..]].concat())?;
    let z = c.emit(Op::MatMul { transpose_rhs: false }, &[x, y])?;
    if sx.len() > 1 && sy.len() > 1 {
        return Ok(z);
    }
    let mut shape = c.shape(&z);
    if sy.len() == 1 {
        shape.pop();
    }
    if sx.len() == 1 {
        shape.remove(outer.len());
    }
    reshaped_as(c, "vector", z, &shape)
}

fn broadcast(x: &[usize], y: &[usize]) -> Option<Vec<usize>> {
    let rank = x.len().max(y.len());
    let of = |s: &[usize], axis: usize| (axis + s.len()).checked_sub(rank).map_or(1, |i| s[i]);
    (0..rank)
        .map(|axis| match (of(x, axis), of(y, axis)) {
            (a, b) if a == b || b == 1 => Some(a),
            (1, b) => Some(b),
            _ => None,
        })
        .collect()
}

pub(super) fn batch_normalization<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    if c.int("training_mode", 0)? != 0 || c.int("spatial", 1)? == 0 {
        return Err(c.unsupported(
            "is in training mode, or has statistics of each position; export the model for inference",
        ));
    }
    let x = c.input(0)?;
    let epsilon = c.float("epsilon", 1e-5)?;
    let names = ["scale", "bias", "mean", "variance"];
    let mut stats = Vec::new();
    for (i, name) in names.into_iter().enumerate() {
        stats.push((name, tensor(c, &*c.known(i + 1, name)?)?));
    }
    let shape = c.shape(&x);
    if shape.len() == 4 {
        return c.emit_with(Op::BatchNorm2d { epsilon }, &[x], stats);
    }
    // y = x · a + b per channel.
    let channels = shape.get(1).copied().unwrap_or(0);
    if shape.len() < 2 || stats.iter().any(|(_, t)| t.shape() != [channels]) {
        return Err(c.unsupported(format!("has statistics of other channels than {shape:?}")));
    }
    let wide = [&[channels], &vec![1; shape.len() - 2][..]].concat();
    let [scale, bias, mean, variance] = [0, 1, 2, 3].map(|i| stats[i].1.data());
    let a: Vec<f32> = scale
        .iter()
        .zip(variance)
        .map(|(s, v)| (f64::from(*s) / (f64::from(*v) + f64::from(epsilon)).sqrt()) as f32)
        .collect();
    let b: Vec<f32> = (0..channels).map(|i| bias[i] - mean[i] * a[i]).collect();
    let known = |data: Vec<f32>| {
        Operand::Known(std::borrow::Cow::Owned(Constant {
            shape: wide.clone(),
            data: crate::Data::F32(data),
        }))
    };
    let y = c.step("scaled", Op::Binary(Binary::Mul), &[x, known(a)])?;
    c.emit(Op::Add, &[y, known(b)])
}

pub(super) fn layer_normalization<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let x = c.input(0)?;
    let shape = c.shape(&x);
    let axis = c.axis(c.int("axis", -1)?, shape.len())?;
    let epsilon = c.float("epsilon", 1e-5)?;
    let width: usize = shape[axis..].iter().product();
    let gamma = c.known(1, "scale")?;
    let beta = c.optional_known(2, "bias")?;
    c.spend(2 * width)?;
    // One number, or one for each normalised element; sizes of 1 may stand before them.
    let flat = |constant: &Constant| {
        let values = fold::floats(constant);
        let ones = constant.shape.iter().take_while(|n| **n == 1).count();
        let normalised = shape[axis..].iter().skip_while(|n| **n == 1);
        match values.len() {
            1 => Some(vec![values[0]; width]),
            _ => constant.shape[ones..].iter().eq(normalised).then_some(values),
        }
    };
    let gamma = flat(&gamma);
    let beta = beta.map_or_else(|| Some(vec![0.0; width]), |b| flat(&b));
    let (Some(gamma), Some(beta)) = (gamma, beta) else {
        return Err(c.unsupported(format!("needs scale and bias of the {width} normalised elements")));
    };
    let params = vec![("weight", Tensor::new([width], gamma)?), ("bias", Tensor::new([width], beta)?)];
    let rows = [&shape[..axis], &[width]].concat();
    let x = reshaped_as(c, "rows", x, &rows)?;
    let y = c.emit_with(Op::LayerNorm { epsilon }, &[x], params)?;
    reshaped_as(c, "shaped", y, &shape)
}

pub(super) fn softmax<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let op = if c.node.op == "Softmax" { Op::Softmax } else { Op::LogSoftmax };
    let x = c.input(0)?;
    if c.element(&x) != Element::Float {
        return Err(c.unsupported("takes floating-point numbers"));
    }
    let shape = c.shape(&x);
    // Before opset 13 all axes from this one on are one.
    let joined = c.model.opset < 13;
    let axis = c.axis(c.int("axis", if joined { 1 } else { -1 })?, shape.len())?;
    if axis + 1 == shape.len() {
        return c.emit(op, &[x]);
    }
    if joined {
        let rows = [&shape[..axis], &[shape[axis..].iter().product()]].concat();
        let x = reshaped_as(c, "rows", x, &rows)?;
        let y = c.emit(op, &[x])?;
        return reshaped_as(c, "shaped", y, &shape);
    }
    let mut axes: Vec<usize> = (0..shape.len()).collect();
    axes.swap(axis, shape.len() - 1);
    let x = c.step("last", Op::Permute { axes: axes.clone() }, &[x])?;
    let y = c.emit(op, &[x])?;
    c.step("back", Op::Permute { axes }, &[y])
}
