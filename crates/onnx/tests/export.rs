//! What is exported, our own reader gives back.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic")]

mod graphs;

use std::collections::BTreeSet;

use calibench_engine::interpret::{Interpreter, NoTap};
use calibench_graph::Graph;
use calibench_onnx::{ConvertOptions, Form, Model, export};
use graphs::{BATCH, Case, cases};

fn run(graph: &Graph, inputs: &[Vec<f32>]) -> Vec<f32> {
    let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    Interpreter::new(graph).unwrap().run_slice(BATCH, &inputs, &mut NoTap).unwrap()
}

fn exported(graph: &Graph, form: &Form<'_>, opset: i64) -> Model {
    let bytes = export(graph, form, opset).unwrap().model.to_bytes().unwrap();
    Model::from_bytes(&bytes, None).unwrap()
}

fn assert_close(name: &str, got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(1.0_f32, |most, v| most.max(v.abs()));
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!((g - e).abs() <= tolerance * largest, "{name}: element {i} is {g}, not {e}");
    }
}

#[test]
fn every_operator_survives_a_round_trip_at_every_turn_of_the_opset() {
    let mut seen = BTreeSet::new();
    for Case { name, graph, inputs } in cases() {
        seen.extend(graph.nodes.iter().map(|n| n.op.name()));
        let expected = run(&graph, &inputs);
        for opset in [13, 14, 17, 18, 20, 21] {
            let back =
                exported(&graph, &Form::Fp32, opset).to_graph(&ConvertOptions::default()).unwrap().graph;
            let output = graph.value(graph.output);
            assert_eq!(back.value(back.output).shape, output.shape, "{name}");
            assert_close(&format!("{name} at {opset}"), &run(&back, &inputs), &expected, 1e-5);
        }
    }
    // 30 operators with a name of their own, 20 functions of one number, 13 of two and 6 reductions.
    assert_eq!(seen.len(), 69, "{seen:?}");
}
