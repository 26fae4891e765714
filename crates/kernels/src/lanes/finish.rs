//! What becomes of the sums of a product: scale, bias, residual, activation, output type.

use std::ops::Range;

use super::Lanes;
use super::math::gelu;
use super::vector::Vector;
use crate::blocks::Block;
use crate::finish::{Activation, Finish, Output, Quantizer, Residual};
use crate::pack::PANEL;

/// A sum as an operand of floating-point arithmetic.
pub(crate) trait Sum: Copy {
    /// Sixteen sums, with corrections.
    fn corrected<V: Vector>(sums: &[Self; PANEL], correction: V::Int) -> V;
}

impl Sum for i32 {
    #[inline(always)]
    fn corrected<V: Vector>(sums: &[i32; PANEL], correction: V::Int) -> V {
        V::from_int(V::add_int(V::load_int(sums), correction))
    }
}

impl Sum for f32 {
    #[inline(always)]
    fn corrected<V: Vector>(sums: &[f32; PANEL], _: V::Int) -> V {
        V::load(sums)
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
    fn run<V: Vector>(self) {
        let Self { block, finish, output, ld } = self;
        match output {
            Output::F32(out) => with_residual::<V, T>(&block, finish, &mut Numbers(out), ld),
            Output::S8(out, quantizer) => {
                let codes = Codes::<V>::new(*quantizer);
                with_residual::<V, T>(&block, finish, &mut Quantized { out, codes }, ld);
            }
        }
    }
}

/// Chooses, outside of all loops, what is added.
#[inline(always)]
fn with_residual<V: Vector, T: Sum>(
    block: &Block<'_, T>,
    finish: &Finish<'_>,
    out: &mut impl Place<V>,
    ld: usize,
) {
    match finish.residual {
        None => panels(block, finish, &Nothing, out, ld),
        Some(Residual::F32(residual)) => panels(block, finish, &residual, out, ld),
        Some(Residual::S8 { codes, scale, zero_point }) => {
            let (zero, scale) = (V::splat_int(zero_point.wrapping_neg()), V::splat(scale));
            panels(block, finish, &Dequantized { codes, zero, scale }, out, ld);
        }
    }
}

#[inline(always)]
fn panels<V: Vector, T: Sum>(
    block: &Block<'_, T>,
    finish: &Finish<'_>,
    residual: &impl Addend<V>,
    out: &mut impl Place<V>,
    ld: usize,
) {
    // Column by panel: what belongs to its columns stays in registers, and every loop has sixteen lanes.
    for first in (0..block.width).step_by(PANEL) {
        // Apart, so that whole panels are written by one store; one path for both calls memcpy for each row.
        if block.width - first >= PANEL {
            panel::<V, true, T>(block, finish, residual, out, ld, first);
        } else {
            panel::<V, false, T>(block, finish, residual, out, ld, first);
        }
    }
}

/// The rows of a block in one panel, which is `FULL` or the last.
#[inline(always)]
fn panel<V: Vector, const FULL: bool, T: Sum>(
    block: &Block<'_, T>,
    finish: &Finish<'_>,
    residual: &impl Addend<V>,
    out: &mut impl Place<V>,
    ld: usize,
    first: usize,
) {
    let width = if FULL { PANEL } else { block.width - first };
    let columns = Columns::<V>::new(finish, block.left + first, width);
    for r in 0..block.rows {
        let sums = block.acc[r * block.ld + first..].first_chunk().expect("sums fill whole panels");
        let row = block.top + r;
        let at = row * ld + block.left + first;
        let of_row = finish.row_correction.get(row).copied().unwrap_or(0);
        let sums = T::corrected::<V>(sums, V::add_int(columns.correction, V::splat_int(of_row)));
        let values = residual.add::<FULL>(sums.mul(columns.scale).add(columns.bias), at..at + width);
        out.put::<FULL>(activate(values, finish.activation), at..at + width);
    }
}

/// What is added to scaled sums.
trait Addend<V: Vector> {
    /// Adds those of a place in the output.
    fn add<const FULL: bool>(&self, values: V, at: Range<usize>) -> V;
}

struct Nothing;

impl<V: Vector> Addend<V> for Nothing {
    #[inline(always)]
    fn add<const FULL: bool>(&self, values: V, _: Range<usize>) -> V {
        values
    }
}

impl<V: Vector> Addend<V> for &[f32] {
    #[inline(always)]
    fn add<const FULL: bool>(&self, values: V, at: Range<usize>) -> V {
        values.add(V::load(&load::<FULL, _>(&self[at], 0.0)))
    }
}

struct Dequantized<'a, V: Vector> {
    codes: &'a [i8],
    /// The zero point, negated.
    zero: V::Int,
    scale: V,
}

