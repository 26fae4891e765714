//! Products of two activations (attention scores and contexts).

use std::cell::RefCell;
use std::ops::Range;

use calibench_kernels::{Finish, Kernels, Output, PackedFloat, PackedS8};

use super::Operand;
use super::rows::{Cut, Target, length, part, write_rows};
use super::step::{Context, SiteParams, dequantize, scratch};
use super::storage::{Buffers, Kind, Slot};

/// `[batch · heads] × ([M, K] × [K, N])`, or `[N, K]` transposed.
#[derive(Debug)]
pub(super) struct MatMul {
    pub name: String,
    pub m: usize,
    pub k: usize,
    pub n: usize,
    /// Products per sample.
    pub heads: usize,
    pub transpose_rhs: bool,
    /// What the product is multiplied by.
    pub factor: f32,
    /// What is added to each column of all products of a sample: attention's mask.
    pub mask: Option<Slot>,
    /// Whether each row then becomes its softmax.
    pub softmax: bool,
    pub lhs: Operand,
    pub rhs: Operand,
    pub to: Target,
}

/// Memory that a product needs only while it runs, kept by each thread.
#[derive(Default)]
struct Memory {
    /// With the kernels that packed it.
    packed: Option<(calibench_kernels::Isa, PackedS8)>,
    operand: Option<PackedFloat>,
    row_sums: Vec<i32>,
    correction: Vec<i32>,
    lhs: Vec<f32>,
    rhs: Vec<f32>,
    scores: Vec<f32>,
}

/// Multiply-adds below which a product of int8 codes is one of fp32.
const SMALL: usize = 4096;

/// Scores that are made at a time where they become a softmax: they stay in the first-level cache.
const SCORES: usize = 4096;

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::new(Memory::default());
}

impl MatMul {
    pub(super) fn run(&self, batch: usize, buffers: &mut Buffers, context: &mut Context) {
        let count = batch * self.heads;
        let rows = count * self.m;
        let cut = Cut { rows, width: self.n, unit: self.m, most: usize::MAX, work: rows * self.n * self.k };
        let shared: &Context = context;
        write_rows(self.to, cut, buffers, shared, |first, block, buffers| {
            MEMORY.with_borrow_mut(|memory| self.block(first / self.m, block, buffers, shared, memory));
        });
        if context.rounding != super::Rounding::None {
            let mut out = buffers.take_f32(self.to.slot);
            context.round(&mut out[..rows * self.n]);
            buffers.put_f32(self.to.slot, out);
        }
    }

    /// The products from number `first` on.
    fn block(
        &self,
        first: usize,
        mut block: Output<'_>,
        buffers: &Buffers,
        context: &Context,
        memory: &mut Memory,
    ) {
        let each = self.m * self.n;
        for i in 0..length(&block) / each {
            let out = part(&mut block, i * each..(i + 1) * each);
            self.one(first + i, out, buffers, context, memory);
        }
    }

    fn one(&self, i: usize, out: Output<'_>, buffers: &Buffers, context: &Context, memory: &mut Memory) {
        if self.multiplies_codes() {
            self.one_s8(i, out, buffers, context, memory);
        } else {
            self.one_f32(i, out, buffers, context, memory);
        }
    }

    fn one_f32(&self, i: usize, out: Output<'_>, buffers: &Buffers, context: &Context, memory: &mut Memory) {
        let (m, k, n) = (self.m, self.k, self.n);
        let lhs = widened(self.lhs, i * m * k..(i + 1) * m * k, buffers, context, &mut memory.lhs);
        let rhs = widened(self.rhs, i * n * k..(i + 1) * n * k, buffers, context, &mut memory.rhs);
        let (stride_n, stride_k) = self.strides();
        let factor = [self.factor];
        let scale = if self.factor == 1.0 { &[][..] } else { &factor };
        let finish = Finish { scale, bias: self.bias(i, buffers), ..Finish::default() };
        let kernels = context.kernels;
        let operand = memory.operand.get_or_insert_with(|| PackedFloat::f32(&[], 0, 0));
        operand.repack(rhs, n, k, stride_n, stride_k);
        self.finished(out, kernels, &mut memory.scores, |rows, out| {
            kernels.gemm_float(rows.len(), &lhs[rows.start * k..], k, operand, &finish, out, n);
        });
    }

