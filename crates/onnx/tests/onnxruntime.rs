//! Exported models give our outputs under ONNX Runtime.
//!
//! Needs a Python that has numpy, onnx and onnxruntime: `CALIBENCH_PYTHON=/path/to/python`. With
//! `CALIBENCH_EXPORT_FOLDER` the models, inputs and outputs stay there.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of a test fail by panic, and say what they skip"
)]

mod graphs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use calibench_engine::QuantSpec;
use calibench_engine::compile::{CompileOptions, Executable};
use calibench_engine::interpret::{CaptureTap, FakeQuantTap, Interpreter, NoTap, Tap};
use calibench_graph::{Element, Graph, Op, bind, placement};
use calibench_kernels::Kernels;
use calibench_onnx::{Codes, ConvertOptions, Form, Model, Qdq, export};
use calibench_quant::{Dtype, Granularity, IntFormat, QParams, Range, Symmetry, Timing};
use serde_json::{Value, json};

fn python() -> Option<PathBuf> {
    let python = env::var_os("CALIBENCH_PYTHON").map(PathBuf::from);
    if python.is_none() {
        println!("skipped: CALIBENCH_PYTHON names no Python with numpy, onnx and onnxruntime");
    }
    python
}

fn script(python: &Path, arguments: &[&str]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/check_with_onnxruntime.py");
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A folder of cases for the script.
struct Folder {
    path: PathBuf,
    cases: Vec<Value>,
    /// Deleted with it, unless the environment says where to keep the files.
    _temporary: Option<tempfile::TempDir>,
}

impl Folder {
    fn new(name: &str) -> Self {
        let (path, temporary) = match env::var_os("CALIBENCH_EXPORT_FOLDER") {
            Some(path) => (PathBuf::from(path).join(name), None),
            None => {
                let temporary = tempfile::tempdir().unwrap();
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        fs::create_dir_all(&path).unwrap();
        Self { path, cases: Vec::new(), _temporary: temporary }
    }

    fn write(&self, file: &str, values: &[f32]) -> String {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        fs::write(self.path.join(file), bytes).unwrap();
        file.to_owned()
    }

    /// Adds a model with its inputs and the outputs that it must give, each with tolerances by runtime.
    fn add(
        &mut self,
        (name, graph, form, opset): (&str, &Graph, &Form<'_>, i64),
        (batch, inputs): (usize, &[Vec<f32>]),
        references: &[(&str, &[f32], Value)],
        report: bool,
    ) {
        let model = format!("{name}.onnx");
        export(graph, form, opset).unwrap().model.save(&self.path.join(&model)).unwrap();
        let input = |(i, (value, data)): (usize, (&calibench_graph::Value, &Vec<f32>))| {
            let dtype = if value.element == Element::Integer { "int64" } else { "float32" };
            let file = self.write(&format!("{name}.input{i}.f32"), data);
            json!({ "name": value.name, "dtype": dtype, "shape": bind(&value.shape, batch), "file": file })
        };
        let shape = bind(&graph.value(graph.output).shape, batch);
        let reference = |(of, values, tolerance): &(&str, &[f32], Value)| {
            let file = self.write(&format!("{name}.{of}.f32"), values);
            json!({ "name": of, "shape": shape, "file": file, "tolerance": tolerance })
        };
        self.cases.push(json!({
            "name": name,
            "model": model,
            "inputs": graph.input_values().zip(inputs).enumerate().map(input).collect::<Vec<_>>(),
            "references": references.iter().map(reference).collect::<Vec<_>>(),
            "openvino": report,
            "verbose": report,
        }));
    }

    fn check(self, python: &Path) {
        fs::write(self.path.join("cases.json"), serde_json::to_vec(&self.cases).unwrap()).unwrap();
        script(python, &["check", self.path.to_str().unwrap()]);
    }
}

fn interpreted(graph: &Graph, batch: usize, inputs: &[Vec<f32>], tap: &mut dyn Tap) -> Vec<f32> {
    let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    Interpreter::new(graph).unwrap().run_slice(batch, &inputs, tap).unwrap()
}

fn compiled(graph: &Graph, spec: &QuantSpec, batch: usize, inputs: &[Vec<f32>]) -> Vec<f32> {
    let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    let options = CompileOptions { kernels: Kernels::best(), threads: 1, max_batch: batch };
    Executable::compile(graph, spec, options).unwrap().run(batch, &inputs).unwrap().to_vec()
}

#[test]
fn every_operator_gives_our_output_at_every_turn_of_the_opset() {
    let Some(python) = python() else { return };
    let mut folder = Folder::new("operators");
    let none = BTreeSet::new();
    for graphs::Case { name, graph, inputs } in graphs::cases() {
        let expected = interpreted(&graph, graphs::BATCH, &inputs, &mut NoTap);
        for opset in [13, 14, 17, 18, 20, 21] {
            let case = format!("{name}-{opset}");
            let within = json!({ "fused": 5e-6, "as-written": 5e-6 });
            let reference = [("fp32", &expected[..], within)];
            folder.add((&case, &graph, &Form::Fp32, opset), (graphs::BATCH, &inputs), &reference, false);
        }
        // Steps and comparisons of rounded numbers fall on either side.
        let jumps = |op: &Op| matches!(op.name(), "Floor" | "Ceil" | "Round" | "Cast" | "Pow");
        if !graph.nodes.iter().any(|n| jumps(&n.op)) {
            let reference = [("fp32", &expected[..], json!({ "fused": 2e-3, "as-written": 2e-3 }))];
            let case = (&format!("{name}-fp16")[..], &graph, &Form::Fp16 { keep: &none }, 17);
            folder.add(case, (graphs::BATCH, &inputs), &reference, false);
        }
    }
    folder.check(&python);
}

/// A real model with inputs.
struct Real {
    name: &'static str,
    graph: Graph,
    batch: usize,
    inputs: Vec<Vec<f32>>,
}

fn shared(file: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = env::var_os("CALIBENCH_SHARED_DATA").map_or_else(beside, PathBuf::from).join(file);
    if !path.exists() {
        println!("skipped: {file} is not on this machine; set CALIBENCH_SHARED_DATA");
    }
    path.exists().then_some(path)
}

fn load(file: &str) -> Option<Graph> {
    let bind = BTreeMap::from([("sequence".to_owned(), 17)]);
    Some(Model::load(&shared(file)?).unwrap().to_graph(&ConvertOptions { bind, output: None }).unwrap().graph)
}

/// Images of a data set, mapped channel by channel: `(x − mean) / deviation`.
fn images(python: &Path, file: &str, batch: usize, channels: &[(f32, f32)]) -> Option<Vec<f32>> {
    let (source, out) = (shared(file)?, tempfile::NamedTempFile::new().unwrap());
    let [from, to] = [source.as_path(), out.path()].map(|p| p.to_str().unwrap());
    script(python, &["prepare", from, "x", &batch.to_string(), to]);
    let bytes = fs::read(out.path()).unwrap();
    let pixels = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b));
    let plane = bytes.len() / 4 / batch / channels.len();
    let mapped = |(i, x): (usize, f32)| {
        let (mean, deviation) = channels[i / plane % channels.len()];
        (x - mean) / deviation
    };
    Some(pixels.enumerate().map(mapped).collect())
}

fn real(python: &Path) -> Vec<Real> {
    const RAW: (f32, f32) = (0.0, 1.0);
    const IMAGENET: [(f32, f32); 3] = [(123.675, 58.395), (116.28, 57.12), (103.53, 57.375)];
    const BATCH: usize = 32;
    let image = |name, model, data, channels: &[(f32, f32)]| {
        let inputs = vec![images(python, data, BATCH, channels)?];
        Some(Real { name, graph: load(model)?, batch: BATCH, inputs })
    };
    let bert = |name, model| {
        let graph = load(model)?;
        let input = |(i, value): (usize, &calibench_graph::Value)| {
            let numbers = graphs::numbers(i as u64 + 1, bind(&value.shape, 16).iter().product());
            let integer = |x: &f32| match &value.name[..] {
                "input_ids" => ((x + 2.0) * 16.0).floor(),
                "attention_mask" => f32::from(*x > -1.5),
                _ => 0.0,
            };
            numbers.iter().map(integer).collect()
        };
        let inputs = graph.input_values().enumerate().map(input).collect();
        Some(Real { name, graph, batch: 16, inputs })
    };
    [
        image("resnet20", "cifar/cifar_resnet20.onnx", "cifar/train4k.npz", &IMAGENET),
        image("resnet8", "cifar/mlperf_ic_resnet8.onnx", "cifar/train4k.npz", &[RAW; 3]),
        image("mnist", "mnist/mnist-8-cntk.onnx", "mnist/train60k_from_png.npz", &[RAW]),
        bert("bert-torchscript", "onnx/bert_tiny_random.torchscript.onnx"),
        bert("bert-dynamo", "onnx/bert_tiny_random.dynamo.onnx"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Min-max parameters over the inputs themselves.
fn calibrated(
    real: &Real,
    dtype: Dtype,
    timing: Timing,
    granularity: Granularity,
    symmetry: Symmetry,
) -> QuantSpec {
    let sites = placement(&real.graph);
    let mut tap = CaptureTap::new(sites.activations.iter().copied());
    interpreted(&real.graph, real.batch, &real.inputs, &mut tap);
    let format = dtype.activation_format().unwrap();
    let activation = |(id, captured): (_, calibench_engine::interpret::Captured)| {
        let range = Range::of(&captured.data).unwrap();
        (id, QParams::from_range("site", range, format, symmetry).unwrap())
    };
    let weight = |site: &calibench_graph::WeightSite| {
        let tensor = &real.graph.params[&site.param];
        let qparams =
            QParams::of_weights(&site.param, tensor.data(), site.channels, IntFormat::INT8, granularity)
                .unwrap();
        (site.param.clone(), qparams)
    };
    QuantSpec {
        dtype,
        timing,
        granularity,
        symmetry,
        weights: sites.weights.iter().map(weight).collect(),
        activations: tap.finish().into_iter().map(activation).collect(),
    }
}

#[test]
fn real_models_give_our_outputs_in_every_form() {
    let Some(python) = python() else { return };
    let mut folder = Folder::new("models");
    for real in real(&python) {
        let fed = (real.batch, &real.inputs[..]);
        let Real { name, graph, .. } = &real;
        let float = interpreted(graph, real.batch, &real.inputs, &mut NoTap);
        let all =
            |tolerance: f64| json!({ "fused": tolerance, "precise": tolerance, "as-written": tolerance });
        // By default ONNX Runtime trades precision for speed in ways that depend on the CPU: only reported.
        let exact = |tolerance: f64| json!({ "precise": tolerance, "as-written": tolerance });
        let add = |folder: &mut Folder,
                   form: &Form<'_>,
                   opset,
                   suffix: &str,
                   references: &[(&str, &[f32], Value)]| {
            folder.add((&format!("{name}-{suffix}"), graph, form, opset), fed, references, true);
        };
        for opset in [13, 21] {
            let references = [("fp32", &float[..], all(1e-5))];
            add(&mut folder, &Form::Fp32, opset, &format!("fp32-{opset}"), &references);
        }
        let sensitive = |op: &Op| matches!(op, Op::Softmax | Op::LayerNorm { .. });
        let keep: BTreeSet<String> =
            graph.nodes.iter().filter(|n| sensitive(&n.op)).map(|n| n.name.clone()).collect();
        add(&mut folder, &Form::Fp16 { keep: &keep }, 17, "fp16", &[("fp32", &float, all(5e-3))]);

        for granularity in Granularity::ALL {
            let spec = calibrated(&real, Dtype::Int8, Timing::WeightOnly, *granularity, Symmetry::Symmetric);
            let simulated =
                interpreted(graph, real.batch, &real.inputs, &mut FakeQuantTap::new(graph, &spec).unwrap());
            let executed = compiled(graph, &spec, real.batch, &real.inputs);
            let references =
                [("simulated", &simulated[..], exact(1e-5)), ("compiled", &executed[..], exact(1e-5))];
            let form = Form::WeightOnly { weights: &spec.weights };
            add(&mut folder, &form, 13, &format!("weight-only-{granularity:?}"), &references);

            let spec = calibrated(&real, Dtype::Int8, Timing::Dynamic, *granularity, Symmetry::Affine);
            let executed = compiled(graph, &spec, real.batch, &real.inputs);
            for weight_codes in [Codes::Signed, Codes::Unsigned] {
                // In ours all readers of a quantized value read its codes; in the model those that are no product do not.
                let references = [("compiled", &executed[..], all(5e-2)), ("fp32", &float[..], json!({}))];
                let form = Form::Dynamic { weights: &spec.weights, weight_codes };
                add(
                    &mut folder,
                    &form,
                    13,
                    &format!("dynamic-{weight_codes:?}-{granularity:?}"),
                    &references,
                );
            }

            for symmetry in Symmetry::ALL {
                for (dtype, codes, weight_codes, opset) in [
                    (Dtype::Int8, Codes::Signed, Codes::Signed, 13),
                    (Dtype::Int8, Codes::Unsigned, Codes::Signed, 13),
                    (Dtype::Int8, Codes::Unsigned, Codes::Unsigned, 13),
                    (Dtype::Int16, Codes::Signed, Codes::Signed, 21),
                ] {
                    let spec = calibrated(&real, dtype, Timing::Static, *granularity, *symmetry);
                    let mut tap = FakeQuantTap::new(graph, &spec).unwrap();
                    let simulated = interpreted(graph, real.batch, &real.inputs, &mut tap);
                    let executed = compiled(graph, &spec, real.batch, &real.inputs);
                    // The simulation does not round the bias; our integer execution does.
                    let (simulation, execution) =
                        if dtype == Dtype::Int8 { (5e-2, 1e-2) } else { (1e-3, 1e-3) };
                    // Products of uint8 by uint8 saturate nowhere.
                    let plain = dtype == Dtype::Int8 && weight_codes == Codes::Unsigned;
                    let executes = if plain { all(execution) } else { exact(execution) };
                    let references = [
                        ("simulated", &simulated[..], exact(simulation)),
                        ("compiled", &executed[..], executes),
                        ("fp32", &float[..], json!({})),
                    ];
                    let (activations, weights) = (&spec.activations, &spec.weights);
                    let qdq = Qdq { activations, weights, codes, weight_codes };
                    let kind = format!("{dtype}-{codes:?}x{weight_codes:?}");
                    let suffix = format!("{kind}-{}-{granularity:?}", symmetry.id());
                    add(&mut folder, &Form::Qdq(qdq), opset, &suffix, &references);
                }
            }
        }
    }
    folder.check(&python);
}
