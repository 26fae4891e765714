//! Linear layers and convolutions: products of activation rows with weights.

use calibench_kernels::{Kernels, NarrowWeights, PackedS8, Requant};
use rayon::prelude::*;

use super::layout::ConvShape;
use super::step::{CodeRange, Context, Scratch, SiteParams, scratch};
use super::storage::{Buffers, Kind, Slot};
use super::Rounding;

/// Rows handled at a time: the block's patches and accumulators stay in the second-level cache.
const BLOCK_ROWS: usize = 128;

/// A product `rows × weightsᵀ`, with its epilogue.
#[derive(Debug)]
pub(super) struct Product {
    pub name: String,
    pub geometry: Geometry,
    /// Index of the input value, for its site parameters.
    pub value: usize,
    pub out_channels: usize,
    pub weights: Weights,
    pub bias: Option<Vec<f32>>,
    pub relu: bool,
    pub epilogue: Epilogue,
    pub from: Slot,
    pub to: Slot,
}

/// How the rows of the left-hand matrix come about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Geometry {
    /// The input is the matrix: `rows` rows of `k` values per sample.
    Rows { rows: usize, k: usize },
    /// Patches of channels-last images.
    Conv(ConvShape),
}

/// Weights as held for execution, one entry per group.
#[derive(Debug)]
pub(super) enum Weights {
    F32(Vec<Vec<f32>>),
    Narrow(Vec<NarrowWeights>),
    Int { packed: Vec<PackedS8>, scale: Vec<f32> },
}

/// What becomes of the accumulators.
#[derive(Debug)]
pub(super) enum Epilogue {
    /// fp32 arithmetic: bias and ReLU in the product.
    Float,
    /// Integer accumulators, frozen ranges, int8 output codes.
    Requantize { correction: Vec<i32>, requant: Vec<Requant>, zero_point: i32, codes: CodeRange },
    /// Integer accumulators, frozen ranges, fp32 output; the bias is in the correction.
    Dequantize { correction: Vec<i64>, scale: Vec<f32> },
    /// Integer accumulators, ranges of this run, fp32 output; the bias is added in fp32.
    DequantizeDynamic,
}

/// The corrections and scales of one run.
struct RunScales<'a> {
    correction: &'a [i64],
    scale: &'a [f32],
    bias: Option<&'a [f32]>,
}

impl Geometry {
    pub(super) fn rows_per_sample(&self) -> usize {
        match self {
            Self::Rows { rows, .. } => *rows,
            Self::Conv(shape) => shape.rows(),
        }
    }

    /// Multiply-adds of one output value.
    pub(super) fn k(&self) -> usize {
        match self {
            Self::Rows { k, .. } => *k,
            Self::Conv(shape) => shape.patch_len(),
        }
    }

    pub(super) fn groups(&self) -> usize {
        match self {
            Self::Rows { .. } => 1,
            Self::Conv(shape) => shape.groups,
        }
    }

    /// The left-hand rows `first..first + count` of a group: in place, or gathered into `patches`.
    fn rows<'a, T: Copy + Default>(
        &self,
        input: &'a [T],
        group: usize,
        first: usize,
        count: usize,
        pad: T,
        patches: &'a mut Vec<T>,
    ) -> &'a [T] {
        let k = self.k();
        match self {
            Self::Rows { .. } => &input[first * k..(first + count) * k],
            Self::Conv(shape) if shape.is_pointwise() => &input[first * k..(first + count) * k],
            Self::Conv(shape) => {
                let out = scratch(patches, count * k);
                shape.patches(input, group, first, count, pad, out);
                out
            }
        }
    }
}

impl Product {
    pub(super) fn run(&self, batch: usize, buffers: &mut Buffers, context: &mut Context) {
        let params = context.site_params[self.value];
        let rows = batch * self.geometry.rows_per_sample();
        let n = self.out_channels;
        let (kernels, rounding) = (context.kernels, context.rounding);
        if self.to.kind == Kind::I8 {
            let mut out = buffers.take_i8(self.to);
            let shared: &Buffers = buffers;
            for_blocks(&mut out[..rows * n], n, context, |first, block, scratch| {
                self.requantized_block(first, block, shared, params, kernels, scratch);
            });
            buffers.put_i8(self.to, out);
            return;
        }
        let mut out = buffers.take_f32(self.to);
        let shared: &Buffers = buffers;
        if matches!(self.epilogue, Epilogue::Float) {
            for_blocks(&mut out[..rows * n], n, context, |first, block, scratch| {
                self.float_block(first, block, shared.f32(self.from), kernels, rounding, scratch);
            });
        } else {
            let (correction, scale, bias) = self.run_scales(params);
            let scales = RunScales { correction: &correction, scale: &scale, bias };
            for_blocks(&mut out[..rows * n], n, context, |first, block, scratch| {
                self.dequantized_block(first, block, shared, params, &scales, kernels, scratch);
            });
        }
        buffers.put_f32(self.to, out);
    }

