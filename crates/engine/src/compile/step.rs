//! The steps of a plan and what they share while running.

use calibench_kernels::{Activation, Kernels, Output, Quantizer};

use super::general::General;
use super::lookup::Lookup;
use super::matmul::MatMul;
use super::pool::Pool;
use super::product::{Product, RunScales};
use super::rows::{Cut, Target, for_blocks, length, reduce, write_rows};
use super::storage::{Buffers, Kind, Slot};
use super::{Rounding, float_ops, layout};
use crate::EngineError;

/// Scale and zero point of a site during a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SiteParams {
    pub scale: f32,
    pub zero_point: i32,
}

/// The codes that a format may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CodeRange {
    pub low: i32,
    pub high: i32,
}

/// Where a quantize step takes its parameters from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ranges {
    /// Frozen by calibration.
    Static(SiteParams),
    /// From the tensor's own smallest and largest value.
    Dynamic { format: calibench_quant::IntFormat, symmetry: calibench_quant::Symmetry },
}

/// What all steps share.
#[derive(Debug)]
pub(super) struct Context {
    pub kernels: Kernels,
    /// Of the step that runs.
    pub rounding: Rounding,
    /// Parameters by value; set by quantize steps, or at compile time for requantized sites.
    pub site_params: Vec<SiteParams>,
    /// Threads that share the work of a step.
    pub threads: usize,
    /// Memory of the products, one after the other.
    pub run_scales: RunScales,
}

/// The first `len` elements of a scratch vector, grown when needed.
pub(super) fn scratch<T: Clone + Default>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, T::default());
    }
    &mut buffer[..len]
}

impl Context {
    pub(super) fn new(kernels: Kernels, site_params: Vec<SiteParams>) -> Self {
        let run_scales = RunScales::default();
        Self { kernels, rounding: Rounding::None, site_params, threads: 1, run_scales }
    }

    pub(super) fn round(&self, values: &mut [f32]) {
        self.rounding.apply_all(self.kernels, values);
    }
}

/// A step of a plan, and what its results are rounded to.
#[derive(Debug)]
pub(super) struct Planned {
    pub step: Step,
    pub rounding: Rounding,
}

impl Planned {
    pub(super) fn run(
        &self,
        batch: usize,
        buffers: &mut Buffers,
        context: &mut Context,
    ) -> Result<(), EngineError> {
        context.rounding = self.rounding;
        self.step.run(batch, buffers, context)
    }
}

/// One step. Lengths are per sample.
#[derive(Debug)]
pub(super) enum Step {
    Quantize {
        site: String,
        value: usize,
        ranges: Ranges,
        codes: CodeRange,
        len: usize,
        from: Slot,
        to: Slot,
    },
    Dequantize {
        site: String,
        value: usize,
        len: usize,
        from: Slot,
        to: Slot,
    },
    /// An fp32 value as operations of half precision read it.
    Round {
        name: String,
        len: usize,
        from: Slot,
        to: Slot,
    },
    Product(Box<Product>),
    MatMul(Box<MatMul>),
    General(Box<General>),
    Lookup(Box<Lookup>),
    Pool(Box<Pool>),
    /// A function of each value.
    Activate {
        name: String,
        activation: Activation,
        len: usize,
        from: Slot,
        to: Target,
    },
    Scale {
        name: String,
        factor: f32,
        len: usize,
        from: Slot,
        to: Slot,
    },
    Add {
        name: String,
        len: usize,
        lhs: Slot,
        rhs: Slot,
        to: Slot,
    },
    AddParam {
        name: String,
        param: Vec<f32>,
        from: Slot,
        to: Slot,
    },
    LayerNorm {
        name: String,
        gamma: Vec<f32>,
        beta: Vec<f32>,
        epsilon: f32,
        len: usize,
        from: Slot,
        to: Target,
    },
    Softmax {
        name: String,
        width: usize,
        len: usize,
        from: Slot,
        to: Target,
    },
    MeanRows {
        name: String,
        rows: usize,
        width: usize,
        from: Slot,
        to: Slot,
    },
    /// `dims` and `axes` without the batch axis; fp32 or int8 codes.
    Permute {
        name: String,
        dims: Vec<usize>,
        axes: Vec<usize>,
        from: Slot,
        to: Slot,
    },
}

