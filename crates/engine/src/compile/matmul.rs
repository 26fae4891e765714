//! Products of two activations (attention scores and contexts).

use std::cell::RefCell;

use calibench_kernels::{Finish, Kernels, Output, PackedS8};

use super::Operand;
use super::rows::{Cut, Target, write_rows};
use super::step::{Context, SiteParams, dequantize, scratch};
use super::storage::{Buffers, Kind};

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
    pub lhs: Operand,
    pub rhs: Operand,
    pub to: Target,
}

/// Memory that a product needs only while it runs, kept by each thread.
#[derive(Default)]
struct Memory {
    /// With the kernels that packed it.
    packed: Option<(calibench_kernels::Isa, PackedS8)>,
    row_sums: Vec<i32>,
    correction: Vec<i32>,
    lhs: Vec<f32>,
    rhs: Vec<f32>,
}

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
        block: Output<'_>,
        buffers: &Buffers,
        context: &Context,
        memory: &mut Memory,
    ) {
        let each = self.m * self.n;
        match block {
            Output::F32(out) => {
                for (i, out) in out.chunks_exact_mut(each).enumerate() {
                    self.one(first + i, Output::F32(out), buffers, context, memory);
                }
            }
            Output::S8(out, quantizer) => {
                for (i, out) in out.chunks_exact_mut(each).enumerate() {
                    self.one(first + i, Output::S8(out, quantizer), buffers, context, memory);
                }
            }
        }
    }

    fn one(&self, i: usize, out: Output<'_>, buffers: &Buffers, context: &Context, memory: &mut Memory) {
        if self.lhs.slot.kind == Kind::I8 {
            self.one_s8(i, out, buffers, context, memory);
        } else {
            self.one_f32(i, out, buffers, context, memory);
        }
    }

    fn one_f32(&self, i: usize, out: Output<'_>, buffers: &Buffers, context: &Context, memory: &mut Memory) {
        let (m, k, n) = (self.m, self.k, self.n);
        // W8A16 holds its operands as int16 codes; there is no s16 x s16 kernel, so they are widened.
        let lhs = widened(self.lhs, i * m * k..(i + 1) * m * k, buffers, context, &mut memory.lhs);
        let rhs = widened(self.rhs, i * n * k..(i + 1) * n * k, buffers, context, &mut memory.rhs);
        let strides = if self.transpose_rhs { (1, k) } else { (n, 1) };
        let factor = [self.factor];
        let finish = Finish { scale: if self.factor == 1.0 { &[] } else { &factor }, ..Finish::default() };
        context.kernels.matmul_f32((m, n, k), lhs, k, rhs, strides, &finish, out, n);
    }

    /// With `a = q_a − Z_a` and `b = q_b − Z_b`:
    /// `Σ a·b = Σ q_a·q_b − Z_a·Σ q_b − Z_b·Σ q_a + K·Z_a·Z_b`.
    fn one_s8(&self, i: usize, out: Output<'_>, buffers: &Buffers, context: &Context, memory: &mut Memory) {
        let (m, k, n) = (self.m, self.k, self.n);
        let kernels = context.kernels;
        let (pa, pb) = (context.site_params[self.lhs.value], context.site_params[self.rhs.value]);
        let a = &buffers.i8(self.lhs.slot)[i * m * k..(i + 1) * m * k];
        let b = &buffers.i8(self.rhs.slot)[i * n * k..(i + 1) * n * k];
        let (stride_n, stride_k) = if self.transpose_rhs { (k, 1) } else { (1, n) };
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
        let (correction, row_correction) = (&memory.correction[..], &memory.row_sums[..]);
        let finish = Finish { correction, row_correction, scale: &scale, ..Finish::default() };
        kernels.gemm_s8_finish(m, a, k, packed, &finish, out, n);
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
