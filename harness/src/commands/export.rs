//! `calibench export`: a measured cell as an ONNX model for the runtime of the user's choice.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use anyhow::{Context, Result, bail};
use calibench_engine::QuantSpec;
use calibench_graph::{Graph, Op, unrounded};
use calibench_onnx::{Codes, DEFAULT_OPSET, Export, Form, HalfLoss, Qdq, export, qparams_json};
use calibench_quant::{Dtype, Timing};
use calibench_store::{RunFolder, write_atomic};

use crate::backend;
use crate::cell;
use crate::cli::ExportOptions;
use crate::console;
use crate::plan::Plan;
use crate::subject::Subject;

/// Writes the model of a cell, and its quantization parameters where asked for.
///
/// # Errors
/// When the run or the cell does not exist, the cell has no ONNX form, or a file cannot be written.
pub fn run(options: &ExportOptions) -> Result<()> {
    let folder = RunFolder::open(&options.run)?;
    let plan = Plan::read(&folder)?;
    let cell = super::find_cell(&plan, &options.cell)?;
    let untold = &mut |_| ControlFlow::Continue(());
    let subject = Subject::load(&cell.model, cell.seed, &plan.sources.calibrated(), &plan.measure, untold)?;
    let ready = cell::ready(cell, &subject, &folder)?;
    let style = Style {
        opset: options.opset,
        codes: options.codes.into(),
        weight_codes: options.weight_codes.map_or_else(backend::weight_codes, Into::into),
        keep: options.keep.iter().cloned().collect(),
    };
    let exported = model(&ready.graph, &ready.spec, &style)?;
    warn(&exported.half_losses);
    exported.model.save(&options.out).with_context(|| format!("cannot export {}", cell.id()))?;
    console::result(&format!("{}: {}", cell.id(), options.out.display()));
    if let Some(path) = &options.qparams {
        let json = qparams_json(&ready.graph, &ready.spec.activations, &ready.spec.weights);
        write_atomic(path, json.as_bytes())?;
        console::result(&format!("quantization parameters: {}", path.display()));
    }
    Ok(())
}

/// Says which constants fp16 does not hold, the first few by name.
fn warn(losses: &[HalfLoss]) {
    const SHOWN: usize = 8;
    for loss in losses.iter().take(SHOWN) {
        let fate = if loss.overflow { "held at ±65504" } else { "0 in fp16" };
        let HalfLoss { name, value, count, .. } = loss;
        console::note(&format!("warning: {count} of the numbers of `{name}` are {fate}, such as {value:e}"));
    }
    if losses.len() > SHOWN {
        console::note(&format!("warning: and some of {} more constants", losses.len() - SHOWN));
    }
}

/// How an exported model is written.
#[derive(Debug, Clone)]
pub struct Style {
    /// Version of the operator set.
    pub opset: i64,
    /// Activation codes.
    pub codes: Codes,
    /// Weight codes.
    pub weight_codes: Codes,
    /// Nodes that compute in fp32 in an fp16 model; when empty those that the cell keeps, else those that need it.
    pub keep: BTreeSet<String>,
}

impl Default for Style {
    /// uint8 for activations, and for weights what runtimes on this CPU multiply without saturation.
    fn default() -> Self {
        let (codes, weight_codes) = (Codes::Unsigned, backend::weight_codes());
        Self { opset: DEFAULT_OPSET, codes, weight_codes, keep: BTreeSet::new() }
    }
}

/// A model under its quantization parameters in ONNX.
///
/// # Errors
/// When it has no ONNX form.
pub fn model(graph: &Graph, spec: &QuantSpec, style: &Style) -> Result<Export> {
    let keep = match (style.keep.is_empty(), graph.float.is_empty()) {
        (false, _) => style.keep.clone(),
        (true, false) => unrounded(graph),
        (true, true) => sensitive(graph),
    };
    let (activations, weights) = (&spec.activations, &spec.weights);
    let Style { codes, weight_codes, .. } = *style;
    let form = match (spec.dtype, spec.timing) {
        (Dtype::Fp32, _) => Form::Fp32,
        (Dtype::Fp16Storage | Dtype::Fp16Compute, _) => Form::Fp16 { keep: &keep },
        (_, Timing::Static | Timing::Qat) => Form::Qdq(Qdq { activations, weights, codes, weight_codes }),
        (_, Timing::WeightOnly) => Form::WeightOnly { weights },
        (_, Timing::Dynamic) => match backend::no_dynamic_form(spec.dtype, Some(spec.symmetry)) {
            Some(reason) => bail!("{reason}; export an affine int8 cell"),
            None => Form::Dynamic { weights, weight_codes },
        },
        (dtype, _) => {
            bail!("{dtype} has no ONNX form that runtimes execute; export fp32, fp16 or an integer cell")
        }
    };
    Ok(export(graph, &form, style.opset)?)
}

/// What computes in fp32 in an fp16 model unless the user says otherwise: sums of squares and exponentials leave
/// the range of fp16 first.
fn sensitive(graph: &Graph) -> BTreeSet<String> {
    let wide = |op: &Op| {
        matches!(
            op,
            Op::LayerNorm { .. } | Op::Softmax | Op::LogSoftmax | Op::Reduce { .. } | Op::GlobalAvgPool
        )
    };
    graph.nodes.iter().filter(|n| wide(&n.op)).map(|n| n.name.clone()).collect()
}
