//! Operators that make values of shapes and attributes.

use std::borrow::Cow;

use super::super::converter::{Converter, Operand, Result};
use super::super::fold::{self, LARGEST, integers};
use crate::{Attribute, Constant, Data};

fn owned<'m>(constant: Constant) -> Operand<'m> {
    Operand::Known(Cow::Owned(constant))
}

pub(super) fn shape<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let shape: Vec<i64> = c.shape(&c.input(0)?).iter().map(|n| *n as i64).collect();
    if c.node.op == "Size" {
        return Ok(owned(integers(vec![], vec![shape.iter().product()])));
    }
    let rank = shape.len() as i64;
    let clamped = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
    let (start, end) = (clamped(c.int("start", 0)?), clamped(c.int("end", rank)?));
    let part = shape.get(start..end).unwrap_or_default().to_vec();
    Ok(owned(integers(vec![part.len()], part)))
}

pub(super) fn constant<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let given = ["value", "value_float", "value_int", "value_floats", "value_ints"];
    let constant = match given.iter().find_map(|name| c.attribute(name)) {
        Some(Attribute::Tensor(tensor)) => return Ok(Operand::Known(Cow::Borrowed(tensor))),
        Some(Attribute::Float(v)) => Constant { shape: vec![], data: Data::F32(vec![*v]) },
        Some(Attribute::Int(v)) => integers(vec![], vec![*v]),
        Some(Attribute::Floats(v)) => Constant { shape: vec![v.len()], data: Data::F32(v.clone()) },
        Some(Attribute::Ints(v)) => integers(vec![v.len()], v.clone()),
        _ => return Err(c.unsupported("holds no tensor of numbers")),
    };
    Ok(owned(constant))
}

pub(super) fn constant_of_shape<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let wanted = c.optional_ints(0, "shape")?.ok_or_else(|| c.unsupported("lacks its shape"))?;
    let shape: Option<Vec<usize>> = wanted.iter().map(|n| usize::try_from(*n).ok()).collect();
    let len = |s: &Vec<usize>| s.iter().try_fold(1_usize, |n, d| n.checked_mul(*d)).filter(|n| *n <= LARGEST);
    let (shape, len) = shape
        .and_then(|s| len(&s).map(|n| (s, n)))
        .ok_or_else(|| c.unsupported(format!("cannot fill {wanted:?}")))?;
    let data = match c.attribute("value") {
        Some(Attribute::Tensor(Constant { data: Data::F32(v), .. })) if v.len() == 1 => {
            Data::F32(vec![v[0]; len])
        }
        Some(Attribute::Tensor(Constant { data: Data::I64(v), .. })) if v.len() == 1 => {
            Data::I64(vec![v[0]; len])
        }
        Some(Attribute::Tensor(Constant { data: Data::Bool(v), .. })) if v.len() == 1 => {
            Data::Bool(vec![v[0]; len])
        }
        None => Data::F32(vec![0.0; len]),
        Some(_) => return Err(c.unsupported("must be filled with one number")),
    };
    Ok(owned(Constant { shape, data }))
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
        return Ok(owned(integers(vec![n], (0..n as i64).map(|i| start + i * step).collect())));
    }
    let [start, limit, step] = parts.map(|p| f64::from(fold::floats(&p)[0]));
    let n = steps(start, limit, step).ok_or_else(|| too_long(c))?;
    let data = (0..n).map(|i| (start + i as f64 * step) as f32).collect();
    Ok(owned(Constant { shape: vec![n], data: Data::F32(data) }))
}
