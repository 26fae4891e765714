//! Folding of constants: the reference evaluation in the type that the model computes in.

use calibench_graph::eval::{Number, View, eval};
use calibench_graph::{Dim, Element, GraphError, Op, infer};

use crate::{Constant, Data, DataType};

/// Most elements of any tensor on the way: 2 GiB of fp32.
pub(super) const LARGEST: usize = 1 << 29;

/// Most elements of a folded constant: shape arithmetic and masks are small, and every one is kept.
const LARGEST_FOLDED: usize = 1 << 26;

/// The result of `op` on known operands: in integers when all are, else in fp32.
pub(super) fn fold(name: &str, op: &Op, inputs: &[&Constant]) -> Result<Constant, GraphError> {
    let bad =
        |reason: &str| GraphError::Shape { node: name.to_owned(), op: op.name(), reason: reason.to_owned() };
    let shapes: Vec<Vec<Dim>> =
        inputs.iter().map(|c| c.shape.iter().map(|n| Dim::Fixed(*n)).collect()).collect();
    let views: Vec<&[Dim]> = shapes.iter().map(Vec::as_slice).collect();
    let shape: Vec<usize> = infer(name, op, &views, &[])?.iter().map(|d| d.bind(1)).collect();
    let len = shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d)).filter(|n| *n <= LARGEST_FOLDED);
    let len = len.ok_or_else(|| bad("a constant of this shape is too large to compute"))?;
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
