//! Whole models: what is read, and each kind of fault by name.

use super::*;
use crate::model::{Attribute, Data, DataType, Input, InputDim, Node};
use crate::proto::{
    AttributeProto, AttributeType, DimensionProto, DimensionValue, FunctionProto, NodeProto,
    OperatorSetIdProto, SparseTensorProto, TensorShapeProto, TensorTypeProto, TypeProto,
};

/// `y = Relu(x + b)`, with `x` of shape [batch, 2].
fn small() -> ModelProto {
    let graph = GraphProto {
        node: vec![node("add", "Add", &["x", "b"], &["s"]), node("relu", "Relu", &["s"], &["y"])],
        name: Some("small".to_owned()),
        initializer: vec![tensor("b", &[2], &[1.0, 2.0])],
        input: vec![info("x", 1, vec![symbol("batch"), size(2)])],
        output: vec![info("y", 1, vec![symbol("batch"), size(2)])],
        sparse_initializer: vec![],
    };
    ModelProto {
        ir_version: Some(8),
        graph: Some(graph),
        opset_import: vec![import("", 17)],
        ..ModelProto::default()
    }
}

fn import(domain: &str, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto { domain: Some(domain.to_owned()), version: Some(version) }
}

fn node(name: &str, op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let values = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    NodeProto {
        input: values(inputs),
        output: values(outputs),
        name: Some(name.to_owned()),
        op_type: Some(op.to_owned()),
        ..NodeProto::default()
    }
}

fn tensor(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        dims: dims.to_vec(),
        data_type: Some(1),
        float_data: values.to_vec(),
        name: Some(name.to_owned()),
        ..TensorProto::default()
    }
}

