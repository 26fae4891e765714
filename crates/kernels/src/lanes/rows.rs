//! Normalisations over rows, and functions of single values, in fp32 with fp32 or int8 results.

use super::Lanes;
use super::finish::{activate, quantize};
use super::math::exp_nonpositive;
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
    fn run(self) {
        let Self { x, gamma, beta, epsilon, row, mut output } = self;
        let width = gamma.len();
        for (i, x) in x.chunks_exact(width).enumerate() {
            let mean = sum(x, |v| v) / width as f32;
            let variance = sum(x, |v| (v - mean) * (v - mean)) / width as f32;
            let inverse = 1.0 / (variance + epsilon).sqrt();
            for (((o, v), g), b) in row.iter_mut().zip(x).zip(gamma).zip(beta) {
                *o = (v - mean) * inverse * g + b;
            }
            write(row, &mut output, i, width);
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
    fn run(self) {
        let Self { x, width, row, mut output } = self;
        for (i, x) in x.chunks_exact(width).enumerate() {
            // A NaN is not the largest, but makes the sum NaN, and so the row.
            let most = most(x);
            for (o, v) in row.iter_mut().zip(x) {
                *o = exp_nonpositive(v - most);
            }
            let inverse = 1.0 / sum(row, |v| v);
            row.iter_mut().for_each(|v| *v *= inverse);
            write(row, &mut output, i, width);
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
    fn run(self) {
        let Self { x, activation, mut output } = self;
        let mut row = [0.0; 256];
        for (i, x) in x.chunks(row.len()).enumerate() {
            let values = &mut row[..x.len()];
            values.copy_from_slice(x);
            activate(values, activation);
            write(values, &mut output, i, 256);
        }
    }
}

/// Row `i` of the output.
#[inline(always)]
fn write(row: &[f32], output: &mut Output<'_>, i: usize, width: usize) {
    let at = i * width..i * width + row.len();
    match output {
        Output::F32(out) => out[at].copy_from_slice(row),
        Output::S8(out, quantizer) => quantize(row, *quantizer, &mut out[at]),
    }
}

/// The sum of a function of the values, in 16 partial sums.
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (chunks, tail) = x.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, v) in sums.iter_mut().zip(chunk) {
            *sum += f(*v);
        }
    }
    for (sum, v) in sums.iter_mut().zip(tail) {
        *sum += f(*v);
    }
    halved(sums, |a, b| a + b)
}

/// The largest value; NaN is passed over.
#[inline(always)]
fn most(x: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (chunks, tail) = x.as_chunks::<LANES>();
    let mut most = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for (most, v) in most.iter_mut().zip(chunk) {
            *most = larger(*most, *v);
        }
    }
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
