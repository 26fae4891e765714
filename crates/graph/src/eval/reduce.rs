//! Reductions and pooling means. Sums are in 64-bit floats and rounded once.

use smallvec::smallvec;

use super::{Number, PerAxis, View, strides};
use crate::{Reduction, Window};

pub(super) fn reduce<T: Number>(reduction: Reduction, axes: &[usize], x: View<'_, T>, out: &mut [T]) {
    let own = strides(x.shape);
    let along = |reduced: bool| {
        let axes = (0..x.shape.len()).filter(|axis| axes.contains(axis) == reduced);
        axes.map(|axis| (x.shape[axis], own[axis])).collect::<PerAxis<_>>()
    };
    let (inner, kept) = (along(true), along(false));
    for (start, o) in Offsets::new(&kept).zip(out) {
        *o = match inner[..] {
            // The common case, without the counting.
            [(size, step)] => one(reduction, (0..size).map(|i| x.data[start + i * step])),
            _ => one(reduction, Offsets::new(&inner).map(|i| x.data[start + i])),
        };
    }
}

/// Where elements lie along axes of given sizes and strides, in row-major order.
struct Offsets<'a> {
    axes: &'a [(usize, usize)],
    index: PerAxis<usize>,
    at: usize,
    left: usize,
}

impl<'a> Offsets<'a> {
    fn new(axes: &'a [(usize, usize)]) -> Self {
        let left = axes.iter().map(|(size, _)| size).product();
        Self { axes, index: smallvec![0; axes.len()], at: 0, left }
    }
}

impl Iterator for Offsets<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at;
        for ((size, step), index) in self.axes.iter().zip(&mut self.index).rev() {
            *index += 1;
            self.at += step;
            if *index < *size {
                break;
            }
            self.at -= step * size;
            *index = 0;
        }
        Some(at)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Offsets<'_> {}

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