impl Step {
    fn run(&self, batch: usize, buffers: &mut Buffers, context: &mut Context) -> Result<(), EngineError> {
        match self {
            Self::General(general) => general.run(batch, buffers, context)?,
            Self::Lookup(lookup) => lookup.run(batch, buffers, context)?,
            Self::Pool(pool) => pool.run(batch, buffers, context.rounding),
            Self::Quantize { value, ranges, codes, len, from, to, .. } => {
                quantize(*value, *ranges, *codes, batch * len, (*from, *to), buffers, context);
            }
            Self::Dequantize { value, len, from, to, .. } => {
                let mut out = buffers.take_f32(*to);
                let (params, kernels) = (context.site_params[*value], context.kernels);
                let (n, shared) = (batch * len, &*buffers);
                for_blocks(&mut out[..n], Cut::of_rows(n, 1), context.threads, |first, out| {
                    dequantize(*from, params, first..first + out.len(), shared, kernels, out);
                });
                buffers.put_f32(*to, out);
            }
            Self::Round { len, from, to, .. } => {
                float_step(buffers, context, (*from, *to), batch * len, |x, out| out.copy_from_slice(x));
            }
            Self::Product(product) => product.run(batch, buffers, context),
            Self::MatMul(matmul) => matmul.run(batch, buffers, context),
            Self::Activate { activation, len, from, to, .. } => {
                let (rows, kernels) = (batch * len, context.kernels);
                let cut = Cut::of_rows(rows, 1);
                write_rows(*to, cut, buffers, context, |first, out, buffers| {
                    let x = &buffers.f32(*from)[first..first + length(&out)];
                    kernels.activate(x, *activation, out);
                });
                round_slot(context, buffers, to.slot, rows);
            }
            Self::Scale { factor, len, from, to, .. } => {
                float_step(buffers, context, (*from, *to), batch * len, |x, out| {
                    for (o, x) in out.iter_mut().zip(x) {
                        *o = x * factor;
                    }
                });
            }
            Self::Add { len, lhs, rhs, to, .. } => {
                let mut out = buffers.take_f32(*to);
                let n = batch * len;
                for ((o, a), b) in out[..n].iter_mut().zip(buffers.f32(*lhs)).zip(buffers.f32(*rhs)) {
                    *o = a + b;
                }
                context.round(&mut out[..n]);
                buffers.put_f32(*to, out);
            }
            Self::AddParam { param, from, to, .. } => {
                float_step(buffers, context, (*from, *to), batch * param.len(), |x, out| {
                    for (x, out) in x.chunks_exact(param.len()).zip(out.chunks_exact_mut(param.len())) {
                        for ((o, a), b) in out.iter_mut().zip(x).zip(param) {
                            *o = a + b;
                        }
                    }
                });
            }
            Self::LayerNorm { gamma, beta, epsilon, len, from, to, .. } => {
                let width = gamma.len();
                let cut = Cut::of_rows(batch * len, width);
                write_rows(*to, cut, buffers, context, |first, out, buffers| {
                    let x = &buffers.f32(*from)[first * width..][..length(&out)];
                    match (context.rounding, out) {
                        (Rounding::None, out) => context.kernels.layer_norm(x, gamma, beta, *epsilon, out),
                        (rounding, Output::F32(out)) => {
                            float_ops::layer_norm(x, width, gamma, beta, *epsilon, rounding, out);
                        }
                        (_, Output::S8(..)) => unreachable!("no codes where values are rounded to halves"),
                    }
                });
                round_slot(context, buffers, to.slot, batch * len);
            }
            Self::Softmax { width, len, from, to, .. } => {
                let cut = Cut::of_rows(batch * len, *width);
                write_rows(*to, cut, buffers, context, |first, out, buffers| {
                    let x = &buffers.f32(*from)[first * width..][..length(&out)];
                    match (context.rounding, out) {
                        (Rounding::None, out) => context.kernels.softmax(x, *width, out),
                        (rounding, Output::F32(out)) => float_ops::softmax(x, *width, rounding, out),
                        (_, Output::S8(..)) => unreachable!("no codes where values are rounded to halves"),
                    }
                });
                round_slot(context, buffers, to.slot, batch * len);
            }
            Self::MeanRows { rows, width, from, to, .. } => {
                let mut out = buffers.take_f32(*to);
                let x = &buffers.f32(*from)[..batch * rows * width];
                float_ops::mean_rows(x, *rows, *width, context.rounding, &mut out[..batch * width]);
                buffers.put_f32(*to, out);
            }
            Self::Permute { dims, axes, from, to, .. } => {
                let len: usize = dims.iter().product();
                let cut = Cut::of_rows(batch * len, len);
                if to.kind == Kind::I8 {
                    let mut out = buffers.take_i8(*to);
                    permute_all((buffers.i8(*from), dims, axes), &mut out[..batch * len], cut, context);
                    buffers.put_i8(*to, out);
                } else {
                    let mut out = buffers.take_f32(*to);
                    permute_all((buffers.f32(*from), dims, axes), &mut out[..batch * len], cut, context);
                    buffers.put_f32(*to, out);
                }
            }
        }
        Ok(())
    }

