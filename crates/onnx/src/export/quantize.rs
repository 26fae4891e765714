//! `QuantizeLinear` and `DequantizeLinear` around values, weights and biases.

use calibench_graph::{Graph, Op, PadMode, Unary, ValueId, holds_codes};
use calibench_quant::QParams;

use super::emitter::{Emitter, Kind, Result, transpose};
use super::{Codes, ExportError, Form, Qdq};
use crate::{Attribute, ElementType, Values};

/// Largest code of a bias: with it and the largest sum of products, 32 bits are not exceeded.
const MAX_BIAS: f64 = (1_i64 << 28) as f64;

/// How codes are stored: as this type, each moved by an offset.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage {
    element: ElementType,
    offset: i32,
    low: i32,
    high: i32,
}

const STORED: &[Storage] = &[
    Storage { element: ElementType::I8, offset: 0, low: -128, high: 127 },
    Storage { element: ElementType::U8, offset: 0, low: 0, high: 255 },
    Storage { element: ElementType::I16, offset: 0, low: -32768, high: 32767 },
    Storage { element: ElementType::U16, offset: 0, low: 0, high: 65535 },
];

impl Storage {
    /// The narrowest type that holds the codes, signed ones moved to unsigned where that is wanted.
    fn of(site: &str, qparams: &QParams, codes: Codes, opset: i64) -> Result<Self> {
        let refused = |reason: String| ExportError::QParams { site: site.to_owned(), reason };
        let (low, high) = qparams.code_range();
        let found = STORED.iter().find(|s| s.low <= low && high <= s.high);
        let found = *found.ok_or_else(|| refused(format!("codes from {low} to {high} fit no type")))?;
        if matches!(found.element, ElementType::I16 | ElementType::U16) && opset < 21 {
            return Err(refused(format!("codes of 16 bits need opset 21, not {opset}; export with that")));
        }
        let moved = found.element == ElementType::I8 && codes == Codes::Unsigned;
        Ok(if moved { Self { offset: 128, low: 0, high: 255, element: ElementType::U8 } } else { found })
    }

    pub(super) fn store(self, e: &mut Emitter<'_>, name: &str, shape: &[usize], codes: &[i32]) -> String {
        let codes = codes.iter().map(|c| c + self.offset);
        // Codes lie in the type's range, which the storage was chosen for.
        match self.element {
            ElementType::U8 => e.store(name, shape, Values::U8(&codes.map(|c| c as u8).collect::<Vec<_>>())),
            ElementType::I16 => {
                e.store(name, shape, Values::I16(&codes.map(|c| c as i16).collect::<Vec<_>>()))
            }
            ElementType::U16 => {
                e.store(name, shape, Values::U16(&codes.map(|c| c as u16).collect::<Vec<_>>()))
            }
            _ => e.store(name, shape, Values::I8(&codes.map(|c| c as i8).collect::<Vec<_>>())),
        }
    }
}

