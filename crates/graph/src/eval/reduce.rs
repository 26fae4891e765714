//! Reductions and pooling means. Sums are in 64-bit floats and rounded once.

use super::{Number, View, strides};
use crate::{Reduction, Window};

pub(super) fn reduce<T: Number>(reduction: Reduction, axes: &[usize], x: View<'_, T>, out: &mut [T]) {
    let own = strides(x.shape);
    let (reduced, kept): (Vec<usize>, Vec<usize>) = (0..x.shape.len()).partition(|a| axes.contains(a));
    let offsets = |axes: &[usize]| {
        axes.iter().fold(vec![0], |starts, axis| {
            let steps = 0..x.shape[*axis];
            starts
                .iter()
                .flat_map(|s| steps.clone().map(move |i| (s, i)))
                .map(|(s, i)| s + i * own[*axis])
                .collect()
        })
    };
    let inner: Vec<usize> = offsets(&reduced);
    for (start, o) in offsets(&kept).into_iter().zip(out) {
        *o = one(reduction, inner.iter().map(|i| x.data[start + i]));
    }
}

fn one<T: Number>(reduction: Reduction, values: impl ExactSizeIterator<Item = T>) -> T {
    let n = values.len() as f64;
    let sum = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>();
    // A NaN wins, as in NumPy.
    let wins =
        |better: fn(T, T) -> bool| move |a: T, b: T| if better(b, a) || b.to_f64().is_nan() { b } else { a };
    match reduction {
        Reduction::Mean => T::from_f64(sum(&mut values.map(T::to_f64)) / n),
        Reduction::Sum => T::from_f64(sum(&mut values.map(T::to_f64))),
        Reduction::L2 => T::from_f64(sum(&mut values.map(|v| v.to_f64() * v.to_f64())).sqrt()),
        Reduction::Max => values.reduce(wins(|b, a| b > a)).unwrap_or_default(),
        Reduction::Min => values.reduce(wins(|b, a| b < a)).unwrap_or_default(),
        Reduction::Prod => T::from_f64(values.map(T::to_f64).product()),
    }
}

pub(super) fn softmax<T: Number>(x: View<'_, T>, out: &mut [T]) {
    rows_by_exp(x, out, |less, sum| less.exp() / sum);
}

pub(super) fn log_softmax<T: Number>(x: View<'_, T>, out: &mut [T]) {
    rows_by_exp(x, out, |less, sum| less - sum.ln());
}

/// `f(x − max, Σ exp(x − max))` over the last axis.
fn rows_by_exp<T: Number>(x: View<'_, T>, out: &mut [T], f: impl Fn(f64, f64) -> f64) {
    let width = x.shape.last().copied().unwrap_or(1).max(1);
    for (x, out) in x.data.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let max = x.iter().map(|v| v.to_f64()).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = x.iter().map(|v| (v.to_f64() - max).exp()).sum();
        for (o, x) in out.iter_mut().zip(x) {
            *o = T::from_f64(f(x.to_f64() - max, sum));
        }
    }
}

pub(super) fn avg_pool<T: Number>(
    x: View<'_, T>,
    window: &Window,
    count_padding: bool,
    shape: &[usize],
    out: &mut [T],
) {
    let &[_, _, h, w] = x.shape else { return };
    let &[_, _, oh, ow] = shape else { return };
    let taps = window.kernel[0] * window.kernel[1];
    for (plane, out) in x.data.chunks_exact((h * w).max(1)).zip(out.chunks_exact_mut((oh * ow).max(1))) {
        for (pixel, o) in out.iter_mut().enumerate() {
            let (mut sum, mut count) = (0.0, 0_usize);
            for tap in 0..taps {
                let (ky, kx) = (tap / window.kernel[1], tap % window.kernel[1]);
                let position = |o: usize, k: usize, axis: usize, len: usize| {
                    let i = o * window.stride[axis] + k * window.dilation[axis];
                    i.checked_sub(window.padding[axis]).filter(|i| *i < len)
                };
                let at = position(pixel / ow, ky, 0, h).zip(position(pixel % ow, kx, 1, w));
                if let Some((y, x)) = at {
                    sum += plane[y * w + x].to_f64();
                    count += 1;
                }
            }
            let divisor = if count_padding { taps } else { count };
            *o = T::from_f64(sum / divisor as f64);
        }
    }
}
