//! Operators that change shapes and move elements.

use calibench_graph::{Dim, Op, PadMode};

use super::super::converter::{Converter, Operand, Result};
use super::super::fold::{self, MOST_AXES};
use crate::{Attribute, Constant};

fn fixed(shape: &[usize]) -> Vec<Dim> {
    shape.iter().map(|n| Dim::Fixed(*n)).collect()
}

/// The operand under another shape; nothing where it has it already.
pub(super) fn reshaped<'m>(c: &mut Converter<'m>, x: Operand<'m>, shape: &[usize]) -> Result<Operand<'m>> {
    if c.shape(&x) == shape {
        return Ok(x);
    }
    if let Operand::Known(constant) = &x
        && fold::count(shape) == Some(constant.data.len())
    {
        c.spend(constant.data.len())?;
        let constant = Constant { shape: shape.to_vec(), data: constant.data.clone() };
        return Ok(Operand::Known(std::borrow::Cow::Owned(constant)));
    }
    c.emit(Op::Reshape { shape: fixed(shape) }, &[x])
}

pub(super) fn reshape<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let x = c.input(0)?;
    let from = c.shape(&x);
    let wanted = c.optional_ints(1, "shape")?.ok_or_else(|| c.unsupported("lacks its shape"))?;
    let keep_zeros = c.int("allowzero", 0)? != 0;
    // A file with a batch of 1 spells it out. What is left to it are then all elements of one sample.
    let batched = c.rebatched && matches!(x, Operand::Value(_)) && from.first() == Some(&c.size);
    let sample = if batched && wanted.first() == Some(&1) {
        // A 0 copies the size at its place, so that all places are kept.
        resolved(&[&[1], &from[1..]].concat(), &wanted, keep_zeros)
    } else {
        None
    };
    let shape = match sample {
        Some(sample) => Some([&[c.size], &sample[1..]].concat()),
        None => resolved(&from, &wanted, keep_zeros),
    };
    let shape = shape.ok_or_else(|| c.unsupported(format!("cannot make {wanted:?} of {from:?}")))?;
    reshaped(c, x, &shape)
}

/// The shape that ONNX means: 0 copies, −1 is what is left.
fn resolved(from: &[usize], wanted: &[i64], keep_zeros: bool) -> Option<Vec<usize>> {
    let mut shape = Vec::new();
    let mut open = None;
    for (axis, size) in wanted.iter().enumerate() {
        shape.push(match size {
            -1 if open.is_none() => {
                open = Some(axis);
                1
            }
            0 if !keep_zeros => *from.get(axis)?,
            size => usize::try_from(*size).ok()?,
        });
    }
    let total: usize = from.iter().product();
    let known = fold::count(&shape)?;
    match open {
        Some(axis) if known > 0 && total.is_multiple_of(known) => shape[axis] = total / known,
        Some(_) => return None,
        None if known != total => return None,
        None => {}
    }
    Some(shape)
}

pub(super) fn flatten<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let x = c.input(0)?;
    let shape = c.shape(&x);
    let axis = c.int("axis", 1)?;
    let axis = if axis == shape.len() as i64 { shape.len() } else { c.axis(axis, shape.len())? };
    reshaped(c, x, &[shape[..axis].iter().product(), shape[axis..].iter().product()])
}

pub(super) fn transpose<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let x = c.input(0)?;
    let rank = c.shape(&x).len();
    let reversed: Vec<usize> = (0..rank).rev().collect();
    let axes = if c.attribute("perm").is_some() { c.sizes("perm", &[])? } else { reversed };
    if axes.iter().copied().eq(0..rank) { Ok(x) } else { c.emit(Op::Permute { axes }, &[x]) }
}

/// Axes from the attribute (before opset 13) or from input 1, sorted.
fn axes(c: &Converter<'_>, rank: usize) -> Result<Option<Vec<usize>>> {
    let axes = match c.ints_attribute("axes")? {
        Some(axes) => Some(axes.to_vec()),
        None => c.optional_ints(1, "axes")?,
    };
    let Some(axes) = axes else { return Ok(None) };
    let mut axes = axes.iter().map(|a| c.axis(*a, rank)).collect::<Result<Vec<_>>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(Some(axes))
}

