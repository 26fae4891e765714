//! What may be said of the batch: every sample on its own, whatever the batch size.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic")]

use std::collections::BTreeMap;

use calibench_graph::Dim;
use calibench_onnx::{
    Attribute, Constant, ConvertError, ConvertOptions, Converted, Data, DataType, Input, InputDim, Model,
    Node,
};

fn ints(values: &[i64]) -> Constant {
    Constant { shape: vec![values.len()], data: Data::I64(values.to_vec()) }
}

fn scalar(value: i64) -> Constant {
    Constant { shape: vec![], data: Data::I64(vec![value]) }
}

/// Nodes `(op, inputs, output)` on x, whose output is that of the last.
fn model(dims: &[InputDim], nodes: &[(&str, &str, &str)], constants: &[(&str, Constant)]) -> Model {
    let node = |(op, inputs, output): &(&str, &str, &str)| {
        Node::new(&format!("to_{output}"), op, &inputs.split(' ').collect::<Vec<_>>(), &[output])
    };
    Model {
        name: "batch".to_owned(),
        opset: 17,
        inputs: vec![Input { name: "x".to_owned(), dtype: DataType::F32, dims: dims.to_vec() }],
        outputs: vec![nodes.last().unwrap().2.to_owned()],
        initializers: constants.iter().map(|(n, c)| ((*n).to_owned(), c.clone())).collect::<BTreeMap<_, _>>(),
        nodes: nodes.iter().map(node).collect(),
    }
}

fn convert(model: &Model) -> Result<Converted, ConvertError> {
    model.to_graph(&ConvertOptions::default())
}

/// x is `[batch, 2, 6]`.
fn dynamic() -> Vec<InputDim> {
    vec![InputDim::Symbol("batch".to_owned()), InputDim::Fixed(2), InputDim::Fixed(6)]
}

/// x is `[1, 2, 6]`.
fn fixed() -> Vec<InputDim> {
    [1, 2, 6].map(InputDim::Fixed).to_vec()
}

#[track_caller]
fn refused(model: &Model, node: &str) {
    let error = convert(model).unwrap_err().to_string();
    assert!(error.contains(&format!("`{node}")), "{error}");
}

#[test]
fn what_mixes_samples_is_refused_by_name() {
    let with = |name: &str, op: &str, key: &str, value: Attribute| {
        let mut model = model(&dynamic(), &[(op, "x", name)], &[]);
        model.nodes[0].attributes.insert(key.to_owned(), value);
        model
    };
    refused(&with("m", "ReduceMean", "axes", Attribute::Ints(vec![0])), "to_m");
    refused(&with("m", "ReduceMax", "axes", Attribute::Ints(vec![0, 1])), "to_m");
    refused(&with("s", "Softmax", "axis", Attribute::Int(0)), "to_s");
    refused(&model(&dynamic(), &[("Gather", "x first", "g")], &[("first", scalar(0))]), "to_g");
    refused(&model(&dynamic(), &[("Gather", "x both", "g")], &[("both", ints(&[0, 1]))]), "to_g");
    refused(
        &model(
            &dynamic(),
            &[("Slice", "x a b axis", "s")],
            &[("a", ints(&[0])), ("b", ints(&[1])), ("axis", ints(&[0]))],
        ),
        "to_s",
    );
    refused(
        &model(
            &dynamic(),
            &[("Slice", "x a b axis step", "s")],
            &[("a", ints(&[-1])), ("b", ints(&[-9])), ("axis", ints(&[0])), ("step", ints(&[-1]))],
        ),
        "to_s",
    );
    refused(&model(&dynamic(), &[("GatherND", "x first", "g")], &[("first", ints(&[0]))]), "to_g");
    refused(
        &model(
            &dynamic(),
            &[("ScatterND", "x first row", "s")],
            &[
                ("first", Constant { shape: vec![1, 1], data: Data::I64(vec![0]) }),
                ("row", Constant { shape: vec![1, 2, 6], data: Data::F32(vec![0.0; 12]) }),
            ],
        ),
        "to_s",
    );
    refused(&model(&dynamic(), &[("Pad", "x pads", "p")], &[("pads", ints(&[1, 0, 0, 0, 0, 0]))]), "to_p");
    refused(&model(&dynamic(), &[("Tile", "x twice", "t")], &[("twice", ints(&[2, 1, 1]))]), "to_t");
}

