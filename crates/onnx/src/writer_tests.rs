//! What is written is what is read, and what is refused leaves nothing behind.

use std::fs;

use super::*;
use crate::model::{DataType, Input, Model};

/// A model with every element type, attribute kind and an omitted input.
fn everything() -> ModelBuilder {
    let mut builder = ModelBuilder::new("everything", 21);
    let dims = [InputDim::Symbol("batch".to_owned()), InputDim::Fixed(3)];
    let scalar = Constant { shape: vec![], data: Data::I64(vec![-7]) };
    builder
        .producer("someone", "1.2")
        .input("x", ElementType::F32, &dims)
        .input("mask", ElementType::Bool, &[])
        .output("y", ElementType::F32, &dims)
        .initializer("f32", &[2, 1], Values::F32(&[1.5, f32::NEG_INFINITY]))
        .initializer("f16", &[], Values::F16(&[f16::from_f32(0.5)]))
        .initializer("i64", &[1], Values::I64(&[i64::MIN]))
        .initializer("i32", &[1], Values::I32(&[i32::MIN]))
        .initializer("i16", &[1], Values::I16(&[-300]))
        .initializer("u16", &[1], Values::U16(&[60_000]))
        .initializer("i8", &[3], Values::I8(&[-128, 0, 127]))
        .initializer("u8", &[1], Values::U8(&[255]))
        .initializer("bool", &[2], Values::Bool(&[true, false]))
        .initializer("empty", &[0], Values::I64(&[]))
        .node(attributed(scalar))
        .node(Node::new("second", "Relu", &["h"], &["y"]));
    builder
}

fn attributed(scalar: Constant) -> Node {
    Node::new("first", "Op", &["x", "", "f32"], &["h"])
        .with("float", Attribute::Float(0.25))
        .with("int", Attribute::Int(-1))
        .with("string", Attribute::String("SAME_UPPER".to_owned()))
        .with("tensor", Attribute::Tensor(scalar))
        .with("floats", Attribute::Floats(vec![1.0, 2.0]))
        .with("ints", Attribute::Ints(vec![]))
        .with("strings", Attribute::Strings(vec!["a".to_owned(), String::new()]))
}

#[test]
fn what_is_written_is_read_back() {
    let model = Model::from_bytes(&everything().to_bytes().unwrap(), None).unwrap();
    let dims = vec![InputDim::Symbol("batch".to_owned()), InputDim::Fixed(3)];
    let inputs = [
        Input { name: "x".to_owned(), dtype: DataType::F32, dims },
        Input { name: "mask".to_owned(), dtype: DataType::Bool, dims: vec![] },
    ];
    assert_eq!(
        (model.name.as_str(), model.opset, model.outputs.as_slice()),
        ("everything", 21, &["y".to_owned()][..])
    );
    assert_eq!(model.inputs, inputs);
    let expected = [
        ("f32", vec![2, 1], Data::F32(vec![1.5, f32::NEG_INFINITY])),
        ("f16", vec![], Data::F32(vec![0.5])),
        ("i64", vec![1], Data::I64(vec![i64::MIN])),
        ("i32", vec![1], Data::I64(vec![i32::MIN.into()])),
        ("i16", vec![1], Data::I64(vec![-300])),
        ("u16", vec![1], Data::I64(vec![60_000])),
        ("i8", vec![3], Data::I64(vec![-128, 0, 127])),
        ("u8", vec![1], Data::I64(vec![255])),
        ("bool", vec![2], Data::Bool(vec![true, false])),
        ("empty", vec![0], Data::I64(vec![])),
    ];
    let expected = expected.map(|(name, shape, data)| (name.to_owned(), Constant { shape, data }));
    assert_eq!(model.initializers, expected.into_iter().collect());
    let scalar = Constant { shape: vec![], data: Data::I64(vec![-7]) };
    assert_eq!(model.nodes, [attributed(scalar), Node::new("second", "Relu", &["h"], &["y"])]);
}

#[test]
fn the_file_says_who_made_it_and_for_which_format() {
    let proto = ModelProto::decode(everything().to_bytes().unwrap().as_slice()).unwrap();
    assert_eq!((proto.producer_name(), proto.producer_version(), proto.ir_version()), ("someone", "1.2", 10));
    for (opset, ir) in
        [(8, 4), (9, 4), (10, 5), (11, 6), (12, 7), (14, 7), (15, 8), (18, 8), (19, 9), (20, 9), (21, 10)]
    {
        assert_eq!(ir_version(opset), ir, "{opset}");
    }
}

#[test]
fn what_the_reader_would_refuse_is_not_written() {
    let refusal = |change: fn(&mut ModelBuilder) -> &mut ModelBuilder| {
        let mut builder = everything();
        change(&mut builder);
        builder.to_bytes().unwrap_err().to_string()
    };
    let message = refusal(|b| b.initializer("short", &[3], Values::F32(&[1.0])));
    assert!(message.contains("tensor `short`: shape [3] needs 12 bytes, 4 are there"), "{message}");
    let message = refusal(|b| b.initializer("huge", &[usize::MAX, 2], Values::U8(&[])));
    assert!(message.contains("more elements than can be counted"), "{message}");
    let message = refusal(|b| b.initializer("i8", &[1], Values::I8(&[1])));
    assert!(message.contains("`i8` is defined twice"), "{message}");
    let message = refusal(|b| b.node(Node::new("n", "Relu", &["gone"], &["z"])));
    assert!(message.contains("`gone`, which node `n` reads"), "{message}");
    let message = refusal(|b| b.input("z", ElementType::F32, &[InputDim::Fixed(0)]));
    assert!(message.contains("input `z`: dimension 0 is 0"), "{message}");
    let message = ModelBuilder::new("m", 7).to_bytes().unwrap_err().to_string();
    assert!(message.contains("opset 7; supported are 8 to 21"), "{message}");
}

#[test]
fn saving_replaces_the_file_and_leaves_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    fs::write(&path, "an older file").unwrap();
    everything().save(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), everything().to_bytes().unwrap());
    assert_eq!(Model::load(&path).unwrap().name, "model");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_refused_model_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    fs::write(&path, "an older file").unwrap();
    let message = ModelBuilder::new("empty", 17).save(&path).unwrap_err().to_string();
    assert!(message.starts_with(&path.display().to_string()), "{message}");
    assert_eq!(fs::read(&path).unwrap(), b"an older file");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("model.onnx");
    assert!(matches!(everything().save(&path), Err(OnnxError::Write { path: named, .. }) if named == path));
}

#[cfg(unix)]
#[test]
fn the_file_is_as_readable_as_any_other() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
    everything().save(&ours).unwrap();
    fs::write(&plain, b"x").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&ours), mode(&plain));
}
