//! What becomes of the sums of a product: scale, bias, residual, activation, output type.

use super::Lanes;
use super::math::{gelu, relu};
use crate::blocks::{Block, COLUMN_PANELS};
use crate::finish::{Activation, Finish, Output, Quantizer, Residual};
use crate::pack::PANEL;

/// Columns handled at a time: those of a block.
const WIDTH: usize = COLUMN_PANELS * PANEL;

/// A sum as an operand of floating-point arithmetic.
pub(crate) trait Sum: Copy {
    fn corrected(self, correction: i32) -> f32;
}

impl Sum for i32 {
    #[inline(always)]
    fn corrected(self, correction: i32) -> f32 {
        self.wrapping_add(correction) as f32
    }
}

impl Sum for f32 {
    #[inline(always)]
    fn corrected(self, _: i32) -> f32 {
        self
    }
}

/// Finishes one block into its place in the output, whose rows are `ld` apart.
pub(crate) struct FinishBlock<'a, 'b, T> {
    pub block: Block<'a, T>,
    pub finish: &'a Finish<'a>,
    pub output: &'a mut Output<'b>,
    pub ld: usize,
}

impl<T: Sum> Lanes for FinishBlock<'_, '_, T> {
    #[inline(always)]
    fn run(self) {
        let Self { block, finish, output, ld } = self;
        for first in (0..block.width).step_by(WIDTH) {
            let width = WIDTH.min(block.width - first);
            let mut columns = Columns::new(finish, block.left + first, width);
            for r in 0..block.rows {
                let sums = &block.acc[r * block.ld + first..][..width];
                let at = (block.top + r) * ld + block.left + first;
                let of_row = finish.row_correction.get(block.top + r).copied().unwrap_or(0);
                columns.finish(sums, of_row, finish, at);
                match output {
                    Output::F32(out) => out[at..at + width].copy_from_slice(&columns.values[..width]),
                    Output::S8(out, quantizer) => {
                        quantize(&columns.values[..width], *quantizer, &mut out[at..at + width]);
                    }
                }
            }
        }
    }
}

/// What belongs to some columns, and a row of their values.
struct Columns {
    correction: [i32; WIDTH],
    scale: [f32; WIDTH],
    bias: [f32; WIDTH],
    values: [f32; WIDTH],
}

impl Columns {
    #[inline(always)]
    fn new(finish: &Finish<'_>, first: usize, width: usize) -> Self {
        let mut columns =
            Self { correction: [0; WIDTH], scale: [1.0; WIDTH], bias: [0.0; WIDTH], values: [0.0; WIDTH] };
        if !finish.correction.is_empty() {
            columns.correction[..width].copy_from_slice(&finish.correction[first..][..width]);
        }
        match finish.scale {
            [] => {}
            [scale] => columns.scale[..width].fill(*scale),
            scales => columns.scale[..width].copy_from_slice(&scales[first..][..width]),
        }
        if !finish.bias.is_empty() {
            columns.bias[..width].copy_from_slice(&finish.bias[first..][..width]);
        }
        columns
    }

    /// One row of values; `at` is the place of its first in the output.
    #[inline(always)]
    fn finish<T: Sum>(&mut self, sums: &[T], of_row: i32, finish: &Finish<'_>, at: usize) {
        let width = sums.len();
        let values = &mut self.values[..width];
        let columns = self.correction.iter().zip(&self.scale).zip(&self.bias);
        for ((value, sum), ((correction, scale), bias)) in values.iter_mut().zip(sums).zip(columns) {
            *value = sum.corrected(correction.wrapping_add(of_row)) * scale + bias;
        }
        match finish.residual {
            None => {}
            Some(Residual::F32(residual)) => {
                for (value, r) in values.iter_mut().zip(&residual[at..at + width]) {
                    *value += r;
                }
            }
            Some(Residual::S8 { codes, scale, zero_point }) => {
                for (value, code) in values.iter_mut().zip(&codes[at..at + width]) {
                    *value += (i32::from(*code) - zero_point) as f32 * scale;
                }
            }
        }
        activate(values, finish.activation);
    }
}

#[inline(always)]
pub(crate) fn activate(values: &mut [f32], activation: Activation) {
    match activation {
        Activation::None => {}
        Activation::Relu => values.iter_mut().for_each(|v| *v = relu(*v)),
        Activation::Gelu => values.iter_mut().for_each(|v| *v = gelu(*v)),
    }
}

/// Rounds to codes by the reciprocal of the scale; NaN becomes the zero point.
#[inline(always)]
pub(crate) fn quantize(values: &[f32], quantizer: Quantizer, out: &mut [i8]) {
    let Quantizer { scale, zero_point, low, high } = quantizer;
    let inverse = 1.0 / scale;
    let (low, high) = ((low - zero_point) as f32, (high - zero_point) as f32);
    for (out, v) in out.iter_mut().zip(values) {
        let t = (v * inverse).round_ties_even();
        let t = if t.is_nan() { 0.0 } else { t };
        let t = if t < low { low } else { t };
        let t = if t > high { high } else { t };
        // SAFETY: t is a whole number within the codes less the zero point, at most 2^24 in magnitude.
        let code: i32 = unsafe { t.to_int_unchecked() };
        *out = (code + zero_point) as i8;
    }
}