fn info(name: &str, element: i32, dim: Vec<DimensionProto>) -> ValueInfoProto {
    let tensor = TensorTypeProto { elem_type: Some(element), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

fn symbol(name: &str) -> DimensionProto {
    DimensionProto { value: Some(DimensionValue::DimParam(name.to_owned())) }
}

fn size(size: i64) -> DimensionProto {
    DimensionProto { value: Some(DimensionValue::DimValue(size)) }
}

fn read(proto: &ModelProto) -> Result<Model, OnnxError> {
    Model::from_bytes(&proto.encode_to_vec(), None)
}

/// The small model with its graph changed.
fn changed(change: impl FnOnce(&mut GraphProto)) -> Result<Model, OnnxError> {
    let mut proto = small();
    change(proto.graph.as_mut().unwrap());
    read(&proto)
}

fn refusal(change: impl FnOnce(&mut GraphProto)) -> String {
    changed(change).unwrap_err().to_string()
}

#[test]
fn a_small_model_is_read() {
    let model = read(&small()).unwrap();
    assert_eq!((model.name.as_str(), model.opset), ("small", 17));
    let dims = vec![InputDim::Symbol("batch".to_owned()), InputDim::Fixed(2)];
    assert_eq!(model.inputs, [Input { name: "x".to_owned(), dtype: DataType::F32, dims }]);
    assert_eq!(model.outputs, ["y"]);
    assert_eq!(model.initializers["b"].data, Data::F32(vec![1.0, 2.0]));
    let nodes = [Node::new("add", "Add", &["x", "b"], &["s"]), Node::new("relu", "Relu", &["s"], &["y"])];
    assert_eq!(model.nodes, nodes);
}

#[test]
fn a_model_without_a_graph_is_refused() {
    let bare = ModelProto { graph: None, ..small() };
    assert!(read(&bare).unwrap_err().to_string().contains("the model has no graph"));
    assert!(Model::from_bytes(&[], None).is_err());
    assert!(Model::from_bytes(b"not an ONNX file", None).is_err());
}

#[test]
fn operator_sets_8_to_21_are_read_and_no_others() {
    let with = |imports: &[(&str, i64)]| {
        let opset_import = imports.iter().map(|(domain, version)| import(domain, *version)).collect();
        read(&ModelProto { opset_import, ..small() })
    };
    for version in 8..=21 {
        assert_eq!(with(&[("ai.onnx", version), ("com.microsoft", 1)]).unwrap().opset, version);
    }
    for version in [i64::MIN, 0, 7, 22, i64::MAX] {
        let message = with(&[("", version)]).unwrap_err().to_string();
        assert!(message.contains(&format!("of opset {version}; supported are 8 to 21")), "{message}");
    }
    let message = with(&[("ai.onnx.ml", 3)]).unwrap_err().to_string();
    assert!(message.contains("imports no default operator set; supported are 8 to 21"), "{message}");
    let message = with(&[("", 13), ("ai.onnx", 14)]).unwrap_err().to_string();
    assert!(message.contains("`ai.onnx` is defined twice: by opset 13 and by opset 14"), "{message}");
    assert!(with(&[("", 13), ("ai.onnx", 13)]).is_ok());
}

#[test]
fn operators_of_other_domains_are_refused_by_name() {
    let message = refusal(|graph| graph.node[1].domain = Some("com.microsoft".to_owned()));
    assert!(message.contains("node `relu` is Relu of domain `com.microsoft`"), "{message}");
    assert!(changed(|graph| graph.node[1].domain = Some("ai.onnx".to_owned())).is_ok());
}

#[test]
fn local_functions_are_refused_where_they_are_called() {
    let function =
        |domain: &str| FunctionProto { name: Some("Relu".to_owned()), domain: Some(domain.to_owned()) };
    let mut proto = ModelProto { functions: vec![function("local")], ..small() };
    assert!(read(&proto).is_ok(), "a function that nobody calls does no harm");
    proto.graph.as_mut().unwrap().node[1].domain = Some("local".to_owned());
    let message = read(&proto).unwrap_err().to_string();
    assert!(message.contains("node `relu` calls the model's own function `Relu`"), "{message}");
    // A function takes precedence over the operator of its name.
    let shadowing = ModelProto { functions: vec![function("ai.onnx")], ..small() };
    assert!(read(&shadowing).unwrap_err().to_string().contains("own function"));
}

#[test]
fn sub_graphs_are_refused_by_name() {
    let named = || AttributeProto { name: Some("then_branch".to_owned()), ..AttributeProto::default() };
    let stated = |kind: AttributeType| AttributeProto { r#type: Some(kind.into()), ..named() };
    let filled = AttributeProto { g: Some(vec![0xff].into()), ..named() };
    for attribute in [stated(AttributeType::Graph), stated(AttributeType::Graphs), filled] {
        let message = refusal(|graph| {
            graph.node[1] = NodeProto { attribute: vec![attribute], ..node("if", "If", &["s"], &["y"]) };
        });
        assert!(message.contains("node `if` (If) holds a sub-graph in `then_branch`"), "{message}");
    }
}

#[test]
fn unnamed_and_namesake_nodes_get_names_of_their_own() {
    let names = |given: [&str; 4]| {
        let model = changed(|graph| {
            graph.node = vec![
                node(given[0], "Relu", &["x"], &["a"]),
                node(given[1], "Relu", &["a"], &["b2"]),
                node(given[2], "Abs", &["b2"], &["c"]),
                node(given[3], "Abs", &["c"], &["y"]),
            ];
        });
        model.unwrap().nodes.into_iter().map(|node| node.name).collect::<Vec<_>>()
    };
    assert_eq!(names(["", "", "", ""]), ["Relu_0", "Relu_1", "Abs_2", "Abs_3"]);
    assert_eq!(names(["n", "n", "n", "m"]), ["n", "Relu_1", "Abs_2", "m"]);
    // A name that the file gives to a later node is not taken from it.
    assert_eq!(names(["", "Relu_0", "", "Abs_2"]), ["Relu_0_", "Relu_0", "Abs_2_", "Abs_2"]);
}

#[test]
fn nodes_without_an_operator_are_refused() {
    assert!(refusal(|graph| graph.node[0].op_type = None).contains("node `add`: it names no operator"));
}

#[test]
fn attributes_of_every_kind_are_read() {
    let named = |name: &str| AttributeProto { name: Some(name.to_owned()), ..Default::default() };
    let stated = |kind: AttributeType, mut proto: AttributeProto| {
        proto.set_type(kind);
        proto
    };
    let float = AttributeProto { f: Some(0.5), ..named("float") };
    let int = AttributeProto { i: Some(-3), ..named("int") };
    let string = AttributeProto { s: Some(b"same".to_vec()), ..named("string") };
    let value = AttributeProto { t: Some(tensor("", &[], &[7.0])), ..named("tensor") };
    let floats = AttributeProto { floats: vec![0.5, 1.0], ..named("floats") };
    let ints = AttributeProto { ints: vec![1, -1], ..named("ints") };
    let strings = AttributeProto { strings: vec![b"a".to_vec()], ..named("strings") };
    let kinds = [
        (AttributeType::Float, float),
        (AttributeType::Int, int),
        (AttributeType::String, string),
        (AttributeType::Tensor, value),
        (AttributeType::Floats, floats),
        (AttributeType::Ints, ints),
        (AttributeType::Strings, strings),
    ];
    let attributes = |protos: Vec<AttributeProto>| {
        changed(|graph| graph.node[0].attribute = protos).unwrap().nodes.remove(0).attributes
    };
    // The type stated, or, as in files of IR version 1, told by the field that is filled.
    let with_types = attributes(kinds.iter().map(|(kind, proto)| stated(*kind, proto.clone())).collect());
    let without = attributes(kinds.into_iter().map(|(_, proto)| proto).collect());
    assert_eq!(with_types, without);
    let scalar = Constant { shape: vec![], data: Data::F32(vec![7.0]) };
    let expected = [
        ("float", Attribute::Float(0.5)),
        ("int", Attribute::Int(-3)),
        ("string", Attribute::String("same".to_owned())),
        ("tensor", Attribute::Tensor(scalar)),
        ("floats", Attribute::Floats(vec![0.5, 1.0])),
        ("ints", Attribute::Ints(vec![1, -1])),
        ("strings", Attribute::Strings(vec!["a".to_owned()])),
    ];
    assert_eq!(with_types, expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());

    // A zero that the writer left out, and an empty list.
    let bare = attributes(vec![
        stated(AttributeType::Int, named("zero")),
        stated(AttributeType::Ints, named("none")),
    ]);
    assert_eq!((&bare["zero"], &bare["none"]), (&Attribute::Int(0), &Attribute::Ints(vec![])));
}

#[test]
fn damaged_attributes_are_refused_by_name() {
    let with = |protos: &[AttributeProto]| refusal(|graph| graph.node[0].attribute = protos.to_vec());
    let named = |kind: i32| AttributeProto {
        name: Some("a".to_owned()),
        r#type: Some(kind),
        ..AttributeProto::default()
    };
    assert!(with(&[named(0)]).contains("node `add`: attribute `a` has no known type"));
    assert!(with(&[named(99)]).contains("has no known type"));
    assert!(with(&[named(11)]).contains("is of type SparseTensor, which is not read"));
    assert!(with(&[named(4)]).contains("holds no tensor"));
    assert!(with(&[named(2), named(2)]).contains("`a` is given twice"));
    assert!(
        with(&[AttributeProto { name: None, ..named(2) }]).contains("an attribute of node `add` has no name")
    );
    let twofold = AttributeProto { f: Some(1.0), i: Some(1), ..named(0) };
    assert!(with(&[twofold]).contains("has no known type"));
    let latin = AttributeProto { s: Some(vec![0xe9]), ..named(3) };
    assert!(with(&[latin]).contains("not UTF-8"));
    let reference = AttributeProto { ref_attr_name: Some("alpha".to_owned()), ..named(1) };
    assert!(with(&[reference]).contains("outside of a function"));
    let short = AttributeProto { t: Some(tensor("", &[3], &[1.0])), ..named(4) };
    assert!(with(&[short]).contains("tensor `add.a`: shape [3] needs 3 values, 1 are there"));
}

#[test]
fn optional_inputs_and_outputs_may_be_left_out() {
    let model = changed(|graph| graph.node[0] = node("clip", "Clip", &["x", "", "b"], &["s", ""])).unwrap();
    assert_eq!(model.nodes[0].inputs[1], None);
    assert_eq!(model.nodes[0].outputs, [Some("s".to_owned()), None]);
}

#[test]
fn unsorted_nodes_are_sorted_and_sorted_ones_kept() {
    let order = |nodes: Vec<NodeProto>| {
        let model = changed(|graph| graph.node = nodes).unwrap();
        model.nodes.into_iter().map(|node| node.name).collect::<Vec<_>>()
    };
    let chain = [
        node("1", "Relu", &["x"], &["a"]),
        node("2", "Relu", &["x"], &["c"]),
        node("3", "Add", &["a", "a"], &["d"]),
        node("4", "Add", &["d", "c"], &["y"]),
        node("5", "Relu", &["c"], &["nobody reads it"]),
    ];
    assert_eq!(order(chain.to_vec()), ["1", "2", "3", "4", "5"]);
    assert_eq!(order(chain.iter().rev().cloned().collect()), ["2", "5", "1", "3", "4"]);
}

#[test]
fn a_cycle_is_refused_with_its_nodes() {
    let message = refusal(|graph| {
        graph.node = vec![
            node("after", "Relu", &["c"], &["y"]),
            node("second", "Relu", &["a"], &["c"]),
            node("first", "Add", &["x", "c"], &["a"]),
            node("free", "Relu", &["x"], &["d"]),
        ];
    });
    assert!(message.contains("cycle through `first`, `second`;"), "{message}");
    let message = refusal(|graph| graph.node[1] = node("own", "Relu", &["y"], &["y"]));
    assert!(message.contains("cycle through `own`;"), "{message}");
}

#[test]
fn undefined_values_are_refused_by_name() {
    let message = refusal(|graph| graph.node[1].input[0] = "gone".to_owned());
    assert!(message.contains("`gone`, which node `relu` reads, is no input"), "{message}");
    let message = refusal(|graph| graph.output[0].name = Some("gone".to_owned()));
    assert!(message.contains("`gone`, which the model returns, is no input"), "{message}");
}

#[test]
fn values_defined_twice_are_refused_by_name() {
    let message = refusal(|graph| graph.node[1].output[0] = "s".to_owned());
    assert!(message.contains("`s` is defined twice: by node `add` and by node `relu`"), "{message}");
    let message = refusal(|graph| graph.node[1].output.push("x".to_owned()));
    assert!(message.contains("`x` is defined twice: by a model input and by node `relu`"), "{message}");
    let message = refusal(|graph| graph.node[1].output.push("b".to_owned()));
    assert!(message.contains("by an initializer and by node `relu`"), "{message}");
    let twice = |graph: &mut GraphProto| graph.initializer.push(graph.initializer[0].clone());
    assert!(refusal(twice).contains("`b` is defined twice: by an initializer and by another"));
    let twice = |graph: &mut GraphProto| graph.input.push(graph.input[0].clone());
    assert!(refusal(twice).contains("`x` is defined twice: by a model input and by a model input"));
    let twice = |graph: &mut GraphProto| graph.output.push(graph.output[0].clone());
    assert!(refusal(twice).contains("`y` is defined twice: by an output of the model and by another"));
}

#[test]
fn unnamed_values_are_refused() {
    assert!(refusal(|graph| graph.input[0].name = None).contains("an input of the model has no name"));
    assert!(refusal(|graph| graph.output[0].name = None).contains("an output of the model has no name"));
    assert!(refusal(|graph| graph.initializer[0].name = None).contains("an initializer has no name"));
    assert!(refusal(|graph| graph.output.clear()).contains("the model has no output"));
}

#[test]
fn an_initializer_among_the_inputs_is_no_input() {
    // As files before IR version 4 list them all; their stated shape is not needed.
    let model = changed(|graph| graph.input.insert(0, info("b", 1, vec![size(0)]))).unwrap();
    assert_eq!(model.inputs.len(), 1);
}

#[test]
fn dimensions_without_a_name_get_a_symbol_of_their_own() {
    let unnamed = DimensionProto { value: None };
    let model = changed(|graph| {
        graph.input[0] = info("x", 1, vec![unnamed.clone(), symbol("x.2"), unnamed, symbol("")]);
    });
    let dims = model.unwrap().inputs.remove(0).dims;
    assert_eq!(dims, ["x.0", "x.2", "x.2_", "x.3"].map(|name| InputDim::Symbol(name.to_owned())));
}

#[test]
fn inputs_keep_their_kind() {
    for (element, dtype) in
        [(10, DataType::F32), (11, DataType::F32), (6, DataType::I64), (9, DataType::Bool)]
    {
        let model = changed(|graph| graph.input[0] = info("x", element, vec![])).unwrap();
        assert_eq!((model.inputs[0].dtype, model.inputs[0].dims.len()), (dtype, 0));
    }
    let message = refusal(|graph| graph.input[0] = info("x", 8, vec![]));
    assert!(message.contains("tensor `x` has elements of type string"), "{message}");
}

#[test]
fn inputs_that_cannot_be_fed_are_refused_by_name() {
    let with = |dims: &[i64]| {
        refusal(|graph| graph.input[0] = info("x", 1, dims.iter().map(|dim| size(*dim)).collect()))
    };
    assert!(with(&[1, 0]).contains("input `x`: dimension 1 is 0; a size is at least 1"));
    assert!(with(&[-1]).contains("dimension 0 is -1"));
    assert!(with(&[i64::MIN]).contains("dimension 0 is -9223372036854775808"));
    assert!(with(&[i64::MAX]).contains("more elements than can be counted"));
    assert!(with(&[1 << 32, 1 << 32]).contains("more elements than can be counted"));
    assert!(refusal(|graph| graph.input[0].r#type = None).contains("input `x`: it is not a tensor"));
    let shapeless = |graph: &mut GraphProto| {
        graph.input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape = None;
    };
    assert!(refusal(shapeless).contains("input `x`: it has no shape"));
}

#[test]
fn sparse_initializers_are_refused_by_name() {
    let message = refusal(|graph| {
        graph.sparse_initializer.push(SparseTensorProto { values: Some(tensor("w", &[1], &[1.0])) });
    });
    assert!(message.contains("tensor `w`: it is sparse"), "{message}");
}

#[test]
fn names_from_the_file_are_harmless_in_messages() {
    let name = format!("\u{1b}[2J\n{}", "n".repeat(1000));
    let message = refusal(|graph| graph.node[1].input[0] = name.clone());
    assert!(message.contains(r"`\u{1b}[2J\nnnn") && message.len() < 500, "{message}");
}

#[test]
fn a_file_is_called_by_its_stem_and_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resnet.v2.onnx");
    fs::write(&path, small().encode_to_vec()).unwrap();
    assert_eq!(Model::load(&path).unwrap().name, "resnet.v2");
    fs::write(&path, ModelProto { graph: None, ..small() }.encode_to_vec()).unwrap();
    let message = Model::load(&path).unwrap_err().to_string();
    assert!(message.starts_with(&path.display().to_string()), "{message}");

    assert!(matches!(Model::load(folder.path()), Err(OnnxError::NotAFile { .. })));
    assert!(matches!(Model::load(&folder.path().join("gone.onnx")), Err(OnnxError::Read { .. })));
}

#[test]
fn a_file_longer_than_protobuf_can_say_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse.onnx");
    File::create(&path).and_then(|file| file.set_len(LONGEST_FILE + 1)).unwrap();
    let message = Model::load(&path).unwrap_err().to_string();
    assert!(message.contains("2147483648 bytes are more than the 2147483647"), "{message}");
}