    /// Correction per column (`bias − zero point · Σ weights`), scale per column, fp32 bias if any.
    fn run_scales(&self, params: SiteParams) -> (Vec<i64>, Vec<f32>, Option<&[f32]>) {
        match (&self.epilogue, &self.weights) {
            (Epilogue::Dequantize { correction, scale }, _) => (correction.clone(), scale.clone(), None),
            (_, Weights::Int { packed, scale }) => {
                let zero = i64::from(params.zero_point);
                let sums = packed.iter().flat_map(|p| p.col_sums());
                let correction = sums.map(|s| -zero * i64::from(*s)).collect();
                let scale = scale.iter().map(|s| s * params.scale).collect();
                (correction, scale, self.bias.as_deref())
            }
            _ => (Vec::new(), Vec::new(), None),
        }
    }

    fn float_block(
        &self,
        first: usize,
        block: &mut [f32],
        input: &[f32],
        kernels: Kernels,
        rounding: Rounding,
        scratch: &mut Scratch,
    ) {
        let (n, k, groups) = (self.out_channels, self.geometry.k(), self.geometry.groups());
        let (count, per_group) = (block.len() / n, n / groups);
        // In the half compute modes product, bias and ReLU round one after the other.
        let fused = rounding == Rounding::None;
        for group in 0..groups {
            let rows = self.geometry.rows(input, group, first, count, 0.0, &mut scratch.patches_f32);
            let columns = group * per_group..(group + 1) * per_group;
            let bias = self.bias.as_ref().filter(|_| fused).map(|b| &b[columns.clone()]);
            let relu = self.relu && fused;
            let out = &mut block[columns.start..];
            match &self.weights {
                Weights::F32(w) => {
                    kernels.gemm_f32(count, per_group, k, rows, k, &w[group], k, bias, relu, out, n);
                }
                Weights::Narrow(w) => {
                    let widened = &mut scratch.widened;
                    kernels.gemm_weight_only(count, rows, k, &w[group], bias, relu, out, n, widened);
                }
                Weights::Int { .. } => unreachable!("integer weights have an integer epilogue"),
            }
        }
        if !fused {
            round_all(kernels, rounding, block);
            if let Some(bias) = &self.bias {
                for row in block.chunks_exact_mut(n) {
                    for (o, b) in row.iter_mut().zip(bias) {
                        *o += b;
                    }
                }
                round_all(kernels, rounding, block);
            }
            if self.relu {
                block.iter_mut().for_each(|v| *v = if *v < 0.0 { 0.0 } else { *v });
            }
        }
    }

