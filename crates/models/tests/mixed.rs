//! Half precision with nodes kept in fp32: the plan computes what the interpreter does, and what is kept is unrounded.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic")]

use calibench_engine::QuantSpec;
use calibench_engine::compile::{CompileOptions, Executable};
use calibench_engine::interpret::{FakeQuantTap, Interpreter, NoTap};
use calibench_graph::{Graph, bind, computes, keep_float, placement};
use calibench_kernels::{Isa, Kernels};
use calibench_quant::{Dtype, Granularity, IntFormat, QParams, Symmetry, Timing};
use candle_core::DType;

const BATCH: usize = 3;

fn model(id: &str) -> (Graph, Vec<f32>) {
    let graph = calibench_models::find(id).unwrap().inference_graph(7).unwrap();
    let len: usize = bind(&graph.value(Graph::INPUT).shape, BATCH).iter().product();
    // The first column of pixels is blank.
    let pixel =
        |i: usize| if i.is_multiple_of(8) { 0.0 } else { ((i * 2_654_435_761) % 1000) as f32 / 1000.0 };
    (graph, (0..len).map(pixel).collect())
}

fn compiled(graph: &Graph, dtype: Dtype, isa: Isa, input: &[f32]) -> Vec<f32> {
    let options = CompileOptions { kernels: Kernels::new(isa).unwrap(), threads: 1, max_batch: BATCH };
    let mut plan = Executable::compile(graph, &QuantSpec::float(dtype), options).unwrap();
    plan.run(BATCH, &[input]).unwrap().to_vec()
}

fn interpreted(graph: &Graph, dtype: DType, input: &[f32]) -> Vec<f32> {
    Interpreter::with_dtype(graph, dtype).unwrap().run_slice(BATCH, &[input], &mut NoTap).unwrap()
}