impl<V: Vector> Addend<V> for Dequantized<'_, V> {
    #[inline(always)]
    fn add<const FULL: bool>(&self, values: V, at: Range<usize>) -> V {
        let codes = V::load_s8(&load::<FULL, _>(&self.codes[at], 0));
        values.add(V::from_int(V::add_int(codes, self.zero)).mul(self.scale))
    }
}

/// Where values go.
trait Place<V: Vector> {
    fn put<const FULL: bool>(&mut self, values: V, at: Range<usize>);
}

struct Numbers<'a>(&'a mut [f32]);

impl<V: Vector> Place<V> for Numbers<'_> {
    #[inline(always)]
    fn put<const FULL: bool>(&mut self, values: V, at: Range<usize>) {
        store::<FULL, _>(&values.lanes(), &mut self.0[at]);
    }
}

struct Quantized<'a, V: Vector> {
    out: &'a mut [i8],
    codes: Codes<V>,
}

impl<V: Vector> Place<V> for Quantized<'_, V> {
    #[inline(always)]
    fn put<const FULL: bool>(&mut self, values: V, at: Range<usize>) {
        store::<FULL, _>(&self.codes.of(values), &mut self.out[at]);
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
struct Columns<V: Vector> {
    correction: V::Int,
    scale: V,
    bias: V,
}

impl<V: Vector> Columns<V> {
    #[inline(always)]
    fn new(finish: &Finish<'_>, first: usize, width: usize) -> Self {
        let end = first + width;
        Self {
            correction: match finish.correction {
                [] => V::splat_int(0),
                all => V::load_int(&load::<false, _>(&all[first..end], 0)),
            },
            scale: match finish.scale {
                [] => V::splat(1.0),
                [scale] => V::splat(*scale),
                all => V::load(&load::<false, _>(&all[first..end], 1.0)),
            },
            bias: match finish.bias {
                [] => V::splat(0.0),
                all => V::load(&load::<false, _>(&all[first..end], 0.0)),
            },
        }
    }
}

#[inline(always)]
pub(crate) fn activate<V: Vector>(values: V, activation: Activation) -> V {
    match activation {
        Activation::None => values,
        Activation::Relu => values.at_least(V::splat(0.0)),
        Activation::Gelu => gelu(values),
    }
}

/// A quantizer in registers: rounds by the reciprocal of the scale; NaN becomes the zero point.
#[derive(Clone, Copy)]
pub(crate) struct Codes<V: Vector> {
    inverse: V,
    /// The ends of the codes less the zero point.
    low: V,
    high: V,
    zero_point: V::Int,
}

impl<V: Vector> Codes<V> {
    #[inline(always)]
    pub(crate) fn new(quantizer: Quantizer) -> Self {
        let Quantizer { scale, zero_point, low, high } = quantizer;
        Self {
            inverse: V::splat(1.0 / scale),
            low: V::splat((low - zero_point) as f32),
            high: V::splat((high - zero_point) as f32),
            zero_point: V::splat_int(zero_point),
        }
    }

    #[inline(always)]
    pub(crate) fn of(self, values: V) -> [i8; PANEL] {
        values.mul(self.inverse).codes(self.low, self.high, self.zero_point)
    }
}
