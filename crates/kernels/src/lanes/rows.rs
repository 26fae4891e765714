//! Normalisations over rows, and functions of single values, in fp32 with fp32 or int8 results.

use super::Lanes;
use super::finish::{Codes, activate};
use super::math::exp_nonpositive;
use super::vector::Vector;
use crate::finish::{Activation, Output};

/// Partial sums of a row.
const LANES: usize = 16;

/// Layer normalisation of rows of `gamma.len()` values.
pub(crate) struct LayerNorm<'a, 'b> {
    pub x: &'a [f32],
    pub gamma: &'a [f32],
    pub beta: &'a [f32],
    pub epsilon: f32,
    /// As long as a row.
    pub row: &'a mut [f32],
    pub output: Output<'b>,
}

impl Lanes for LayerNorm<'_, '_> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { x, gamma, beta, epsilon, row, mut output } = self;
        let width = gamma.len();
        for (i, x) in x.chunks_exact(width).enumerate() {
            let mean = sum::<V>(x) / width as f32;
            let variance = squares::<V>(x, mean) / width as f32;
            let inverse = 1.0 / (variance + epsilon).sqrt();
            let (means, inverses) = (V::splat(mean), V::splat(inverse));
            let ((x, x_tail), (row_chunks, row_tail)) =
                (x.as_chunks::<LANES>(), row.as_chunks_mut::<LANES>());
            let ((gamma, gamma_tail), (beta, beta_tail)) = (gamma.as_chunks::<LANES>(), beta.as_chunks());
            for (((o, x), g), b) in row_chunks.iter_mut().zip(x).zip(gamma).zip(beta) {
                let normal = V::load(x).sub(means).mul(inverses);
                normal.mul(V::load(g)).add(V::load(b)).store(o);
            }
            for (((o, x), g), b) in row_tail.iter_mut().zip(x_tail).zip(gamma_tail).zip(beta_tail) {
                *o = (x - mean) * inverse * g + b;
            }
            write::<V>(row, &mut output, i, width);
        }
    }
}

/// Softmax of rows of `width` values.
pub(crate) struct Softmax<'a, 'b> {
    pub x: &'a [f32],
    pub width: usize,
    /// As long as a row.
    pub row: &'a mut [f32],
    pub output: Output<'b>,
}

impl Lanes for Softmax<'_, '_> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { x, width, row, mut output } = self;
        for (i, x) in x.chunks_exact(width).enumerate() {
            // A NaN is not the largest, but makes the sum NaN, and so the row.
            let most = V::splat(most::<V>(x));
            let ((x, x_tail), (chunks, tail)) = (x.as_chunks::<LANES>(), row.as_chunks_mut::<LANES>());
            for (o, x) in chunks.iter_mut().zip(x) {
                exp_nonpositive(V::load(x).sub(most)).store(o);
            }
            if !tail.is_empty() {
                let exps = exp_nonpositive(V::load(&filled(x_tail)).sub(most));
                tail.copy_from_slice(&exps.lanes()[..tail.len()]);
            }
            let inverse = V::splat(1.0 / sum::<V>(row));
            let (chunks, tail) = row.as_chunks_mut::<LANES>();
            for o in chunks {
                V::load(o).mul(inverse).store(o);
            }
            if !tail.is_empty() {
                tail.copy_from_slice(&V::load(&filled(tail)).mul(inverse).lanes()[..tail.len()]);
            }
            write::<V>(row, &mut output, i, width);
        }
    }
}

/// A function of each value.
pub(crate) struct Activate<'a, 'b> {
    pub x: &'a [f32],
    pub activation: Activation,
    pub output: Output<'b>,
}

impl Lanes for Activate<'_, '_> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { x, activation, output } = self;
        let (chunks, tail) = x.as_chunks::<LANES>();
        let last = activate(V::load(&filled(tail)), activation);
        // No function of a closure: it would be called, not inlined.
        match output {
            Output::F32(out) => {
                let (out, out_tail) = out.as_chunks_mut::<LANES>();
                for (out, x) in out.iter_mut().zip(chunks) {
                    activate(V::load(x), activation).store(out);
                }
                out_tail.copy_from_slice(&last.lanes()[..tail.len()]);
            }
            Output::S8(out, quantizer) => {
                let codes = Codes::<V>::new(quantizer);
                let (out, out_tail) = out.as_chunks_mut::<LANES>();
                for (out, x) in out.iter_mut().zip(chunks) {
                    *out = codes.of(activate(V::load(x), activation));
                }
                out_tail.copy_from_slice(&codes.of(last)[..tail.len()]);
            }
        }
    }
}

/// Fewer than sixteen numbers, and zeros.
#[inline(always)]
fn filled(tail: &[f32]) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    lanes[..tail.len()].copy_from_slice(tail);
    lanes
}

/// Row `i` of the output.
#[inline(always)]
fn write<V: Vector>(row: &[f32], output: &mut Output<'_>, i: usize, width: usize) {
    let at = i * width..i * width + row.len();
    match output {
        Output::F32(out) => out[at].copy_from_slice(row),
        Output::S8(out, quantizer) => {
            let codes = Codes::<V>::new(*quantizer);
            let ((from, last), (to, last_to)) = (row.as_chunks(), out[at].as_chunks_mut());
            for (to, from) in to.iter_mut().zip(from) {
                *to = codes.of(V::load(from));
            }
            if !last.is_empty() {
                last_to.copy_from_slice(&codes.of(V::load(&filled(last)))[..last.len()]);
            }
        }
    }
}

/// The sum of the values, in 16 partial sums.
#[inline(always)]
fn sum<V: Vector>(x: &[f32]) -> f32 {
    let (chunks, tail) = x.as_chunks::<LANES>();
    let mut sums = V::splat(0.0);
    for chunk in chunks {
        sums = sums.add(V::load(chunk));
    }
    let mut sums = sums.lanes();
    for (sum, v) in sums.iter_mut().zip(tail) {
        *sum += v;
    }
    halved(sums, |a, b| a + b)
}

/// The sum of the squares of the distances from `mean`, in 16 partial sums.
#[inline(always)]
fn squares<V: Vector>(x: &[f32], mean: f32) -> f32 {
    let (chunks, tail) = x.as_chunks::<LANES>();
    let (mut sums, means) = (V::splat(0.0), V::splat(mean));
    for chunk in chunks {
        let distance = V::load(chunk).sub(means);
        sums = sums.add(distance.mul(distance));
    }
    let mut sums = sums.lanes();
    for (sum, v) in sums.iter_mut().zip(tail) {
        *sum += (v - mean) * (v - mean);
    }
    halved(sums, |a, b| a + b)
}

/// The largest value; NaN is passed over.
#[inline(always)]
fn most<V: Vector>(x: &[f32]) -> f32 {
    let (chunks, tail) = x.as_chunks::<LANES>();
    let mut most = V::splat(f32::NEG_INFINITY);
    for chunk in chunks {
        most = most.at_least(V::load(chunk));
    }
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut most = most.lanes();
    for (most, v) in most.iter_mut().zip(tail) {
        *most = larger(*most, *v);
    }
    halved(most, larger)
}

/// One value from sixteen, by halves.
#[inline(always)]
fn halved(mut lanes: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = f(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}
