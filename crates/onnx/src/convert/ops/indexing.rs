//! Operators that pick elements by position.

use std::borrow::Cow;

use calibench_graph::{Dim, Element, Op, Tensor};

use super::super::converter::{Converter, Operand, Result};
use super::super::fold::{self, integers};
use super::layout::reshaped;
use crate::{Constant, Data};

pub(super) fn slice<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let mut x = c.input(0)?;
    let rank = c.shape(&x).len();
    let old = c.model.opset < 10;
    let list = |c: &Converter<'m>, name: &str, index: usize| match c.ints_attribute(name)? {
        Some(values) if old => Ok(Some(values.to_vec())),
        _ => c.optional_ints(index, name),
    };
    let (starts, ends) = (list(c, "starts", 1)?, list(c, "ends", 2)?);
    let (Some(starts), Some(ends)) = (starts, ends) else {
        return Err(c.unsupported("lacks starts or ends"));
    };
    let axes = list(c, "axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = c.optional_ints(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] || starts.len() > rank {
        return Err(c.unsupported("has starts, ends, axes and steps of different lengths, or more than axes"));
    }
    for i in 0..starts.len() {
        let axis = c.axis(axes[i], rank)?;
        let size = c.shape(&x)[axis];
        let (start, step, len) = range(starts[i], ends[i], steps[i], size).ok_or_else(|| {
            c.unsupported(format!("cannot go through {size} elements by steps of {}", steps[i]))
        })?;
        if (start, step, len) != (0, 1, size) {
            x = c.step(&format!("axis{axis}"), Op::Slice { axis, start, step, len }, &[x])?;
        }
    }
    Ok(x)
}

/// First position, step and number of what `start..end` by `step` picks of `size`, as Python slices.
fn range(start: i64, end: i64, step: i64, size: usize) -> Option<(usize, isize, usize)> {
    let n = i64::try_from(size).ok()?;
    let counted = |v: i64| if v < 0 { v.saturating_add(n) } else { v };
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let (start, end) = (counted(start).clamp(low, high), counted(end).clamp(low, high));
    let distance = if step > 0 { end - start } else { start - end };
    let len = if distance <= 0 { 0 } else { (distance as u64).div_ceil(step.checked_abs()? as u64) };
    // A range that picks nothing begins nowhere.
    let start = if len == 0 { 0 } else { usize::try_from(start).ok()? };
    (step != 0).then_some((start, isize::try_from(step).ok()?, usize::try_from(len).ok()?))
}

pub(super) fn gather<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let (x, indices) = (c.input(0)?, c.input(1)?);
    let shape = c.shape(&x);
    let axis = c.axis(c.int("axis", 0)?, shape.len())?;
    match (&x, &indices) {
        (Operand::Value(_), Operand::Known(index)) if index.data.len() == 1 => {
            // One position: a slice, which needs no indices at run time.
            let position = fold::ints(index)[0];
            let start = c.axis(position, shape[axis])?;
            let picked = Op::Slice { axis, start, step: 1, len: 1 };
            let one = c.step("picked", picked, std::slice::from_ref(&x))?;
            let kept = [&shape[..axis], &index.shape[..], &shape[axis + 1..]].concat();
            reshaped(c, one, &kept)
        }
        (Operand::Known(table), Operand::Value(_))
            if axis == 0 && shape.len() == 2 && c.element(&x) == Element::Float =>
        {
            let table = Tensor::new(table.shape.clone(), fold::floats(table))?;
            c.emit_with(Op::Embedding, &[indices], vec![("weight", table)])
        }
        (Operand::Value(_), Operand::Known(known)) if axis == 0 && shape[0].is_multiple_of(c.size) => {
            let block = shape[0] / c.size;
            let Some(positions) = within_sample(known, c.size, block) else {
                return c.emit(Op::Gather { axis }, &[x, indices]);
            };
            // Rows of all samples in one, indexed by sample · block + position: each sample indexes its own.
            let shape = [&[c.size, block], &shape[1..]].concat().into_iter().map(Dim::Fixed).collect();
            let samples = c.step("samples", Op::Reshape { shape }, &[x])?;
            c.emit(Op::GatherNd { batch_dims: 1 }, &[samples, Operand::Known(Cow::Owned(positions))])
        }
        _ => c.emit(Op::Gather { axis }, &[x, indices]),
    }
}

