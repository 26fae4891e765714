//! Real models from elsewhere give the outputs that their own runtimes give.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of a test fail by panic, and say what they skip"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use calibench_engine::QuantSpec;
use calibench_engine::compile::{CompileOptions, Executable};
use calibench_engine::interpret::{Interpreter, NoTap};
use calibench_graph::{Graph, placement};
use calibench_kernels::Kernels;
use calibench_onnx::{ConvertOptions, Model};
use calibench_quant::Dtype;
use calibench_tasks::tensors::{Tensor, TensorFile};

/// A file of the shared data, where this machine has it.
fn shared(file: &str) -> Option<PathBuf> {
    let root = std::env::var_os("CALIBENCH_SHARED_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = root.join(file);
    if !path.exists() {
        println!("skipped: {} is not on this machine", path.display());
    }
    path.exists().then_some(path)
}

/// Every tensor of a file by name.
fn read_all(path: &Path) -> BTreeMap<String, Tensor> {
    let mut file = TensorFile::open(path).unwrap();
    let names: Vec<String> = file.tensors().map(|t| t.name.clone()).collect();
    names.into_iter().map(|n| (n.clone(), file.read(&n).unwrap())).collect()
}

/// Outputs of the interpreter and of the compiled plan.
fn outputs(graph: &Graph, batch: usize, inputs: &[&[f32]]) -> [Vec<f32>; 2] {
    let interpreted = Interpreter::new(graph).unwrap().run_slice(batch, inputs, &mut NoTap).unwrap();
    let options = CompileOptions { kernels: Kernels::best(), threads: 1, max_batch: batch };
    let mut plan = Executable::compile(graph, &QuantSpec::float(Dtype::Fp32), options).unwrap();
    [interpreted, plan.run(batch, inputs).unwrap().to_vec()]
}

fn largest_difference(x: &[f32], y: &[f32]) -> f32 {
    assert_eq!(x.len(), y.len());
    x.iter().zip(y).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

fn count(graph: &Graph, op: &str) -> usize {
    graph.nodes.iter().filter(|n| n.op.name() == op).count()
}

#[test]
fn both_exports_of_a_transformer_give_the_recorded_outputs() {
    let Some(io) = shared("onnx/bert_tiny_random.io.npz") else { return };
    let tensors: BTreeMap<String, Tensor> = read_all(&io);
    for export in ["torchscript", "dynamo"] {
        let Some(path) = shared(&format!("onnx/bert_tiny_random.{export}.onnx")) else { return };
        let model = Model::load(&path).unwrap();
        let options = ConvertOptions { bind: BTreeMap::from([("sequence".to_owned(), 17)]), output: None };
        let graph = model.to_graph(&options).unwrap().graph;
        let inputs: Vec<&[f32]> = model.inputs.iter().map(|i| &tensors[&i.name].values[..]).collect();
        for result in outputs(&graph, 3, &inputs) {
            let difference = largest_difference(&result, &tensors["last_hidden_state"].values);
            println!("{export}: largest difference {difference:e}");
            assert!(difference < 1e-4, "{export}: {difference}");
        }
        // The mask is known, and from it what is padding: of every product's input in both layers.
        let placement = placement(&graph);
        let padding = placement.padding.as_ref().unwrap();
        assert_eq!(graph.value(padding.mask).name, "attention_mask", "{export}");
        let known = placement.activations.iter().filter(|v| padding.axes.contains_key(v)).count();
        assert_eq!(known, placement.activations.len(), "{export}");
        // What the exporters spelled out is found again.
        for (op, times) in [("LayerNorm", 5), ("Gelu", 2), ("Softmax", 2), ("MatMul", 4), ("Linear", 12)] {
            assert_eq!(count(&graph, op), times, "{export}: {op}");
        }
        assert_eq!(count(&graph, "Erf") + count(&graph, "Sqrt"), 0, "{export}");
    }
}