pub(super) fn squeeze<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let x = c.input(0)?;
    let shape = c.shape(&x);
    let axes = axes(c, shape.len())?.unwrap_or_else(|| (0..shape.len()).filter(|a| shape[*a] == 1).collect());
    if axes.iter().any(|a| shape[*a] != 1) {
        return Err(c.unsupported(format!("cannot squeeze axes {axes:?} of {shape:?}")));
    }
    let kept: Vec<usize> = (0..shape.len()).filter(|a| !axes.contains(a)).map(|a| shape[a]).collect();
    reshaped(c, x, &kept)
}

pub(super) fn unsqueeze<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let x = c.input(0)?;
    let mut shape = c.shape(&x);
    let count = match c.ints_attribute("axes")? {
        Some(axes) => axes.len(),
        None => c.known(1, "axes")?.data.len(),
    };
    if count > MOST_AXES {
        return Err(c.unsupported(format!("adds {count} axes")));
    }
    let axes = axes(c, shape.len() + count)?.unwrap_or_default();
    if axes.len() != count {
        return Err(c.unsupported("names an axis twice"));
    }
    // Ascending, so that each lands where the result has it.
    axes.iter().for_each(|a| shape.insert(*a, 1));
    reshaped(c, x, &shape)
}

pub(super) fn concat<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let mut inputs = c.inputs()?;
    // Inputs without elements add nothing, whatever their other axes; of such alone the first stands for all.
    let filled = inputs.iter().any(|x| c.shape(x).iter().product::<usize>() > 0);
    if filled {
        inputs.retain(|x| c.shape(x).iter().product::<usize>() > 0);
    } else {
        inputs.truncate(1);
    }
    let Some(first) = inputs.first() else { return Err(c.unsupported("joins nothing")) };
    let axis = c.axis(c.int("axis", 1)?, c.shape(first).len())?;
    // A file with a batch of 1 holds constants of one sample.
    let batched =
        inputs.iter().any(|x| matches!(x, Operand::Value(_)) && c.shape(x).first() == Some(&c.size));
    for i in 0..inputs.len() {
        let shape = c.shape(&inputs[i]);
        if c.rebatched && batched && axis > 0 && shape.first() == Some(&1) {
            let shape = [&[c.size], &shape[1..]].concat();
            inputs[i] =
                c.step(&format!("batched{i}"), Op::Expand { shape: fixed(&shape) }, &inputs[i..=i])?;
        }
    }
    if inputs.len() == 1 { Ok(inputs.remove(0)) } else { c.emit(Op::Concat { axis }, &inputs) }
}

pub(super) fn split<'m>(c: &mut Converter<'m>) -> Result<Vec<Operand<'m>>> {
    let x = c.input(0)?;
    let shape = c.shape(&x);
    let axis = c.axis(c.int("axis", 0)?, shape.len())?;
    let count = c.node.outputs.len();
    let given = match c.ints_attribute("split")? {
        Some(sizes) => Some(sizes.to_vec()),
        None => c.optional_ints(1, "sizes")?,
    };
    let size = shape[axis];
    let sizes: Option<Vec<usize>> = match given {
        Some(sizes) => sizes.iter().map(|n| usize::try_from(*n).ok()).collect(),
        // The last part may be smaller.
        None => {
            let part = size.div_ceil(count.max(1));
            Some((0..count).map(|i| part.min(size.saturating_sub(i * part))).collect())
        }
    };
    let fits = |s: &Vec<usize>| {
        s.len() == count && s.iter().try_fold(0_usize, |n, s| n.checked_add(*s)) == Some(size)
    };
    let sizes = sizes.filter(fits).ok_or_else(|| c.unsupported(format!("cannot split {size} so")))?;
    let mut start = 0;
    let mut parts = Vec::new();
    for (i, len) in sizes.into_iter().enumerate() {
        let part = Op::Slice { axis, start, step: 1, len };
        parts.push(c.step(&format!("part{i}"), part, std::slice::from_ref(&x))?);
        start += len;
    }
    Ok(parts)
}