fn keeping(graph: &Graph, keep: impl Fn(usize) -> bool) -> Graph {
    let nodes = graph.nodes.iter().filter(|n| computes(n)).enumerate();
    let names: Vec<String> = nodes.filter(|(i, _)| keep(*i)).map(|(_, n)| n.name.clone()).collect();
    keep_float(graph, &names).unwrap()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn plans_with_kept_nodes_compute_what_the_interpreter_does() {
    for id in ["digits-mlp", "digits-cnn", "digits-vit"] {
        let (graph, input) = model(id);
        for (dtype, candle, ulp) in
            [(Dtype::Fp16Compute, DType::F16, 1.0 / 1024.0), (Dtype::Bf16Compute, DType::BF16, 1.0 / 128.0)]
        {
            for choice in 0..6 {
                // None, all, even, odd, the first half, the last half.
                let n = graph.nodes.iter().filter(|n| computes(n)).count();
                let kept = keeping(&graph, |i| match choice {
                    0 => false,
                    1 => true,
                    2 | 3 => i % 2 == choice - 2,
                    4 => 2 * i < n,
                    _ => 2 * i >= n,
                });
                let reference = interpreted(&kept, candle, &input);
                let most = reference.iter().map(|v| v.abs()).fold(0.0, f32::max);
                for isa in Isa::available() {
                    let got = compiled(&kept, dtype, isa, &input);
                    let off = largest_difference(&reference, &got);
                    assert!(
                        off <= 4.0 * ulp * most,
                        "{id} {dtype} choice {choice} on {isa}: {off} of {most}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_half_plan_that_keeps_everything_is_the_fp32_plan() {
    for id in ["digits-mlp", "digits-cnn", "digits-vit"] {
        let (graph, input) = model(id);
        let kept = keeping(&graph, |_| true);
        for dtype in [Dtype::Fp16Compute, Dtype::Fp16Storage, Dtype::Bf16Compute, Dtype::Bf16Storage] {
            let isa = Isa::best();
            assert_eq!(
                compiled(&kept, dtype, isa, &input),
                compiled(&graph, Dtype::Fp32, isa, &input),
                "{id} {dtype}"
            );
        }
    }
}

#[test]
fn keeping_one_node_changes_the_outcome_and_storage_keeps_its_weights() {
    let (graph, input) = model("digits-mlp");
    let all = compiled(&graph, Dtype::Fp16Storage, Isa::best(), &input);
    let kept = keep_float(&graph, &["fc1".to_owned()]).unwrap();
    assert_ne!(compiled(&kept, Dtype::Fp16Storage, Isa::best(), &input), all);
    let options = CompileOptions { kernels: Kernels::best(), threads: 1, max_batch: 1 };
    let bytes = |graph: &Graph| {
        let plan = Executable::compile(graph, &QuantSpec::float(Dtype::Fp16Storage), options);
        plan.unwrap().weight_bytes()
    };
    assert!(bytes(&kept) > bytes(&graph) + 128 * 64, "fc1 is held in 32 bits");
}

#[test]
fn what_integers_leave_alone_may_be_held_as_halves() {
    let (graph, input) = model("digits-mlp");
    for (pattern, half) in [("fc1=fp16", DType::F16), ("fc1=bf16", DType::BF16)] {
        let kept = keep_float(&graph, &[pattern.to_owned()]).unwrap();
        let wide = keep_float(&graph, &["fc1".to_owned()]).unwrap();
        // The whole point: half the bytes, and the numbers that halves hold.
        let weights = placement(&kept).weights.into_iter().map(|site| {
            let data = graph.params[&site.param].data();
            let qparams = QParams::of_weights(
                &site.param,
                data,
                site.channels,
                IntFormat::INT8,
                Granularity::PerChannel,
            );
            (site.param, qparams.unwrap())
        });
        let spec = QuantSpec {
            timing: Timing::Dynamic,
            symmetry: Symmetry::Affine,
            weights: weights.collect(),
            ..QuantSpec::float(Dtype::Int8)
        };
        let options = CompileOptions { kernels: Kernels::best(), threads: 1, max_batch: BATCH };
        let run = |graph: &Graph| {
            let mut plan = Executable::compile(graph, &spec, options).unwrap();
            (plan.weight_bytes(), plan.run(BATCH, &[&input]).unwrap().to_vec())
        };
        let ((bytes, got), (wide_bytes, exact)) = (run(&kept), run(&wide));
        let len = graph.params["fc1.weight"].len() as u64;
        assert_eq!(wide_bytes - bytes, 2 * len, "{pattern}: a half for each weight");
        assert_ne!(got, exact);
        let mut tap = FakeQuantTap::new(&kept, &spec).unwrap();
        let simulated = Interpreter::new(&kept).unwrap().run_slice(BATCH, &[&input], &mut tap).unwrap();
        let most = exact.iter().map(|v| v.abs()).fold(0.0, f32::max);
        assert!(largest_difference(&got, &simulated) < 1e-2 * most, "{pattern}");
        // In an fp32 plan nothing is rounded.
        assert_eq!(
            compiled(&kept, Dtype::Fp32, Isa::best(), &input),
            compiled(&graph, Dtype::Fp32, Isa::best(), &input)
        );
        // Halves that compute: the node computes in fp32, with parameters that are halves.
        for (dtype, candle) in [(Dtype::Fp16Compute, DType::F16), (Dtype::Bf16Compute, DType::BF16)] {
            let reference = interpreted(&kept, candle, &input);
            let off = largest_difference(&reference, &compiled(&kept, dtype, Isa::best(), &input));
            assert!(off <= 0.04 * most, "{pattern} {half:?} under {dtype}: {off}");
        }
    }
}

#[test]
fn the_examples_fail_in_fp16_and_work_where_their_reason_is_kept() {
    for (id, keep) in
        [("digits-epsilon", &["norm"][..]), ("digits-energy", &["counts", "energy", "norm"][..])]
    {
        let (graph, input) = model(id);
        let patterns: Vec<String> = keep.iter().map(|s| (*s).to_owned()).collect();
        let kept = keep_float(&graph, &patterns).unwrap();
        let reference = compiled(&graph, Dtype::Fp32, Isa::best(), &input);
        assert!(reference.iter().all(|v| v.is_finite()), "{id}");
        for isa in Isa::available() {
            let failed = compiled(&graph, Dtype::Fp16Compute, isa, &input);
            assert!(failed.iter().any(|v| v.is_nan()), "{id} on {isa}: {failed:?}");
            let works = compiled(&kept, Dtype::Fp16Compute, isa, &input);
            assert!(largest_difference(&reference, &works) < 0.02, "{id} on {isa}");
        }
        assert!(interpreted(&graph, DType::F16, &input).iter().any(|v| v.is_nan()), "{id}");
    }
}
