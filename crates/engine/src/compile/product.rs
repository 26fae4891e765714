//! Linear layers and convolutions: products of activation rows with weights.

use std::cell::RefCell;
use std::ops::Range;

use calibench_kernels::{
    Activation, CodeImage, Depthwise, Finish, Kernels, Output, PackedFloat, PackedS8, Residual,
};

use super::layout::ConvShape;
use super::rows::{Cut, Target, length, part, write_rows};
use super::step::{Context, SiteParams, scratch};
use super::storage::{Buffers, Kind};
use super::{Operand, Rounding};

/// Rows of patches gathered at a time, so that they stay in the second-level cache.
const BLOCK_ROWS: usize = 128;

thread_local! {
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch::new()) };
}

/// Memory that a product needs only while it runs, kept by each thread.
#[derive(Debug)]
struct Scratch {
    patches_f32: Vec<f32>,
    patches_i8: Vec<i8>,
    patches_i16: Vec<i16>,
    patches_u8: Vec<u8>,
    acc64: Vec<i64>,
    correction64: Vec<i64>,
    starts: Vec<usize>,
}

impl Scratch {
    const fn new() -> Self {
        Self {
            patches_f32: Vec::new(),
            patches_i8: Vec::new(),
            patches_i16: Vec::new(),
            patches_u8: Vec::new(),
            acc64: Vec::new(),
            correction64: Vec::new(),
            starts: Vec::new(),
        }
    }
}

/// A product `rows × weightsᵀ`, with what finishes it.
#[derive(Debug)]
pub(super) struct Product {
    pub name: String,
    pub geometry: Geometry,
    pub out_channels: usize,
    pub weights: Weights,
    /// Added to products.
    pub bias: Vec<f32>,
    /// Values of the output's shape and order, added to that.
    pub residual: Option<Operand>,
    pub activation: Activation,
    pub input: Operand,
    pub to: Target,
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
    /// Tap by tap, one a channel; narrower types are widened once, because these weights are few.
    DepthwiseFloat(Vec<f32>),
    /// The same in codes, with their sums by channel; scale and bias as below.
    DepthwiseInt {
        codes: Vec<i8>,
        sums: Vec<i32>,
        scale: Vec<f32>,
        bias: Vec<i32>,
    },
    Float(Vec<PackedFloat>),
    Int {
        packed: Vec<PackedS8>,
        /// Scales of the output channels.
        scale: Vec<f32>,
        /// Bias in units of the sums, where ranges are frozen; else it is added in fp32.
        bias: Vec<i32>,
    },
}

/// What turns integer sums into values in one run.
#[derive(Debug, Default)]
pub(super) struct RunScales {
    /// `bias − zero point · Σ weights` of each column.
    correction: Vec<i32>,
    /// Scale of each column.
    scale: Vec<f32>,
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

    /// The convolution as a depthwise one, which it is.
    fn depthwise(&self) -> Depthwise {
        let Self::Conv(shape) = self else { unreachable!("a linear layer has no channels of its own") };
        shape.depthwise()
    }

    /// The convolution, where it reads its patches from a padded image.
    pub(super) fn windowed(&self, group: usize) -> Option<&ConvShape> {
        match self {
            Self::Conv(shape) if shape.reads_windows(group) => Some(shape),
            _ => None,
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
            Self::Conv(shape) if !shape.is_pointwise() => {
                let out = scratch(patches, count * k);
                shape.patches(input, group, first, count, pad, out);
                out
            }
            _ => &input[first * k..(first + count) * k],
        }
    }
}

impl Product {
    pub(super) fn run(&self, batch: usize, buffers: &mut Buffers, context: &mut Context) {
        let rows = batch * self.geometry.rows_per_sample();
        let n = self.out_channels;
        let cut = Cut {
            rows,
            width: n,
            unit: 1,
            most: self.most_rows(context.kernels),
            work: rows * n * self.geometry.k(),
        };
        let mut scales = std::mem::take(&mut context.run_scales);
        self.run_scales(context.site_params[self.input.value], &mut scales);
        let shared: &Context = context;
        write_rows(self.to, cut, buffers, shared, |first, block, buffers| {
            SCRATCH.with_borrow_mut(|scratch| self.block(first, block, buffers, shared, &scales, scratch));
        });
        context.run_scales = scales;
    }