#[test]
fn every_sample_with_every_other_is_refused_by_name() {
    let nodes = [("ReduceMax", "x", "m"), ("Transpose", "m", "t"), ("Mul", "m t", "y")];
    let mut model = model(&dynamic(), &nodes, &[]);
    model.nodes[0].attributes.insert("axes".to_owned(), Attribute::Ints(vec![1, 2]));
    model.nodes[0].attributes.insert("keepdims".to_owned(), Attribute::Int(0));
    model.nodes[1] = Node::new("to_t", "Unsqueeze", &["m", "one"], &["t"]);
    model.initializers.insert("one".to_owned(), ints(&[1]));
    refused(&model, "to_y");
}

#[test]
fn constants_that_depend_on_the_batch_size_are_refused_by_name() {
    let size = [("Shape", "x", "s"), ("Gather", "s zero", "n"), ("Cast", "n", "f"), ("Mul", "x f", "y")];
    let mut times_size = model(&dynamic(), &size, &[("zero", scalar(0))]);
    times_size.nodes[2].attributes.insert("to".to_owned(), Attribute::Int(1));
    refused(&times_size, "to_y");
    let numbered = [
        ("Shape", "x", "s"),
        ("Gather", "s zero", "n"),
        ("Range", "zero n one", "r"),
        ("Cast", "r", "f"),
        ("Reshape", "f column", "c"),
        ("Add", "x c", "y"),
    ];
    let constants = [("zero", scalar(0)), ("one", scalar(1)), ("column", ints(&[-1, 1, 1]))];
    let mut numbered = model(&dynamic(), &numbered, &constants);
    numbered.nodes[3].attributes.insert("to".to_owned(), Attribute::Int(1));
    refused(&numbered, "to_y");
}

#[test]
fn a_result_without_samples_is_refused() {
    let nodes = [("Shape", "x", "s"), ("Cast", "s", "y")];
    let mut constant = model(&dynamic(), &nodes, &[]);
    constant.nodes[1].attributes.insert("to".to_owned(), Attribute::Int(1));
    refused(&constant, "y");
}

#[test]
fn a_batch_of_one_is_freed_from_reshapes_that_spell_it_out() {
    for shape in [&[1, 12][..], &[1, -1], &[0, 12], &[-1, 12], &[1, 3, 4]] {
        let converted = convert(&model(&fixed(), &[("Reshape", "x s", "y")], &[("s", ints(shape))])).unwrap();
        assert!(converted.rebatched);
        let graph = &converted.graph;
        let rest = if shape.len() == 3 { vec![Dim::Fixed(3), Dim::Fixed(4)] } else { vec![Dim::Fixed(12)] };
        assert_eq!(graph.value(graph.output).shape, [&[Dim::Batch], &rest[..]].concat(), "{shape:?}");
    }
    let freed = convert(&model(&dynamic(), &[("Relu", "x", "y")], &[])).unwrap();
    assert!(!freed.rebatched);
}

#[test]
fn reshapes_that_do_not_fit_a_batch_of_one_are_refused_by_name() {
    for shape in [&[1, 13][..], &[2, 6], &[12], &[1, 0, 5], &[2, -1]] {
        refused(&model(&fixed(), &[("Reshape", "x s", "y")], &[("s", ints(shape))]), "to_y");
    }
    // Without a batch that the file fixes, a 1 is a 1.
    refused(&model(&dynamic(), &[("Reshape", "x s", "y")], &[("s", ints(&[1, 12]))]), "to_y");
}

#[test]
fn a_fixed_batch_beside_one_is_refused_with_what_to_do() {
    let dims = [4, 2].map(InputDim::Fixed);
    let error = convert(&model(&dims, &[("Relu", "x", "y")], &[])).unwrap_err().to_string();
    assert!(error.contains("`x`") && error.contains("batch of 4") && error.contains("export"), "{error}");
    let error = convert(&model(&[], &[("Relu", "x", "y")], &[])).unwrap_err().to_string();
    assert!(error.contains("`x` has no axis"), "{error}");
}

#[test]
fn a_symbol_without_a_size_is_refused_with_the_option_that_gives_it() {
    let dims = [InputDim::Symbol("n".to_owned()), InputDim::Symbol("tokens".to_owned())];
    let tokens = model(&dims, &[("Relu", "x", "y")], &[]);
    let error = convert(&tokens).unwrap_err().to_string();
    assert!(error.contains("--bind tokens=SIZE"), "{error}");
    let bind = |size| ConvertOptions { bind: BTreeMap::from([("tokens".to_owned(), size)]), output: None };
    assert_eq!(tokens.to_graph(&bind(9)).unwrap().graph.values[0].shape, [Dim::Batch, Dim::Fixed(9)]);
    let error = tokens.to_graph(&bind(usize::MAX)).unwrap_err().to_string();
    assert!(error.contains("`x` has more than"), "{error}");
}
