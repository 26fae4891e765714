//! Operators that change shapes and move elements.

use calibench_graph::{Dim, PadMode};

use super::emitter::{Emitter, Result};
use crate::Attribute;

/// A size that grows with the batch is −1, what is left: there is at most one.
pub(super) fn reshape(e: &mut Emitter<'_>, shape: &[Dim]) -> Result<String> {
    if shape.contains(&Dim::Fixed(0)) {
        return Err(e.unsupported("has an axis without elements, where 0 means a copied size"));
    }
    let sizes: Vec<i64> = shape.iter().map(|d| d.fixed().map_or(-1, |n| n as i64)).collect();
    let kind = e.result();
    let (x, sizes) = (e.input(0, kind)?, e.ints("shape", &sizes));
    Ok(e.emit("Reshape", &[&x, &sizes], vec![]))
}

/// Where the input has the batch already, 1 keeps it; elsewhere its size is asked for at run time.
pub(super) fn expand(e: &mut Emitter<'_>, shape: &[Dim]) -> Result<String> {
    let from = e.shape(0);
    let has = |axis: usize| (axis + from.len()).checked_sub(shape.len()).map(|i| from[i]);
    let size = |(axis, dim): (usize, &Dim)| match dim {
        Dim::Fixed(n) => Some(*n as i64),
        grown => (has(axis) == Some(*grown)).then_some(1),
    };
    let sizes: Option<Vec<i64>> = shape.iter().enumerate().map(size).collect();
    let kind = e.result();
    let x = e.input(0, kind)?;
    let sizes = match sizes {
        Some(sizes) => e.ints("shape", &sizes),
        None => run_time_shape(e, shape)?,
    };
    Ok(e.emit("Expand", &[&x, &sizes], vec![]))
}

/// A shape whose batch is known at run time, int64.
fn run_time_shape(e: &mut Emitter<'_>, shape: &[Dim]) -> Result<String> {
    let batch = e.batch()?;
    let mut parts = Vec::new();
    for (axis, dim) in shape.iter().enumerate() {
        parts.push(match dim {
            Dim::Batch => batch.clone(),
            Dim::Fixed(n) => e.ints(&format!("size{axis}"), &[*n as i64]),
            Dim::Multiple(k) => {
                let factor = e.ints(&format!("multiple{axis}"), &[*k as i64]);
                e.step(&format!("size{axis}"), "Mul", &[&batch, &factor], vec![])
            }
        });
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    Ok(e.step("shape", "Concat", &parts, vec![("axis", Attribute::Int(0))]))
}

pub(super) fn slice(
    e: &mut Emitter<'_>,
    axis: usize,
    (start, step, len): (usize, isize, usize),
) -> Result<String> {
    let size = e.shape(0)[axis].fixed().unwrap_or_default() as i64;
    let (start, step) = (start as i64, step as i64);
    let end = start + step * len as i64;
    // Backwards to the first element: an end before it, counted from the end of the axis.
    let end = if end < 0 { -1 - size } else { end };
    let kind = e.result();
    let x = e.input(0, kind)?;
    let [starts, ends, axes, steps] =
        [("starts", start), ("ends", end), ("axes", axis as i64), ("steps", step)]
            .map(|(suffix, value)| e.ints(suffix, &[value]));
    Ok(e.emit("Slice", &[&x, &starts, &ends, &axes, &steps], vec![]))
}

pub(super) fn pad(e: &mut Emitter<'_>, pads: &[[usize; 2]], mode: PadMode) -> Result<String> {
    let kind = e.result();
    let x = e.input(0, kind)?;
    let sizes: Vec<i64> = [0, 1].iter().flat_map(|side| pads.iter().map(|p| p[*side] as i64)).collect();
    let sizes = e.ints("pads", &sizes);
    let (name, value) = match mode {
        PadMode::Constant(value) => ("constant", e.scalar("value", value, kind)),
        PadMode::Reflect => ("reflect", String::new()),
        PadMode::Edge => ("edge", String::new()),
    };
    Ok(e.emit("Pad", &[&x, &sizes, &value], vec![("mode", Attribute::String(name.to_owned()))]))
}
