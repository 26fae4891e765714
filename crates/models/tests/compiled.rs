//! Plans of the built-in models: nothing is allocated while they run, and integers are the same on every instruction set.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic")]

use std::collections::BTreeMap;

use calibench_engine::QuantSpec;
use calibench_engine::compile::{CompileOptions, Executable};
use calibench_engine::interpret::{CaptureTap, FakeQuantTap, Interpreter};
use calibench_graph::{
    Binary, Coordinates, Dim, Element, Graph, GraphBuilder, Interpolation, Op, PadMode, Reduction, Tensor,
    Value, ValueId, bind, placement,
};
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
fn spec(graph: &Graph, inputs: &[&[f32]], dtype: Dtype, timing: Timing) -> QuantSpec {
    let Some(format) = dtype.activation_format() else { return QuantSpec::float(dtype) };
    let sites = placement(graph);
    let mut tap = CaptureTap::new(sites.activations.iter().copied());
    Interpreter::new(graph).unwrap().run_slice(BATCH, inputs, &mut tap).unwrap();
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

/// Bytes that a second call takes; memory of products is made by the first, and kept.
fn taken(plan: &mut Executable, inputs: &[&[f32]]) -> (usize, Vec<f32>) {
    plan.run(BATCH, inputs).unwrap();
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let output = plan.run(BATCH, inputs).unwrap();
    (HEAP.peak_usage() - before, output.to_vec())
}

/// Operators that run by their reference evaluation, or look rows up: what models from elsewhere have beside products.
fn general() -> (Graph, [Vec<f32>; 2]) {
    let fixed =
        |sizes: &[usize]| [Dim::Batch].into_iter().chain(sizes.iter().map(|n| Dim::Fixed(*n))).collect();
    let value = |name: &str, shape, element| Value { name: name.to_owned(), shape, element };
    let mut g = GraphBuilder::with_inputs(
        "general",
        vec![value("ids", fixed(&[4]), Element::Integer), value("image", fixed(&[2, 4, 4]), Element::Float)],
    );
    let (ids, image) = (ValueId(0), ValueId(1));
    let mut add = |name: &str, op: Op, inputs: &[ValueId]| g.add(name, op, inputs, vec![]).unwrap();
    let padded = Op::Pad { pads: vec![[0, 0], [1, 1], [0, 0], [1, 1]], mode: PadMode::Reflect };
    let y = add("pad", padded, &[image]);
    let y = add("slice", Op::Slice { axis: 1, start: 1, step: 1, len: 2 }, &[y]);
    let y = add("slice.columns", Op::Slice { axis: 3, start: 0, step: 1, len: 4 }, &[y]);
    let resized = Op::Resize2d {
        size: [8, 8],
        coordinates: Coordinates::HalfPixel,
        interpolation: Interpolation::Linear,
        scale: [2.0, 2.0],
    };
    let y = add("resize", resized, &[y]);
    let mean = add("mean", Op::Reduce { reduction: Reduction::Mean, axes: vec![2], keep: true }, &[y]);
    let y = add("centred", Op::Binary(Binary::Sub), &[y, mean]);
    let sign = add("sign", Op::Binary(Binary::Greater), &[y, mean]);
    let y = add("chosen", Op::Where, &[sign, y, mean]);
    let y = add("joined", Op::Concat { axis: 1 }, &[y, y]);
    let y = add("rows", Op::Reshape { shape: fixed(&[4, 64]) }, &[y]);
    let y = add("swapped", Op::Permute { axes: vec![0, 2, 1] }, &[y]);
    let y = add("softmax", Op::LogSoftmax, &[y]);
    let y = add("back", Op::Permute { axes: vec![0, 2, 1] }, &[y]);
    let table = Tensor::new([7, 64], (0..7 * 64).map(|i| (i % 13) as f32 - 6.0).collect()).unwrap();
    let words = g.add("words", Op::Embedding, &[ids], vec![("words.weight", table)]).unwrap();
    let y = g.add("sum", Op::Add, &[y, words], vec![]).unwrap();
    let weight = Tensor::new([5, 64], (0..5 * 64).map(|i| (i % 11) as f32 / 7.0 - 0.7).collect()).unwrap();
    let y = g.add("head", Op::Linear, &[y], vec![("head.weight", weight)]).unwrap();
    let ids = (0..BATCH * 4).map(|i| (i % 7) as f32).collect();
    let image = (0..BATCH * 32).map(|i| ((i * 2_654_435_761) % 1000) as f32 / 1000.0).collect();
    (g.finish(y), [ids, image])
}

fn general_operators_take_nothing() {
    let (graph, [ids, image]) = general();
    let inputs = [&ids[..], &image];
    for (dtype, timing) in [
        (Dtype::Fp32, Timing::None),
        (Dtype::Fp16Storage, Timing::None),
        (Dtype::Fp16Compute, Timing::None),
        (Dtype::Int8, Timing::Static),
        (Dtype::Int8, Timing::Dynamic),
        (Dtype::Int16, Timing::Static),
        (Dtype::Int8, Timing::WeightOnly),
    ] {
        let spec = spec(&graph, &inputs, dtype, timing);
        let (bytes, output) = taken(&mut compile(&graph, &spec, Isa::best()), &inputs);
        assert_eq!(bytes, 0, "{dtype} {timing:?}: bytes taken while it runs");
        let half = Interpreter::computing(&graph, dtype).unwrap();
        let mut tap = FakeQuantTap::new(&graph, &spec).unwrap();
        let simulated = half.run_slice(BATCH, &inputs, &mut tap).unwrap();
        let most = simulated.iter().map(|v| v.abs()).fold(0.0, f32::max);
        let off = simulated.iter().zip(&output).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let slack = if dtype == Dtype::Fp32 { 1e-6 } else { 4e-3 };
        assert!(off <= slack * most, "{dtype} {timing:?}: {off} of {most}");
    }
    let mut plan = compile(&graph, &QuantSpec::float(Dtype::Fp32), Isa::best());
    let outside = vec![7.0; ids.len()];
    let error = plan.run(BATCH, &[&outside, &image]).unwrap_err().to_string();
    assert!(error.contains("`words`") && error.contains("index 7 is outside of an axis of 7"), "{error}");
}

/// One test, because the allocator counts for the whole process.
#[test]
fn plans_allocate_nothing_while_they_run_and_integers_are_the_same_on_every_instruction_set() {
    general_operators_take_nothing();
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
            let spec = spec(&graph, &[&input], dtype, timing);
            let mut outputs = BTreeMap::new();
            for isa in Isa::available() {
                let mut plan = compile(&graph, &spec, isa);
                let (bytes, output) = taken(&mut plan, &[&input]);
                assert_eq!(bytes, 0, "{}, {dtype} {timing:?} on {isa}: bytes taken while it runs", entry.id);
                outputs.insert(isa, output);
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