    /// Bytes of parameters that the step holds.
    pub(super) fn weight_bytes(&self) -> u64 {
        let floats = |n: usize| 4 * n as u64;
        match self {
            Self::Product(product) => product.weight_bytes(),
            Self::General(general) => floats(general.constants()),
            Self::Lookup(lookup) => lookup.weight_bytes(),
            Self::AddParam { param, .. } => floats(param.len()),
            Self::LayerNorm { gamma, beta, .. } => floats(gamma.len() + beta.len()),
            _ => 0,
        }
    }
}

/// Rounds a result in the half compute modes.
fn round_slot(context: &Context, buffers: &mut Buffers, slot: Slot, n: usize) {
    if context.rounding != Rounding::None {
        context.round(&mut buffers.f32_mut(slot)[..n]);
    }
}

/// Permutes the axes of each sample.
fn permute_all<T: Copy + Send + Sync>(
    (x, dims, axes): (&[T], &[usize], &[usize]),
    out: &mut [T],
    cut: Cut,
    context: &Context,
) {
    let len = cut.width;
    for_blocks(out, cut, context.threads, |first, block| {
        for (x, out) in x[first * len..].chunks_exact(len).zip(block.chunks_exact_mut(len)) {
            layout::permute(x, dims, axes, out);
        }
    });
}

fn float_step(
    buffers: &mut Buffers,
    context: &Context,
    (from, to): (Slot, Slot),
    n: usize,
    compute: impl FnOnce(&[f32], &mut [f32]),
) {
    let mut out = buffers.take_f32(to);
    compute(&buffers.f32(from)[..n], &mut out[..n]);
    context.round(&mut out[..n]);
    buffers.put_f32(to, out);
}

fn quantize(
    value: usize,
    ranges: Ranges,
    codes: CodeRange,
    n: usize,
    (from, to): (Slot, Slot),
    buffers: &mut Buffers,
    context: &mut Context,
) {
    let cut = Cut::of_rows(n, 1);
    let params = match ranges {
        Ranges::Static(params) => params,
        Ranges::Dynamic { format, symmetry } => {
            let find = |x: &[f32]| context.kernels.min_max(x);
            let wider = |(a, b): (f32, f32), (c, d): (f32, f32)| (a.min(c), b.max(d));
            // Nothing finite: every code will be the zero point whatever the scale.
            let found = reduce(&buffers.f32(from)[..n], cut, context.threads, find, wider);
            let (low, high) = found.unwrap_or((0.0, 0.0));
            let range = calibench_quant::Range { low, high };
            let (scale, zero_point) = calibench_quant::QParams::scale_and_zero_point(range, format, symmetry);
            SiteParams { scale, zero_point }
        }
    };
    context.site_params[value] = params;
    let (SiteParams { scale, zero_point }, CodeRange { low, high }) = (params, codes);
    let (kernels, threads) = (context.kernels, context.threads);
    if to.kind == Kind::I8 {
        let mut out = buffers.take_i8(to);
        let x = &buffers.f32(from)[..n];
        for_blocks(&mut out[..n], cut, threads, |first, out| {
            let x = &x[first..first + out.len()];
            match ranges {
                Ranges::Static(_) => kernels.quantize_s8(x, scale, zero_point, low, high, out),
                // By the reciprocal, as everything that is written as codes at once: a division takes three times as long.
                Ranges::Dynamic { .. } => {
                    let quantizer = Quantizer { scale, zero_point, low, high };
                    kernels.activate(x, Activation::None, Output::S8(out, quantizer));
                }
            }
        });
        buffers.put_i8(to, out);
    } else {
        let mut out = buffers.take_i16(to);
        let x = &buffers.f32(from)[..n];
        for_blocks(&mut out[..n], cut, threads, |first, out| {
            kernels.quantize_s16(&x[first..first + out.len()], scale, zero_point, low, high, out);
        });
        buffers.put_i16(to, out);
    }
}

/// `scale · (q − zero point)` of some codes of a slot.
pub(super) fn dequantize(
    from: Slot,
    params: SiteParams,
    range: std::ops::Range<usize>,
    buffers: &Buffers,
    kernels: Kernels,
    out: &mut [f32],
) {
    if from.kind == Kind::I8 {
        kernels.dequantize_s8(&buffers.i8(from)[range], params.scale, params.zero_point, out);
    } else {
        kernels.dequantize_s16(&buffers.i16(from)[range], params.scale, params.zero_point, out);
    }
}
