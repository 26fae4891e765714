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

/// The class of the largest of ten scores, sample by sample.
fn classes(scores: &[f32]) -> Vec<usize> {
    let largest = |s: &[f32]| (0..s.len()).fold(0, |best, i| if s[i] > s[best] { i } else { best });
    scores.chunks_exact(10).map(largest).collect()
}

/// The first `count` images of the shared CIFAR sample, channels first, and their labels.
fn cifar(count: usize, scale: impl Fn(f32, usize) -> f32) -> Option<(Vec<f32>, Vec<usize>)> {
    let tensors = read_all(&shared("cifar/train4k.npz")?);
    let pixel = |i: usize| {
        let (image, channel, at) = (i / 3072, i / 1024 % 3, i % 1024);
        scale(tensors["x"].values[image * 3072 + at * 3 + channel], channel)
    };
    let labels = tensors["y"].values[..count].iter().map(|l| *l as usize).collect();
    Some(((0..count * 3072).map(pixel).collect(), labels))
}

#[test]
fn convolutional_networks_classify_as_their_licence_sheet_says() {
    let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let normalised = |x: f32, c: usize| (x / 255.0 - mean[c]) / std[c];
    for (file, least) in [("cifar_resnet20", 199), ("mlperf_ic_resnet8", 180)] {
        let Some(path) = shared(&format!("cifar/{file}.onnx")) else { return };
        let scale = |x, c| if file == "cifar_resnet20" { normalised(x, c) } else { x };
        let Some((images, labels)) = cifar(200, scale) else { return };
        let graph = Model::load(&path).unwrap().to_graph(&ConvertOptions::default()).unwrap().graph;
        assert_eq!(count(&graph, "BatchNorm2d"), 0, "{file}: normalisation is folded");
        let [interpreted, compiled] = outputs(&graph, 200, &[&images]);
        assert!(largest_difference(&interpreted, &compiled) < 1e-3, "{file}");
        let right = classes(&compiled).iter().zip(&labels).filter(|(p, l)| p == l).count();
        assert!(right >= least, "{file}: {right} of 200");
    }
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
