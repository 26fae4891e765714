//! Every operator gives what ONNX Runtime gives, interpreted and compiled; `cases/generate.py` wrote the cases.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic")]

use std::collections::BTreeSet;
use std::fs;

use calibench_engine::QuantSpec;
use calibench_engine::compile::{CompileOptions, Executable};
use calibench_engine::interpret::{Interpreter, NoTap, Processor};
use calibench_graph::Graph;
use calibench_kernels::Kernels;
use calibench_onnx::{ConvertOptions, Model, OPERATORS};
use calibench_quant::Dtype;
use safetensors::SafeTensors;

const BATCH: usize = 3;

/// Furthest from ONNX Runtime, absolute plus relative: a few roundings of sums of a dozen products.
const TOLERANCE: f32 = 1e-5;

fn file() -> Vec<u8> {
    fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/cases.safetensors")).unwrap()
}

fn floats(cases: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let bytes = cases.tensor(name).unwrap().data();
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// Names of the cases and their models.
fn models(cases: &SafeTensors<'_>) -> Vec<(String, Model)> {
    let mut names: Vec<&str> = cases.names().into_iter().filter_map(|n| n.strip_suffix("/model")).collect();
    names.sort_unstable();
    let model =
        |name: &str| Model::from_bytes(cases.tensor(&format!("{name}/model")).unwrap().data(), None).unwrap();
    names.into_iter().map(|n| (n.to_owned(), model(n))).collect()
}

fn interpreted(processor: &Processor, graph: &Graph, inputs: &[&[f32]]) -> Result<Vec<f32>, String> {
    let interpreter = Interpreter::on(processor, graph, Dtype::Fp32).map_err(|e| e.to_string())?;
    interpreter.run_slice(BATCH, inputs, &mut NoTap).map_err(|e| e.to_string())
}

fn compiled(graph: &Graph, inputs: &[&[f32]]) -> Result<Vec<f32>, String> {
    // A larger plan than the run, and a run before, so that nothing depends on fresh buffers of the exact size.
    let options = CompileOptions { kernels: Kernels::best(), threads: 1, max_batch: BATCH + 2 };
    let spec = QuantSpec::float(Dtype::Fp32);
    let mut executable = Executable::compile(graph, &spec, options).map_err(|e| e.to_string())?;
    executable.run(BATCH, inputs).map_err(|e| e.to_string())?;
    executable.run(BATCH, inputs).map(<[f32]>::to_vec).map_err(|e| e.to_string())
}

/// The first element that differs by more than the tolerance.
fn compare(got: &[f32], expected: &[f32], tolerance: f32) -> Result<(), String> {
    if got.len() != expected.len() {
        return Err(format!("{} elements, expected {}", got.len(), expected.len()));
    }
    // Equal infinities have no difference, and not-a-numbers none that is small.
    let near =
        |a: f32, b: f32| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * (1.0 + b.abs());
    match got.iter().zip(expected).position(|(a, b)| !near(*a, *b)) {
        None => Ok(()),
        Some(at) => Err(format!("element {at} is {}, expected {}", got[at], expected[at])),
    }
}

/// One way to run a graph, and what came out.
type Ran = (&'static str, Result<Vec<f32>, String>);

/// Runs every case in each way of `run` and compares with what ONNX Runtime gave.
fn check_every_case(tolerance: f32, run: impl Fn(&Graph, &[&[f32]]) -> Vec<Ran>) {
    let bytes = file();
    let cases = SafeTensors::deserialize(&bytes).unwrap();
    let mut failures = Vec::new();
    let models = models(&cases);
    for (name, model) in &models {
        let fed: Vec<Vec<f32>> =
            model.inputs.iter().map(|i| floats(&cases, &format!("{name}/in/{}", i.name))).collect();
        let fed: Vec<&[f32]> = fed.iter().map(Vec::as_slice).collect();
        let expected = floats(&cases, &format!("{name}/out"));
        match model.to_graph(&ConvertOptions::default()) {
            Err(error) => failures.push(format!("{name}: {error}")),
            Ok(converted) => {
                for (how, ran) in run(&converted.graph, &fed) {
                    if let Err(error) = ran.and_then(|got| compare(&got, &expected, tolerance)) {
                        failures.push(format!("{name}, {how}: {error}"));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), models.len(), failures.join("\n"));
}

#[test]
fn every_case_agrees_with_onnx_runtime() {
    check_every_case(TOLERANCE, |graph, inputs| {
        vec![
            ("interpreted", interpreted(&Processor::cpu(), graph, inputs)),
            // What a GPU runs.
            ("portable", interpreted(&Processor::portable_cpu(), graph, inputs)),
            ("compiled", compiled(graph, inputs)),
        ]
    });
}

#[test]
#[ignore = "needs an NVIDIA GPU and a build with the feature cuda"]
fn every_case_agrees_with_onnx_runtime_on_a_gpu() {
    let gpu = Processor::cuda().unwrap();
    check_every_case(10.0 * TOLERANCE, |graph, inputs| vec![("on a GPU", interpreted(&gpu, graph, inputs))]);
}

#[test]
fn every_operator_that_is_converted_has_a_case() {
    let bytes = file();
    let models = models(&SafeTensors::deserialize(&bytes).unwrap());
    let covered: BTreeSet<&str> =
        models.iter().flat_map(|(_, model)| model.nodes.iter().map(|n| n.op.as_str())).collect();
    let missing: Vec<&&str> = OPERATORS.iter().filter(|op| !covered.contains(**op)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
