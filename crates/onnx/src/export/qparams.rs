//! Scales and zero points as JSON, for tools that read neither our rows nor ONNX.

use std::collections::BTreeMap;

use calibench_graph::{Graph, ValueId};
use calibench_quant::QParams;
use serde::Serialize;

/// The version of [`qparams_json`]'s layout. It changes when a field changes its meaning or goes.
pub const QPARAMS_SCHEMA: &str = "calibench-qparams/1";

#[derive(Serialize)]
struct File<'a> {
    schema: &'static str,
    model: &'a str,
    activations: BTreeMap<&'a str, Site<'a>>,
    weights: BTreeMap<&'a str, Site<'a>>,
}

#[derive(Serialize)]
struct Site<'a> {
    dtype: String,
    symmetry: &'static str,
    /// `null` for one scale, else the axis that the scales belong to.
    axis: Option<usize>,
    scale: &'a [f32],
    zero_point: &'a [i32],
    codes: [i32; 2],
    range: Vec<[f32; 2]>,
}

impl<'a> Site<'a> {
    fn of(qparams: &'a QParams) -> Self {
        let range = |channel: usize| {
            let range = qparams.thresholds(channel);
            [range.low, range.high]
        };
        Self {
            dtype: qparams.format.to_string(),
            symmetry: qparams.symmetry.id(),
            axis: (qparams.scale.len() > 1).then_some(0),
            scale: &qparams.scale,
            zero_point: &qparams.zero_point,
            codes: qparams.code_range().into(),
            range: (0..qparams.scale.len()).map(range).collect(),
        }
    }
}

/// Every scale and zero point of a model, as indented JSON.
///
/// ```text
/// {
///   "schema": "calibench-qparams/1",
///   "model": "resnet",
///   "activations": { "<value>": SITE, … },        value: the node that defines it, or the input
///   "weights": { "<parameter>": SITE, … }
/// }
///
/// SITE = {
///   "dtype": "int8",                 format of the codes: int2 to int16, uint2 to uint16, perhaps -reduced
///   "symmetry": "affine",            or "symmetric": the zero point is 0
///   "axis": null,                    axis of the tensor that the scales belong to; null for one scale
///   "scale": [0.0235],               x = scale · (q − zero_point); one, or one per index of the axis
///   "zero_point": [-128],            in codes of dtype
///   "codes": [-128, 127],            lowest and highest code in use
///   "range": [[0.0, 5.9925]]         values of those two, per scale: what is outside is clipped
/// }
/// ```
///
/// Numbers are the shortest decimals that read back to the same fp32. Weights are `[out, …]`, as in the graph,
/// whatever their layout in a model file.
#[must_use]
pub fn qparams_json(
    graph: &Graph,
    activations: &BTreeMap<ValueId, QParams>,
    weights: &BTreeMap<String, QParams>,
) -> String {
    let file = File {
        schema: QPARAMS_SCHEMA,
        model: &graph.name,
        activations: activations
            .iter()
            .map(|(id, q)| (graph.value(*id).name.as_str(), Site::of(q)))
            .collect(),
        weights: weights.iter().map(|(param, q)| (param.as_str(), Site::of(q))).collect(),
    };
    serde_json::to_string_pretty(&file).expect("plain data with keys of text always serialises")
}
