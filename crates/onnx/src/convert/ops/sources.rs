//! Operators that make values of shapes and attributes.

use std::borrow::Cow;

use super::super::converter::{Converter, Operand, Result};
use super::super::fold::{self, LARGEST};
use crate::{Attribute, Constant, Data};

pub(super) fn shape<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let shape: Vec<i64> = c.shape(&c.input(0)?).iter().map(|n| *n as i64).collect();
    if c.node.op == "Size" {
        let total = shape.iter().product();
        return c.owned(vec![], |_| Data::I64(vec![total]));
    }
    let rank = shape.len() as i64;
    let clamped = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
    let (start, end) = (clamped(c.int("start", 0)?), clamped(c.int("end", rank)?));
    let part = shape.get(start..end).unwrap_or_default().to_vec();
    c.owned(vec![part.len()], |_| Data::I64(part))
}

pub(super) fn constant<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let given = ["value", "value_float", "value_int", "value_floats", "value_ints"];
    match given.iter().find_map(|name| c.attribute(name)) {
        Some(Attribute::Tensor(tensor)) => Ok(Operand::Known(Cow::Borrowed(tensor))),
        Some(Attribute::Float(v)) => c.owned(vec![], |_| Data::F32(vec![*v])),
        Some(Attribute::Int(v)) => c.owned(vec![], |_| Data::I64(vec![*v])),
        Some(Attribute::Floats(v)) => c.owned(vec![v.len()], |_| Data::F32(v.clone())),
        Some(Attribute::Ints(v)) => c.owned(vec![v.len()], |_| Data::I64(v.clone())),
        _ => Err(c.unsupported("holds no tensor of numbers")),
    }
}

pub(super) fn constant_of_shape<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let wanted = c.optional_ints(0, "shape")?.ok_or_else(|| c.unsupported("lacks its shape"))?;
    let shape: Option<Vec<usize>> = wanted.iter().map(|n| usize::try_from(*n).ok()).collect();
    let shape = shape.ok_or_else(|| c.unsupported(format!("cannot fill {wanted:?}")))?;
    match c.attribute("value") {
        None => c.owned(shape, |n| Data::F32(vec![0.0; n])),
        Some(Attribute::Tensor(Constant { data, .. })) if data.len() == 1 => c.owned(shape, |n| match data {
            Data::F32(v) => Data::F32(vec![v[0]; n]),
            Data::I64(v) => Data::I64(vec![v[0]; n]),
            Data::Bool(v) => Data::Bool(vec![v[0]; n]),
        }),
        Some(_) => Err(c.unsupported("must be filled with one number")),
    }
}

pub(super) fn range<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let parts = [c.known(0, "start")?, c.known(1, "limit")?, c.known(2, "step")?];
    if parts.iter().any(|p| p.data.len() != 1) {
        return Err(c.unsupported("takes three numbers"));
    }
    let steps = |start: f64, limit: f64, step: f64| {
        let n = ((limit - start) / step).ceil();
        if step == 0.0 || n.is_nan() || n > LARGEST as f64 { None } else { Some(n.max(0.0) as usize) }
    };
    let too_long = |c: &Converter<'m>| c.unsupported("has a step of 0 or too many numbers");
    if parts.iter().all(|p| matches!(p.data, Data::I64(_))) {
        let [start, limit, step] = parts.map(|p| fold::ints(&p)[0]);
        let n = steps(start as f64, limit as f64, step as f64).ok_or_else(|| too_long(c))?;
        // Beyond 2^53 the number of steps is rounded, so the last may overflow.
        let number = |i: usize| start.wrapping_add(step.wrapping_mul(i as i64));
        return c.owned(vec![n], |n| Data::I64((0..n).map(number).collect()));
    }
    let [start, limit, step] = parts.map(|p| f64::from(fold::floats(&p)[0]));
    let n = steps(start, limit, step).ok_or_else(|| too_long(c))?;
    c.owned(vec![n], |n| Data::F32((0..n).map(|i| (start + i as f64 * step) as f32).collect()))
}
