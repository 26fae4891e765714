//! What is exported, our own reader gives back.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic")]

mod graphs;

use std::collections::{BTreeMap, BTreeSet};

use calibench_engine::interpret::{Interpreter, NoTap};
use calibench_graph::{Dim, Graph, GraphBuilder, Op, Tensor, ValueId, keep_float};
use calibench_onnx::{
    Codes, ConvertOptions, Data, ExportError, Form, HalfLoss, Model, Qdq, export, qparams_json,
};
use calibench_quant::{Granularity, IntFormat, QParams, Range, Symmetry};
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

/// `input → fc1 → relu → fc2`, with weights that quantize to simple codes.
fn two_layers() -> Graph {
    let mut g = GraphBuilder::new("two", vec![Dim::Batch, Dim::Fixed(2)]);
    let matrix = |data: [f32; 4]| Tensor::new([2, 2], data.to_vec()).unwrap();
    let first = vec![
        ("fc1.weight", matrix([1.27, -0.5, 0.25, 2.54])),
        ("fc1.bias", Tensor::new([2], vec![0.5, -1.0]).unwrap()),
    ];
    let x = g.add("fc1", Op::Linear, &[g.input()], first).unwrap();
    let x = g.add("relu", Op::Relu, &[x], vec![]).unwrap();
    let y = g.add("fc2", Op::Linear, &[x], vec![("fc2.weight", matrix([1.0, 0.0, 0.0, -1.0]))]).unwrap();
    g.finish(y)
}

type Activations = BTreeMap<ValueId, QParams>;
type Weights = BTreeMap<String, QParams>;

fn quantized(graph: &Graph, format: IntFormat, symmetry: Symmetry) -> (Activations, Weights) {
    let activation =
        |(low, high)| QParams::from_range("site", Range { low, high }, format, symmetry).unwrap();
    let activations = [(ValueId(0), activation((-1.27, 1.27))), (ValueId(2), activation((0.0, 2.54)))];
    let weight = |(name, t): (&String, &Tensor)| {
        let qparams =
            QParams::of_weights(name, t.data(), 2, IntFormat::INT8, Granularity::PerChannel).unwrap();
        (name.clone(), qparams)
    };
    let weights = graph.params.iter().filter(|(n, _)| n.ends_with("weight")).map(weight).collect();
    (activations.into(), weights)
}

fn qdq<'q>(
    (activations, weights): &'q (Activations, Weights),
    codes: Codes,
    weight_codes: Codes,
) -> Form<'q> {
    Form::Qdq(Qdq { activations, weights, codes, weight_codes })
}