impl<'g> Emitter<'g> {
    /// The frozen parameters of an activation.
    pub(super) fn site(&self, id: ValueId) -> Option<&'g QParams> {
        match self.form {
            Form::Qdq(Qdq { activations, .. }) => activations.get(&id),
            _ => None,
        }
    }

    /// Quantizes and dequantizes a value, for all of its readers.
    pub(super) fn quantize_value(&mut self, id: ValueId, value: &str, qparams: &QParams) -> Result<String> {
        let site = &self.graph.value(id).name;
        if qparams.scale.len() != 1 {
            let reason = format!("{} scales for an activation, which has one", qparams.scale.len());
            return Err(ExportError::QParams { site: site.clone(), reason });
        }
        let codes = if let Form::Qdq(Qdq { codes, .. }) = self.form { *codes } else { Codes::Signed };
        let storage = Storage::of(site, qparams, codes, self.opset)?;
        let (scale, zero_point) = (qparams.scale[0], qparams.zero_point[0]);

        let range = qparams.thresholds(0);
        let (low, high) = qparams.code_range();
        let below =
            low + storage.offset > storage.low && !(low <= zero_point && non_negative(self.graph, id));
        let above = high + storage.offset < storage.high;
        let mut value = value.to_owned();
        if below || above {
            let mut bound = |needed: bool, name: &str, bound: f32| match needed {
                true => self.store(&format!("{site}.{name}"), &[], Values::F32(&[bound])),
                false => String::new(),
            };
            let bounds = [bound(below, "lowest", range.low), bound(above, "highest", range.high)];
            let name = self.fresh(&format!("{site}.clipped"));
            value = self.push(&name, "Clip", &[&value, &bounds[0], &bounds[1]], vec![]);
        }
        let scale = self.store(&format!("{site}.scale"), &[], Values::F32(&[scale]));
        let zero_point = storage.store(self, &format!("{site}.zero_point"), &[], &[zero_point]);
        let name = self.fresh(&format!("{site}.quantized"));
        let codes = self.push(&name, "QuantizeLinear", &[&value, &scale, &zero_point], vec![]);
        let name = self.fresh(&format!("{site}.dequantized"));
        Ok(self.push(&name, "DequantizeLinear", &[&codes, &scale, &zero_point], vec![]))
    }

    /// The parameters of the weight at hand, where the form stores its codes.
    pub(super) fn weight_qparams(&self) -> Option<&'g QParams> {
        if !holds_codes(self.graph, self.at()) {
            return None;
        }
        match self.form {
            Form::Qdq(Qdq { weights, .. }) | Form::Dynamic { weights, .. } | Form::WeightOnly { weights } => {
                weights.get(&self.at().params[0])
            }
            _ => None,
        }
    }

    /// The weight of the product at hand, or the table of the embedding, dequantized where the form stores codes.
    pub(super) fn weight(&mut self, transposed: bool) -> Result<String> {
        let Some(qparams) = self.weight_qparams() else {
            let float = self.float();
            return self.param(0, float, transposed);
        };
        let (param, scales) = (&self.at().params[0], qparams.scale.len());
        self.stored_once((format!("{param}.dequantized"), Kind::F32, transposed), |e| {
            let (codes, storage) = e.weight_codes(qparams, transposed)?;
            let of_scales = if scales == 1 { vec![] } else { vec![scales] };
            let scale = e.store(&format!("{param}.scale"), &of_scales, Values::F32(&qparams.scale));
            let zero_points: Vec<i32> = (0..scales).map(|c| qparams.zero_point_of(c)).collect();
            let zero_point = storage.store(e, &format!("{param}.zero_point"), &of_scales, &zero_points);
            let axis = (scales > 1).then(|| ("axis", Attribute::Int(i64::from(transposed))));
            let name = e.fresh(&format!("{param}.dequantized"));
            let inputs = [&codes[..], &scale, &zero_point];
            Ok(e.push(&name, "DequantizeLinear", &inputs, axis.into_iter().collect()))
        })
    }

    /// The weight at hand in codes, and how they are stored.
    pub(super) fn weight_codes(&mut self, qparams: &QParams, transposed: bool) -> Result<(String, Storage)> {
        let node = self.at();
        let (param, tensor) = (&node.params[0], self.graph.params_of(node)?[0]);
        let wanted = match self.form {
            Form::Qdq(Qdq { weight_codes, .. }) | Form::Dynamic { weight_codes, .. } => *weight_codes,
            _ => Codes::Signed,
        };
        let storage = Storage::of(param, qparams, wanted, self.opset)?;
        let (channels, scales) = (tensor.shape()[0], qparams.scale.len());
        if scales != 1 && scales != channels {
            let reason = format!("{scales} scales for {channels} output channels");
            return Err(ExportError::QParams { site: param.clone(), reason });
        }
        let codes = self.stored_once((format!("{param}.codes"), Kind::F32, transposed), |e| {
            let k = tensor.len() / channels.max(1);
            let codes: Vec<i32> =
                tensor.data().iter().enumerate().map(|(i, w)| qparams.quantize(*w, i / k)).collect();
            let (shape, codes) = match transposed {
                true => transpose(tensor.shape(), &codes),
                false => (tensor.shape().to_vec(), codes),
            };
            Ok(storage.store(e, &format!("{param}.quantized"), &shape, &codes))
        })?;
        Ok((codes, storage))
    }

    /// The bias of the product at hand: int32 with the scale of the products where both sides are codes and it fits.
    pub(super) fn bias(&mut self) -> Result<String> {
        let node = self.at();
        let (param, bias) = (&node.params[1], self.graph.params_of(node)?[1].data());
        let float = self.float();
        let (Some(input), Some(weight)) = (self.site(node.inputs[0]), self.weight_qparams()) else {
            return self.param(1, float, false);
        };
        let scales: Vec<f32> = weight.scale.iter().map(|s| s * input.scale[0]).collect();
        let scale_of = |channel: usize| f64::from(scales[if scales.len() == 1 { 0 } else { channel }]);
        let codes = bias.iter().enumerate().map(|(c, b)| (f64::from(*b) / scale_of(c)).round_ties_even());
        let codes: Vec<f64> = codes.collect();
        if codes.iter().any(|c| c.is_nan() || c.abs() > MAX_BIAS) {
            return self.param(1, float, false);
        }
        // The scale is of this product; another that shares the bias has its own.
        let codes: Vec<i32> = codes.iter().map(|c| *c as i32).collect();
        let codes = self.store(&format!("{param}.quantized"), &[codes.len()], Values::I32(&codes));
        let of_scales = if scales.len() == 1 { vec![] } else { vec![scales.len()] };
        let scale = self.store(&format!("{param}.scale"), &of_scales, Values::F32(&scales));
        let axis = (scales.len() > 1).then_some(("axis", Attribute::Int(0)));
        let name = self.fresh(&format!("{param}.dequantized"));
        Ok(self.push(&name, "DequantizeLinear", &[&codes, &scale], axis.into_iter().collect()))
    }
}

/// Whether no element of the value can be negative, whatever the model is fed.
fn non_negative(graph: &Graph, id: ValueId) -> bool {
    let Some(node) = graph.producer(id) else { return false };
    match &node.op {
        Op::Relu | Op::Softmax => true,
        Op::Unary(Unary::Clip { low, .. }) => *low >= 0.0,
        Op::Unary(Unary::Sigmoid | Unary::HardSigmoid { .. } | Unary::Abs | Unary::Exp | Unary::Sqrt) => true,
        Op::Pad { mode: PadMode::Constant(value), .. } if *value < 0.0 => false,
        // The others give what they read, means or sums of it.
        op if op.is_layout()
            || matches!(op, Op::MaxPool2d(_) | Op::AvgPool2d { .. } | Op::GlobalAvgPool | Op::Add) =>
        {
            node.inputs.iter().all(|input| non_negative(graph, *input))
        }
        _ => false,
    }
}
