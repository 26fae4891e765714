//! Shapes with a symbolic batch, and shape inference.

use serde::{Deserialize, Serialize};

use crate::{GraphError, Op, Tensor};

/// One dimension of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Dim {
    /// The batch size, bound when the graph runs.
    Batch,
    /// A fixed size.
    Fixed(usize),
}

impl Dim {
    fn fixed(self) -> Option<usize> {
        match self {
            Self::Batch => None,
            Self::Fixed(n) => Some(n),
        }
    }
}

/// The shape with the batch dimension bound.
#[must_use]
pub fn bind(shape: &[Dim], batch: usize) -> Vec<usize> {
    shape.iter().map(|d| d.fixed().unwrap_or(batch)).collect()
}

fn per_sample(shape: &[Dim]) -> usize {
    shape.iter().filter_map(|d| d.fixed()).product()
}

fn batches(shape: &[Dim]) -> usize {
    shape.iter().filter(|d| **d == Dim::Batch).count()
}

/// The output shape of `op` on `inputs` and `params`.
///
/// # Errors
/// [`GraphError::Shape`], naming the node and both shapes.
pub fn infer(node: &str, op: &Op, inputs: &[&[Dim]], params: &[&Tensor]) -> Result<Vec<Dim>, GraphError> {
    let error = |reason: String| GraphError::Shape { node: node.to_owned(), op: op.name(), reason };
    if inputs.len() != op.arity() {
        return Err(error(format!("takes {} inputs, got {}", op.arity(), inputs.len())));
    }
    let x = inputs[0];
    let shapes: Vec<&[usize]> = params.iter().map(|p| p.shape()).collect();
    let bad = |what: &str| error(format!("{what}; input {x:?}, parameters {shapes:?}"));
    match op {
        Op::Linear => {
            let (&[out, inner], rest) =
                (shapes.first().copied().unwrap_or(&[]), shapes.get(1..).unwrap_or(&[]))
            else {
                return Err(bad("weight must be [out, in]"));
            };
            if x.last() != Some(&Dim::Fixed(inner)) {
                return Err(bad("last axis must equal the weight's `in`"));
            }
            check_bias(rest, out).map_err(bad)?;
            Ok([&x[..x.len() - 1], &[Dim::Fixed(out)]].concat())
        }
        Op::Conv2d(c) => {
            let (n, ch, h, w) = image(x).ok_or_else(|| bad("input must be [N, C, H, W]"))?;
            let (&[out, inner, kh, kw], rest) =
                (shapes.first().copied().unwrap_or(&[]), shapes.get(1..).unwrap_or(&[]))
            else {
                return Err(bad("weight must be [out, in/groups, kh, kw]"));
            };
            if c.groups == 0 || c.stride == 0 || c.dilation == 0 {
                return Err(bad("groups, stride and dilation must be positive"));
            }
            if inner * c.groups != ch || !out.is_multiple_of(c.groups) {
                return Err(bad("channels must match in/groups × groups, and `out` divide by groups"));
            }
            check_bias(rest, out).map_err(bad)?;
            let size = |len: usize, kernel: usize| {
                let reach = c.dilation * (kernel - 1) + 1;
                (len + 2 * c.padding >= reach).then(|| (len + 2 * c.padding - reach) / c.stride + 1)
            };
            let (oh, ow) =
                size(h, kh).zip(size(w, kw)).ok_or_else(|| bad("kernel is larger than the input"))?;
            Ok(vec![n, Dim::Fixed(out), Dim::Fixed(oh), Dim::Fixed(ow)])
        }
        Op::BatchNorm2d { .. } => {
            let (_, ch, _, _) = image(x).ok_or_else(|| bad("input must be [N, C, H, W]"))?;
            if shapes.len() != 4 || shapes.iter().any(|s| *s != [ch]) {
                return Err(bad("needs γ, β, μ, σ², each [C]"));
            }
            Ok(x.to_vec())
        }
        Op::LayerNorm { .. } => {
            let last = x.last().and_then(|d| d.fixed()).ok_or_else(|| bad("last axis must be fixed"))?;
            if shapes.len() != 2 || shapes.iter().any(|s| *s != [last]) {
                return Err(bad("needs γ and β of the last axis"));
            }
            Ok(x.to_vec())
        }
        Op::Relu | Op::Gelu | Op::Scale { .. } | Op::Softmax => Ok(x.to_vec()),
        Op::Add => {
            if x != inputs[1] {
                return Err(error(format!("shapes must be equal: {x:?} and {:?}", inputs[1])));
            }
            Ok(x.to_vec())
        }
        Op::AddParam => {
            let rest: Option<Vec<usize>> = x.iter().skip(1).map(|d| d.fixed()).collect();
            if x.first() != Some(&Dim::Batch) || shapes.len() != 1 || rest.as_deref() != Some(shapes[0]) {
                return Err(bad("parameter must have the input's shape without the batch"));
            }
            Ok(x.to_vec())
        }
        Op::MatMul { transpose_rhs } => matmul(x, inputs[1], *transpose_rhs)
            .ok_or_else(|| error(format!("cannot multiply {x:?} by {:?}", inputs[1]))),
        Op::Reshape { shape } => {
            if per_sample(x) != per_sample(shape) || batches(x) != batches(shape) {
                return Err(error(format!("cannot reshape {x:?} to {shape:?}")));
            }
            Ok(shape.clone())
        }
        Op::Permute { axes } => {
            let mut sorted = axes.clone();
            sorted.sort_unstable();
            if sorted != (0..x.len()).collect::<Vec<_>>() || axes.first() != Some(&0) {
                return Err(error(format!(
                    "{axes:?} is not a permutation of {} axes that keeps axis 0",
                    x.len()
                )));
            }
            Ok(axes.iter().map(|a| x[*a]).collect())
        }
        Op::MaxPool2d { kernel, stride } => {
            let (n, ch, h, w) = image(x).ok_or_else(|| bad("input must be [N, C, H, W]"))?;
            if *kernel == 0 || *stride == 0 || h < *kernel || w < *kernel {
                return Err(bad("window must be positive and fit the input"));
            }
            let size = |len: usize| Dim::Fixed((len - kernel) / stride + 1);
            Ok(vec![n, Dim::Fixed(ch), size(h), size(w)])
        }
        Op::GlobalAvgPool => {
            let (n, ch, _, _) = image(x).ok_or_else(|| bad("input must be [N, C, H, W]"))?;
            Ok(vec![n, Dim::Fixed(ch)])
        }
        Op::MeanTokens => match x {
            [n, _, d] => Ok(vec![*n, *d]),
            _ => Err(bad("input must be [N, T, D]")),
        },
    }
}

/// N, C, H and W of `[N, C, H, W]` with fixed C, H, W.
fn image(x: &[Dim]) -> Option<(Dim, usize, usize, usize)> {
    match x {
        [n, c, h, w] => Some((*n, c.fixed()?, h.fixed()?, w.fixed()?)),
        _ => None,
    }
}

fn check_bias(rest: &[&[usize]], out: usize) -> Result<(), &'static str> {
    match rest {
        [] => Ok(()),
        [bias] if *bias == [out] => Ok(()),
        _ => Err("bias must be [out]"),
    }
}

fn matmul(x: &[Dim], y: &[Dim], transpose_rhs: bool) -> Option<Vec<Dim>> {
    let (m, k) = (x.get(x.len().checked_sub(2)?)?, x.last()?);
    let (y1, y2) = (y.get(y.len().checked_sub(2)?)?, y.last()?);
    let (yk, n) = if transpose_rhs { (y2, y1) } else { (y1, y2) };
    let outer = &x[..x.len() - 2];
    (k == yk && outer == &y[..y.len() - 2]).then(|| [outer, &[*m, *n]].concat())
}
