//! What the compiler refuses, with a reason instead of a panic while the plan runs.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic")]

use calibench_engine::QuantSpec;
use calibench_engine::compile::{CompileOptions, Executable};
use calibench_graph::{Conv2d, Dim, Element, Graph, GraphBuilder, Op, Tensor, Value, ValueId};
use calibench_kernels::{Kernels, MAX_K_S8};
use calibench_quant::{Dtype, Granularity, IntFormat, QParams, Range, Symmetry, Timing};

/// An int8 execution; every range is 1.
fn int8(graph: &Graph) -> Result<Executable, String> {
    let sites = calibench_graph::placement(graph);
    let symmetry = Symmetry::Affine;
    let range = Range { low: -1.0, high: 1.0 };
    let of_site = |id: ValueId| (id, QParams::from_range("site", range, IntFormat::INT8, symmetry).unwrap());
    let of_weight = |site: &calibench_graph::WeightSite| {
        let data = graph.params[&site.param].data();
        let granularity = Granularity::PerChannel;
        let q = QParams::of_weights(&site.param, data, site.channels, IntFormat::INT8, granularity);
        (site.param.clone(), q.unwrap())
    };
    let spec = QuantSpec {
        timing: Timing::Static,
        symmetry,
        activations: sites.activations.iter().copied().map(of_site).collect(),
        weights: sites.weights.iter().map(of_weight).collect(),
        ..QuantSpec::float(Dtype::Int8)
    };
    let options = CompileOptions { kernels: Kernels::best(), threads: 1, max_batch: 1 };
    Executable::compile(graph, &spec, options).map_err(|e| e.to_string())
}

fn input(name: &str, sizes: &[usize]) -> Value {
    let shape = [Dim::Batch].into_iter().chain(sizes.iter().map(|n| Dim::Fixed(*n))).collect();
    Value { name: name.to_owned(), shape, element: Element::Float }
}

fn attention(k: usize) -> Graph {
    let mut g = GraphBuilder::with_inputs("attention", vec![input("q", &[1, k]), input("k", &[2, k])]);
    let op = Op::MatMul { transpose_rhs: true };
    let output = g.add("scores", op, &[ValueId(0), ValueId(1)], vec![]).unwrap();
    g.finish(output)
}

fn depthwise(k: usize) -> Graph {
    let mut g = GraphBuilder::with_inputs("depthwise", vec![input("x", &[2, 1, k])]);
    let op = Op::Conv2d(Conv2d { groups: 2, ..Conv2d::square(1, 0) });
    let weight = Tensor::new([2, 1, 1, k], vec![1.0; 2 * k]).unwrap();
    let output = g.add("conv", op, &[ValueId(0)], vec![("conv.weight", weight)]).unwrap();
    g.finish(output)
}

#[test]
fn integer_sums_that_could_overflow_are_refused_whatever_the_product() {
    for build in [attention, depthwise] {
        int8(&build(MAX_K_S8)).unwrap();
        let error = int8(&build(MAX_K_S8 + 1)).unwrap_err();
        assert!(error.contains("65794 terms per output could overflow 32 bits"), "{error}");
        assert!(error.contains("keep it in fp32"), "{error}");
    }
}
