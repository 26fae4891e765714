//! Every pass: what it makes of a graph where it applies, and graphs that it must leave alone.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic")]

use std::f32::consts::PI;

use calibench_engine::interpret::{Interpreter, NoTap};
use calibench_graph::passes::{ALL, Pass, canonical};
use calibench_graph::{
    Binary, Conv2d, Dim, Element, Graph, GraphBuilder, Op, Reduction, Tensor, Unary, ValueId, bind,
};

const BATCH: usize = 3;

/// Numbers between −1 and 1 that look random, by a linear congruence.
fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(1);
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(next).collect()
}

fn tensor(shape: &[usize], seed: u32) -> Tensor {
    Tensor::new(shape, numbers(shape.iter().product(), seed)).unwrap()
}

/// A graph under construction, whose nodes are numbered.
struct Draft {
    builder: GraphBuilder,
    count: usize,
}

impl Draft {
    /// On x of `[N, sizes…]`.
    fn new(sizes: &[usize]) -> (Self, ValueId) {
        let shape = [Dim::Batch].into_iter().chain(sizes.iter().map(|n| Dim::Fixed(*n))).collect();
        let builder = GraphBuilder::new("t", shape);
        let x = builder.input();
        (Self { builder, count: 0 }, x)
    }

    fn with(&mut self, op: Op, inputs: &[ValueId], params: &[Tensor]) -> ValueId {
        self.count += 1;
        let name = format!("n{}", self.count);
        let names: Vec<String> = (0..params.len()).map(|i| format!("{name}.p{i}")).collect();
        let params = names.iter().map(String::as_str).zip(params.iter().cloned()).collect();
        self.builder.add(&name, op, inputs, params).unwrap()
    }

    fn add(&mut self, op: Op, inputs: &[ValueId]) -> ValueId {
        self.with(op, inputs, &[])
    }

    fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.with(Op::Constant { element: Element::Float }, &[], &[tensor])
    }

    fn number(&mut self, value: f32) -> ValueId {
        self.constant(Tensor::new([], vec![value]).unwrap())
    }

    fn finish(self, output: ValueId) -> Graph {
        self.builder.finish(output)
    }
}

fn pass(name: &str) -> Pass {
    ALL.iter().find(|(n, _)| *n == name).unwrap().1
}

fn kinds(graph: &Graph) -> Vec<&'static str> {
    let computed = graph.nodes.iter().filter(|n| !matches!(n.op, Op::Constant { .. }));
    computed.map(|n| n.op.name()).collect()
}

fn run(graph: &Graph) -> Vec<f32> {
    graph.validate().unwrap();
    let shape = bind(&graph.value(graph.input_values().next().map(|_| Graph::INPUT).unwrap()).shape, BATCH);
    let input = numbers(shape.iter().product(), 99);
    Interpreter::new(graph).unwrap().run_slice(BATCH, &[&input], &mut NoTap).unwrap()
}

/// Checks what a pass leaves, that the result is the same, and that all passes together keep it too.
#[track_caller]
fn gives(name: &str, graph: &Graph, expected: &[&str]) -> Graph {
    let after = pass(name)(graph).unwrap();
    assert_eq!(kinds(&after), expected);
    let before = run(graph);
    for other in [&after, &canonical(graph).unwrap()] {
        let out = run(other);
        assert_eq!(out.len(), before.len());
        assert_eq!(bind(&other.value(other.output).shape, 1), bind(&graph.value(graph.output).shape, 1));
        for (a, b) in out.iter().zip(&before) {
            assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "{a} instead of {b}");
        }
    }
    after
}

#[track_caller]
fn keeps(name: &str, graph: &Graph) {
    let expected = kinds(graph);
    gives(name, graph, &expected);
}

const CONV: Op = Op::Conv2d(Conv2d { stride: [1; 2], padding: [0; 4], dilation: [1; 2], groups: 1 });

/// γ, β, μ and a positive σ² of three channels.
fn statistics() -> [Tensor; 4] {
    let variance = Tensor::new([3], vec![0.5, 1.5, 2.5]).unwrap();
    [tensor(&[3], 1), tensor(&[3], 2), tensor(&[3], 3), variance]
}

const NORM: Op = Op::BatchNorm2d { epsilon: 1e-3 };

#[test]
fn every_pass_has_a_test_here() {
    let names: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
    let tested = [
        "prune",
        "fold_batch_norm",
        "split_batch_norm",
        "fuse_bias",
        "fuse_layer_norm",
        "fuse_gelu",
        "transpose_matmul",
    ];
    assert_eq!(names, tested);
}

