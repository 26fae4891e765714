//! What becomes of the sums of a product: scale, bias, residual, activation, output type.

use super::Lanes;
use super::math::{gelu, relu};
use crate::blocks::Block;
use crate::finish::{Activation, Finish, Output, Quantizer, Residual};
use crate::pack::PANEL;

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
        // Column by panel: what belongs to its columns stays in registers, and every loop has sixteen lanes.
        for first in (0..block.width).step_by(PANEL) {
            // Apart, so that whole panels are written by one store; one path for both calls memcpy for each row.
            if block.width - first >= PANEL {
                panel::<true, T>(&block, finish, output, ld, first);
            } else {
                panel::<false, T>(&block, finish, output, ld, first);
            }
        }
    }
}

/// The rows of a block in one panel, which is `FULL` or the last.
#[inline(always)]
fn panel<const FULL: bool, T: Sum>(
    block: &Block<'_, T>,
    finish: &Finish<'_>,
    output: &mut Output<'_>,
    ld: usize,
    first: usize,
) {
    let width = if FULL { PANEL } else { block.width - first };
    let columns = Columns::new(finish, block.left + first, width);
    for r in 0..block.rows {
        let sums = block.acc[r * block.ld + first..].first_chunk().expect("sums fill whole panels");
        let row = block.top + r;
        let at = row * ld + block.left + first;
        let of_row = finish.row_correction.get(row).copied().unwrap_or(0);
        let values = columns.finish::<FULL, T>(sums, of_row, finish, at..at + width);
        match output {
            Output::F32(out) => store::<FULL, _>(&values, &mut out[at..at + width]),
            Output::S8(out, quantizer) => {
                let mut codes = [0; PANEL];
                quantize(&values, *quantizer, &mut codes);
                store::<FULL, _>(&codes, &mut out[at..at + width]);
            }
        }
    }
}

/// Writes the lanes that are there.
#[inline(always)]
fn store<const FULL: bool, T: Copy>(lanes: &[T; PANEL], out: &mut [T]) {
    if FULL {
        *out.first_chunk_mut().expect("a whole panel") = *lanes;
    } else {
        out.copy_from_slice(&lanes[..out.len()]);
    }
}

/// Reads the lanes that are there, and `fill` for the others.
#[inline(always)]
fn load<const FULL: bool, T: Copy>(from: &[T], fill: T) -> [T; PANEL] {
    if FULL {
        return *from.first_chunk().expect("a whole panel");
    }
    let mut lanes = [fill; PANEL];
    lanes[..from.len()].copy_from_slice(from);
    lanes
}

/// What belongs to the columns of a panel.
struct Columns {
    correction: [i32; PANEL],
    scale: [f32; PANEL],
    bias: [f32; PANEL],
}

impl Columns {
    #[inline(always)]
    fn new(finish: &Finish<'_>, first: usize, width: usize) -> Self {
        let end = first + width;
        Self {
            correction: match finish.correction {
                [] => [0; PANEL],
                all => load::<false, _>(&all[first..end], 0),
            },
            scale: match finish.scale {
                [] => [1.0; PANEL],
                [scale] => [*scale; PANEL],
                all => load::<false, _>(&all[first..end], 1.0),
            },
            bias: match finish.bias {
                [] => [0.0; PANEL],
                all => load::<false, _>(&all[first..end], 0.0),
            },
        }
    }

    /// One row of values; `at` is their place in the output.
    #[inline(always)]
    fn finish<const FULL: bool, T: Sum>(
        &self,
        sums: &[T; PANEL],
        of_row: i32,
        finish: &Finish<'_>,
        at: std::ops::Range<usize>,
    ) -> [f32; PANEL] {
        let mut values = [0.0; PANEL];
        for i in 0..PANEL {
            let sum = sums[i].corrected(self.correction[i].wrapping_add(of_row));
            values[i] = sum * self.scale[i] + self.bias[i];
        }
        match finish.residual {
            None => {}
            Some(Residual::F32(residual)) => {
                let residual = load::<FULL, _>(&residual[at], 0.0);
                for i in 0..PANEL {
                    values[i] += residual[i];
                }
            }
            Some(Residual::S8 { codes, scale, zero_point }) => {
                let codes = load::<FULL, _>(&codes[at], 0);
                for i in 0..PANEL {
                    values[i] += (i32::from(codes[i]) - zero_point) as f32 * scale;
                }
            }
        }
        activate(&mut values, finish.activation);
        values
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
