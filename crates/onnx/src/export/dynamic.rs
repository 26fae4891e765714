//! Products on integers whose activations are quantized while the model runs.

use calibench_graph::{Conv2d, ValueId, is_quantized};

use super::emitter::{Emitter, Kind, Result};
use super::{ExportError, Form, products};
use crate::{ElementType, Values};

/// A side of a product: codes, what one is worth, and which one is 0.
#[derive(Debug, Clone)]
pub(super) struct Quantized {
    pub codes: String,
    pub scale: String,
    pub zero_point: String,
}

impl Emitter<'_> {
    /// Whether the node at hand is a product of codes found at run time.
    pub(super) fn is_dynamic(&self) -> bool {
        matches!(self.form, Form::Dynamic { .. }) && is_quantized(self.graph, self.at())
    }

    /// An input of the node at hand in codes, quantized once for all products that read it.
    fn quantized(&mut self, input: usize) -> Result<Quantized> {
        let id = self.at().inputs[input];
        if let Some(quantized) = self.quantized.get(&id) {
            return Ok(quantized.clone());
        }
        let value = self.input(input, Kind::F32)?;
        let quantized = self.quantize_at_run_time(id, &value);
        self.quantized.insert(id, quantized.clone());
        Ok(quantized)
    }

    fn quantize_at_run_time(&mut self, id: ValueId, value: &str) -> Quantized {
        let site = &self.graph.value(id).name;
        let [codes, scale, zero_point] =
            ["quantized", "scale", "zero_point"].map(|suffix| self.fresh(&format!("{site}.{suffix}")));
        self.push_all(&codes, "DynamicQuantizeLinear", &[value], &[&codes, &scale, &zero_point]);
        Quantized { codes, scale, zero_point }
    }

    /// The weight of the node at hand in codes; scales of channels lie in this shape.
    fn quantized_weight(&mut self, transposed: bool, by_channel: &[usize]) -> Result<Quantized> {
        let param = &self.at().params[0];
        let Some(qparams) = self.weight_qparams() else {
            return Err(ExportError::MissingQParams { site: param.clone() });
        };
        let first = qparams.zero_point[0];
        if qparams.zero_point.iter().any(|z| *z != first) {
            let reason = "a product on integers takes one zero point for all channels".to_owned();
            return Err(ExportError::QParams { site: param.clone(), reason });
        }
        let (codes, storage) = self.weight_codes(qparams, transposed)?;
        let shape = if qparams.scale.len() == 1 { &[] } else { by_channel };
        let scale = self.store(&format!("{param}.scale"), shape, Values::F32(&qparams.scale));
        let zero_point = storage.store(self, &format!("{param}.zero_point"), &[], &[first]);
        Ok(Quantized { codes, scale, zero_point })
    }

    /// The result of the node at hand: sums of codes times both sides' scales, with the bias where there is one.
    fn dequantized(&mut self, sums: &str, (x, y): (&Quantized, &Quantized), bias: Option<&str>) -> String {
        let scale = self.step("scale", "Mul", &[&x.scale, &y.scale], vec![]);
        let sums = self.step_cast("sums.float32", sums, ElementType::F32);
        let Some(bias) = bias else { return self.emit("Mul", &[&sums, &scale], vec![]) };
        let scaled = self.step("scaled", "Mul", &[&sums, &scale], vec![]);
        self.emit("Add", &[&scaled, bias], vec![])
    }
}

/// `MatMulInteger` of an activation and the weight.
pub(super) fn linear(e: &mut Emitter<'_>) -> Result<String> {
    let out = e.graph.params_of(e.at())?[0].shape()[0];
    let (x, weight) = (e.quantized(0)?, e.quantized_weight(true, &[out])?);
    let sums = multiplied(e, &x, &weight);
    let bias = if e.at().params.len() > 1 { Some(e.param(1, Kind::F32, false)?) } else { None };
    Ok(e.dequantized(&sums, (&x, &weight), bias.as_deref()))
}

/// `MatMulInteger` of two activations.
pub(super) fn matmul(e: &mut Emitter<'_>, transpose_rhs: bool) -> Result<String> {
    let (x, mut y) = (e.quantized(0)?, e.quantized(1)?);
    if transpose_rhs {
        y.codes = products::transposed(e, &y.codes);
    }
    let sums = multiplied(e, &x, &y);
    Ok(e.dequantized(&sums, (&x, &y), None))
}

fn multiplied(e: &mut Emitter<'_>, x: &Quantized, y: &Quantized) -> String {
    e.step("sums", "MatMulInteger", &[&x.codes, &y.codes, &x.zero_point, &y.zero_point], vec![])
}

/// `ConvInteger`; scales and bias lie along the channels.
pub(super) fn conv2d(e: &mut Emitter<'_>, attributes: &Conv2d) -> Result<String> {
    let params = e.graph.params_of(e.at())?;
    let by_channel = [1, params[0].shape()[0], 1, 1];
    let (x, weight) = (e.quantized(0)?, e.quantized_weight(false, &by_channel)?);
    let inputs = [&x.codes[..], &weight.codes, &x.zero_point, &weight.zero_point];
    let attributes = products::conv_attributes(e, attributes)?;
    let sums = e.step("sums", "ConvInteger", &inputs, attributes);
    let bias = params.get(1).map(|bias| {
        let name = format!("{}.by_channel", e.at().params[1]);
        e.store(&name, &by_channel, Values::F32(bias.data()))
    });
    Ok(e.dequantized(&sums, (&x, &weight), bias.as_deref()))
}
