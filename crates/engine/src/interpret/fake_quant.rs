//! Fake quantization: what integers would make of a tensor, in fp32.

use std::collections::BTreeMap;
use std::sync::Arc;

use calibench_graph::{Graph, HalfType, Node, Placement, ValueId, placement};
use calibench_quant::{Dtype, IntFormat, QParams, QuantError, Range, Symmetry, Timing};
use candle_core::{CpuStorage, CustomOp1, DType, Error, Layout, Result, Shape, Tensor};

use super::patches::contiguous;
use super::portable::{clip, round_ties_even};
use super::{Tap, to_vec};
use crate::{EngineError, QuantSpec};

/// `S · (clamp(round(x / S) + Z) − Z)`, bit for bit [`QParams::fake_quantize`]; channels are axis 0.
///
/// The gradient is straight-through: 1 where the code was not clamped, 0 where it was (Jacob et al.
/// 2017, arXiv 1712.05877, §3; Krishnamoorthi 2018, arXiv 1806.08342, §2.4); on a GPU there is none. Halves are widened first;
/// the result is fp32.
///
/// # Errors
/// When the number of scales is neither 1 nor the size of axis 0.
pub fn fake_quantize(x: &Tensor, qparams: Arc<QParams>) -> Result<Tensor> {
    let channels = x.dims().first().copied().unwrap_or(1);
    if qparams.scale.len() != 1 && qparams.scale.len() != channels {
        return Err(Error::msg(format!("{} scales for {channels} channels", qparams.scale.len())));
    }
    let x = x.to_dtype(DType::F32)?.contiguous()?;
    if x.device().is_cpu() { x.apply_op1(FakeQuantize(qparams)) } else { composed(&x, &qparams) }
}

/// The same of candle's own operations, for devices that our loops do not run on.
fn composed(x: &Tensor, qparams: &QParams) -> Result<Tensor> {
    let channels = qparams.scale.len();
    // One number for each index of axis 0, or one for all.
    let mut shape = vec![1; x.rank()];
    shape.iter_mut().take(1).for_each(|first| *first = channels);
    let along = |data: Vec<f32>| Tensor::from_vec(data, shape.as_slice(), x.device());
    let scale = along((0..channels).map(|c| qparams.scale_of(c)).collect())?;
    let zero = along((0..channels).map(|c| qparams.zero_point_of(c) as f32).collect())?;
    let (low, high) = qparams.code_range();
    let code = round_ties_even(&x.broadcast_div(&scale)?)?.broadcast_add(&zero)?;
    let value = clip(&code, low as f32, high as f32)?.broadcast_sub(&zero)?.broadcast_mul(&scale)?;
    // A NaN becomes the zero point, which stands for 0.
    code.ne(&code)?.where_cond(&value.zeros_like()?, &value)
}

struct FakeQuantize(Arc<QParams>);

/// 1 where the code is inside the format, 0 where it was clamped.
struct Inside(Arc<QParams>);

fn map_channels(
    qparams: &QParams,
    (storage, layout): (&CpuStorage, &Layout),
    map: impl Fn(f32, usize) -> f32,
) -> Result<(CpuStorage, Shape)> {
    let x = contiguous(storage, layout)?;
    let per_channel = (x.len() / qparams.scale.len()).max(1);
    let mut out = Vec::with_capacity(x.len());
    for (channel, values) in x.chunks(per_channel).enumerate() {
        out.extend(values.iter().map(|v| map(*v, channel)));
    }
    Ok((CpuStorage::F32(out), layout.shape().clone()))
}

impl CustomOp1 for FakeQuantize {
    fn name(&self) -> &'static str {
        "fake-quantize"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        map_channels(&self.0, (storage, layout), |x, channel| self.0.fake_quantize(x, channel))
    }

    fn bwd(&self, arg: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let inside = arg.apply_op1_no_bwd(&Inside(self.0.clone()))?;
        Ok(Some(grad.mul(&inside)?))
    }
}

impl CustomOp1 for Inside {
    fn name(&self) -> &'static str {
        "fake-quantize-gradient"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (q_min, q_max) = self.0.code_range();
        map_channels(&self.0, (storage, layout), |x, channel| {
            let code =
                (x / self.0.scale_of(channel)).round_ties_even() + self.0.zero_point_of(channel) as f32;
            f32::from(code >= q_min as f32 && code <= q_max as f32)
        })
    }
}

/// Simulates a quantized execution: the sites of [`placement`] carry fake-quantized values.
///
/// Weights always take the spec's parameters. Activations take the spec's (static, QAT), the per-tensor
/// range of the whole batch at hand (dynamic), or stay as they are (weight-only, floating point).
#[derive(Debug)]
pub struct FakeQuantTap {
    /// By value id.
    activations: Vec<Site>,
    /// By node: another node may keep the same parameter in fp32.
    weights: BTreeMap<String, Arc<QParams>>,
    /// Kept nodes whose parameters are halves.
    halves: BTreeMap<String, HalfType>,
}