    /// Whether codes are multiplied as such. int16 codes are widened, since there is no s16 x s16 kernel; int8 codes where a
    /// product is so small that packing them and their corrections take longer than is saved.
    pub(super) fn multiplies_codes(&self) -> bool {
        self.lhs.slot.kind == Kind::I8 && self.m * self.n * self.k >= SMALL
    }

    /// From one column of the right-hand side to the next, and from one of its rows.
    fn strides(&self) -> (usize, usize) {
        if self.transpose_rhs { (self.k, 1) } else { (1, self.n) }
    }

    /// What is added to the columns of product `i`.
    fn bias<'b>(&self, i: usize, buffers: &'b Buffers) -> &'b [f32] {
        self.mask.map_or(&[], |mask| &buffers.f32(mask)[i / self.heads * self.n..][..self.n])
    }

    /// Calls `multiply(rows, their results)` for all rows, at once or, where a softmax follows, for some at a time.
    fn finished(
        &self,
        mut out: Output<'_>,
        kernels: Kernels,
        scores: &mut Vec<f32>,
        mut multiply: impl FnMut(Range<usize>, Output<'_>),
    ) {
        let (m, n) = (self.m, self.n);
        if !self.softmax {
            return multiply(0..m, out);
        }
        let most = (SCORES / n.max(1)).max(1);
        let scores = scratch(scores, most.min(m) * n);
        for first in (0..m).step_by(most) {
            let rows = first..m.min(first + most);
            let scores = &mut scores[..rows.len() * n];
            multiply(rows.clone(), Output::F32(scores));
            let place = rows.start * n..rows.end * n;
            kernels.softmax(scores, n, part(&mut out, place));
        }
    }

    /// With `a = q_a − Z_a` and `b = q_b − Z_b`:
    /// `Σ a·b = Σ q_a·q_b − Z_a·Σ q_b − Z_b·Σ q_a + K·Z_a·Z_b`.
    fn one_s8(&self, i: usize, out: Output<'_>, buffers: &Buffers, context: &Context, memory: &mut Memory) {
        let (m, k, n) = (self.m, self.k, self.n);
        let kernels = context.kernels;
        let (pa, pb) = (context.site_params[self.lhs.value], context.site_params[self.rhs.value]);
        let a = &buffers.i8(self.lhs.slot)[i * m * k..(i + 1) * m * k];
        let b = &buffers.i8(self.rhs.slot)[i * n * k..(i + 1) * n * k];
        let (stride_n, stride_k) = self.strides();
        let packed = packed(&mut memory.packed, kernels);
        kernels.repack_s8_strided(packed, b, n, k, stride_n, stride_k);
        let constant = k as i32 * pa.zero_point * pb.zero_point;
        memory.correction.clear();
        memory.correction.extend(packed.col_sums().iter().map(|sum| constant - pa.zero_point * sum));
        memory.row_sums.clear();
        if pb.zero_point != 0 {
            memory.row_sums.resize(m, 0);
            kernels.row_sums_s8(m, k, a, k, &mut memory.row_sums);
            memory.row_sums.iter_mut().for_each(|sum| *sum *= -pb.zero_point);
        }
        let scale = [pa.scale * pb.scale * self.factor];
        let (correction, bias) = (&memory.correction[..], self.bias(i, buffers));
        let row_sums = &memory.row_sums;
        self.finished(out, kernels, &mut memory.scores, |rows, out| {
            let row_correction = if row_sums.is_empty() { &[][..] } else { &row_sums[rows.clone()] };
            let finish = Finish { correction, row_correction, scale: &scale, bias, ..Finish::default() };
            kernels.gemm_s8_finish(rows.len(), &a[rows.start * k..], k, packed, &finish, out, n);
        });
    }
}