    fn requantized_block(
        &self,
        first: usize,
        block: &mut [i8],
        buffers: &Buffers,
        params: SiteParams,
        kernels: Kernels,
        scratch: &mut Scratch,
    ) {
        let Epilogue::Requantize { correction, requant, zero_point, codes } = &self.epilogue else {
            unreachable!("int8 outputs are requantized");
        };
        let n = self.out_channels;
        self.accumulate_s8(first, block.len() / n, buffers.i8(self.from), params, kernels, scratch);
        let low = if self.relu { codes.low.max(*zero_point) } else { codes.low };
        let (low, high) = (low as i8, codes.high as i8);
        let acc = &scratch.acc32[..block.len()];
        kernels.requantize_s8(acc, n, correction, requant, *zero_point, low, high, block);
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "one block of one run; bundling them would only rename them"
    )]
    fn dequantized_block(
        &self,
        first: usize,
        block: &mut [f32],
        buffers: &Buffers,
        params: SiteParams,
        scales: &RunScales<'_>,
        kernels: Kernels,
        scratch: &mut Scratch,
    ) {
        let n = self.out_channels;
        let RunScales { correction, scale, bias } = *scales;
        if self.from.kind == Kind::I8 {
            self.accumulate_s8(first, block.len() / n, buffers.i8(self.from), params, kernels, scratch);
            let acc = &scratch.acc32[..block.len()];
            // int8 corrections fit i32: lowering bounds them.
            let narrow: Vec<i32> = correction.iter().map(|c| *c as i32).collect();
            kernels.dequantize_s32(acc, n, &narrow, scale, bias, self.relu, block);
        } else {
            self.accumulate_s16(first, block.len() / n, buffers.i16(self.from), params, kernels, scratch);
            let acc = &scratch.acc64[..block.len()];
            kernels.dequantize_s64(acc, n, correction, scale, bias, self.relu, block);
        }
    }

    fn accumulate_s8(
        &self,
        first: usize,
        count: usize,
        input: &[i8],
        params: SiteParams,
        kernels: Kernels,
        scratch_: &mut Scratch,
    ) {
        let Weights::Int { packed, .. } = &self.weights else {
            unreachable!("integer epilogues have integer weights");
        };
        let (n, k) = (self.out_channels, self.geometry.k());
        let acc = scratch(&mut scratch_.acc32, count * n);
        for (group, weights) in packed.iter().enumerate() {
            let pad = params.zero_point as i8;
            let rows = self.geometry.rows(input, group, first, count, pad, &mut scratch_.patches_i8);
            kernels.gemm_s8(count, rows, k, weights, &mut acc[group * weights.n()..], n);
        }
    }

    fn accumulate_s16(
        &self,
        first: usize,
        count: usize,
        input: &[i16],
        params: SiteParams,
        kernels: Kernels,
        scratch_: &mut Scratch,
    ) {
        let Weights::Int { packed, .. } = &self.weights else {
            unreachable!("integer epilogues have integer weights");
        };
        let (n, k) = (self.out_channels, self.geometry.k());
        let acc = scratch(&mut scratch_.acc64, count * n);
        for (group, weights) in packed.iter().enumerate() {
            let pad = params.zero_point as i16;
            let rows = self.geometry.rows(input, group, first, count, pad, &mut scratch_.patches_i16);
            kernels.gemm_s16(count, rows, k, weights, &mut acc[group * weights.n()..], n);
        }
    }

    pub(super) fn weight_bytes(&self) -> u64 {
        let weights = match &self.weights {
            Weights::F32(w) => w.iter().map(|g| 4 * g.len()).sum::<usize>(),
            Weights::Narrow(w) => w.iter().map(NarrowWeights::bytes).sum(),
            Weights::Int { packed, scale } => {
                packed.iter().map(PackedS8::bytes).sum::<usize>() + 4 * scale.len()
            }
        };
        let epilogue = match &self.epilogue {
            Epilogue::Float | Epilogue::DequantizeDynamic => 0,
            Epilogue::Requantize { correction, requant, .. } => {
                4 * correction.len() + size_of::<Requant>() * requant.len()
            }
            Epilogue::Dequantize { correction, scale } => 8 * correction.len() + 4 * scale.len(),
        };
        (weights + epilogue + self.bias.as_ref().map_or(0, |b| 4 * b.len())) as u64
    }
}

fn round_all(kernels: Kernels, rounding: Rounding, values: &mut [f32]) {
    match rounding {
        Rounding::None => {}
        Rounding::Fp16 => kernels.round_f16(values),
        Rounding::Bf16 => kernels.round_bf16(values),
    }
}

/// Runs `work(first row, block, scratch)` over blocks of rows, on the pool if there is one.
fn for_blocks<T: Send>(
    out: &mut [T],
    n: usize,
    context: &mut Context,
    work: impl Fn(usize, &mut [T], &mut Scratch) + Sync,
) {
    match &context.pool {
        None => {
            for (i, block) in out.chunks_mut(BLOCK_ROWS * n).enumerate() {
                work(i * BLOCK_ROWS, block, &mut context.scratch);
            }
        }
        Some(pool) => {
            // At least one block per thread, so that small batches are shared out too.
            let rows = out.len() / n;
            let block_rows = rows.div_ceil(pool.current_num_threads()).clamp(1, BLOCK_ROWS);
            pool.install(|| {
                out.par_chunks_mut(block_rows * n)
                    .enumerate()
                    .for_each_init(Scratch::default, |scratch, (i, block)| {
                        work(i * block_rows, block, scratch)
                    });
            });
        }
    }
}
