//! The operators, composed from candle operations that have gradients.

use calibench_graph::{Conv2d, Node, Op, Window, bind, eval};
use candle_core::{D, DType, Error, Result, Tensor};

use super::patches::{patches, windows};
use super::relu::relu;
use super::{BATCH_NORM_MOMENTUM, portable, to_vec};

/// A node to compute for a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job<'a> {
    pub node: &'a Node,
    pub batch: usize,
    /// Shape of the result.
    pub shape: &'a [usize],
    /// Type of the result.
    pub dtype: DType,
    /// Whether only operations that every device has are taken.
    pub portable: bool,
}

/// What a node computes; formulas are at [`Op`].
pub(super) fn apply(job: &Job<'_>, inputs: &[Tensor], params: &[Tensor]) -> Result<Tensor> {
    let Job { node, batch, shape, dtype, portable } = *job;
    if let Op::Constant { .. } = node.op {
        return Ok(params[0].clone());
    }
    let x = &inputs[0];
    match &node.op {
        Op::Linear => linear(x, &params[0], params.get(1)),
        Op::Conv2d(attributes) => conv2d(x, &params[0], params.get(1), attributes, portable),
        Op::BatchNorm2d { epsilon } => {
            let statistics = |i: usize| params[i].reshape((1, (), 1, 1));
            normalise(x, &statistics(2)?, &statistics(3)?, &statistics(0)?, &statistics(1)?, *epsilon)
        }
        Op::LayerNorm { epsilon } => layer_norm(x, &params[0], &params[1], *epsilon),
        Op::Relu => relu(x, portable),
        Op::Gelu => x.to_dtype(DType::F32)?.gelu_erf()?.to_dtype(x.dtype()),
        Op::Add => x.to_dtype(dtype)?.broadcast_add(&inputs[1].to_dtype(dtype)?),
        Op::AddParam => x.broadcast_add(&params[0]),
        Op::Scale { factor } => x * f64::from(*factor),
        Op::MatMul { transpose_rhs } => matmul(x, &inputs[1], *transpose_rhs),
        Op::Softmax => softmax(x),
        Op::Reshape { shape } => x.reshape(bind(shape, batch)),
        Op::Permute { axes } => x.permute(axes.as_slice())?.contiguous(),
        Op::MaxPool2d(window) => max_pool(x, window, shape, portable),
        Op::GlobalAvgPool => mean(&x.flatten_from(2)?, 2),
        Op::MeanTokens => mean(x, 1),
        _ => {
            let composed = if portable { portable::apply(job, inputs, params)? } else { None };
            composed.map_or_else(|| evaluated(job, inputs, params), Ok)
        }
    }
}

/// The reference evaluation on the CPU, which has no gradient; its result is rounded once.
fn evaluated(job: &Job<'_>, inputs: &[Tensor], params: &[Tensor]) -> Result<Tensor> {
    let Job { node, shape, dtype, .. } = *job;
    let tensors: Vec<&Tensor> = inputs.iter().chain(params).collect();
    let data = tensors.iter().map(|t| to_vec(t)).collect::<Result<Vec<_>>>()?;
    let views: Vec<_> =
        tensors.iter().zip(&data).map(|(t, data)| eval::View { shape: t.dims(), data }).collect();
    let mut out = vec![0.0; shape.iter().product()];
    eval::eval(&node.name, &node.op, &views, shape, &mut out).map_err(Error::wrap)?;
    Tensor::from_vec(out, shape, inputs[0].device())?.to_dtype(dtype)
}

/// Sum in fp32, divided, rounded once; without the axis.
fn mean(x: &Tensor, axis: usize) -> Result<Tensor> {
    let n = x.dim(axis)? as f64;
    (x.to_dtype(DType::F32)?.sum(axis)? / n)?.to_dtype(x.dtype())
}

/// As [`mean`] over the last axis, which stays with size 1.
fn mean_last(x: &Tensor) -> Result<Tensor> {
    mean(x, x.rank() - 1)?.unsqueeze(D::Minus1)
}

/// `lhs · rhs` with fp32 accumulation, rounded once to the type of `lhs`.
///
/// So do the matrix units of a GPU on halves; a CPU is given fp32.
fn product(lhs: &Tensor, rhs: &Tensor) -> Result<Tensor> {
    if !lhs.device().is_cpu() {
        return lhs.matmul(rhs);
    }
    lhs.to_dtype(DType::F32)?.matmul(&rhs.to_dtype(DType::F32)?)?.to_dtype(lhs.dtype())
}

fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (out, inner) = weight.dims2()?;
    let rows = x.reshape(((), inner))?;
    let product = product(&rows, &weight.t()?)?;
    let y = bias.map_or(Ok(product.clone()), |b| product.broadcast_add(b))?;
    y.reshape([&x.dims()[..x.rank() - 1], &[out]].concat())
}

