//! Real files are read; damaged ones are errors, never panics.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of a test fail by panic, and say what they skip"
)]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use calibench_onnx::{
    Attribute, Constant, Data, DataType, ElementType, InputDim, Model, ModelBuilder, Node, Values,
};
use proptest::prelude::*;

/// A small model with initializers, attributes, a symbol and an omitted input.
fn small() -> Vec<u8> {
    let mut builder = ModelBuilder::new("small", 17);
    let dims = [InputDim::Symbol("batch".to_owned()), InputDim::Fixed(4)];
    let scale = Constant { shape: vec![1], data: Data::F32(vec![0.5]) };
    builder
        .input("x", ElementType::F32, &dims)
        .output("y", ElementType::F32, &[InputDim::Symbol("batch".to_owned()), InputDim::Fixed(2)])
        .initializer("w", &[4, 2], Values::F32(&[1.0; 8]))
        .initializer("axes", &[0], Values::I64(&[]))
        .node(Node::new("scale", "Constant", &[], &["k"]).with("value", Attribute::Tensor(scale)))
        .node(Node::new("product", "Gemm", &["x", "w", ""], &["h"]).with("alpha", Attribute::Float(2.0)))
        .node(Node::new("mul", "Mul", &["h", "k"], &["s"]))
        .node(Node::new("flat", "Reshape", &["s", "axes"], &["y"]).with("perm", Attribute::Ints(vec![0, 1])));
    builder.to_bytes().unwrap()
}

#[test]
fn a_model_cut_off_anywhere_never_panics() {
    let whole = small();
    let model = Model::from_bytes(&whole, None).unwrap();
    let parsed = (0..whole.len()).filter(|end| Model::from_bytes(&whole[..*end], None).is_ok()).count();
    // The graph comes before the operator set that it is read with: every cut loses something that is needed.
    assert_eq!(parsed, 0);
    assert_eq!(model.nodes.len(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bytes_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..6)) {
        let mut bytes = small();
        for (index, mask) in flips {
            let at = index.index(bytes.len());
            bytes[at] ^= mask;
        }
        if let Ok(model) = Model::from_bytes(&bytes, None) {
            check(&model);
        }
    }

    #[test]
    fn spliced_bytes_never_panic(
        from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), length in 0_usize..64,
    ) {
        let mut bytes = small();
        let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
        let piece = bytes[from..bytes.len().min(from + length)].to_vec();
        bytes.splice(to..to, piece);
        if let Ok(model) = Model::from_bytes(&bytes, None) {
            check(&model);
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(model) = Model::from_bytes(&bytes, None) {
            check(&model);
        }
    }
}

/// What every model that was read satisfies.
fn check(model: &Model) {
    let mut defined: Vec<&str> = model.inputs.iter().map(|input| input.name.as_str()).collect();
    defined.extend(model.initializers.keys().map(String::as_str));
    for constant in model.initializers.values() {
        assert_eq!(constant.data.len(), constant.shape.iter().product::<usize>());
    }
    let mut names = Vec::new();
    for node in &model.nodes {
        assert!(!node.name.is_empty() && !node.op.is_empty());
        assert!(!names.contains(&node.name.as_str()), "{}", node.name);
        names.push(&node.name);
        for value in node.inputs.iter().flatten() {
            assert!(defined.contains(&value.as_str()), "{value} is read before it is defined");
        }
        for value in node.outputs.iter().flatten() {
            assert!(!defined.contains(&value.as_str()), "{value} is defined twice");
            defined.push(value);
        }
    }
    assert!(!model.outputs.is_empty());
    assert!(model.outputs.iter().all(|output| defined.contains(&output.as_str())));
}

/// The folder of real models, where there is one.
fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = env::var_os("CALIBENCH_SHARED_DATA").map_or_else(beside, PathBuf::from);
    let there = folder.is_dir();
    if !there {
        println!("skipped: {} is not there; set CALIBENCH_SHARED_DATA", folder.display());
    }
    there.then_some(folder)
}

#[test]
fn every_shared_model_is_read() {
    let Some(folder) = shared() else { return };
    let mut read = 0;
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        for path in fs::read_dir(entry).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_some_and(|extension| extension == "onnx") {
                let model = Model::load(&path).unwrap();
                check(&model);
                assert!(!model.inputs.is_empty() && !model.nodes.is_empty());
                read += 1;
            }
        }
    }
    assert!(read >= 5, "{read} models");
}

#[test]
fn the_inputs_of_shared_models_are_known() {
    let Some(folder) = shared() else { return };
    let load = |path: &str| Model::load(&folder.join(path)).unwrap();
    let mnist = load("mnist/mnist-8-cntk.onnx");
    assert_eq!((mnist.name.as_str(), mnist.opset, mnist.inputs.len()), ("mnist-8-cntk", 8, 1));
    assert_eq!(mnist.inputs[0].dims, [1, 1, 28, 28].map(InputDim::Fixed));
    let bert = load("onnx/bert_tiny_random.torchscript.onnx");
    assert_eq!(bert.opset, 17);
    assert!(bert.inputs.iter().all(|input| input.dtype == DataType::I64), "{:?}", bert.inputs);
}
