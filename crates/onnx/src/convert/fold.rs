//! Folding of constants: the reference evaluation in the type that the model computes in.

use calibench_graph::eval::{Number, View, eval, evaluates};
use calibench_graph::{Dim, Element, GraphError, Op, Tensor, infer};

use crate::{Constant, Data, DataType};

/// Most elements of any tensor on the way: 2 GiB of fp32.
pub(super) const LARGEST: usize = 1 << 29;

/// Most axes of any tensor on the way: more than any framework has.
pub(super) const MOST_AXES: usize = 64;

/// Number of elements of a shape that a tensor may have: of few axes, and not larger than [`LARGEST`] even where
/// its zeros are left out, so that no part of it is either.
pub(super) fn count(shape: &[usize]) -> Option<usize> {
    let extent = shape.iter().filter(|n| **n > 0).try_fold(1_usize, |all, n| all.checked_mul(*n))?;
    let fits = shape.len() <= MOST_AXES && extent <= LARGEST;
    fits.then_some(if shape.contains(&0) { 0 } else { extent })
}

/// Whether an operator on known operands is computed at once. Means of windows are not: they alone take more time
/// than their operands and result have elements.
pub(super) fn folds(op: &Op) -> bool {
    evaluates(op) && !matches!(op, Op::AvgPool2d { .. })
}

/// The shape of the result of [`fold`], and how many elements are read, multiplied and written for it.
pub(super) fn plan(name: &str, op: &Op, inputs: &[&Constant]) -> Result<(Vec<usize>, usize), GraphError> {
    let bad =
        |reason: &str| GraphError::Shape { node: name.to_owned(), op: op.name(), reason: reason.to_owned() };
    let values = op.arity().unwrap_or(inputs.len()).min(inputs.len());
    let shapes: Vec<Vec<Dim>> =
        inputs[..values].iter().map(|c| c.shape.iter().map(|n| Dim::Fixed(*n)).collect()).collect();
    let views: Vec<&[Dim]> = shapes.iter().map(Vec::as_slice).collect();
    let params = inputs[values..].iter().map(|c| Tensor::new(c.shape.clone(), floats(c)));
    let params = params.collect::<Result<Vec<_>, _>>()?;
    let shape = infer(name, op, &views, &params.iter().collect::<Vec<_>>())?;
    let shape: Vec<usize> = shape.iter().map(|d| d.bind(1)).collect();
    let written = count(&shape).ok_or_else(|| bad("a constant of this shape is too large to compute"))?;
    let depth = match op {
        Op::Linear | Op::MatMul { .. } => inputs[0].shape.last().copied().unwrap_or(1),
        _ => 1,
    };
    let read: usize = inputs.iter().map(|c| c.data.len()).sum();
    Ok((shape, read.saturating_add(written.saturating_mul(depth))))
}

/// The result of `op` on known operands and parameters, of a shape from [`plan`]: in integers when all are, else in
/// fp32.
pub(super) fn fold(
    name: &str,
    op: &Op,
    inputs: &[&Constant],
    shape: Vec<usize>,
) -> Result<Constant, GraphError> {
    let len = shape.iter().product();
    let bad =
        |reason: &str| GraphError::Shape { node: name.to_owned(), op: op.name(), reason: reason.to_owned() };
    let elements: Vec<Element> = inputs.iter().map(|c| element(c)).collect();
    let result = op.element(&elements);
    if elements.iter().all(|e| *e == Element::Integer) {
        let by_zero = matches!(op, Op::Binary(calibench_graph::Binary::Div));
        let data: Vec<Vec<i64>> = inputs.iter().map(|c| ints(c)).collect();
        if by_zero && data.get(1).is_some_and(|d| d.contains(&0)) {
            return Err(bad("divides an integer by zero"));
        }
        let out = run(name, op, inputs, &data, (&shape, len))?;
        let data = if result == Element::Integer {
            Data::I64(out)
        } else {
            Data::F32(out.into_iter().map(|v| v as f32).collect())
        };
        return Ok(Constant { shape, data });
    }
    let data: Vec<Vec<f32>> = inputs.iter().map(|c| floats(c)).collect();
    let out = run(name, op, inputs, &data, (&shape, len))?;
    let data = if result == Element::Integer {
        Data::I64(out.into_iter().map(|v| v as i64).collect())
    } else {
        Data::F32(out)
    };
    Ok(Constant { shape, data })
}

fn run<T: Number>(
    name: &str,
    op: &Op,
    inputs: &[&Constant],
    data: &[Vec<T>],
    (shape, len): (&[usize], usize),
) -> Result<Vec<T>, GraphError> {
    let views: Vec<View<'_, T>> =
        inputs.iter().zip(data).map(|(c, data)| View { shape: &c.shape, data }).collect();
    let mut out = vec![T::ZERO; len];
    eval(name, op, &views, shape, &mut out)?;
    Ok(out)
}

fn element(constant: &Constant) -> Element {
    if constant.data.dtype() == DataType::F32 { Element::Float } else { Element::Integer }
}

/// The elements as integers, floats truncated.
pub(super) fn ints(constant: &Constant) -> Vec<i64> {
    match &constant.data {
        Data::F32(values) => values.iter().map(|v| *v as i64).collect(),
        Data::I64(values) => values.clone(),
        Data::Bool(values) => values.iter().map(|v| i64::from(*v)).collect(),
    }
}

/// The elements as fp32, integers rounded.
pub(super) fn floats(constant: &Constant) -> Vec<f32> {
    match &constant.data {
        Data::F32(values) => values.clone(),
        Data::I64(values) => values.iter().map(|v| *v as f32).collect(),
        Data::Bool(values) => values.iter().map(|v| f32::from(*v)).collect(),
    }
}

/// A constant of integers.
pub(super) fn integers(shape: Vec<usize>, values: Vec<i64>) -> Constant {
    Constant { shape, data: Data::I64(values) }
}