/// A product of patch rows with the kernels, by group; candle's own convolution where only portable operations are taken, and it has it.
fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    attributes: &Conv2d,
    portable: bool,
) -> Result<Tensor> {
    let (out, _, kh, kw) = weight.dims4()?;
    let (groups, n) = (attributes.groups, x.dim(0)?);
    let with_bias = |y: Tensor| bias.map_or(Ok(y.clone()), |b| y.broadcast_add(&b.reshape((1, out, 1, 1))?));
    let Conv2d { stride, padding: [top, left, bottom, right], dilation, .. } = *attributes;
    if portable && stride[0] == stride[1] && dilation[0] == dilation[1] {
        let padded = x.pad_with_zeros(2, top, bottom)?.pad_with_zeros(3, left, right)?.contiguous()?;
        return with_bias(padded.conv2d(weight, 0, stride[0], dilation[0], groups)?);
    }
    let (rows, [oh, ow]) = patches(x, [kh, kw], attributes, portable)?;
    let weight = weight.reshape((groups, out / groups, ()))?;
    let y = product(&rows, &weight.transpose(1, 2)?)?;
    let y = y.reshape((groups, n, oh * ow, out / groups))?.permute((1, 0, 3, 2))?.contiguous()?;
    with_bias(y.reshape((n, out, oh, ow))?)
}

/// `γ · (x − mean) / √(variance + ε) + β`, each step rounded.
fn normalise(
    x: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    epsilon: f32,
) -> Result<Tensor> {
    let deviation = (variance + f64::from(epsilon))?.sqrt()?;
    x.broadcast_sub(mean)?.broadcast_div(&deviation)?.broadcast_mul(gamma)?.broadcast_add(beta)
}

fn layer_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, epsilon: f32) -> Result<Tensor> {
    let centred = x.broadcast_sub(&mean_last(x)?)?;
    let deviation = (mean_last(&centred.sqr()?)? + f64::from(epsilon))?.sqrt()?;
    centred.broadcast_div(&deviation)?.broadcast_mul(gamma)?.broadcast_add(beta)
}

/// Normalises by the batch's own statistics; also gives the new running mean and variance.
pub(super) fn batch_norm_training(
    x: &Tensor,
    params: &[Tensor],
    epsilon: f32,
) -> Result<(Tensor, Tensor, Tensor)> {
    let (n, channels, h, w) = x.dims4()?;
    let count = n * h * w;
    let rows = x.transpose(0, 1)?.reshape((channels, count))?;
    let centre = mean_last(&rows)?;
    let variance = mean_last(&rows.broadcast_sub(&centre)?.sqr()?)?;
    let wide = |t: &Tensor| t.reshape((1, channels, 1, 1));
    let y =
        normalise(x, &wide(&centre)?, &wide(&variance)?, &wide(&params[0])?, &wide(&params[1])?, epsilon)?;
    let unbiased = (variance.detach() * (count as f64 / (count.max(2) - 1) as f64))?;
    let running = |old: &Tensor, new: &Tensor| {
        (old.detach() * (1.0 - BATCH_NORM_MOMENTUM))? + (new.flatten_all()? * BATCH_NORM_MOMENTUM)?
    };
    Ok((y, running(&params[2], &centre.detach())?, running(&params[3], &unbiased)?))
}

/// Over the last two axes; the others are flattened to one, since candle wants plain strides there.
fn matmul(x: &Tensor, y: &Tensor, transpose_rhs: bool) -> Result<Tensor> {
    let rank = x.rank();
    let flat = |t: &Tensor| t.contiguous()?.reshape(((), t.dim(rank - 2)?, t.dim(rank - 1)?));
    let rhs = flat(y)?;
    let rhs = if transpose_rhs { rhs.transpose(1, 2)? } else { rhs };
    let z = product(&flat(x)?, &rhs)?;
    z.reshape([&x.dims()[..rank - 2], &z.dims()[1..]].concat())
}

fn softmax(x: &Tensor) -> Result<Tensor> {
    // The maximum cancels out of the quotient, so it carries no gradient.
    let exp = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?.exp()?;
    let sum = exp.to_dtype(DType::F32)?.sum_keepdim(D::Minus1)?.to_dtype(x.dtype())?;
    exp.broadcast_div(&sum)
}

/// The largest of the window's taps, tap by tap; works for windows that overlap, with gradient.
fn max_pool(x: &Tensor, window: &Window, shape: &[usize], portable: bool) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    if window.tiles(h, w) {
        return x.contiguous()?.max_pool2d((window.kernel[0], window.kernel[1]));
    }
    let rows = windows(x, window, portable)?;
    // Padded positions are 0 there and must not win.
    let rows = if window.padding == [0; 4] {
        rows
    } else {
        let inside = windows(&x.ones_like()?, window, portable)?.ne(0.0)?;
        inside.where_cond(&rows, &rows.ones_like()?.affine(0.0, f64::NEG_INFINITY)?)?
    };
    rows.max(D::Minus1)?.reshape(shape)
}
