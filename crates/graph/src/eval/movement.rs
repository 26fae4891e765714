//! Operators that only move elements.

use smallvec::smallvec;

use super::elementwise::for_rows;
use super::{Number, PerAxis, View, strides};
use crate::PadMode;

pub(super) fn permute<T: Number>(x: View<'_, T>, axes: &[usize], out: &mut [T]) {
    let own = strides(x.shape);
    let dims: PerAxis<usize> = axes.iter().map(|a| x.shape[*a]).collect();
    let steps: PerAxis<usize> = axes.iter().map(|a| own[*a]).collect();
    let (Some((&width, outer)), Some(step)) = (dims.split_last(), steps.last()) else {
        return out.copy_from_slice(x.data);
    };
    let mut index: PerAxis<usize> = smallvec![0; outer.len()];
    for row in out.chunks_exact_mut(width.max(1)) {
        let start: usize = index.iter().zip(&steps).map(|(i, s)| i * s).sum();
        for (n, o) in row.iter_mut().enumerate() {
            *o = x.data[start + n * step];
        }
        advance(&mut index, outer);
    }
}

/// The next index in row-major order.
fn advance(index: &mut [usize], dims: &[usize]) {
    for axis in (0..dims.len()).rev() {
        index[axis] += 1;
        if index[axis] < dims[axis] {
            return;
        }
        index[axis] = 0;
    }
}

pub(super) fn expand<T: Number>(x: View<'_, T>, shape: &[usize], out: &mut [T]) {
    for_rows(shape, [x.shape], out, |[start], [step], row| {
        if step == 0 {
            row.fill(x.data[start]);
        } else {
            row.copy_from_slice(&x.data[start..start + row.len()]);
        }
    });
}