/// The operand broadcast to a shape; nothing where it has it already.
pub(super) fn expanded<'m>(
    c: &mut Converter<'m>,
    suffix: &str,
    x: Operand<'m>,
    shape: &[usize],
) -> Result<Operand<'m>> {
    if c.shape(&x) == shape { Ok(x) } else { c.step(suffix, Op::Expand { shape: fixed(shape) }, &[x]) }
}

pub(super) fn expand<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let x = c.input(0)?;
    let from = c.shape(&x);
    let wanted = c.optional_ints(1, "shape")?.ok_or_else(|| c.unsupported("lacks its shape"))?;
    let rank = from.len().max(wanted.len());
    // Sizes of 1 on either side give way.
    let mut shape = vec![1; rank];
    for (axis, size) in shape.iter_mut().enumerate() {
        let have = (axis + from.len()).checked_sub(rank).map_or(1, |i| from[i]);
        let want = (axis + wanted.len()).checked_sub(rank).map_or(1, |i| wanted[i]);
        let want =
            usize::try_from(want).map_err(|_| c.unsupported(format!("cannot expand to {wanted:?}")))?;
        *size = if want == 1 { have } else { want };
    }
    if shape == from { Ok(x) } else { c.emit(Op::Expand { shape: fixed(&shape) }, &[x]) }
}

pub(super) fn tile<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    const MOST: i64 = 4096;
    let mut x = c.input(0)?;
    let repeats = c.optional_ints(1, "repeats")?.ok_or_else(|| c.unsupported("lacks its repeats"))?;
    if repeats.len() != c.shape(&x).len() || !repeats.iter().all(|r| (1..=MOST).contains(r)) {
        return Err(c.unsupported(format!("cannot repeat {:?} by {repeats:?}", c.shape(&x))));
    }
    for (axis, repeats) in repeats.iter().enumerate().filter(|(_, r)| **r > 1) {
        let repeats = *repeats as usize;
        if let Operand::Known(constant) = &x {
            c.spend(constant.data.len().saturating_mul(repeats))?;
        }
        let copies = vec![x; repeats];
        x = c.step(&format!("axis{axis}"), Op::Concat { axis }, &copies)?;
    }
    Ok(x)
}

pub(super) fn pad<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let x = c.input(0)?;
    let rank = c.shape(&x).len();
    let given = match c.ints_attribute("pads")? {
        Some(pads) => pads.to_vec(),
        None => c.optional_ints(1, "pads")?.ok_or_else(|| c.unsupported("lacks its pads"))?,
    };
    let axes = match c.optional_ints(3, "axes")? {
        None => (0..rank).collect(),
        Some(axes) => axes.iter().map(|a| c.axis(*a, rank)).collect::<Result<Vec<_>>>()?,
    };
    if given.len() != 2 * axes.len() {
        return Err(c.unsupported(format!("has {} pads for {} axes", given.len(), axes.len())));
    }
    let mut pads = vec![[0; 2]; rank];
    for (i, axis) in axes.iter().enumerate() {
        for (side, value) in [given[i], given[axes.len() + i]].into_iter().enumerate() {
            pads[*axis][side] = usize::try_from(value)
                .map_err(|_| c.unsupported("has a negative pad, which would cut; export it as Slice"))?;
        }
    }
    if pads.iter().all(|p| *p == [0, 0]) {
        return Ok(x);
    }
    let value = match c.attribute("value") {
        Some(Attribute::Float(value)) => *value,
        _ => c.optional_known(2, "value")?.and_then(|v| fold::floats(&v).first().copied()).unwrap_or(0.0),
    };
    let mode = match c.text("mode", "constant")? {
        "constant" => PadMode::Constant(value),
        "reflect" => PadMode::Reflect,
        "edge" => PadMode::Edge,
        other => return Err(c.unsupported(format!("does not pad by `{other}`"))),
    };
    c.emit(Op::Pad { pads, mode }, &[x])
}
