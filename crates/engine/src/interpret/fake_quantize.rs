//! Fake quantization with a straight-through gradient.

use calibench_quant::QParams;
use candle_core::{CpuStorage, CustomOp1, Error, Layout, Result, Shape, Tensor};

use super::cpu_ops::{elements, gate, in_f32};

/// What quantization makes of each element, in the tensor's own dtype.
///
/// Per-channel parameters go along axis 0. Equals [`QParams::fake_quantize`] bit for bit. The gradient is
/// straight-through: 1 where `round(x / S) + Z` is a code of the format, 0 where it is clipped (and at
/// NaN), as PyTorch's `fake_quantize`.
///
/// # Errors
/// When there is neither one scale nor one per index of axis 0.
pub fn fake_quantize(tensor: &Tensor, qparams: &QParams) -> Result<Tensor> {
    let channels = qparams.scale.len();
    if channels != qparams.zero_point.len() || (channels != 1 && tensor.dims().first() != Some(&channels)) {
        return Err(Error::Msg(format!(
            "{channels} scales and {} zero points do not fit a tensor of shape {:?}",
            qparams.zero_point.len(),
            tensor.dims()
        )));
    }
    let (low, high) = qparams.code_range();
    let op = FakeQuantize { qparams: qparams.clone(), low: low as f32, high: high as f32 };
    in_f32(tensor, |x| x.apply_op1(op))
}

struct FakeQuantize {
    qparams: QParams,
    low: f32,
    high: f32,
}

impl FakeQuantize {
    /// Elements that share a scale.
    fn chunk(&self, len: usize) -> usize {
        (len / self.qparams.scale.len()).max(1)
    }
}

impl CustomOp1 for FakeQuantize {
    fn name(&self) -> &'static str {
        "fake-quantize"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = elements(x, layout)?;
        let mut y = Vec::with_capacity(x.len());
        for (channel, x) in x.chunks(self.chunk(x.len())).enumerate() {
            y.extend(x.iter().map(|x| self.qparams.fake_quantize(*x, channel)));
        }
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let chunk = self.chunk(x.elem_count());
        let inside = |x: f32, i: usize| {
            let channel = i / chunk;
            let code =
                (x / self.qparams.scale_of(channel)).round_ties_even() + self.qparams.zero_point_of(channel) as f32;
            (self.low..=self.high).contains(&code)
        };
        gate(x, grad, inside).map(Some)
    }
}