pub(super) fn concat<T: Number>(inputs: &[View<'_, T>], axis: usize, out: &mut [T]) {
    let width = |x: &View<'_, T>| x.shape[axis..].iter().product::<usize>();
    let total: usize = inputs.iter().map(width).sum();
    if total == 0 {
        return;
    }
    for (row, out) in out.chunks_exact_mut(total).enumerate() {
        let mut at = 0;
        for x in inputs {
            let width = width(x);
            out[at..at + width].copy_from_slice(&x.data[row * width..(row + 1) * width]);
            at += width;
        }
    }
}

pub(super) fn slice<T: Number>(
    x: View<'_, T>,
    axis: usize,
    (start, step, len): (usize, isize, usize),
    out: &mut [T],
) {
    let inner: usize = x.shape[axis + 1..].iter().product();
    let size = x.shape[axis];
    if len * inner == 0 {
        return;
    }
    for (block, out) in out.chunks_exact_mut(len * inner).enumerate() {
        for (n, out) in out.chunks_exact_mut(inner).enumerate() {
            let at = (block * size + start.wrapping_add_signed(step * n as isize)) * inner;
            out.copy_from_slice(&x.data[at..at + inner]);
        }
    }
}

pub(super) fn pad<T: Number>(
    x: View<'_, T>,
    pads: &[[usize; 2]],
    mode: PadMode,
    shape: &[usize],
    out: &mut [T],
) {
    if let (PadMode::Constant(value), Some((width, outer))) = (mode, x.shape.split_last()) {
        return surround(x.data, (outer, *width), pads, T::from_f64(f64::from(value)), shape, out);
    }
    let own = strides(x.shape);
    let mut index: PerAxis<usize> = smallvec![0; shape.len()];
    for o in out.iter_mut() {
        let mut at = Some(0);
        for axis in 0..shape.len() {
            let (i, before, size) = (index[axis], pads[axis][0], x.shape[axis]);
            let inside = match mode {
                PadMode::Constant(_) => i.checked_sub(before).filter(|i| *i < size),
                PadMode::Edge => Some(i.saturating_sub(before).min(size - 1)),
                PadMode::Reflect => Some(mirrored(i as isize - before as isize, size)),
            };
            at = at.zip(inside).map(|(at, i)| at + i * own[axis]);
        }
        *o = match (at, mode) {
            (Some(at), _) => x.data[at],
            (None, PadMode::Constant(value)) => T::from_f64(f64::from(value)),
            (None, _) => T::ZERO,
        };
        advance(&mut index, shape);
    }
}

/// Rows of `width` values in a field of one value.
fn surround<T: Number>(
    data: &[T],
    (outer, width): (&[usize], usize),
    pads: &[[usize; 2]],
    value: T,
    shape: &[usize],
    out: &mut [T],
) {
    out.fill(value);
    if data.is_empty() {
        return;
    }
    let strides = strides(shape);
    let place = |axis: usize, i: usize| (i + pads[axis][0]) * strides[axis];
    let mut index: PerAxis<usize> = smallvec![0; outer.len()];
    for row in data.chunks_exact(width) {
        let at =
            place(outer.len(), 0) + index.iter().enumerate().map(|(axis, i)| place(axis, *i)).sum::<usize>();
        out[at..at + width].copy_from_slice(row);
        advance(&mut index, outer);
    }
}

/// The position that a mirror at both ends shows at `i`.
fn mirrored(i: isize, size: usize) -> usize {
    let period = (2 * size.max(1) - 2).max(1) as isize;
    let i = i.rem_euclid(period) as usize;
    if i < size { i } else { period as usize - i }
}

/// The position of an index that may count from the end.
pub(super) fn position<T: Number>(index: T, size: usize) -> Result<usize, String> {
    let index = index.to_f64();
    let counted = if index < 0.0 { index + size as f64 } else { index };
    // A NaN is outside too.
    if counted >= 0.0 && counted < size as f64 {
        Ok(counted as usize)
    } else {
        Err(format!("index {index} is outside of an axis of {size}"))
    }
}

pub(super) fn gather<T: Number>(
    x: View<'_, T>,
    indices: &[T],
    axis: usize,
    out: &mut [T],
) -> Result<(), String> {
    let inner: usize = x.shape[axis + 1..].iter().product();
    let size = x.shape[axis];
    if inner * indices.len() == 0 {
        return Ok(());
    }
    for (block, out) in out.chunks_exact_mut(inner * indices.len()).enumerate() {
        for (index, out) in indices.iter().zip(out.chunks_exact_mut(inner)) {
            let at = (block * size + position(*index, size)?) * inner;
            out.copy_from_slice(&x.data[at..at + inner]);
        }
    }
    Ok(())
}

/// Where the slice of an index tuple begins, from the axes it indexes.
fn tuple_start<T: Number>(tuple: &[T], dims: &[usize], steps: &[usize]) -> Result<usize, String> {
    tuple.iter().zip(dims).zip(steps).try_fold(0, |at, ((i, n), step)| Ok(at + position(*i, *n)? * step))
}

pub(super) fn gather_nd<T: Number>(
    x: View<'_, T>,
    indices: View<'_, T>,
    batch_dims: usize,
    out: &mut [T],
) -> Result<(), String> {
    let tuple = *indices.shape.last().unwrap_or(&1);
    let block: usize = x.shape[batch_dims..].iter().product();
    let inner: usize = x.shape[batch_dims + tuple..].iter().product();
    let per_block: usize = indices.shape[batch_dims..indices.shape.len() - 1].iter().product();
    let (dims, steps) = (&x.shape[batch_dims..], &strides(x.shape)[batch_dims..]);
    if inner * per_block == 0 {
        return Ok(());
    }
    for (n, (tuple, out)) in indices.data.chunks_exact(tuple).zip(out.chunks_exact_mut(inner)).enumerate() {
        let at = n / per_block * block + tuple_start(tuple, dims, steps)?;
        out.copy_from_slice(&x.data[at..at + inner]);
    }
    Ok(())
}

pub(super) fn scatter_nd<T: Number>(
    x: View<'_, T>,
    indices: View<'_, T>,
    updates: View<'_, T>,
    out: &mut [T],
) -> Result<(), String> {
    out.copy_from_slice(x.data);
    let tuple = *indices.shape.last().unwrap_or(&1);
    let inner: usize =
        x.shape.get(tuple..).ok_or("index tuples are longer than the data has axes")?.iter().product();
    let tuples = indices.data.chunks_exact(tuple.max(1));
    if updates.data.len() != tuples.len() * inner {
        return Err(format!("{} updates for {} slices of {inner}", updates.data.len(), tuples.len()));
    }
    let steps = strides(x.shape);
    for (tuple, update) in tuples.zip(updates.data.chunks_exact(inner.max(1))) {
        let at = tuple_start(tuple, x.shape, &steps)?;
        out[at..at + inner].copy_from_slice(update);
    }
    Ok(())
}