    /// Most rows of a block: those whose patches are gathered stay in the second-level cache.
    fn most_rows(&self, kernels: Kernels) -> usize {
        let gathers = match (&self.weights, self.geometry) {
            (Weights::DepthwiseFloat(_) | Weights::DepthwiseInt { .. }, _) | (_, Geometry::Rows { .. }) => {
                false
            }
            (_, Geometry::Conv(shape)) => !shape.is_pointwise() && self.window(kernels).is_none(),
        };
        if gathers { BLOCK_ROWS } else { usize::MAX }
    }

    /// The convolution, where it reads its patches from a padded image.
    fn window(&self, kernels: Kernels) -> Option<&ConvShape> {
        match (&self.weights, self.input.slot.kind) {
            (Weights::Float(_), _) => self.geometry.windowed(1),
            (Weights::Int { .. }, Kind::I8) => self.geometry.windowed(kernels.s8_group()),
            _ => None,
        }
    }

    /// Correction and scale of each column under the input's parameters.
    fn run_scales(&self, input: SiteParams, scales: &mut RunScales) {
        scales.correction.clear();
        let (scale, bias) = match &self.weights {
            Weights::Int { packed, scale, bias } => {
                // int16 sums are 64 bits wide, and so is their correction: see `wide_block`.
                if self.input.slot.kind == Kind::I8 {
                    let sums = packed.iter().flat_map(|p| p.col_sums());
                    scales.correction.extend(sums.map(|s| -input.zero_point * s));
                }
                (scale, bias)
            }
            Weights::DepthwiseInt { sums, scale, bias, .. } => {
                scales.correction.extend(sums.iter().map(|s| -input.zero_point * s));
                (scale, bias)
            }
            Weights::Float(_) | Weights::DepthwiseFloat(_) => return,
        };
        for (correction, bias) in scales.correction.iter_mut().zip(bias) {
            *correction += bias;
        }
        scales.scale.clear();
        scales.scale.extend(scale.iter().map(|s| s * input.scale));
    }

