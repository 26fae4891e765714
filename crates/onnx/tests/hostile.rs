//! Models that make no sense are errors, in little memory and time; never panics.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "the helpers of a test fail by panic")]

use std::collections::BTreeMap;
use std::fs;

use calibench_onnx::{
    Attribute, Constant, ConvertError, ConvertOptions, Converted, Data, DataType, Input, InputDim, Model,
    Node, OPERATORS,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const MIN: i64 = i64::MIN;
const MAX: i64 = i64::MAX;

fn ints(values: &[i64]) -> Constant {
    Constant { shape: vec![values.len()], data: Data::I64(values.to_vec()) }
}

fn scalar(value: i64) -> Constant {
    Constant { shape: vec![], data: Data::I64(vec![value]) }
}

fn floats(shape: &[usize]) -> Constant {
    Constant { shape: shape.to_vec(), data: Data::F32(vec![0.5; shape.iter().product()]) }
}

fn input(name: &str, dtype: DataType, sizes: &[usize]) -> Input {
    let symbol = InputDim::Symbol("batch".to_owned());
    let dims = [symbol].into_iter().chain(sizes.iter().map(|n| InputDim::Fixed(*n))).collect();
    Input { name: name.to_owned(), dtype, dims }
}

/// A model of these nodes on x `[N, 2, 4]`; the last node's first output is its output.
fn model(opset: i64, nodes: Vec<Node>, constants: Vec<(&str, Constant)>) -> Model {
    let output = nodes.last().unwrap().outputs[0].clone().unwrap();
    Model {
        name: "hostile".to_owned(),
        opset,
        inputs: vec![input("x", DataType::F32, &[2, 4])],
        outputs: vec![output],
        initializers: constants.into_iter().map(|(name, c)| (name.to_owned(), c)).collect::<BTreeMap<_, _>>(),
        nodes,
    }
}

fn convert(model: &Model) -> Result<Converted, ConvertError> {
    model.to_graph(&ConvertOptions::default())
}

/// One node on x and these constants, of opset 13 or later, to be added to x where it does not read it.
fn refused(op: &str, reads_x: bool, constants: &[Constant], attributes: &[(&str, Attribute)]) {
    let names: Vec<String> = (0..constants.len()).map(|i| format!("c{i}")).collect();
    let inputs: Vec<&str> =
        reads_x.then_some("x").into_iter().chain(names.iter().map(String::as_str)).collect();
    let node = Node::new("node", op, &inputs, &["y"]);
    let node = attributes.iter().fold(node, |node, (key, value)| node.with(key, value.clone()));
    let constants: Vec<_> = names.iter().map(String::as_str).zip(constants.iter().cloned()).collect();
    let mut nodes = vec![node];
    if !reads_x {
        nodes.push(Node::new("cast", "Cast", &["y"], &["z"]).with("to", Attribute::Int(1)));
        nodes.push(Node::new("sum", "ReduceSum", &["z"], &["s"]));
        nodes.push(Node::new("add", "Add", &["x", "s"], &["out"]));
    }
    let error = convert(&model(18, nodes, constants.clone())).err();
    let error = error.unwrap_or_else(|| panic!("{op} of {constants:?} {attributes:?} converts"));
    let text = error.to_string();
    assert!(text.contains("`node"), "{op} {constants:?}: {text}");
}

#[test]
fn sizes_that_no_machine_has_are_refused() {
    let huge = || ints(&[1 << 30, 1 << 30]);
    refused("ConstantOfShape", false, &[huge()], &[]);
    refused("ConstantOfShape", false, &[ints(&[MAX, MAX, 0])], &[]);
    refused("ConstantOfShape", false, &[ints(&[-1])], &[]);
    refused("ConstantOfShape", false, &[ints(&[1; 65])], &[]);
    refused("Expand", true, &[ints(&[1, MAX, 2, 4])], &[]);
    refused("Expand", true, &[ints(&[-1])], &[]);
    refused("Tile", true, &[ints(&[1, MAX, 2])], &[]);
    refused("Tile", true, &[ints(&[1, 0, 2])], &[]);
    refused("Pad", true, &[ints(&[0, MAX, 0, 0, MAX, 0])], &[]);
    refused("Pad", true, &[ints(&[0, 1 << 40, 0, 0, 0, 0])], &[]);
    refused("Pad", true, &[ints(&[0, -1, 0, 0, 0, 0])], &[]);
    refused("Range", false, &[scalar(0), scalar(MAX), scalar(1)], &[]);
    refused("Range", false, &[scalar(0), scalar(5), scalar(0)], &[]);
    refused("Trilu", false, &[floats(&[4])], &[]);
    let scales = |v: f32| Constant { shape: vec![3], data: Data::F32(vec![1.0, 1.0, v]) };
    for scale in [1e30, f32::NAN, f32::INFINITY, 0.0, -1.0] {
        refused("Resize", true, &[floats(&[0]), scales(scale)], &[]);
    }
    refused("Reshape", true, &[ints(&[0, MAX, MAX])], &[]);
    refused("Reshape", true, &[ints(&[-1, -1])], &[]);
    refused("Reshape", true, &[ints(&[-1, 3])], &[]);
    refused("Reshape", true, &[ints(&[-1, 0, 0, 0, 0])], &[]);
    refused("Unsqueeze", true, &[ints(&(0..100).collect::<Vec<_>>())], &[]);
    refused("Split", true, &[ints(&[MAX, 3])], &[("axis", Attribute::Int(1))]);
}

#[test]
fn positions_outside_are_refused() {
    refused("Slice", true, &[ints(&[0]), ints(&[4]), ints(&[3])], &[]);
    refused("Slice", true, &[ints(&[0]), ints(&[4]), ints(&[2]), ints(&[MIN])], &[]);
    refused("Slice", true, &[ints(&[0]), ints(&[4]), ints(&[2]), ints(&[0])], &[]);
    refused("Slice", true, &[ints(&[0; 9]), ints(&[4; 9]), ints(&[2; 9])], &[]);
    refused("Gather", true, &[scalar(7)], &[("axis", Attribute::Int(1))]);
    refused("Gather", true, &[ints(&[0])], &[("axis", Attribute::Int(MIN))]);
    refused("Gather", false, &[floats(&[3]), ints(&[1, 3])], &[]);
    refused("Gather", false, &[scalar(3), ints(&[0])], &[]);
    refused("GatherND", false, &[floats(&[3]), ints(&[-4])], &[]);
    refused("GatherND", true, &[Constant { shape: vec![1, 0], data: Data::I64(vec![]) }], &[]);
    refused("GatherND", true, &[ints(&[0])], &[("batch_dims", Attribute::Int(MAX))]);
    refused("ScatterND", false, &[floats(&[3]), ints(&[3]), floats(&[])], &[]);
    refused("ScatterND", false, &[floats(&[3]), ints(&[1]), floats(&[2])], &[]);
    refused("Transpose", true, &[], &[("perm", Attribute::Ints(vec![0, 0, 1]))]);
    refused("Transpose", true, &[], &[("perm", Attribute::Ints(vec![0, MAX, 1]))]);
    refused("Softmax", true, &[], &[("axis", Attribute::Int(MAX))]);
    refused("ReduceSum", true, &[ints(&[MIN])], &[]);
    refused("Flatten", true, &[], &[("axis", Attribute::Int(-9))]);
    refused("Squeeze", true, &[ints(&[1])], &[]);
    refused("Concat", true, &[floats(&[3])], &[("axis", Attribute::Int(1))]);
    refused("Concat", true, &[floats(&[])], &[("axis", Attribute::Int(0))]);
}

#[test]
fn windows_that_do_not_fit_are_refused() {
    let list = |values: &[i64]| Attribute::Ints(values.to_vec());
    for (attribute, values) in [
        ("strides", [0]),
        ("strides", [-1]),
        ("strides", [MAX]),
        ("dilations", [0]),
        ("dilations", [MAX]),
        ("dilations", [1 << 28]),
        ("kernel_shape", [0]),
        ("kernel_shape", [9]),
    ] {
        let kernel = ("kernel_shape", list(&[2]));
        let given: Vec<_> = [kernel, (attribute, list(&values))].into_iter().collect();
        refused("MaxPool", true, &[], &given);
    }
    refused("MaxPool", true, &[], &[("kernel_shape", list(&[2])), ("pads", list(&[1 << 28, 1 << 28]))]);
    refused("MaxPool", true, &[], &[("kernel_shape", list(&[2])), ("pads", list(&[1]))]);
    refused("MaxPool", true, &[], &[("kernel_shape", list(&[2, 2]))]);
    refused("AveragePool", true, &[], &[("kernel_shape", list(&[2])), ("auto_pad", list(&[1]))]);
    for groups in [0, -1, 3, MAX] {
        refused("Conv", true, &[floats(&[2, 2, 1])], &[("group", Attribute::Int(groups))]);
    }
    for weight in [&[2, 2, 0][..], &[0, 2, 1], &[2, 0, 1], &[2, 2], &[2, 3, 1], &[2, 2, 9], &[]] {
        refused("Conv", true, &[floats(weight)], &[]);
    }
    refused("Conv", true, &[floats(&[2, 2, 1]), floats(&[3])], &[]);
}

#[test]
fn shapes_that_do_not_meet_are_refused() {
    for shape in [&[3][..], &[2, 4, 3, 1], &[7, 3]] {
        refused("Add", true, &[floats(shape)], &[]);
        refused("Where", true, &[floats(shape), floats(&[])], &[]);
        refused("MatMul", true, &[floats(shape)], &[]);
    }
    refused("MatMul", true, &[floats(&[])], &[]);
    refused("Gemm", true, &[floats(&[4, 2])], &[]);
    for stats in [&[3][..], &[], &[2, 1], &[0]] {
        refused("BatchNormalization", true, &[stats, stats, stats, stats].map(floats), &[]);
    }
    refused("LayerNormalization", true, &[floats(&[3])], &[]);
    // As many numbers as the last axis has, but of the axis before.
    refused("LayerNormalization", true, &[floats(&[4, 1])], &[]);
    refused("Trilu", false, &[scalar(1)], &[]);
}

#[test]
fn missing_inputs_and_attributes_of_another_type_are_refused() {
    for op in OPERATORS.iter().filter(|op| **op != "Constant") {
        let alone = model(13, vec![Node::new("node", op, &[], &["y"])], vec![]);
        assert!(convert(&alone).is_err(), "{op}");
        let blank = model(13, vec![Node::new("node", op, &["", ""], &["y"])], vec![]);
        assert!(convert(&blank).is_err(), "{op}");
    }
    let text = || Attribute::String("1".to_owned());
    for (op, attribute) in [
        ("Softmax", "axis"),
        ("LeakyRelu", "alpha"),
        ("ReduceSum", "keepdims"),
        ("Transpose", "perm"),
        ("Cast", "to"),
        ("Flatten", "axis"),
        ("Concat", "axis"),
        ("Clip", "min"),
    ] {
        refused(op, true, &[], &[(attribute, text())]);
    }
    refused("Gelu", true, &[], &[("approximate", Attribute::Int(1))]);
}

#[test]
fn scalars_are_taken_or_refused_everywhere() {
    for op in OPERATORS {
        for constants in 0..3 {
            let names = ["a", "b", "c", "d"];
            let node = Node::new("node", op, &names[..=constants], &["y"]);
            let nodes = vec![
                node,
                Node::new("cast", "Cast", &["y"], &["z"]).with("to", Attribute::Int(1)),
                Node::new("add", "Add", &["x", "z"], &["out"]),
            ];
            for constant in [floats(&[]), scalar(0), scalar(1), ints(&[]), floats(&[0, 3])] {
                let initializers = names.iter().map(|name| (*name, constant.clone())).collect();
                // No more than that it ends, in one way or the other.
                let _ = convert(&model(13, nodes.clone(), initializers));
            }
        }
    }
}

#[test]
fn chains_of_large_constants_are_refused_before_they_fill_the_memory() {
    let mut nodes = vec![Node::new("fill", "ConstantOfShape", &["size"], &["v0"])];
    for i in 0..200 {
        let (from, to) = (format!("v{i}"), format!("v{}", i + 1));
        nodes.push(Node::new(&format!("exp{i}"), "Exp", &[&from], &[&to]));
    }
    nodes.push(Node::new("sum", "ReduceSum", &["v200"], &["s"]));
    nodes.push(Node::new("add", "Add", &["x", "s"], &["y"]));
    let error = convert(&model(13, nodes, vec![("size", ints(&[1 << 20]))])).unwrap_err();
    assert!(error.to_string().contains("beyond what is computed"), "{error}");
}

#[test]
fn long_chains_need_no_deep_stack() {
    let link = |op: &str, i: usize, other: &str| {
        let (from, to) = (format!("v{i}"), format!("v{}", i + 1));
        let inputs = if i == 0 { ["x", other] } else { [from.as_str(), other] };
        Node::new(&format!("n{i}"), op, &inputs, &[&to])
    };
    for op in ["Mul", "Add"] {
        let nodes = (0..3000).map(|i| link(op, i, "half")).collect();
        convert(&model(13, nodes, vec![("half", floats(&[]))])).unwrap();
    }
}

/// Numbers that break arithmetic, and small ones that make sense.
fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        12 => -3_i64..6,
        1 => prop::sample::select(vec![MIN, MAX, MIN + 1, 1 << 20, 1 << 31, 1 << 40, -(1 << 40), 35, 64]),
    ]
}