#[test]
fn prune_removes_what_the_output_does_not_need() {
    let (mut d, x) = Draft::new(&[4]);
    let y = d.add(Op::Relu, &[x]);
    d.with(Op::Linear, &[y], &[tensor(&[2, 4], 1)]);
    let graph = d.finish(y);
    assert_eq!(graph.params.len(), 1);
    let after = gives("prune", &graph, &["Relu"]);
    assert!(after.params.is_empty());
}

#[test]
fn fold_batch_norm_takes_it_into_the_convolution() {
    for bias in [false, true] {
        let (mut d, x) = Draft::new(&[2, 4, 4]);
        let mut params = vec![tensor(&[3, 2, 2, 2], 5)];
        params.extend(bias.then(|| tensor(&[3], 6)));
        let y = d.with(CONV, &[x], &params);
        let z = d.with(NORM, &[y], &statistics());
        let after = gives("fold_batch_norm", &d.finish(z), &["Conv2d"]);
        assert_eq!(after.params.len(), 2);
    }
}

#[test]
fn fold_batch_norm_leaves_a_convolution_that_others_read() {
    let (mut d, x) = Draft::new(&[2, 4, 4]);
    let y = d.with(CONV, &[x], &[tensor(&[3, 2, 2, 2], 5)]);
    let z = d.with(NORM, &[y], &statistics());
    let sum = d.add(Op::Add, &[y, z]);
    keeps("fold_batch_norm", &d.finish(sum));
    // Nor one that the graph returns, nor anything else.
    let (mut d, x) = Draft::new(&[2, 4, 4]);
    let y = d.with(CONV, &[x], &[tensor(&[3, 2, 2, 2], 5)]);
    d.with(NORM, &[y], &statistics());
    keeps("fold_batch_norm", &d.finish(y));
    let (mut d, x) = Draft::new(&[3, 4, 4]);
    let y = d.add(Op::Relu, &[x]);
    let z = d.with(NORM, &[y], &statistics());
    keeps("fold_batch_norm", &d.finish(z));
}

#[test]
fn split_batch_norm_leaves_a_factor_and_an_offset() {
    let (mut d, x) = Draft::new(&[3, 2, 2]);
    let y = d.with(NORM, &[x], &statistics());
    let z = d.with(NORM, &[y], &statistics());
    gives("split_batch_norm", &d.finish(z), &["Mul", "Add", "Mul", "Add"]);
    let (mut d, x) = Draft::new(&[3, 2, 2]);
    let y = d.add(Op::Relu, &[x]);
    keeps("split_batch_norm", &d.finish(y));
}

/// `Linear` or `Conv2d` plus a constant of this shape, in either order.
fn biased(conv: bool, shape: &[usize], constant_first: bool, bias: bool) -> Graph {
    let (mut d, x) = Draft::new(if conv { &[2, 4, 4] } else { &[4] });
    let mut params = vec![tensor(if conv { &[3, 2, 2, 2] } else { &[3, 4] }, 5)];
    params.extend(bias.then(|| tensor(&[3], 6)));
    let y = d.with(if conv { CONV } else { Op::Linear }, &[x], &params);
    let c = d.constant(tensor(shape, 7));
    let z = d.add(Op::Add, &if constant_first { [c, y] } else { [y, c] });
    d.finish(z)
}

#[test]
fn fuse_bias_takes_up_one_number_per_channel() {
    for first in [false, true] {
        for bias in [false, true] {
            for shape in [&[3][..], &[1, 3], &[], &[1]] {
                let after = gives("fuse_bias", &biased(false, shape, first, bias), &["Linear"]);
                assert_eq!(after.params.len(), 2);
            }
            for shape in [&[3, 1, 1][..], &[1, 3, 1, 1], &[1]] {
                gives("fuse_bias", &biased(true, shape, first, bias), &["Conv2d"]);
            }
        }
    }
}

#[test]
fn fuse_bias_leaves_constants_along_other_axes() {
    // Three columns of a 3×3 image, and more axes than the product has.
    keeps("fuse_bias", &biased(true, &[3], false, false));
    keeps("fuse_bias", &biased(true, &[3, 3, 3], false, false));
    keeps("fuse_bias", &biased(true, &[3, 1], false, false));
    keeps("fuse_bias", &biased(false, &[1, 1, 3], false, false));
    // A product that is read twice, or returned; two products.
    let (mut d, x) = Draft::new(&[4]);
    let y = d.with(Op::Linear, &[x], &[tensor(&[3, 4], 5)]);
    let c = d.constant(tensor(&[3], 7));
    let z = d.add(Op::Add, &[y, c]);
    let w = d.add(Op::Binary(Binary::Mul), &[y, z]);
    keeps("fuse_bias", &d.finish(w));
    let (mut d, x) = Draft::new(&[4]);
    let y = d.with(Op::Linear, &[x], &[tensor(&[3, 4], 5)]);
    let z = d.with(Op::Linear, &[x], &[tensor(&[3, 4], 8)]);
    let w = d.add(Op::Add, &[y, z]);
    keeps("fuse_bias", &d.finish(w));
}

