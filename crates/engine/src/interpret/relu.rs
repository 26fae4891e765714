//! ReLU that lets NaN pass, as PyTorch's and our kernels' do; candle's takes it for 0.

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor};

use super::patches::contiguous;

/// `max(x, 0)`, NaN for NaN. The gradient is 1 from 0 on; where only portable operations are taken, it is that of a choice.
pub(super) fn relu(x: &Tensor, portable: bool) -> Result<Tensor> {
    if portable {
        return x.lt(0.0)?.where_cond(&x.zeros_like()?, x);
    }
    x.to_dtype(DType::F32)?.contiguous()?.apply_op1(Relu)?.to_dtype(x.dtype())
}

struct Relu;

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = contiguous(storage, layout)?;
        let out = x.iter().map(|x| if *x < 0.0 { 0.0 } else { *x }).collect();
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, arg: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some((grad * arg.ge(&arg.zeros_like()?)?.to_dtype(arg.dtype())?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn nan_passes_and_negative_values_do_not() {
        let x = Tensor::new(&[f32::NAN, -1.0, 2.0], &Device::Cpu).unwrap();
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            for portable in [false, true] {
                let y = relu(&x.to_dtype(dtype).unwrap(), portable).unwrap().to_dtype(DType::F32).unwrap();
                let y: Vec<f32> = y.to_vec1().unwrap();
                assert!(y[0].is_nan() && y[1..] == [0.0, 2.0], "{y:?}");
            }
        }
    }
}