fn constant() -> impl Strategy<Value = Constant> {
    let shape = prop::collection::vec(prop_oneof![8 => 1_usize..5, 1 => Just(0)], 0..5);
    prop_oneof![
        4 => prop::collection::vec(number(), 0..5).prop_map(|v| ints(&v)),
        2 => number().prop_map(scalar),
        1 => prop::collection::vec(-2.0_f32..3.0, 0..5)
            .prop_map(|v| Constant { shape: vec![v.len()], data: Data::F32(v) }),
        4 => shape.prop_map(|s| floats(&s)),
        1 => prop::collection::vec(any::<bool>(), 0..5)
            .prop_map(|v| Constant { shape: vec![v.len()], data: Data::Bool(v) }),
    ]
}

fn attribute() -> impl Strategy<Value = Attribute> {
    let texts = ["reflect", "edge", "linear", "floor", "SAME_UPPER", "SAME_LOWER", "align_corners", "tanh"];
    prop_oneof![
        6 => number().prop_map(Attribute::Int),
        6 => prop::collection::vec(number(), 0..5).prop_map(Attribute::Ints),
        1 => any::<f32>().prop_map(Attribute::Float),
        2 => prop::sample::select(texts.to_vec()).prop_map(|t| Attribute::String(t.to_owned())),
        1 => constant().prop_map(Attribute::Tensor),
    ]
}

