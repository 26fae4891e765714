//! Reference evaluation.
//!
//! One implementation serves constant folding, and the interpreter and the compiled executor where they have no
//! kernel or gradient of their own. It is generic over fp32 and 64-bit integers, because the shape arithmetic in
//! models from elsewhere is in integers that fp32 does not hold.

mod elementwise;
mod movement;
mod number;
mod products;
mod reduce;
mod resize;

pub use number::Number;

use smallvec::{SmallVec, smallvec};

use crate::{GraphError, Op};

/// Something per axis; on the heap only beyond eight axes, so that a running plan allocates nothing.
pub type PerAxis<T> = SmallVec<[T; 8]>;

/// A tensor to read: its shape and its elements, row-major.
#[derive(Debug, Clone, Copy)]
pub struct View<'a, T> {
    /// Sizes, outermost first.
    pub shape: &'a [usize],
    /// Elements.
    pub data: &'a [T],
}

/// Whether [`eval`] computes this operator.
#[must_use]
pub fn evaluates(op: &Op) -> bool {
    match op {
        Op::Conv2d(_)
        | Op::BatchNorm2d { .. }
        | Op::MaxPool2d(_)
        | Op::GlobalAvgPool
        | Op::MeanTokens
        | Op::AddParam
        | Op::Constant { .. } => false,
        Op::Linear
        | Op::LayerNorm { .. }
        | Op::MatMul { .. }
        | Op::Relu
        | Op::Gelu
        | Op::Add
        | Op::Scale { .. }
        | Op::Softmax
        | Op::LogSoftmax
        | Op::Reshape { .. }
        | Op::Permute { .. }
        | Op::AvgPool2d { .. }
        | Op::Embedding
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Where
        | Op::Cast { .. }
        | Op::Reduce { .. }
        | Op::Concat { .. }
        | Op::Slice { .. }
        | Op::Pad { .. }
        | Op::Gather { .. }
        | Op::GatherNd { .. }
        | Op::ScatterNd
        | Op::Expand { .. }
        | Op::Resize2d { .. } => true,
    }
}

/// Computes `op` on `inputs`, followed by its parameters, into `out`, whose shape is the inferred one.
/// Formulas are at [`Op`].
///
/// # Errors
/// [`GraphError::Shape`] naming `node`: for an operator that [`evaluates`] excludes, and for an index outside of
/// what it indexes. Shapes are those that inference has passed.
pub fn eval<T: Number>(
    node: &str,
    op: &Op,
    inputs: &[View<'_, T>],
    shape: &[usize],
    out: &mut [T],
) -> Result<(), GraphError> {
    let bad = |reason: String| GraphError::Shape { node: node.to_owned(), op: op.name(), reason };
    let Some(x) = inputs.first().copied() else { return Err(bad("has no input".to_owned())) };
    match op {
        Op::Relu => elementwise::map(x, out, |x| if x < T::ZERO { T::ZERO } else { x }),
        Op::Gelu => elementwise::map(x, out, T::gelu),
        Op::Scale { factor } => elementwise::map(x, out, |x| x.scale(*factor)),
        Op::Unary(unary) => elementwise::map(x, out, |x| x.unary(*unary)),
        Op::Cast { to } => elementwise::map(x, out, |x| x.cast(*to)),
        Op::Add => elementwise::zip(x, inputs[1], shape, out, |a, b| a.plus(b)),
        Op::Binary(binary) => elementwise::binary(*binary, x, inputs[1], shape, out),
        Op::Where => elementwise::choose(x, inputs[1], inputs[2], shape, out),
        Op::Linear => products::linear(x, inputs[1], inputs.get(2).copied(), out),
        Op::LayerNorm { epsilon } => {
            products::layer_norm(x, [inputs[1].data, inputs[2].data], *epsilon, out);
        }
        Op::MatMul { transpose_rhs } => products::matmul(x, inputs[1], *transpose_rhs, out),
        Op::Softmax => reduce::softmax(x, out),
        Op::LogSoftmax => reduce::log_softmax(x, out),
        Op::Reduce { reduction, axes, .. } => reduce::reduce(*reduction, axes, x, out),
        Op::AvgPool2d { window, count_padding } => reduce::avg_pool(x, window, *count_padding, shape, out),
        Op::Reshape { .. } => out.copy_from_slice(x.data),
        Op::Permute { axes } => movement::permute(x, axes, out),
        Op::Expand { .. } => movement::expand(x, shape, out),
        Op::Concat { axis } => movement::concat(inputs, *axis, out),
        Op::Slice { axis, start, step, len } => movement::slice(x, *axis, (*start, *step, *len), out),
        Op::Pad { pads, mode } => movement::pad(x, pads, *mode, shape, out),
        Op::Gather { axis } => movement::gather(x, inputs[1].data, *axis, out).map_err(bad)?,
        // The indices are the value, the table the parameter.
        Op::Embedding => movement::gather(inputs[1], x.data, 0, out).map_err(bad)?,
        Op::GatherNd { batch_dims } => movement::gather_nd(x, inputs[1], *batch_dims, out).map_err(bad)?,
        Op::ScatterNd => movement::scatter_nd(x, inputs[1], inputs[2], out).map_err(bad)?,
        Op::Resize2d { coordinates, interpolation, scale, .. } => {
            resize::resize(x, (*coordinates, *interpolation, *scale), shape, out);
        }
        _ => return Err(bad("has no reference evaluation".to_owned())),
    }
    Ok(())
}

/// The row of a table that an index names, which may count from the end.
///
/// # Errors
/// In words, for an index outside of the table.
pub fn row_of(index: f32, rows: usize) -> Result<usize, String> {
    movement::position(index, rows)
}

/// The distance in elements between neighbours along each axis.
fn strides(shape: &[usize]) -> PerAxis<usize> {
    let mut strides: PerAxis<usize> = smallvec![1; shape.len()];
    for i in (0..shape.len().saturating_sub(1)).rev() {
        strides[i] = strides[i + 1] * shape[i + 1];
    }
    strides
}

#[cfg(test)]
#[path = "eval_tests.rs"]
mod tests;
