//! Operations with a forward and a gradient of our own.
//!
//! Candle 0.11.1's own do not fit: `relu` turns NaN into 0 and passes gradient at 0; the gradient of
//! `max_pool2d` is too small by kernel² / (number of maxima) and exists for stride = kernel only.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, DType, Error, Layout, Result, Shape, Tensor};

/// Applies an fp32 operation to a tensor of any float dtype: widened exactly, rounded once.
pub(super) fn in_f32(x: &Tensor, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    f(&x.to_dtype(DType::F32)?.contiguous()?)?.to_dtype(x.dtype())
}

/// The elements of a contiguous fp32 tensor.
pub(super) fn elements<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(data), Some((start, end))) => Ok(&data[start..end]),
        _ => Err(Error::Msg("needs a contiguous fp32 tensor".to_owned())),
    }
}

/// Lets the gradient through where `pass(x, index)` holds and gives zero elsewhere.
struct Gate<F>(F);

impl<F: Fn(f32, usize) -> bool> CustomOp2 for Gate<F> {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, grad) = (elements(x, x_layout)?, elements(grad, grad_layout)?);
        let gated = x.iter().zip(grad).enumerate();
        let gated = gated.map(|(i, (x, g))| if (self.0)(*x, i) { *g } else { 0.0 }).collect();
        Ok((CpuStorage::F32(gated), x_layout.shape().clone()))
    }
}

/// `grad` where `pass(x, index)` holds, zero elsewhere; the index is the row-major position.
pub(super) fn gate(x: &Tensor, grad: &Tensor, pass: impl Fn(f32, usize) -> bool) -> Result<Tensor> {
    x.apply_op2_no_bwd(&grad.contiguous()?, &Gate(pass))
}

struct Relu;

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = elements(x, layout)?.iter().map(|x| if *x <= 0.0 { 0.0 } else { *x }).collect();
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        gate(x, grad, |x, _| x > 0.0).map(Some)
    }
}

/// `max(x, 0)`; NaN stays NaN, and the gradient at 0 is 0.
pub(super) fn relu(x: &Tensor) -> Result<Tensor> {
    in_f32(x, |x| x.apply_op1(Relu))
}

#[derive(Clone, Copy)]
struct MaxPool {
    kernel: usize,
    stride: usize,
}

impl MaxPool {
    /// Calls `f` with the position of each window's first largest value (or first NaN), in output order.
    fn winners(self, x: &[f32], height: usize, width: usize, mut f: impl FnMut(usize)) {
        let size = |len: usize| (len - self.kernel) / self.stride + 1;
        for plane in 0..x.len() / (height * width).max(1) {
            for oy in 0..size(height) {
                for ox in 0..size(width) {
                    let at = |tap: usize| {
                        let (y, x) = (oy * self.stride + tap / self.kernel, ox * self.stride + tap % self.kernel);
                        (plane * height + y) * width + x
                    };
                    let mut best = at(0);
                    for i in (1..self.kernel * self.kernel).map(at) {
                        if x[i] > x[best] || (x[i].is_nan() && !x[best].is_nan()) {
                            best = i;
                        }
                    }
                    f(best);
                }
            }
        }
    }
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max-pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, c, h, w) = layout.shape().dims4()?;
        if self.kernel > h || self.kernel > w {
            return Err(Error::Msg(format!("window {} does not fit {h} x {w}", self.kernel)));
        }
        let x = elements(x, layout)?;
        let size = |len: usize| (len - self.kernel) / self.stride + 1;
        let mut y = Vec::with_capacity(n * c * size(h) * size(w));
        self.winners(x, h, w, |i| y.push(x[i]));
        Ok((CpuStorage::F32(y), (n, c, size(h), size(w)).into()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        x.apply_op2_no_bwd(&grad.contiguous()?, &MaxPoolGrad(*self)).map(Some)
    }
}

struct MaxPoolGrad(MaxPool);

impl CustomOp2 for MaxPoolGrad {
    fn name(&self) -> &'static str {
        "max-pool-grad"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, _, h, w) = x_layout.shape().dims4()?;
        let (x, grad) = (elements(x, x_layout)?, elements(grad, grad_layout)?);
        let mut out = vec![0.0; x.len()];
        let mut grads = grad.iter();
        self.0.winners(x, h, w, |i| out[i] += grads.next().copied().unwrap_or(0.0));
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}

/// Largest value of each window over `[N, C, H, W]`; NaN wins, and the gradient goes to the first of
/// equal maxima.
pub(super) fn max_pool(x: &Tensor, kernel: usize, stride: usize) -> Result<Tensor> {
    in_f32(x, |x| x.apply_op1(MaxPool { kernel, stride }))
}