/// Every attribute that a conversion reads.
const ATTRIBUTES: &[&str] = &[
    "axis",
    "axes",
    "keepdims",
    "kernel_shape",
    "strides",
    "pads",
    "dilations",
    "group",
    "auto_pad",
    "ceil_mode",
    "count_include_pad",
    "perm",
    "to",
    "starts",
    "ends",
    "split",
    "num_outputs",
    "batch_dims",
    "upper",
    "mode",
    "nearest_mode",
    "coordinate_transformation_mode",
    "allowzero",
    "start",
    "end",
    "value",
    "value_ints",
    "transA",
    "transB",
    "alpha",
    "beta",
    "epsilon",
    "noop_with_empty_axes",
    "approximate",
];

#[derive(Debug, Clone)]
struct Step {
    op: &'static str,
    inputs: Vec<prop::sample::Index>,
    attributes: Vec<(&'static str, Attribute)>,
    outputs: usize,
}

fn step() -> impl Strategy<Value = Step> {
    let attribute = (prop::sample::select(ATTRIBUTES.to_vec()), attribute());
    (
        prop::sample::select(OPERATORS.to_vec()),
        prop::collection::vec(any::<prop::sample::Index>(), 1..5),
        prop::collection::vec(attribute, 0..5),
        1_usize..4,
    )
        .prop_map(|(op, inputs, attributes, outputs)| Step { op, inputs, attributes, outputs })
}

/// The peak of this process's memory in kibibytes, where the system tells.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(17),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_small_model_converts_to_a_valid_graph_or_is_an_error(
        opset in 8_i64..22,
        fixed in any::<bool>(),
        sizes in prop::collection::vec(1_usize..6, 0..4),
        constants in prop::collection::vec(constant(), 1..6),
        steps in prop::collection::vec(step(), 1..8),
    ) {
        let mut names: Vec<String> = vec!["x".to_owned(), "k".to_owned()];
        let mut initializers = BTreeMap::new();
        for (i, constant) in constants.into_iter().enumerate() {
            names.push(format!("c{i}"));
            initializers.insert(format!("c{i}"), constant);
        }
        let mut nodes = Vec::new();
        for (i, step) in steps.into_iter().enumerate() {
            // The first input is a recent value, mostly computed from x.
            let pick = |(at, index): (usize, prop::sample::Index)| {
                if at == 0 && index.index(4) > 0 { if i == 0 { "x".to_owned() } else { names[names.len() - 1].clone() } }
                else { names[index.index(names.len())].clone() }
            };
            let inputs: Vec<String> = step.inputs.into_iter().enumerate().map(pick).collect();
            let outputs: Vec<String> = (0..step.outputs).map(|o| format!("v{i}.{o}")).collect();
            let texts = |v: &[String]| v.iter().map(|s| Some(s.clone())).collect();
            let (inputs, attributes) = (texts(&inputs), step.attributes.into_iter().map(|(k, v)| (k.to_owned(), v)).collect());
            nodes.push(Node { name: format!("n{i}"), op: step.op.to_owned(), inputs, outputs: texts(&outputs), attributes });
            names.push(outputs[0].clone());
        }
        let mut model = model(opset, nodes, vec![]);
        model.initializers = initializers;
        model.inputs = vec![input("x", DataType::F32, &sizes), input("k", DataType::I64, &sizes[..sizes.len().min(1)])];
        if fixed {
            model.inputs.iter_mut().for_each(|i| i.dims[0] = InputDim::Fixed(1));
        }
        if let Ok(converted) = convert(&model) {
            prop_assert_eq!(converted.graph.validate(), Ok(()));
            ran(&converted);
        }
        if let Some(peak) = peak() {
            prop_assert!(peak < 3 << 20, "{peak} KiB");
        }
    }
}

