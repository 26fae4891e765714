//! Plans of the built-in models: nothing is allocated while they run, and integers are the same on every instruction set.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic")]

use std::collections::BTreeMap;

use calibench_engine::QuantSpec;
use calibench_engine::compile::{CompileOptions, Executable};
use calibench_engine::interpret::{CaptureTap, Interpreter};
use calibench_graph::{Graph, bind, placement};
use calibench_kernels::{Isa, Kernels};
use calibench_quant::{Dtype, Granularity, IntFormat, QParams, Range, Symmetry, Timing};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const BATCH: usize = 3;

/// A model with random weights, and inputs.
fn model(entry: &calibench_models::ModelEntry) -> (Graph, Vec<f32>) {
    let graph = entry.inference_graph(7).unwrap();
    let len: usize = bind(&graph.value(Graph::INPUT).shape, BATCH).iter().product();
    let input = (0..len).map(|i| ((i * 2_654_435_761) % 1000) as f32 / 1000.0).collect();
    (graph, input)
}

/// Min-max parameters over the inputs themselves.
fn spec(graph: &Graph, input: &[f32], dtype: Dtype, timing: Timing) -> QuantSpec {
    let Some(format) = dtype.activation_format() else { return QuantSpec::float(dtype) };
    let sites = placement(graph);
    let mut tap = CaptureTap::new(sites.activations.iter().copied());
    Interpreter::new(graph).unwrap().run_slice(BATCH, &[input], &mut tap).unwrap();
    let symmetry = Symmetry::Affine;
    let activations = tap.finish().into_iter().map(|(id, captured)| {
        let range = Range::of(&captured.data).unwrap();
        (id, QParams::from_range("site", range, format, symmetry).unwrap())
    });
    let weights = sites.weights.iter().map(|site| {
        let data = graph.params[&site.param].data();
        let granularity = Granularity::PerChannel;
        let q = QParams::of_weights(&site.param, data, site.channels, IntFormat::INT8, granularity);
        (site.param.clone(), q.unwrap())
    });
    QuantSpec {
        dtype,
        timing,
        granularity: Granularity::PerChannel,
        symmetry,
        activations: activations.collect(),
        weights: weights.collect(),
    }
}

fn compile(graph: &Graph, spec: &QuantSpec, isa: Isa) -> Executable {
    let options = CompileOptions { kernels: Kernels::new(isa).unwrap(), threads: 1, max_batch: BATCH };
    Executable::compile(graph, spec, options).unwrap()
}

/// One test, because the allocator counts for the whole process.
#[test]
fn plans_allocate_nothing_while_they_run_and_integers_are_the_same_on_every_instruction_set() {
    for entry in calibench_models::ALL {
        let (graph, input) = model(entry);
        for (dtype, timing) in [
            (Dtype::Fp32, Timing::None),
            (Dtype::Fp16Storage, Timing::None),
            (Dtype::Bf16Compute, Timing::None),
            (Dtype::Int8, Timing::Static),
            (Dtype::Int8, Timing::Dynamic),
            (Dtype::Int8, Timing::WeightOnly),
        ] {
            let spec = spec(&graph, &input, dtype, timing);
            let mut outputs = BTreeMap::new();
            for isa in Isa::available() {
                let mut plan = compile(&graph, &spec, isa);
                // Memory of products is made by the first call, and kept.
                plan.run(BATCH, &[&input]).unwrap();
                let before = HEAP.current_usage();
                HEAP.reset_peak_usage();
                let output = plan.run(BATCH, &[&input]).unwrap();
                let taken = HEAP.peak_usage() - before;
                assert_eq!(taken, 0, "{}, {dtype} {timing:?} on {isa}: bytes taken while it runs", entry.id);
                outputs.insert(isa, output.to_vec());
            }
            let scalar = &outputs[&Isa::Generic];
            let most = scalar.iter().map(|v| v.abs()).fold(0.0, f32::max);
            for (isa, output) in &outputs {
                let off = scalar.iter().zip(output).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                // Attention's fp32 parts and the last layers sum in another order; a code may then fall on the other side.
                let slack = if dtype == Dtype::Fp32 { 1e-5 } else { 0.03 };
                assert!(off <= slack * most, "{}, {dtype} {timing:?} on {isa}: {off} of {most}", entry.id);
                if (dtype, timing) == (Dtype::Int8, Timing::Static) && entry.id != "digits-vit" {
                    assert_eq!(output, scalar, "{} on {isa}", entry.id);
                }
            }
        }
    }
}
