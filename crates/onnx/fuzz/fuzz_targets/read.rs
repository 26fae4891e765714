//! Any bytes are an error or a model whose values are defined before they are read, and any model is an error or a
//! graph that is valid; never a panic.

#![no_main]

use std::collections::BTreeSet;

use calibench_onnx::{ConvertOptions, Model};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let model = match Model::from_bytes(bytes, None) {
        Ok(model) => model,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let mut defined: BTreeSet<&str> = model.inputs.iter().map(|input| input.name.as_str()).collect();
    for (name, constant) in &model.initializers {
        assert_eq!(constant.data.len(), constant.shape.iter().product::<usize>());
        assert!(defined.insert(name));
    }
    let mut names = BTreeSet::new();
    for node in &model.nodes {
        assert!(names.insert(node.name.as_str()));
        assert!(node.inputs.iter().flatten().all(|value| defined.contains(value.as_str())));
        for value in node.outputs.iter().flatten() {
            assert!(defined.insert(value));
        }
    }
    assert!(model.outputs.iter().all(|output| defined.contains(output.as_str())));
    let bind = model.symbols().map(|symbol| (symbol.to_owned(), 2)).collect();
    for bind in [Default::default(), bind] {
        match model.to_graph(&ConvertOptions { bind, output: None }) {
            Ok(converted) => assert_eq!(converted.graph.validate(), Ok(())),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