/// How a spelled-out layer normalisation differs from a real one.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    Axis,
    Exponent,
    Centre,
    Read,
}

fn layer_norm(gamma: Option<&[usize]>, beta: Option<&[usize]>, product: bool, flaw: Flaw) -> Graph {
    let (mut d, x) = Draft::new(&[5, 4]);
    let axes = vec![if flaw == Flaw::Axis { 1 } else { 2 }];
    let mean_op = Op::Reduce { reduction: Reduction::Mean, axes, keep: true };
    let mean = d.add(mean_op.clone(), &[x]);
    let centred = d.add(Op::Binary(Binary::Sub), &[x, mean]);
    let base = if flaw == Flaw::Centre { x } else { centred };
    let square = if product {
        d.add(Op::Binary(Binary::Mul), &[base, base])
    } else {
        let two = d.number(if flaw == Flaw::Exponent { 4.0 } else { 2.0 });
        d.add(Op::Binary(Binary::Pow), &[base, two])
    };
    let variance = d.add(mean_op, &[square]);
    let epsilon = d.number(1e-3);
    let shifted = d.add(Op::Add, &[variance, epsilon]);
    let root = d.add(Op::Unary(Unary::Sqrt), &[shifted]);
    let mut y = d.add(Op::Binary(Binary::Div), &[centred, root]);
    if let Some(shape) = gamma {
        let gamma = d.constant(tensor(shape, 4));
        y = d.add(Op::Binary(Binary::Mul), &[gamma, y]);
    }
    if let Some(shape) = beta {
        let beta = d.constant(tensor(shape, 5));
        y = d.add(Op::Add, &[y, beta]);
    }
    if flaw == Flaw::Read {
        y = d.add(Op::Binary(Binary::Mul), &[y, root]);
    }
    d.finish(y)
}

#[test]
fn fuse_layer_norm_finds_it_with_and_without_factor_and_offset() {
    let wide: Option<&[usize]> = Some(&[4]);
    for product in [false, true] {
        for (gamma, beta) in
            [(wide, wide), (wide, None), (None, wide), (None, None), (Some(&[1, 4]), Some(&[1, 1, 4]))]
        {
            gives("fuse_layer_norm", &layer_norm(gamma, beta, product, Flaw::None), &["LayerNorm"]);
        }
    }
}

#[test]
fn fuse_layer_norm_leaves_what_is_none() {
    for flaw in [Flaw::Axis, Flaw::Exponent, Flaw::Centre, Flaw::Read] {
        keeps("fuse_layer_norm", &layer_norm(Some(&[4]), Some(&[4]), false, flaw));
    }
    // The factor is of another axis, or of more than one: only the rest is a normalisation.
    for shape in [&[5, 1][..], &[5, 4]] {
        let graph = layer_norm(Some(shape), Some(&[4]), false, Flaw::None);
        gives("fuse_layer_norm", &graph, &["LayerNorm", "Mul", "Add"]);
    }
    let wider = layer_norm(Some(&[1, 1, 1, 4]), None, false, Flaw::None);
    gives("fuse_layer_norm", &wider, &["LayerNorm", "Mul"]);
}

/// `x · (1 + erf(x / √2)) / 2` with these numbers, its half before, between or behind.
fn gelu(root: f32, one: f32, half: f32, place: usize, read: bool) -> Graph {
    let (mut d, x) = Draft::new(&[4]);
    let halved = |d: &mut Draft, v, here| if here { d.add(Op::Scale { factor: half }, &[v]) } else { v };
    let inner = d.add(Op::Scale { factor: 1.0 / root }, &[x]);
    let erf = d.add(Op::Unary(Unary::Erf), &[inner]);
    let one = d.number(one);
    let gate = d.add(Op::Add, &[one, erf]);
    let gate = halved(&mut d, gate, place == 0);
    let left = halved(&mut d, x, place == 1);
    let y = d.add(Op::Binary(Binary::Mul), &[left, gate]);
    let y = halved(&mut d, y, place == 2);
    if read {
        let z = d.add(Op::Binary(Binary::Mul), &[y, erf]);
        return d.finish(z);
    }
    d.finish(y)
}

#[test]
fn fuse_gelu_finds_it_in_every_order() {
    let root = 2.0_f32.sqrt();
    for place in 0..3 {
        gives("fuse_gelu", &gelu(root, 1.0, 0.5, place, false), &["Gelu"]);
    }
}

