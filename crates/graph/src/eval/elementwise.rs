//! Functions of each element, with NumPy's broadcasting.

use smallvec::smallvec;

use super::{Number, PerAxis, View, strides};
use crate::Binary;

pub(super) fn map<T: Number>(x: View<'_, T>, out: &mut [T], f: impl Fn(T) -> T) {
    for (o, x) in out.iter_mut().zip(x.data) {
        *o = f(*x);
    }
}

pub(super) fn binary<T: Number>(op: Binary, x: View<'_, T>, y: View<'_, T>, shape: &[usize], out: &mut [T]) {
    match op {
        // The common ones get a loop of their own.
        Binary::Mul => zip(x, y, shape, out, |a, b| a.arithmetic(Binary::Mul, b)),
        Binary::Sub => zip(x, y, shape, out, |a, b| a.arithmetic(Binary::Sub, b)),
        Binary::Div => zip(x, y, shape, out, |a, b| a.arithmetic(Binary::Div, b)),
        op if op.is_predicate() => zip(x, y, shape, out, |a, b| a.predicate(op, b)),
        op => zip(x, y, shape, out, |a, b| a.arithmetic(op, b)),
    }
}

/// `f` of each pair, in rows along the last axis: there both step by one element, or one of them stands.
pub(super) fn zip<T: Number>(
    x: View<'_, T>,
    y: View<'_, T>,
    shape: &[usize],
    out: &mut [T],
    f: impl Fn(T, T) -> T,
) {
    if x.data.len() == out.len() && y.data.len() == out.len() {
        for ((o, x), y) in out.iter_mut().zip(x.data).zip(y.data) {
            *o = f(*x, *y);
        }
        return;
    }
    for_rows(shape, [x.shape, y.shape], out, |[i, j], [si, sj], row| {
        let n = row.len();
        match (si, sj) {
            (1, 1) => {
                for ((o, x), y) in row.iter_mut().zip(&x.data[i..i + n]).zip(&y.data[j..j + n]) {
                    *o = f(*x, *y);
                }
            }
            (0, 1) => {
                for (o, y) in row.iter_mut().zip(&y.data[j..j + n]) {
                    *o = f(x.data[i], *y);
                }
            }
            (1, _) => {
                for (o, x) in row.iter_mut().zip(&x.data[i..i + n]) {
                    *o = f(*x, y.data[j]);
                }
            }
            _ => row.fill(f(x.data[i], y.data[j])),
        }
    });
}

/// y where x is not 0, z elsewhere.
pub(super) fn choose<T: Number>(
    x: View<'_, T>,
    y: View<'_, T>,
    z: View<'_, T>,
    shape: &[usize],
    out: &mut [T],
) {
    for_rows(shape, [x.shape, y.shape, z.shape], out, |[i, j, k], [si, sj, sk], row| {
        for (n, o) in row.iter_mut().enumerate() {
            *o = if x.data[i + n * si].is_true() { y.data[j + n * sj] } else { z.data[k + n * sk] };
        }
    });
}

/// Calls `row(starts, steps, out)` for every row along the last axis: where each input's row begins, and
/// whether it moves (1) or stands (0).
pub(super) fn for_rows<T, const N: usize>(
    shape: &[usize],
    inputs: [&[usize]; N],
    out: &mut [T],
    mut row: impl FnMut([usize; N], [usize; N], &mut [T]),
) {
    let Some((&width, outer)) = shape.split_last() else {
        return row([0; N], [0; N], out);
    };
    if out.is_empty() {
        return;
    }
    // Strides aligned to the result, 0 where an input is broadcast.
    let steps = inputs.map(|input| {
        let own = strides(input);
        let missing = shape.len() - input.len();
        let step = |axis: usize| match axis.checked_sub(missing) {
            Some(i) if input[i] != 1 => own[i],
            _ => 0,
        };
        (0..shape.len()).map(step).collect::<PerAxis<_>>()
    });
    let last = std::array::from_fn(|n| steps[n][outer.len()]);
    let mut index: PerAxis<usize> = smallvec![0; outer.len()];
    let mut starts = [0; N];
    for out in out.chunks_exact_mut(width) {
        row(starts, last, out);
        for axis in (0..outer.len()).rev() {
            index[axis] += 1;
            (0..N).for_each(|n| starts[n] += steps[n][axis]);
            if index[axis] < outer[axis] {
                break;
            }
            (0..N).for_each(|n| starts[n] -= steps[n][axis] * outer[axis]);
            index[axis] = 0;
        }
    }
}
