//! Products of two activations (attention scores and contexts).

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
    pub lhs: Operand,
    pub rhs: Operand,
    pub to: Slot,
}

/// One factor: where it lies and, as codes, whose parameters it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operand {
    pub slot: Slot,
    pub value: usize,
}

impl MatMul {
    pub(super) fn run(&self, batch: usize, buffers: &mut Buffers, context: &mut Context) {
        let count = batch * self.heads;
        let mut out = buffers.take_f32(self.to);
        if self.lhs.slot.kind == Kind::I8 {
            self.run_s8(count, buffers, context, &mut out);
        } else {
            self.run_f32(count, buffers, context, &mut out);
        }
        context.round(&mut out[..count * self.m * self.n]);
        buffers.put_f32(self.to, out);
    }

    fn run_f32(&self, count: usize, buffers: &Buffers, context: &mut Context, out: &mut [f32]) {
        let (m, k, n) = (self.m, self.k, self.n);
        // W8A16 holds its operands as int16 codes; there is no s16 x s16 kernel, so they are widened.
        let (mut lhs, mut rhs) = (Vec::new(), Vec::new());
        let lhs = widened(self.lhs, count * m * k, buffers, context, &mut lhs);
        let rhs = widened(self.rhs, count * n * k, buffers, context, &mut rhs);
        let (row, column) = if self.transpose_rhs { (1, k) } else { (n, 1) };
        for i in 0..count {
            let (a, b) = (&lhs[i * m * k..(i + 1) * m * k], &rhs[i * n * k..(i + 1) * n * k]);
            let c = &mut out[i * m * n..(i + 1) * m * n];
            context.kernels.matmul_f32(m, n, k, a, k, 1, b, row, column, c, n);
        }
    }

    /// With `a = q_a − Z_a` and `b = q_b − Z_b`:
    /// `Σ a·b = Σ q_a·q_b − Z_a·Σ q_b − Z_b·Σ q_a + K·Z_a·Z_b`.
    fn run_s8(&self, count: usize, buffers: &Buffers, context: &mut Context, out: &mut [f32]) {
        let (m, k, n) = (self.m, self.k, self.n);
        let kernels = context.kernels;
        let (pa, pb) = (context.site_params[self.lhs.value], context.site_params[self.rhs.value]);
        let scale = [pa.scale * pb.scale];
        let mut row_sums = vec![0; m];
        let mut correction = vec![0; n];
        for i in 0..count {
            let a = &buffers.i8(self.lhs.slot)[i * m * k..(i + 1) * m * k];
            let b = &buffers.i8(self.rhs.slot)[i * n * k..(i + 1) * n * k];
            let (stride_n, stride_k) = if self.transpose_rhs { (k, 1) } else { (1, n) };
            let packed = kernels.pack_s8_strided(b, n, k, stride_n, stride_k);
            let acc = scratch(&mut context.scratch.acc32, m * n);
            kernels.gemm_s8(m, a, k, &packed, acc, n);
            for (c, sum) in correction.iter_mut().zip(packed.col_sums()) {
                *c = k as i32 * pa.zero_point * pb.zero_point - pa.zero_point * sum;
            }
            if pb.zero_point != 0 {
                kernels.row_sums_s8(m, k, a, k, &mut row_sums);
                for (row, sum) in acc.chunks_exact_mut(n).zip(&row_sums) {
                    row.iter_mut().for_each(|v| *v -= pb.zero_point * sum);
                }
            }
            kernels.dequantize_s32(
                acc,
                n,
                &correction,
                &scale,
                None,
                false,
                &mut out[i * m * n..(i + 1) * m * n],
            );
        }
    }
}

fn widened<'a>(
    operand: Operand,
    n: usize,
    buffers: &'a Buffers,
    context: &Context,
    memory: &'a mut Vec<f32>,
) -> &'a [f32] {
    if operand.slot.kind == Kind::F32 {
        return &buffers.f32(operand.slot)[..n];
    }
    let params: SiteParams = context.site_params[operand.value];
    let out = scratch(memory, n);
    dequantize(operand.slot, params, n, buffers, context.kernels, out);
    out
}
