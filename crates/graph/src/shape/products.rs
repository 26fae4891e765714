//! Shapes of the operators with parameters, and of images.

use super::{Case, batches, broadcast, per_sample};
use crate::{Dim, GraphError, Op, Window};

/// Output positions of a window along an axis of `len`, padding included; `None` when it does not fit.
fn positions(len: usize, kernel: usize, stride: usize, dilation: usize) -> Option<usize> {
    let reach = dilation.checked_mul(kernel.checked_sub(1)?)?.checked_add(1)?;
    (stride > 0 && dilation > 0 && len >= reach).then(|| (len - reach) / stride + 1)
}

impl Case<'_> {
    /// The shape, for the operators of this file.
    pub(super) fn product(&self) -> Option<Result<Vec<Dim>, GraphError>> {
        let x = *self.inputs.first()?;
        Some(match self.op {
            Op::Linear => self.linear(x),
            Op::Conv2d(_) => self.conv2d(),
            Op::BatchNorm2d { .. } => self.image().and_then(|(_, ch, _, _)| {
                self.needs(
                    self.params.len() == 4 && self.params.iter().all(|s| *s == [ch]),
                    x,
                    "γ, β, μ, σ², each [C]",
                )
            }),
            Op::LayerNorm { .. } => {
                let fits = |last| self.params.len() == 2 && self.params.iter().all(|s| *s == [last]);
                self.needs(x.last().and_then(|d| d.fixed()).is_some_and(fits), x, "γ and β of the last axis")
            }
            Op::Relu | Op::Gelu | Op::Scale { .. } => Ok(x.to_vec()),
            Op::Softmax | Op::LogSoftmax => {
                self.needs(x.last().and_then(|d| d.fixed()).is_some(), x, "a last axis of fixed size")
            }
            Op::Add => broadcast(self.inputs).ok_or_else(|| self.bad("shapes do not broadcast")),
            Op::AddParam => {
                let rest: Option<Vec<usize>> = x.iter().skip(1).map(|d| d.fixed()).collect();
                let fits = x.first() == Some(&Dim::Batch) && self.params.len() == 1;
                self.needs(
                    fits && rest.as_deref() == Some(self.params[0]),
                    x,
                    "a parameter of the input's shape without the batch",
                )
            }
            Op::MatMul { transpose_rhs } => {
                matmul(x, self.inputs[1], *transpose_rhs).ok_or_else(|| self.bad("cannot multiply"))
            }
            Op::Reshape { shape } => {
                let same =
                    per_sample(x) == per_sample(shape) && batches(x) == batches(shape) && batches(x) < 2;
                same.then(|| shape.clone())
                    .ok_or_else(|| self.bad(&format!("cannot reshape to {}", super::shown(&[shape]))))
            }
            Op::MaxPool2d(window) | Op::AvgPool2d { window, .. } => self.pooled(window),
            Op::GlobalAvgPool => self.image().map(|(n, ch, _, _)| vec![n, Dim::Fixed(ch)]),
            Op::MeanTokens => match x {
                [n, _, d] => Ok(vec![*n, *d]),
                _ => Err(self.bad("input must be [N, T, D]")),
            },
            _ => return None,
        })
    }

    pub(super) fn needs(&self, fits: bool, x: &[Dim], what: &str) -> Result<Vec<Dim>, GraphError> {
        if fits { Ok(x.to_vec()) } else { Err(self.bad(&format!("needs {what}"))) }
    }

    /// Weight shape and the check of an optional bias.
    fn weight<const N: usize>(&self, what: &str) -> Result<[usize; N], GraphError> {
        let weight = self.params.first().and_then(|w| <[usize; N]>::try_from(*w).ok());
        let weight = weight.ok_or_else(|| self.bad(&format!("weight must be {what}")))?;
        match self.params[1..] {
            [] => Ok(weight),
            [bias] if bias == [weight[0]] => Ok(weight),
            _ => Err(self.bad("bias must be [out]")),
        }
    }

    fn linear(&self, x: &[Dim]) -> Result<Vec<Dim>, GraphError> {
        let [out, inner] = self.weight("[out, in]")?;
        match x.split_last() {
            Some((last, outer)) if *last == Dim::Fixed(inner) => Ok([outer, &[Dim::Fixed(out)]].concat()),
            _ => Err(self.bad("last axis must equal the weight's `in`")),
        }
    }

    fn conv2d(&self) -> Result<Vec<Dim>, GraphError> {
        let Op::Conv2d(c) = self.op else { return Err(self.bad("not a convolution")) };
        let (n, ch, h, w) = self.image()?;
        let [out, inner, kh, kw] = self.weight("[out, in/groups, kh, kw]")?;
        if c.groups == 0 || c.stride.contains(&0) || c.dilation.contains(&0) {
            return Err(self.bad("groups, stride and dilation must be positive"));
        }
        if inner.checked_mul(c.groups) != Some(ch) || !out.is_multiple_of(c.groups) {
            return Err(self.bad("channels must match in/groups × groups, and `out` divide by groups"));
        }
        let window = Window { kernel: [kh, kw], stride: c.stride, padding: c.padding, dilation: c.dilation };
        let [oh, ow] = self.window(&window, h, w)?;
        Ok(vec![n, Dim::Fixed(out), Dim::Fixed(oh), Dim::Fixed(ow)])
    }

    fn pooled(&self, window: &Window) -> Result<Vec<Dim>, GraphError> {
        let (n, ch, h, w) = self.image()?;
        let [oh, ow] = self.window(window, h, w)?;
        Ok(vec![n, Dim::Fixed(ch), Dim::Fixed(oh), Dim::Fixed(ow)])
    }

    fn window(&self, window: &Window, h: usize, w: usize) -> Result<[usize; 2], GraphError> {
        let Window { kernel, stride, padding: [top, left, bottom, right], dilation } = *window;
        let padded = |len: usize, before: usize, after: usize| len.checked_add(before)?.checked_add(after);
        let size =
            |len: Option<usize>, axis: usize| positions(len?, kernel[axis], stride[axis], dilation[axis]);
        let sizes = size(padded(h, top, bottom), 0).zip(size(padded(w, left, right), 1));
        sizes
            .map(|(oh, ow)| [oh, ow])
            .ok_or_else(|| self.bad("window must be positive and fit the padded input"))
    }
}

fn matmul(x: &[Dim], y: &[Dim], transpose_rhs: bool) -> Option<Vec<Dim>> {
    let (m, k) = (x.get(x.len().checked_sub(2)?)?, x.last()?);
    let (y1, y2) = (y.get(y.len().checked_sub(2)?)?, y.last()?);
    let (yk, n) = if transpose_rhs { (y2, y1) } else { (y1, y2) };
    let outer = &x[..x.len() - 2];
    let fixed = [m, k, n].iter().all(|d| d.fixed().is_some());
    (fixed && k == yk && outer == &y[..y.len() - 2]).then(|| [outer, &[*m, *n]].concat())
}
