//! Executions of small graphs, by our plans and by other runtimes.

use std::collections::BTreeSet;

use anyhow::Result;
use calibench_engine::QuantSpec;
use calibench_engine::compile::{CompileOptions, Executable};
use calibench_engine::interpret::{FakeQuantTap, Interpreter, NoTap, Tap};
use calibench_graph::{Element, Graph, ValueId, placement};
use calibench_kernels::Kernels;
use calibench_onnx::{DEFAULT_OPSET, Form, export};
use calibench_quant::{Dtype, Granularity, IntFormat, QParams, Range, Symmetry, Timing};
use calibench_store::LatencyRow;

use super::Mode;
use crate::backend::{self, CUDA, NATIVE, Runner};
use crate::cell::{views, weight_params};
use crate::clock;
use crate::precision::half::Half;

/// What executes, and how.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    pub backend: &'a str,
    pub kernels: Kernels,
    /// What codes of weights the kernels take.
    pub weights: IntFormat,
    pub threads: usize,
    /// Of timing, for an operator and a format.
    pub seconds: f64,
}

impl Machine<'_> {
    fn runner(&self, graph: &Graph, spec: &QuantSpec) -> Result<Runner> {
        if self.backend == NATIVE {
            let options = CompileOptions { kernels: self.kernels, threads: self.threads, max_batch: 1 };
            return Ok(Runner::Native(Box::new(Executable::compile(graph, spec, options)?)));
        }
        if self.backend == CUDA {
            return backend::on_gpu(graph, spec.dtype);
        }
        let onnx = match spec.dtype {
            // Everything in fp16: what a model's export keeps in fp32 is a choice that is not asked about.
            Dtype::Fp16Storage => {
                export(graph, &Form::Fp16 { keep: &BTreeSet::new() }, DEFAULT_OPSET)?.model.to_bytes()?
            }
            _ => backend::exported(graph, spec)?,
        };
        backend::open(self.backend, graph, &onnx, self.threads)
    }

    /// The output for one sample.
    pub(super) fn output(&self, graph: &Graph, spec: &QuantSpec, inputs: &[Vec<f32>]) -> Result<Vec<f32>> {
        Ok(self.runner(graph, spec)?.run(1, &views(inputs))?.to_vec())
    }

    /// Latency against fp32 of the same backend.
    pub(super) fn latency(&self, graph: &Graph, spec: &QuantSpec, inputs: &[Vec<f32>]) -> Result<LatencyRow> {
        let timed = clock::Timed {
            cell: "",
            process: 0,
            threads: self.threads,
            batch: 1,
            inputs: &views(inputs),
            seconds: self.seconds,
            seed: 0,
        };
        let fp32 = QuantSpec::float(Dtype::Fp32);
        let measured = clock::measure(timed, |twin_first| {
            let early = if twin_first { Some(self.runner(graph, &fp32)?) } else { None };
            Ok((self.runner(graph, spec)?, early.map_or_else(|| self.runner(graph, &fp32), Ok)?))
        })?;
        Ok(measured.row)
    }
}

/// Quantization parameters of a graph, min-max over ranges that are given by value.
pub(super) fn spec(
    graph: &Graph,
    mode: Mode,
    weights: IntFormat,
    symmetry: Symmetry,
    range_of: impl Fn(ValueId) -> Range,
) -> Result<QuantSpec> {
    let granularity = Granularity::PerChannel;
    let mut spec = QuantSpec { timing: mode.timing, granularity, symmetry, ..QuantSpec::float(mode.dtype) };
    let Some(format) = mode.dtype.activation_format() else { return Ok(spec) };
    let placed = placement(graph);
    for site in placed.weights {
        let qparams = weight_params(graph, &site, weights, granularity)?;
        spec.weights.insert(site.param, qparams);
    }
    if mode.timing == Timing::Static {
        for id in placed.activations {
            let name = &graph.value(id).name;
            spec.activations.insert(id, QParams::from_range(name, range_of(id), format, symmetry)?);
        }
    }
    Ok(spec)
}

/// The reference's output in fp32.
pub(super) fn interpreted(graph: &Graph, inputs: &[Vec<f32>], tap: &mut dyn Tap) -> Result<Vec<f32>> {
    Ok(Interpreter::new(graph)?.run_slice(1, &views(inputs), tap)?)
}

/// The reference's output under fake quantization.
pub(super) fn simulated(graph: &Graph, spec: &QuantSpec, inputs: &[Vec<f32>]) -> Result<Vec<f32>> {
    interpreted(graph, inputs, &mut FakeQuantTap::new(graph, spec)?)
}

/// The results of a graph with more and more of it rounded.
pub(super) fn references(graph: &Graph, half: Half, inputs: &[Vec<f32>]) -> Result<super::References> {
    let mut held = graph.clone();
    for param in held.params.values_mut() {
        *param = calibench_graph::Tensor::new(param.shape(), rounded(half, param.data()))?;
    }
    let read: Vec<Vec<f32>> = (graph.input_values().zip(inputs))
        .map(|(value, data)| match value.element {
            Element::Integer => data.clone(),
            Element::Float => rounded(half, data),
        })
        .collect();
    let operands = interpreted(&held, &read, &mut NoTap)?;
    Ok(super::References {
        fp32: interpreted(graph, inputs, &mut NoTap)?,
        parameters: interpreted(&held, inputs, &mut NoTap)?,
        result: rounded(half, &operands),
        operands,
    })
}

fn rounded(half: Half, data: &[f32]) -> Vec<f32> {
    data.iter().map(|x| half.round(*x)).collect()
}