fn ints(model: &Model, name: &str) -> Vec<i64> {
    match &model.initializers[name].data {
        Data::I64(values) => values.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

fn operators(model: &Model) -> Vec<&str> {
    model.nodes.iter().map(|n| n.op.as_str()).collect()
}

#[test]
fn sites_are_quantized_for_every_reader_and_biases_have_the_scale_of_their_product() {
    let graph = two_layers();
    let params = quantized(&graph, IntFormat::INT8, Symmetry::Affine);
    let model = exported(&graph, &qdq(&params, Codes::Signed, Codes::Signed), 13);
    let pair = ["QuantizeLinear", "DequantizeLinear"];
    let first = ["DequantizeLinear", "DequantizeLinear", "Gemm", "Relu"];
    assert_eq!(operators(&model), [&pair[..], &first, &pair, &["DequantizeLinear", "Gemm"]].concat());
    // `[out, in]` quantized by row, stored `[in, out]`, scaled along axis 1.
    assert_eq!(ints(&model, "fc1.weight.quantized"), [127, 12, -50, 127]);
    let weight = model.nodes.iter().find(|n| n.name == "fc1.weight.dequantized").unwrap();
    assert_eq!(weight.attributes["axis"], calibench_onnx::Attribute::Int(1));
    let scales = [1.27_f32, 2.54].map(|bound| bound / 127.0 * params.0[&ValueId(0)].scale[0]);
    let expected: Vec<i64> = [0.5, -1.0].iter().zip(scales).map(|(b, s)| (b / s).round() as i64).collect();
    assert_eq!(ints(&model, "fc1.bias.quantized"), expected);
    assert_eq!(model.nodes[4].inputs[0].as_deref(), Some("input.dequantized"));
}

#[test]
fn a_dynamic_model_quantizes_what_products_read_once_and_leaves_the_rest_in_fp32() {
    let mut g = GraphBuilder::new("shared", vec![Dim::Batch, Dim::Fixed(2)]);
    let matrix = |data: [f32; 4]| Tensor::new([2, 2], data.to_vec()).unwrap();
    let bias = Tensor::new([2], vec![0.5, -1.0]).unwrap();
    let first = vec![("fc1.weight", matrix([1.27, -0.5, 0.25, 2.54])), ("fc1.bias", bias)];
    let left = g.add("fc1", Op::Linear, &[g.input()], first).unwrap();
    let right =
        g.add("fc2", Op::Linear, &[g.input()], vec![("fc2.weight", matrix([1.0, 0.0, 0.0, -1.0]))]).unwrap();
    let sum = g.add("sum", Op::Add, &[left, right], vec![]).unwrap();
    let y = g.add("residual", Op::Add, &[sum, g.input()], vec![]).unwrap();
    let mut graph = g.finish(y);
    let (_, weights) = quantized(&graph, IntFormat::INT8, Symmetry::Affine);
    let form = Form::Dynamic { weights: &weights, weight_codes: Codes::Signed };
    let model = exported(&graph, &form, 13);
    let product = ["MatMulInteger", "Mul", "Cast", "Mul"];
    let expected = [&["DynamicQuantizeLinear"], &product[..], &["Add"], &product, &["Add", "Add"]].concat();
    assert_eq!(operators(&model), expected);
    let named = |name: &str| model.nodes.iter().find(|n| n.outputs.contains(&Some(name.to_owned()))).unwrap();
    assert_eq!(named("residual").inputs[1].as_deref(), Some("input"));
    assert_eq!(ints(&model, "fc1.weight.quantized"), [127, 12, -50, 127]);
    assert_eq!(ints(&model, "fc1.weight.zero_point"), [0]);

    // What stays in fp32 is as in an fp32 model.
    graph.float.insert("fc2".to_owned());
    assert_eq!(
        operators(&exported(&graph, &form, 13)).iter().filter(|op| **op == "MatMulInteger").count(),
        1
    );
}

#[test]
fn optional_inputs_at_the_end_are_left_away() {
    let mut g = GraphBuilder::new("t", vec![Dim::Batch, Dim::Fixed(2)]);
    let weight = Tensor::new([2, 2], vec![1.0; 4]).unwrap();
    let y = g.add("fc", Op::Linear, &[g.input()], vec![("fc.weight", weight)]).unwrap();
    let model = exported(&g.finish(y), &Form::Fp32, 13);
    assert!(model.nodes.iter().all(|n| n.inputs.iter().all(Option::is_some)), "{:?}", model.nodes);
}

#[test]
fn unsigned_codes_are_the_signed_ones_moved_by_128() {
    let graph = two_layers();
    let params = quantized(&graph, IntFormat::INT8, Symmetry::Affine);
    let [signed, unsigned] =
        [Codes::Signed, Codes::Unsigned].map(|codes| exported(&graph, &qdq(&params, codes, codes), 13));
    assert_eq!(operators(&signed), operators(&unsigned));
    for name in ["fc1.weight.quantized", "fc1.weight.zero_point", "input.zero_point", "relu.zero_point"] {
        let moved: Vec<i64> = ints(&signed, name).iter().map(|c| c + 128).collect();
        assert_eq!(ints(&unsigned, name), moved, "{name}");
    }
}

#[test]
fn a_clip_stands_where_codes_end_before_their_type_and_can_get_there() {
    let graph = two_layers();
    let clips = |format, symmetry| -> Vec<String> {
        let params = quantized(&graph, format, symmetry);
        let model = exported(&graph, &qdq(&params, Codes::Signed, Codes::Signed), 13);
        model.nodes.iter().filter(|n| n.op == "Clip").map(|n| n.name.clone()).collect()
    };
    assert!(clips(IntFormat::INT8, Symmetry::Affine).is_empty());
    // Behind the ReLU no value reaches the code −128.
    assert_eq!(clips(IntFormat::INT8, Symmetry::Symmetric), ["input.clipped"]);
    assert_eq!(clips(IntFormat::INT8.reduced(), Symmetry::Affine), ["input.clipped", "relu.clipped"]);
}

#[test]
fn a_quantized_output_keeps_its_name_and_a_returned_input_gets_another() {
    let mut g = GraphBuilder::new("square", vec![Dim::Batch, Dim::Fixed(2), Dim::Fixed(2)]);
    let x = g.input();
    g.add("product", Op::MatMul { transpose_rhs: false }, &[x, x], vec![]).unwrap();
    let identity = g.finish(x);
    let activations = quantized(&two_layers(), IntFormat::INT8, Symmetry::Affine).0;
    let params = (activations, BTreeMap::new());
    let form = qdq(&params, Codes::Signed, Codes::Signed);
    assert_eq!(exported(&identity, &Form::Fp32, 13).outputs, ["input.output"]);
    assert_eq!(exported(&identity, &form, 13).outputs, ["input.dequantized"]);
    let keep = BTreeSet::new();
    let half = exported(&two_layers(), &Form::Fp16 { keep: &keep }, 13);
    assert_eq!((&half.outputs[..], operators(&half).last()), (&["fc2".to_owned()][..], Some(&"Cast")));
}

#[test]
fn fp16_keeps_the_named_nodes_and_reports_what_it_cannot_hold() {
    let mut graph = two_layers();
    graph.params.insert("fc1.bias".to_owned(), Tensor::new([2], vec![1e6, 1e-9]).unwrap());
    let keep = BTreeSet::from(["fc1".to_owned()]);
    let kept = export(&graph, &Form::Fp16 { keep: &keep }, 13).unwrap();
    assert!(kept.half_losses.is_empty());
    let model = Model::from_bytes(&kept.model.to_bytes().unwrap(), None).unwrap();
    assert_eq!(operators(&model), ["Gemm", "Cast", "Relu", "Gemm", "Cast"]);

    let none = BTreeSet::new();
    let losses = export(&graph, &Form::Fp16 { keep: &none }, 13).unwrap().half_losses;
    let loss = |value, overflow| HalfLoss { name: "fc1.bias".to_owned(), value, count: 1, overflow };
    assert_eq!(losses, [loss(1e6, true), loss(1e-9, false)]);
    let unknown = BTreeSet::from(["fc9".to_owned()]);
    let error = export(&graph, &Form::Fp16 { keep: &unknown }, 13).unwrap_err();
    assert!(matches!(error, ExportError::Keep { name } if name == "fc9"));
}

#[test]
fn kept_parameters_that_are_halves_are_written_as_halves() {
    let graph = keep_float(&two_layers(), &["fc1=fp16".to_owned()]).unwrap();
    let params = quantized(&graph, IntFormat::INT8, Symmetry::Affine);
    let model = exported(&graph, &qdq(&params, Codes::Signed, Codes::Signed), 13);
    assert_eq!(operators(&model)[..5], ["QuantizeLinear", "DequantizeLinear", "Cast", "Cast", "Gemm"]);
    let Data::F32(held) = &model.initializers["fc1.weight.transposed.float16"].data else {
        panic!("numbers")
    };
    assert_eq!(held[0], 1.269_531_2, "1.27 in fp16");
    assert!(!model.initializers.contains_key("fc1.weight.quantized"));
    // An fp32 model is of fp32.
    assert_eq!(operators(&exported(&graph, &Form::Fp32, 13)), ["Gemm", "Relu", "Gemm"]);
}

#[test]
fn what_cannot_be_written_is_refused_by_name() {
    let graph = two_layers();
    let error = export(&graph, &Form::Fp32, 12).unwrap_err();
    assert_eq!(error.to_string(), "opset 12 is not written; choose one from 13 to 21");

    let mut params = quantized(&graph, IntFormat::INT16, Symmetry::Affine);
    let refused = |params: &(Activations, Weights), opset| {
        export(&graph, &qdq(params, Codes::Signed, Codes::Signed), opset).unwrap_err().to_string()
    };
    assert!(refused(&params, 20).contains("codes of 16 bits need opset 21"));
    assert!(export(&graph, &qdq(&params, Codes::Signed, Codes::Signed), 21).is_ok());
    params.0.remove(&ValueId(2));
    assert!(refused(&params, 21).starts_with("`relu` has no scale"));
    params.1.remove("fc2.weight");
    assert!(refused(&params, 21).starts_with("`fc2.weight` has no scale"));
}

#[test]
fn qparams_are_written_as_the_documented_json() {
    let graph = two_layers();
    let (activations, weights) = quantized(&graph, IntFormat::INT8, Symmetry::Affine);
    let json: serde_json::Value =
        serde_json::from_str(&qparams_json(&graph, &activations, &weights)).unwrap();
    assert_eq!((&json["schema"], &json["model"]), (&"calibench-qparams/1".into(), &"two".into()));
    let relu = &json["activations"]["relu"];
    // The shortest decimals that read back to the same fp32.
    let expected = serde_json::json!({
        "dtype": "int8", "symmetry": "affine", "axis": null, "scale": [0.009960785], "zero_point": [-128],
        "codes": [-128, 127], "range": [[0.0, 2.54]],
    });
    assert_eq!(relu, &expected);
    assert_eq!(json["weights"]["fc1.weight"]["axis"], 0);
    assert_eq!(json["weights"]["fc1.weight"]["scale"].as_array().unwrap().len(), 2);
}