#[derive(Debug, Clone)]
enum Site {
    Untouched,
    Frozen(Arc<QParams>),
    Dynamic { site: String, format: IntFormat, symmetry: Symmetry },
}

impl FakeQuantTap {
    /// A tap for this graph and these parameters.
    ///
    /// # Errors
    /// [`EngineError::MissingQParams`] when the spec lacks a site that the placement quantizes.
    pub fn new(graph: &Graph, spec: &QuantSpec) -> std::result::Result<Self, EngineError> {
        let mut activations = vec![Site::Untouched; graph.values.len()];
        let mut weights = BTreeMap::new();
        if spec.dtype.is_integer() {
            let Placement { activations: sites, weights: weight_sites, .. } = placement(graph);
            let missing =
                |site: &str| EngineError::MissingQParams { model: graph.name.clone(), site: site.to_owned() };
            for site in weight_sites {
                let qparams = spec.weights.get(&site.param).ok_or_else(|| missing(&site.param))?;
                weights.insert(site.node, Arc::new(qparams.clone()));
            }
            for id in sites {
                let name = &graph.value(id).name;
                activations[id.0] = match (spec.timing, spec.dtype.activation_format()) {
                    (Timing::Static | Timing::Qat, _) => {
                        let qparams = spec.activations.get(&id).ok_or_else(|| missing(name))?;
                        Site::Frozen(Arc::new(qparams.clone()))
                    }
                    (Timing::Dynamic, Some(format)) => {
                        Site::Dynamic { site: name.clone(), format, symmetry: spec.symmetry }
                    }
                    _ => Site::Untouched,
                };
            }
        }
        let halves = if spec.dtype == Dtype::Fp32 { BTreeMap::new() } else { graph.halves.clone() };
        Ok(Self { activations, weights, halves })
    }
}

impl Tap for FakeQuantTap {
    fn value(&mut self, id: ValueId, value: Tensor) -> Result<Tensor> {
        match &self.activations[id.0] {
            Site::Untouched => Ok(value),
            Site::Frozen(qparams) => fake_quantize(&value, qparams.clone()),
            Site::Dynamic { site, format, symmetry } => {
                let values = to_vec(&value)?;
                let range = Range::of(&values).ok_or_else(|| Error::wrap(no_sample(site, &values)))?;
                let qparams = QParams::from_range(site, range, *format, *symmetry).map_err(Error::wrap)?;
                fake_quantize(&value, Arc::new(qparams))
            }
        }
    }

    fn param(&mut self, node: &Node, index: usize, param: Tensor) -> Result<Tensor> {
        match (self.weights.get(&node.name).filter(|_| index == 0), self.halves.get(&node.name)) {
            (Some(qparams), _) => fake_quantize(&param, qparams.clone()),
            (None, Some(half)) => rounded(&param, *half),
            (None, None) => Ok(param),
        }
    }
}

/// The parameter as halves hold it.
pub(super) fn rounded(param: &Tensor, half: HalfType) -> Result<Tensor> {
    let half = match half {
        HalfType::Fp16 => DType::F16,
        HalfType::Bf16 => DType::BF16,
    };
    param.to_dtype(half)?.to_dtype(param.dtype())
}

fn no_sample(site: &str, values: &[f32]) -> QuantError {
    let mut stats = calibench_quant::Stats::default();
    stats.count(0, values);
    stats.no_sample(site)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_composed_form_agrees_bit_for_bit() {
        check_composed(&Device::Cpu);
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU and a build with the feature cuda"]
    fn fake_quantization_on_a_gpu_agrees_bit_for_bit() {
        check_composed(&Device::new_cuda(0).unwrap());
    }

    fn check_composed(device: &Device) {
        let mut values: Vec<f32> = (0..4000).map(|i| (i as f32 - 2000.0) * 0.0173).collect();
        values[..6].copy_from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e-40, 3e38]);
        let x = Tensor::from_slice(&values, (4, 1000), &Device::Cpu).unwrap();
        let bits =
            |y: Tensor| y.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits);
        for &format in IntFormat::ALL {
            for symmetry in [Symmetry::Symmetric, Symmetry::Affine] {
                let range = |i: usize| Range { low: -1.5 - i as f32, high: 0.5 + 2.0 * i as f32 };
                let one = QParams::from_range("x", range(0), format, symmetry).unwrap();
                let mut four = one.clone();
                let each: Vec<QParams> =
                    (0..4).map(|i| QParams::from_range("x", range(i), format, symmetry).unwrap()).collect();
                four.scale = each.iter().map(|q| q.scale[0]).collect();
                four.zero_point = each.iter().map(|q| q.zero_point[0]).collect();
                for qparams in [one, four] {
                    let expected = fake_quantize(&x, Arc::new(qparams.clone())).unwrap();
                    assert!(
                        bits(composed(&x.to_device(device).unwrap(), &qparams).unwrap()).eq(bits(expected)),
                        "{qparams:?}"
                    );
                }
            }
        }
    }
}