/// The thread's memory for packed operands, as these kernels pack.
fn packed(memory: &mut Option<(calibench_kernels::Isa, PackedS8)>, kernels: Kernels) -> &mut PackedS8 {
    let known = memory.take().filter(|(isa, _)| *isa == kernels.isa());
    &mut memory.insert(known.unwrap_or_else(|| (kernels.isa(), kernels.pack_s8(&[], 0, 0)))).1
}

fn widened<'a>(
    operand: Operand,
    range: std::ops::Range<usize>,
    buffers: &'a Buffers,
    context: &Context,
    memory: &'a mut Vec<f32>,
) -> &'a [f32] {
    if operand.slot.kind == Kind::F32 {
        return &buffers.f32(operand.slot)[range];
    }
    let params: SiteParams = context.site_params[operand.value];
    let out = scratch(memory, range.len());
    dequantize(operand.slot, params, range, buffers, context.kernels, out);
    out
}

#[cfg(test)]
mod tests {
    use calibench_graph::{Dim, Element, Graph, GraphBuilder, Op, Value, ValueId};
    use calibench_kernels::Isa;
    use calibench_quant::Dtype;

    use super::*;
    use crate::QuantSpec;
    use crate::compile::{CompileOptions, Executable};
    use crate::interpret::{Interpreter, NoTap};

    const BATCH: usize = 3;
    const HEADS: usize = 2;
    /// More rows than are made at a time.
    const ROWS: usize = 90;
    const COLUMNS: usize = 70;

    /// `softmax(q · kᵀ · 0.5 + mask)`, the mask of so many rows.
    fn attention(mask_rows: usize) -> Graph {
        let value = |name: &str, dims: [usize; 3]| Value {
            name: name.to_owned(),
            shape: [Dim::Batch].into_iter().chain(dims.map(Dim::Fixed)).collect(),
            element: Element::Float,
        };
        let inputs = vec![
            value("q", [HEADS, ROWS, 8]),
            value("k", [HEADS, COLUMNS, 8]),
            value("mask", [1, mask_rows, COLUMNS]),
        ];
        let mut g = GraphBuilder::with_inputs("attention", inputs);
        let [q, k, mask] = [0, 1, 2].map(ValueId);
        let product = g.add("scores", Op::MatMul { transpose_rhs: true }, &[q, k], vec![]).unwrap();
        let scaled = g.add("scaled", Op::Scale { factor: 0.5 }, &[product], vec![]).unwrap();
        let masked = g.add("masked", Op::Add, &[mask, scaled], vec![]).unwrap();
        let softmax = g.add("softmax", Op::Softmax, &[masked], vec![]).unwrap();
        g.finish(softmax)
    }

    #[test]
    fn mask_and_softmax_are_taken_with_the_scores_and_other_masks_are_not() {
        for (mask_rows, first_step) in [(1, "MatMul+Add+Softmax"), (ROWS, "MatMul")] {
            let graph = attention(mask_rows);
            let numbers = |len: usize, seed: usize| -> Vec<f32> {
                (0..BATCH * len).map(|i| ((i * 37 + seed) % 23) as f32 / 7.0 - 1.5).collect()
            };
            let (q, k) = (numbers(HEADS * ROWS * 8, 1), numbers(HEADS * COLUMNS * 8, 2));
            // Another mask for each sample.
            let mask: Vec<f32> = numbers(mask_rows * COLUMNS, 3).iter().map(|v| 2.0 * v).collect();
            let inputs = [&q[..], &k, &mask];
            let expected = Interpreter::new(&graph).unwrap().run_slice(BATCH, &inputs, &mut NoTap).unwrap();
            for isa in Isa::available() {
                let options =
                    CompileOptions { kernels: Kernels::new(isa).unwrap(), threads: 1, max_batch: BATCH };
                let mut plan = Executable::compile(&graph, &QuantSpec::float(Dtype::Fp32), options).unwrap();
                assert_eq!(plan.plan(BATCH)[0].op, first_step);
                let got = plan.run(BATCH, &inputs).unwrap();
                let off = got.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(got.len() == expected.len() && off < 1e-6, "{isa}, mask of {mask_rows} rows: {off}");
            }
        }
    }
}