/// A graph that converts also runs, or says why not.
fn ran(converted: &Converted) {
    use calibench_engine::interpret::{Interpreter, NoTap};
    let graph = &converted.graph;
    let small = |v: &calibench_graph::Value| calibench_graph::per_sample(&v.shape) < 1 << 14;
    if !graph.values.iter().all(small) {
        return;
    }
    let inputs: Vec<Vec<f32>> =
        graph.input_values().map(|v| vec![1.0; 2 * calibench_graph::per_sample(&v.shape)]).collect();
    let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    let interpreted = Interpreter::new(graph).unwrap().run_slice(2, &inputs, &mut NoTap);
    let options = calibench_engine::compile::CompileOptions {
        kernels: calibench_kernels::Kernels::best(),
        threads: 1,
        max_batch: 2,
    };
    let spec = calibench_engine::QuantSpec::float(calibench_quant::Dtype::Fp32);
    let compiled = calibench_engine::compile::Executable::compile(graph, &spec, options);
    let compiled = compiled.and_then(|mut e| e.run(2, &inputs).map(<[f32]>::to_vec));
    if let (Ok(a), Ok(b)) = (interpreted, compiled) {
        // Products of products may be anything: what is compared is what fp32 holds well.
        let near = |(a, b): (&f32, &f32)| {
            a == b || a.is_nan() || b.is_nan() || (a - b).abs() <= 1e-3 * (1.0 + b.abs())
        };
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(&b).all(near), "{graph:#?}\n{a:?}\n{b:?}");
    }
}