/// Indices of the form sample · block + position, with position below the block, as index tuples of one.
fn within_sample(indices: &Constant, batch: usize, block: usize) -> Option<Constant> {
    if indices.shape.first() != Some(&batch) {
        return None;
    }
    let values = fold::ints(indices);
    let per_sample = values.len() / batch;
    let position = |(at, value): (usize, &i64)| {
        let position = value - i64::try_from(at / per_sample * block).ok()?;
        (0..block as i64).contains(&position).then_some(position)
    };
    let positions: Option<Vec<i64>> = values.iter().enumerate().map(position).collect();
    Some(integers([&indices.shape[..], &[1]].concat(), positions?))
}

pub(super) fn gather_nd<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let (x, indices) = (c.input(0)?, c.input(1)?);
    let batch_dims = c.size_of("batch_dims", 0)?;
    if let (Operand::Value(_), Operand::Known(known), 0) = (&x, &indices, batch_dims)
        && c.shape(&x).first() == Some(&c.size)
        && let Some(rest) = without_sample_index(known, c.size)
    {
        return c.emit(Op::GatherNd { batch_dims: 1 }, &[x, Operand::Known(Cow::Owned(rest))]);
    }
    c.emit(Op::GatherNd { batch_dims }, &[x, indices])
}

/// Index tuples that begin with the number of the sample, without it.
fn without_sample_index(indices: &Constant, batch: usize) -> Option<Constant> {
    let (&tuple, outer) = indices.shape.split_last()?;
    if tuple < 2 || outer.first() != Some(&batch) {
        return None;
    }
    let values = fold::ints(indices);
    let per_sample = values.len() / batch;
    if per_sample == 0 {
        return None;
    }
    let mut rest = Vec::with_capacity(values.len());
    for (sample, tuples) in values.chunks_exact(per_sample).enumerate() {
        for tuple in tuples.chunks_exact(tuple) {
            if tuple[0] != sample as i64 {
                return None;
            }
            rest.extend_from_slice(&tuple[1..]);
        }
    }
    Some(integers([outer, &[tuple - 1]].concat(), rest))
}

pub(super) fn scatter_nd<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    if c.text("reduction", "none")? != "none" {
        return Err(c.unsupported("reduces what it scatters"));
    }
    let inputs = c.inputs()?;
    c.emit(Op::ScatterNd, &inputs)
}

/// The upper or lower triangle: the rest becomes 0 by a mask.
pub(super) fn trilu<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let x = c.input(0)?;
    let shape = c.shape(&x);
    let &[.., rows, columns] = &shape[..] else {
        return Err(c.unsupported(format!("takes matrices, got {shape:?}")));
    };
    let upper = c.int("upper", 1)? != 0;
    let k = c.optional_ints(1, "k")?.and_then(|k| k.first().copied()).unwrap_or(0);
    let kept = |i: usize, j: usize| {
        let ahead = j as i64 - i as i64;
        if upper { ahead >= k } else { ahead <= k }
    };
    let cells = || (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j)));
    let mask = c.owned(vec![rows, columns], |_| Data::Bool(cells().map(|(i, j)| kept(i, j)).collect()))?;
    let zero = match c.element(&x) {
        Element::Float => Data::F32(vec![0.0]),
        Element::Integer => Data::I64(vec![0]),
    };
    let zero = c.owned(vec![], |_| zero)?;
    c.emit(Op::Where, &[mask, x, zero])
}
