//! Lowering of linear layers and convolutions: weights are quantized and packed here.

use std::collections::BTreeSet;

use calibench_graph::{Conv2d, Node, Op, ValueId, is_quantized};
use calibench_kernels::{MAX_K_S8, NarrowWeights, Requant};
use calibench_quant::{Dtype, QParams, Timing};

use super::layout::ConvShape;
use super::lower::{Layout, Lowering, patch_order};
use super::product::{Epilogue, Geometry, Product, Weights};
use super::step::Step;
use super::storage::Slot;
use super::{Codes, Rounding};
use crate::EngineError;

/// Largest magnitude of a quantized bias. With at most [`MAX_K_S8`] terms the accumulator, the zero-point
/// correction and the bias together then stay within 32 bits.
const MAX_BIAS: f64 = (1_i64 << 28) as f64;

/// What a product reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProductInput {
    pub slot: Slot,
    pub value: usize,
}

impl Lowering<'_> {
    /// Lowers a linear layer or a convolution, with the ReLU behind it where that can be fused.
    pub(super) fn product(&mut self, node: &Node, fused: &mut BTreeSet<ValueId>) -> Result<(), EngineError> {
        let (value, relu) = self.fuse_relu(node, fused);
        let weight = self.graph.params_of(node)?[0];
        let out_channels = weight.shape()[0];
        let geometry = self.geometry(node, weight.shape());
        let groups = match geometry {
            Geometry::Conv(shape) => shape.groups,
            Geometry::Rows { .. } => 1,
        };
        let layout = if matches!(geometry, Geometry::Conv(_)) { Layout::ChannelsLast } else { Layout::Plain };
        let bias = if node.params.len() > 1 { Some(self.float_param(node, 1)?) } else { None };
        let k = weight.len() / out_channels;

        let codes = if is_quantized(self.graph, node) { self.codes } else { Codes::Float };
        let (weights, epilogue, bias) = match codes {
            Codes::Float => (self.float_weights(node, groups, k)?, Epilogue::Float, bias),
            Codes::I8 | Codes::I16 => self.integer_weights(node, value, groups, k, bias)?,
        };
        let input = self.product_input(node, node.inputs[0], layout)?;
        let name = node.name.clone();
        self.push_product(value, layout, node, |to| {
            Step::Product(Box::new(Product {
                name,
                geometry,
                value: input.value,
                out_channels,
                weights,
                bias,
                relu,
                epilogue,
                from: input.slot,
                to,
            }))
        })
    }

    fn geometry(&self, node: &Node, weight: &[usize]) -> Geometry {
        let input = self.dims_of(node.inputs[0]);
        let Op::Conv2d(Conv2d { stride, padding: [top, left, ..], dilation, groups }) = node.op else {
            let k = weight[1];
            return Geometry::Rows { rows: input.iter().product::<usize>() / k, k };
        };
        let output = self.dims_of(node.output);
        Geometry::Conv(ConvShape {
            channels: input[0],
            in_h: input[1],
            in_w: input[2],
            kernel_h: weight[2],
            kernel_w: weight[3],
            stride,
            padding: [top, left],
            dilation,
            groups,
            out_h: output[1],
            out_w: output[2],
        })
    }

    /// A parameter used in floating point, rounded to half where the dtype stores halves.
    pub(super) fn float_param(&self, node: &Node, index: usize) -> Result<Vec<f32>, EngineError> {
        let mut values = self.graph.params_of(node)?[index].data().to_vec();
        let rounding = match self.spec.dtype {
            Dtype::Fp16Storage | Dtype::Fp16Compute => Rounding::Fp16,
            Dtype::Bf16Storage | Dtype::Bf16Compute => Rounding::Bf16,
            _ => Rounding::None,
        };
        values.iter_mut().for_each(|v| *v = rounding.apply(*v));
        Ok(values)
    }

    fn float_weights(&self, node: &Node, groups: usize, k: usize) -> Result<Weights, EngineError> {
        let weight = self.graph.params_of(node)?[0];
        let data = patch_order(weight.data(), weight.shape());
        let n = weight.shape()[0] / groups;
        let parts = data.chunks_exact(n * k);
        if self.spec.timing == Timing::WeightOnly && is_quantized(self.graph, node) {
            let qparams = self.weight_params(node)?;
            let codes = self.weight_codes(node, &qparams.scale)?;
            let narrow = |(g, data): (usize, &[i8])| NarrowWeights::S8 {
                data: data.to_vec(),
                scale: match qparams.scale.len() {
                    1 => qparams.scale.clone(),
                    _ => qparams.scale[g * n..(g + 1) * n].to_vec(),
                },
                n,
                k,
            };
            return Ok(Weights::Narrow(codes.chunks_exact(n * k).enumerate().map(narrow).collect()));
        }
        Ok(match self.spec.dtype {
            Dtype::Fp16Storage | Dtype::Fp16Compute => Weights::Narrow(
                parts
                    .map(|p| NarrowWeights::F16 {
                        data: to_bits(p, |v| half::f16::from_f32(v).to_bits()),
                        n,
                        k,
                    })
                    .collect(),
            ),
            Dtype::Bf16Storage | Dtype::Bf16Compute => Weights::Narrow(
                parts
                    .map(|p| NarrowWeights::Bf16 {
                        data: to_bits(p, |v| half::bf16::from_f32(v).to_bits()),
                        n,
                        k,
                    })
                    .collect(),
            ),
            _ => Weights::F32(parts.map(<[f32]>::to_vec).collect()),
        })
    }

    fn weight_params(&self, node: &Node) -> Result<&QParams, EngineError> {
        self.spec.weights.get(&node.params[0]).ok_or_else(|| self.missing(&node.params[0]))
    }

    /// Weight codes in patch order, for one scale or one per output channel.
    fn weight_codes(&self, node: &Node, scale: &[f32]) -> Result<Vec<i8>, EngineError> {
        let weight = self.graph.params_of(node)?[0];
        let qparams = self.weight_params(node)?;
        let exact = QParams { scale: scale.to_vec(), zero_point: vec![0; scale.len()], ..qparams.clone() };
        let k = weight.len() / weight.shape()[0];
        let codes: Vec<i8> =
            weight.data().iter().enumerate().map(|(i, w)| exact.quantize(*w, i / k) as i8).collect();
        Ok(patch_order(&codes, weight.shape()))
    }

    fn integer_weights(
        &self,
        node: &Node,
        value: ValueId,
        groups: usize,
        k: usize,
        bias: Option<Vec<f32>>,
    ) -> Result<(Weights, Epilogue, Option<Vec<f32>>), EngineError> {
        if k > MAX_K_S8 {
            return Err(self.unsupported(
                node,
                format!("{k} terms per output could overflow 32 bits (at most {MAX_K_S8})"),
            ));
        }
        let n = self.graph.params_of(node)?[0].shape()[0];
        let qparams = self.weight_params(node)?;
        let mut scale: Vec<f32> = (0..n).map(|c| qparams.scale_of(c)).collect();
        let input = self.site_params[node.inputs[0].0];
        let frozen = self.spec.timing != Timing::Dynamic;
        if let (true, Some(bias)) = (frozen, &bias) {
            // A bias that is huge next to its channel's weights needs a wider weight scale to fit.
            for (scale, bias) in scale.iter_mut().zip(bias) {
                let needed = f64::from(bias.abs()) / (f64::from(input.scale) * MAX_BIAS);
                *scale = scale.max(needed as f32);
            }
        }
        let per_group = n / groups;
        let codes = self.weight_codes(node, &scale)?;
        let packed: Vec<_> =
            codes.chunks_exact(per_group * k).map(|g| self.kernels.pack_s8(g, per_group, k)).collect();
        if !frozen {
            return Ok((Weights::Int { packed, scale }, Epilogue::DequantizeDynamic, bias));
        }

        let product_scale: Vec<f64> = scale.iter().map(|s| f64::from(*s) * f64::from(input.scale)).collect();
        let sums: Vec<i32> = packed.iter().flat_map(|p| p.col_sums().to_vec()).collect();
        let correction: Vec<i64> = (0..n)
            .map(|c| {
                let bias = bias.as_ref().map_or(0.0, |b| f64::from(b[c]) / product_scale[c]);
                bias.round_ties_even() as i64 - i64::from(input.zero_point) * i64::from(sums[c])
            })
            .collect();
        let epilogue = match self.frozen(value).filter(|_| self.requantizes(value)) {
            None => {
                let scale = product_scale.iter().map(|s| *s as f32).collect();
                Epilogue::Dequantize { correction, scale }
            }
            Some(output) => {
                let multiplier = |s: &f64| Requant::from_real(s / f64::from(output.scale_of(0)));
                let requant = product_scale.iter().map(multiplier).collect::<Result<_, _>>();
                Epilogue::Requantize {
                    correction: correction.iter().map(|c| *c as i32).collect(),
                    requant: requant.map_err(|e| self.unsupported(node, e.to_string()))?,
                    zero_point: output.zero_point_of(0),
                    codes: self.codes_of(value),
                }
            }
        };
        Ok((Weights::Int { packed, scale }, epilogue, None))
    }
}

fn to_bits(values: &[f32], convert: impl Fn(f32) -> u16) -> Vec<u16> {
    values.iter().map(|v| convert(*v)).collect()
}
