//! Lowering of linear layers and convolutions: weights are quantized and packed here.

use std::collections::BTreeSet;

use calibench_graph::{Conv2d, Node, Op, ValueId, is_quantized};
use calibench_kernels::{Activation, MAX_K_S8, PackedFloat};
use calibench_quant::{Dtype, QParams, Timing};

use super::layout::ConvShape;
use super::lower::{Lowering, patch_order};
use super::product::{Geometry, Product, Weights};
use super::step::Step;
use super::values::Layout;
use super::{Codes, Operand, Rounding, rounding};
use crate::EngineError;

/// Largest magnitude of a quantized bias. With at most [`MAX_K_S8`] terms the sum, the zero-point correction and the bias
/// together then stay within 32 bits.
const MAX_BIAS: f64 = (1_i64 << 28) as f64;

/// What is done with a product in the same step.
struct Fused {
    /// The value that then is computed.
    value: ValueId,
    /// Added to the product.
    residual: Option<ValueId>,
    activation: Activation,
}

impl Lowering<'_> {
    /// Lowers a linear layer or a convolution, with what follows it where that can be fused.
    pub(super) fn product(&mut self, node: &Node, fused: &mut BTreeSet<ValueId>) -> Result<(), EngineError> {
        let weight = self.graph.params_of(node)?[0];
        let out_channels = weight.shape()[0];
        let geometry = self.geometry(node, weight.shape());
        let groups = geometry.groups();
        let layout = if matches!(geometry, Geometry::Conv(_)) { Layout::ChannelsLast } else { Layout::Plain };
        let bias = if node.params.len() > 1 { self.float_param(node, 1)? } else { Vec::new() };
        let k = weight.len() / out_channels;

        let codes = if is_quantized(self.graph, node) { self.codes } else { Codes::Float };
        let depthwise = matches!(geometry, Geometry::Conv(shape) if shape.is_depthwise(out_channels));
        let weights = match codes {
            Codes::Float if depthwise => Weights::DepthwiseFloat(by_tap(&self.widened_weights(node)?, k)),
            Codes::I8 if depthwise => self.depthwise_weights(node, k, &bias)?,
            Codes::Float => self.float_weights(node, groups, k)?,
            Codes::I8 | Codes::I16 => self.integer_weights(node, geometry, k, &bias)?,
        };
        // A frozen int8 product holds its bias in units of its sums, as exported models do.
        let bias = if codes == Codes::I8 && self.is_frozen() { Vec::new() } else { bias };
        let Fused { value, residual, activation } = self.fuse(node, layout, codes, fused);
        let input = self.product_input(node, node.inputs[0], layout)?;
        let residual = residual.map(|residual| self.operand(residual, layout)).transpose()?;
        // Converting the residual may have pushed a step: read the input again.
        let input = Operand { slot: self.read(input.slot.index), ..input };
        let (out, to) = self.target(value, layout)?;
        let name = node.name.clone();
        self.push(Step::Product(Box::new(Product {
            name,
            geometry,
            out_channels,
            weights,
            bias,
            residual,
            activation,
            input,
            to,
        })));
        self.define(value, out, layout)
    }

    /// Follows the only readers of a product: one addition of a value that is there already, one activation.
    fn fuse(&self, node: &Node, layout: Layout, codes: Codes, done: &mut BTreeSet<ValueId>) -> Fused {
        let mut fused = Fused { value: node.output, residual: None, activation: Activation::None };
        // 64-bit sums, and products whose every result is rounded, are finished by a ReLU only.
        let anything = codes != Codes::I16 && self.is_unrounded();
        while let Some(reader) = self.only_reader(fused.value).filter(|r| self.rounds_alike(r)) {
            let other = || reader.inputs.iter().copied().find(|v| *v != fused.value);
            match &reader.op {
                Op::Relu => fused.activation = Activation::Relu,
                Op::Gelu if anything => fused.activation = Activation::Gelu,
                Op::Add if anything && fused.residual.is_none() => match other() {
                    Some(other) if self.can_add(other, fused.value, layout) => fused.residual = Some(other),
                    _ => break,
                },
                _ => break,
            }
            fused.value = reader.output;
            done.insert(fused.value);
            if fused.activation != Activation::None {
                break;
            }
        }
        fused
    }

    /// Whether a value has the shape of another, and is there in its layout.
    fn can_add(&self, value: ValueId, to: ValueId, layout: Layout) -> bool {
        self.is_defined(value)
            && self.graph.value(value).shape == self.graph.value(to).shape
            && self.fits(value, self.layout(value), layout)
    }

    /// A value as it lies, fp32 or int8 codes. Reads it for the next step.
    fn operand(&mut self, value: ValueId, layout: Layout) -> Result<Operand, EngineError> {
        let tensor = match self.codes_at(value) {
            Some((codes, _)) if self.codes == Codes::I8 => codes,
            _ => self.float(value, layout)?,
        };
        Ok(Operand { slot: self.read(tensor), value: value.0 })
    }

    /// Whether results of the node that is being lowered stay as computed.
    pub(super) fn is_unrounded(&self) -> bool {
        rounding(self.dtype) == Rounding::None
    }

    /// Whether another node's results are rounded as those of the node that is being lowered.
    pub(super) fn rounds_alike(&self, node: &Node) -> bool {
        rounding(self.dtype_of(node)) == rounding(self.dtype)
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

    /// A parameter used in floating point, rounded to half where the node that is being lowered stores halves.
    pub(super) fn float_param(&self, node: &Node, index: usize) -> Result<Vec<f32>, EngineError> {
        let mut values = self.graph.params_of(node)?[index].data().to_vec();
        let rounding = match self.dtype {
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
            let pack = |(g, codes): (usize, &[i8])| {
                let scale = match qparams.scale.len() {
                    1 => qparams.scale.clone(),
                    _ => qparams.scale[g * n..(g + 1) * n].to_vec(),
                };
                PackedFloat::s8(codes, scale, n, k)
            };
            return Ok(Weights::Float(codes.chunks_exact(n * k).enumerate().map(pack).collect()));
        }
        let pack = match self.dtype {
            Dtype::Fp16Storage | Dtype::Fp16Compute => PackedFloat::f16,
            Dtype::Bf16Storage | Dtype::Bf16Compute => PackedFloat::bf16,
            _ => PackedFloat::f32,
        };
        Ok(Weights::Float(parts.map(|part| pack(part, n, k)).collect()))
    }

    pub(super) fn weight_params(&self, node: &Node) -> Result<&QParams, EngineError> {
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

    /// Weights in patch order as the plan's type makes them, in fp32.
    fn widened_weights(&self, node: &Node) -> Result<Vec<f32>, EngineError> {
        let weight = self.graph.params_of(node)?[0];
        if self.spec.timing == Timing::WeightOnly && is_quantized(self.graph, node) {
            let qparams = self.weight_params(node)?;
            let codes = self.weight_codes(node, &qparams.scale)?;
            let k = weight.len() / weight.shape()[0];
            let value = |(i, code): (usize, &i8)| f32::from(*code) * qparams.scale_of(i / k);
            return Ok(codes.iter().enumerate().map(value).collect());
        }
        Ok(patch_order(&self.float_param(node, 0)?, weight.shape()))
    }

    fn depthwise_weights(&self, node: &Node, k: usize, bias: &[f32]) -> Result<Weights, EngineError> {
        self.check_terms(node, k)?;
        let (scale, bias) = self.integer_scales(node, bias)?;
        let codes = self.weight_codes(node, &scale)?;
        let sums = codes.chunks_exact(k).map(|taps| taps.iter().map(|v| i32::from(*v)).sum()).collect();
        Ok(Weights::DepthwiseInt { codes: by_tap(&codes, k), sums, scale, bias })
    }

    fn integer_weights(
        &self,
        node: &Node,
        geometry: Geometry,
        k: usize,
        bias: &[f32],
    ) -> Result<Weights, EngineError> {
        let channels = self.graph.params_of(node)?[0].shape()[0];
        let (scale, bias) = self.integer_scales(node, bias)?;
        let per_group = channels / geometry.groups();
        let mut codes = self.weight_codes(node, &scale)?;
        let group = self.kernels.s8_group();
        let mut k = k;
        if let (Codes::I8, Some(shape)) = (self.codes, geometry.windowed(group)) {
            codes = shape.fill_up(&codes, group);
            k = codes.len() / channels;
        }
        self.check_terms(node, k)?;
        let pack = |group: &[i8]| match self.codes {
            Codes::I16 => Ok(self.kernels.pack_s8_for_s16(group, per_group, k)),
            _ => self.kernels.pack_weights_s8(group, per_group, k),
        };
        let packed = codes.chunks_exact(per_group * k).map(pack).collect::<Result<_, _>>();
        let packed = packed.map_err(|e| self.unsupported(node, e.to_string()))?;
        Ok(Weights::Int { packed, scale, bias })
    }

    /// Refuses integer sums that could overflow.
    pub(super) fn check_terms(&self, node: &Node, k: usize) -> Result<(), EngineError> {
        if k > MAX_K_S8 {
            let reason =
                format!("{k} terms per output could overflow 32 bits (at most {MAX_K_S8}); keep it in fp32");
            return Err(self.unsupported(node, reason));
        }
        Ok(())
    }

    /// Whether activations have parameters before the plan runs.
    fn is_frozen(&self) -> bool {
        self.spec.timing != Timing::Dynamic
    }

    /// The weight scale of each output channel, and the bias in units of the channel's sums where those are known and
    /// 32 bits wide.
    fn integer_scales(&self, node: &Node, bias: &[f32]) -> Result<(Vec<f32>, Vec<i32>), EngineError> {
        let channels = self.graph.params_of(node)?[0].shape()[0];
        let qparams = self.weight_params(node)?;
        let mut scale: Vec<f32> = (0..channels).map(|c| qparams.scale_of(c)).collect();
        if self.codes != Codes::I8 || !self.is_frozen() {
            return Ok((scale, Vec::new()));
        }
        let input = f64::from(self.site_params[node.inputs[0].0].scale);
        let quantized = scale.iter_mut().zip(bias).map(|(scale, bias)| {
            // A bias that is huge next to its channel's weights needs a wider weight scale to fit.
            *scale = scale.max((f64::from(bias.abs()) / (input * MAX_BIAS)) as f32);
            (f64::from(*bias) / (f64::from(*scale) * input)).round_ties_even() as i32
        });
        let quantized = quantized.collect();
        Ok((scale, quantized))
    }
}

/// Weights of `k` taps a channel, tap by tap.
fn by_tap<T: Copy>(weights: &[T], k: usize) -> Vec<T> {
    (0..k).flat_map(|tap| weights.iter().skip(tap).step_by(k).copied()).collect()
}