#[test]
fn fuse_gelu_leaves_other_numbers_and_what_others_read() {
    let root = 2.0_f32.sqrt();
    for place in 0..3 {
        keeps("fuse_gelu", &gelu(1.5, 1.0, 0.5, place, false));
        keeps("fuse_gelu", &gelu(root, 1.1, 0.5, place, false));
        keeps("fuse_gelu", &gelu(root, 1.0, 0.6, place, false));
        keeps("fuse_gelu", &gelu(root, 1.0, 0.5, place, true));
    }
}

fn gelu_tanh(cube: f32, exponent: f32, factor: f32) -> Graph {
    let (mut d, x) = Draft::new(&[4]);
    let three = d.number(exponent);
    let power = d.add(Op::Binary(Binary::Pow), &[x, three]);
    let power = d.add(Op::Scale { factor: cube }, &[power]);
    let sum = d.add(Op::Add, &[x, power]);
    let inner = d.add(Op::Scale { factor }, &[sum]);
    let tanh = d.add(Op::Unary(Unary::Tanh), &[inner]);
    let one = d.number(1.0);
    let gate = d.add(Op::Add, &[tanh, one]);
    let y = d.add(Op::Binary(Binary::Mul), &[x, gate]);
    let y = d.add(Op::Scale { factor: 0.5 }, &[y]);
    d.finish(y)
}

#[test]
fn fuse_gelu_finds_the_approximation_by_tanh() {
    let factor = (2.0 / PI).sqrt();
    gives("fuse_gelu", &gelu_tanh(0.044_715, 3.0, factor), &["GeluTanh"]);
    keeps("fuse_gelu", &gelu_tanh(0.05, 3.0, factor));
    keeps("fuse_gelu", &gelu_tanh(0.044_715, 2.0, factor));
    keeps("fuse_gelu", &gelu_tanh(0.044_715, 3.0, 0.9));
}

/// `q · permute(k)` of heads `[N, 2, 3, 4]`, k from x by one permutation.
fn scores(first: &[usize], second: &[usize], scale: bool, read: bool) -> Graph {
    let (mut d, x) = Draft::new(&[3, 2, 3]);
    let q = d.add(Op::Permute { axes: first.to_vec() }, &[x]);
    let mut k = d.add(Op::Permute { axes: second.to_vec() }, &[x]);
    if scale {
        k = d.add(Op::Scale { factor: 0.25 }, &[k]);
    }
    let y = d.add(Op::MatMul { transpose_rhs: false }, &[q, k]);
    if read {
        let z = d.add(Op::Add, &[y, k]);
        return d.finish(z);
    }
    d.finish(y)
}

#[test]
fn transpose_matmul_reads_the_right_side_as_it_lies() {
    for scale in [false, true] {
        let scaled: &[&str] = if scale { &["Scale"] } else { &[] };
        // Attention's kᵀ keeps the permutation of the heads.
        let graph = scores(&[0, 2, 1, 3], &[0, 2, 3, 1], scale, false);
        let after =
            gives("transpose_matmul", &graph, &[&["Permute", "Permute"], scaled, &["MatMul"]].concat());
        assert_eq!(after.nodes.last().unwrap().op, Op::MatMul { transpose_rhs: true });
        // A plain transposition disappears.
        let graph = scores(&[0, 1, 2, 3], &[0, 1, 3, 2], scale, false);
        let after = gives("transpose_matmul", &graph, &[scaled, &["MatMul"]].concat());
        assert_eq!(after.nodes.last().unwrap().op, Op::MatMul { transpose_rhs: true });
    }
}

#[test]
fn transpose_matmul_leaves_other_permutations_and_what_others_read() {
    keeps("transpose_matmul", &scores(&[0, 2, 1, 3], &[0, 2, 1, 3], false, false));
    keeps("transpose_matmul", &scores(&[0, 2, 1, 3], &[0, 2, 3, 1], false, true));
    keeps("transpose_matmul", &scores(&[0, 2, 1, 3], &[0, 2, 3, 1], true, true));
    let (mut d, x) = Draft::new(&[3, 3]);
    let y = d.add(Op::Permute { axes: vec![0, 2, 1] }, &[x]);
    let z = d.add(Op::MatMul { transpose_rhs: true }, &[x, y]);
    keeps("transpose_matmul", &d.finish(z));
}

#[test]
fn a_permutation_that_the_graph_returns_stays() {
    let (mut d, x) = Draft::new(&[3, 3]);
    let y = d.add(Op::Permute { axes: vec![0, 1, 2] }, &[x]);
    keeps("transpose_matmul", &d.finish(y));
}