    fn block(
        &self,
        first: usize,
        mut block: Output<'_>,
        buffers: &Buffers,
        context: &Context,
        scales: &RunScales,
        scratch: &mut Scratch,
    ) {
        let n = self.out_channels;
        let count = length(&block) / n;
        if let (Kind::I16, Output::F32(out)) = (self.input.slot.kind, &mut block) {
            return self.wide_block(first, out, buffers, context, scales, scratch);
        }
        let (kernels, rounding) = (context.kernels, context.rounding);
        if let Some(shape) = self.window(kernels) {
            self.window_block(shape, first, &mut block, buffers, context, scales, scratch);
            if let (true, Output::F32(out)) = (rounding != Rounding::None, &mut block) {
                self.finish_rounding(out, kernels, rounding);
            }
            return;
        }
        // In the half compute modes product, bias and ReLU round one after the other.
        let fused = rounding == Rounding::None;
        let (k, groups) = match self.weights {
            Weights::DepthwiseFloat(_) | Weights::DepthwiseInt { .. } => (0, 1),
            _ => (self.geometry.k(), self.geometry.groups()),
        };
        let per_group = n / groups;
        for group in 0..groups {
            let columns = group * per_group..(group + 1) * per_group;
            let of = |all: &'_ [f32]| -> std::ops::Range<usize> {
                if all.is_empty() { 0..0 } else { columns.clone() }
            };
            let offset = first * n + columns.start;
            let residual = self.residual.map(|operand| operand.residual(offset, buffers, context));
            let (bias, activation) =
                if fused { (&self.bias[..], self.activation) } else { (&[][..], Activation::None) };
            let mut finish = Finish { bias: &bias[of(bias)], residual, activation, ..Finish::default() };
            let out = part(&mut block, columns.start..);
            match &self.weights {
                Weights::DepthwiseFloat(weights) => {
                    let (shape, images) = (self.geometry.depthwise(), buffers.f32(self.input.slot));
                    kernels.depthwise_f32(shape, images, weights, (first, count), &finish, out);
                }
                Weights::DepthwiseInt { codes, .. } => {
                    let pad = context.site_params[self.input.value].zero_point as i8;
                    let (shape, images) = (self.geometry.depthwise(), buffers.i8(self.input.slot));
                    (finish.correction, finish.scale) = (&scales.correction, &scales.scale);
                    kernels.depthwise_s8(shape, images, pad, codes, (first, count), &finish, out);
                }
                Weights::Float(packed) => {
                    let input = buffers.f32(self.input.slot);
                    let patches = &mut scratch.patches_f32;
                    let rows = self.geometry.rows(input, group, first, count, 0.0, patches);
                    kernels.gemm_float(count, rows, k, &packed[group], &finish, out, n);
                }
                Weights::Int { packed, .. } => {
                    let pad = context.site_params[self.input.value].zero_point as i8;
                    let input = buffers.i8(self.input.slot);
                    let rows = self.geometry.rows(input, group, first, count, pad, &mut scratch.patches_i8);
                    (finish.correction, finish.scale) =
                        (&scales.correction[columns.clone()], &scales.scale[columns.clone()]);
                    kernels.gemm_s8_finish(count, rows, k, &packed[group], &finish, out, n);
                }
            }
        }
        if let (false, Output::F32(out)) = (fused, &mut block) {
            self.finish_rounding(out, kernels, rounding);
        }
    }

    /// A block of a convolution that reads its patches from padded images.
    #[allow(
        clippy::too_many_arguments,
        reason = "one block of one run; bundling them would only rename them"
    )]
    fn window_block(
        &self,
        shape: &ConvShape,
        first: usize,
        block: &mut Output<'_>,
        buffers: &Buffers,
        context: &Context,
        scales: &RunScales,
        scratch: &mut Scratch,
    ) {
        let n = self.out_channels;
        let rows = first..first + length(block) / n;
        let kernels = context.kernels;
        let group = if matches!(self.weights, Weights::Int { .. }) { kernels.s8_group() } else { 1 };
        let windows = shape.windows(group);
        let fused = context.rounding == Rounding::None;
        let finish_of = |row: usize| Finish {
            bias: if fused { &self.bias } else { &[] },
            residual: self.residual.map(|operand| operand.residual(row * n, buffers, context)),
            activation: if fused { self.activation } else { Activation::None },
            ..Finish::default()
        };
        match &self.weights {
            Weights::Float(packed) => {
                let images = buffers.f32(self.input.slot);
                let memory = (&mut scratch.patches_f32, &mut scratch.starts);
                shape.for_images(images, rows, (0.0, group, |x| x), memory, |rows, image, starts| {
                    let out = part(block, (rows.start - first) * n..);
                    kernels.conv_float(image, starts, windows, &packed[0], &finish_of(rows.start), out, n);
                });
            }
            Weights::Int { packed, .. } => {
                let images = buffers.i8(self.input.slot);
                let pad = context.site_params[self.input.value].zero_point as i8;
                let mut each = |rows: Range<usize>, image: CodeImage<'_>, starts: &[usize]| {
                    let out = part(block, (rows.start - first) * n..);
                    let (correction, scale) = (&scales.correction[..], &scales.scale[..]);
                    let finish = Finish { correction, scale, ..finish_of(rows.start) };
                    kernels.conv_s8(image, starts, windows, &packed[0], &finish, out, n);
                };
                let Scratch { patches_i16, patches_u8, starts, .. } = scratch;
                if group == 2 {
                    let (turned, memory) = ((pad, group, i16::from), (patches_i16, starts));
                    shape.for_images(images, rows, turned, memory, |rows, image, starts| {
                        each(rows, CodeImage::Pairs(image), starts);
                    });
                } else {
                    let (turned, memory) = ((pad, group, |code| code as u8 ^ 0x80), (patches_u8, starts));
                    shape.for_images(images, rows, turned, memory, |rows, image, starts| {
                        each(rows, CodeImage::Quads(image), starts);
                    });
                }
            }
            Weights::DepthwiseFloat(_) | Weights::DepthwiseInt { .. } => {
                unreachable!("a depthwise convolution has no windows of all channels")
            }
        }
    }

    /// Bias and ReLU of the half compute modes, each result rounded.
    fn finish_rounding(&self, block: &mut [f32], kernels: Kernels, rounding: Rounding) {
        rounding.apply_all(kernels, block);
        if !self.bias.is_empty() {
            for row in block.chunks_exact_mut(self.out_channels) {
                for (o, b) in row.iter_mut().zip(&self.bias) {
                    *o += b;
                }
            }
            rounding.apply_all(kernels, block);
        }
        if self.activation == Activation::Relu {
            block.iter_mut().for_each(|v| *v = if *v < 0.0 { 0.0 } else { *v });
        }
    }

    /// A block of 64-bit sums of 16-bit activations.
    fn wide_block(
        &self,
        first: usize,
        block: &mut [f32],
        buffers: &Buffers,
        context: &Context,
        scales: &RunScales,
        memory: &mut Scratch,
    ) {
        let Weights::Int { packed, .. } = &self.weights else {
            unreachable!("16-bit codes meet integer weights");
        };
        let (n, k, count) = (self.out_channels, self.geometry.k(), block.len() / self.out_channels);
        let zero_point = context.site_params[self.input.value].zero_point;
        let acc = scratch(&mut memory.acc64, count * n);
        for (group, weights) in packed.iter().enumerate() {
            let input = buffers.i16(self.input.slot);
            let rows =
                self.geometry.rows(input, group, first, count, zero_point as i16, &mut memory.patches_i16);
            context.kernels.gemm_s16(count, rows, k, weights, &mut acc[group * weights.n()..], n);
        }
        let sums = packed.iter().flat_map(|p| p.col_sums());
        memory.correction64.clear();
        memory.correction64.extend(sums.map(|s| -i64::from(zero_point) * i64::from(*s)));
        let correction = &memory.correction64;
        let bias = Some(&self.bias[..]).filter(|bias| !bias.is_empty());
        let relu = self.activation == Activation::Relu;
        context.kernels.dequantize_s64(acc, n, correction, &scales.scale, bias, relu, block);
    }

    pub(super) fn weight_bytes(&self) -> u64 {
        let weights = match &self.weights {
            Weights::DepthwiseFloat(weights) => 4 * weights.len(),
            Weights::DepthwiseInt { codes, sums, scale, bias } => {
                codes.len() + 4 * (sums.len() + scale.len() + bias.len())
            }
            Weights::Float(packed) => packed.iter().map(PackedFloat::bytes).sum::<usize>(),
            Weights::Int { packed, scale, bias } => {
                packed.iter().map(PackedS8::bytes).sum::<usize>() + 4 * (scale.len() + bias.len())
            }
        };
        (weights + 4 * self.bias.len()) as u64
    }
}

impl Operand {
    /// The operand's values from `offset` on, as something to be added.
    fn residual<'b>(&self, offset: usize, buffers: &'b Buffers, context: &Context) -> Residual<'b> {
        match self.slot.kind {
            Kind::I8 => {
                let SiteParams { scale, zero_point } = context.site_params[self.value];
                Residual::S8 { codes: &buffers.i8(self.slot)[offset..], scale, zero_point }
            }
            _ => Residual::F32(&buffers.f32(self.slot)[offset..]),
        }
    }
}
