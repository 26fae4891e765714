//! A small model with random weights, against the definition; and folders that are not what they should be.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use calibench_engine::QuantSpec;
use calibench_engine::compile::{CompileOptions, Executable};
use calibench_engine::interpret::{FakeQuantTap, Interpreter, NoTap, ObserveTap};
use calibench_graph::{Graph, placement};
use calibench_kernels::Kernels;
use calibench_quant::{Dtype, Granularity, IntFormat, Job, QParams, StatKind, Symmetry, Timing};
use calibench_tasks::tensors::{Tensor, write_safetensors};
use candle_core::DType;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::reference::{Sizes, forward};
use super::weights::shapes;
use super::*;
use crate::init::Init;

const SIZES: Sizes =
    Sizes { width: 12, heads: 3, inner: 20, layers: 2, vocabulary: 11, positions: 9, epsilon: 1e-12 };

/// Sentences of ids without 0, which pads.
const SENTENCES: [&[usize]; 3] = [&[1, 7, 3, 10, 2], &[4, 9], &[5]];

fn config() -> Value {
    json!({
        "model_type": "bert", "hidden_act": "gelu", "hidden_size": SIZES.width, "intermediate_size": SIZES.inner,
        "num_attention_heads": SIZES.heads, "num_hidden_layers": SIZES.layers, "vocab_size": SIZES.vocabulary,
        "max_position_embeddings": SIZES.positions, "type_vocab_size": 2, "layer_norm_eps": SIZES.epsilon,
    })
}

/// Random weights, by BERT's names.
fn tensors() -> BTreeMap<String, Tensor> {
    let mut init = Init::new(3);
    let shapes = shapes(&serde_json::from_value(config()).unwrap());
    let tensor = |(name, shape): (String, Vec<usize>)| {
        let drawn = init.uniform(&shape, 1.0).unwrap();
        (name.clone(), Tensor::new(&name, &shape, drawn.data().to_vec()).unwrap())
    };
    shapes.into_iter().map(tensor).collect()
}

fn write(folder: &Path, file: &str, value: &Value) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, value.to_string()).unwrap();
}

/// A folder with the model, tensors called with `prefix` in front.
fn folder(prefix: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "config.json", &config());
    let named = |t: Tensor| Tensor { name: format!("{prefix}{}", t.name), ..t };
    let mut all: Vec<Tensor> = tensors().into_values().map(named).collect();
    all.push(Tensor::new("cls.predictions.bias", &[2], vec![0.0; 2]).unwrap());
    write_safetensors(&dir.path().join("model.safetensors"), &all).unwrap();
    dir
}

/// Ids and mask of all sentences, padded to `tokens`.
fn padded(tokens: usize) -> [Vec<f32>; 2] {
    let pad = |f: fn(usize) -> f32| {
        let of = |s: &&[usize]| (0..tokens).map(|i| s.get(i).map_or(0.0, |id| f(*id))).collect::<Vec<_>>();
        SENTENCES.iter().flat_map(of).collect()
    };
    [pad(|id| id as f32), pad(|_| 1.0)]
}

fn interpreted(graph: &Graph, dtype: DType, [ids, mask]: &[Vec<f32>; 2]) -> Vec<f32> {
    let interpreter = Interpreter::with_dtype(graph, dtype).unwrap();
    interpreter.run_slice(SENTENCES.len(), &[ids, mask], &mut NoTap).unwrap()
}

fn compiled(graph: &Graph, spec: &QuantSpec, [ids, mask]: &[Vec<f32>; 2]) -> Vec<f32> {
    let batch = SENTENCES.len();
    let options = CompileOptions { kernels: Kernels::best(), threads: 1, max_batch: batch };
    let mut plan = Executable::compile(graph, spec, options).unwrap();
    plan.run(batch, &[ids, mask]).unwrap().to_vec()
}

fn largest_difference(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    got.iter()
        .zip(want)
        .map(|(g, w)| (f64::from(*g) - w).abs())
        .fold(0.0, |a, d| if d.is_nan() { d } else { a.max(d) })
}

#[test]
fn both_executors_give_the_vectors_of_the_definition_however_much_is_padded() {
    let dir = folder("");
    let model = SentenceModel::open(dir.path()).unwrap();
    let tensors = tensors();
    let expected: Vec<f64> = SENTENCES.iter().flat_map(|ids| forward(&tensors, &SIZES, ids)).collect();
    for tokens in [5, SIZES.positions] {
        let graph = model.graph(tokens).unwrap();
        graph.validate().unwrap();
        let inputs = padded(tokens);
        for (executor, result) in [
            ("interpreted", interpreted(&graph, DType::F32, &inputs)),
            ("compiled", compiled(&graph, &QuantSpec::float(Dtype::Fp32), &inputs)),
        ] {
            let difference = largest_difference(&result, &expected);
            assert!(difference < 2e-6, "{executor}, {tokens} tokens: {difference:e}");
        }
        // The mask's −10⁴ and the products stay finite in halves.
        for (executor, result) in [
            ("interpreted", interpreted(&graph, DType::F16, &inputs)),
            ("compiled", compiled(&graph, &QuantSpec::float(Dtype::Fp16Compute), &inputs)),
        ] {
            let difference = largest_difference(&result, &expected);
            assert!(difference < 2e-2, "{executor} in fp16, {tokens} tokens: {difference:e}");
        }
    }
}

#[test]
fn what_padding_holds_changes_nothing() {
    let dir = folder("");
    let graph = SentenceModel::open(dir.path()).unwrap().graph(7).unwrap();
    let [ids, mask] = padded(7);
    let other = ids.iter().zip(&mask).map(|(id, m)| if *m == 0.0 { 8.0 } else { *id }).collect();
    let inputs = [ids, mask.clone()];
    assert_eq!(interpreted(&graph, DType::F32, &inputs), interpreted(&graph, DType::F32, &[other, mask]));
}

/// An int8 execution, calibrated by min-max on the sentences themselves.
fn int8(graph: &Graph, timing: Timing, [ids, mask]: &[Vec<f32>; 2]) -> QuantSpec {
    let (granularity, symmetry) = (Granularity::PerChannel, Symmetry::Affine);
    let mut spec = QuantSpec { timing, granularity, symmetry, ..QuantSpec::float(Dtype::Int8) };
    let placement = placement(graph);
    for site in &placement.weights {
        let data = graph.params[&site.param].data();
        let qparams =
            QParams::of_weights(&site.param, data, site.channels, IntFormat::INT8, granularity).unwrap();
        spec.weights.insert(site.param.clone(), qparams);
    }
    if timing == Timing::Static {
        let mut tap = ObserveTap::new(&placement, || calibench_observers::for_stats([StatKind::Range]));
        tap.begin_batch(0, SENTENCES.len() as u64);
        let interpreter = Interpreter::new(graph).unwrap();
        interpreter.run_slice(SENTENCES.len(), &[ids, mask], &mut tap).unwrap();
        let minmax = calibench_calibrators::ALL.iter().find(|e| e.id == "minmax").unwrap();
        for (id, stats) in tap.finish().unwrap() {
            let job = Job { site: &graph.value(id).name, stats: &stats, format: IntFormat::INT8, symmetry };
            spec.activations.insert(id, (minmax.construct)().calibrate(&job).unwrap());
        }
    }
    spec
}

#[test]
fn integer_plans_agree_with_their_simulation_and_stay_near_the_definition() {
    let dir = folder("");
    let (graph, inputs) = (SentenceModel::open(dir.path()).unwrap().graph(7).unwrap(), padded(7));
    let tensors = tensors();
    for timing in [Timing::Static, Timing::Dynamic, Timing::WeightOnly] {
        let spec = int8(&graph, timing, &inputs);
        let executed = compiled(&graph, &spec, &inputs);
        let mut tap = FakeQuantTap::new(&graph, &spec).unwrap();
        let views = [&inputs[0][..], &inputs[1]];
        let simulated =
            Interpreter::new(&graph).unwrap().run_slice(SENTENCES.len(), &views, &mut tap).unwrap();
        for (i, ids) in SENTENCES.iter().enumerate() {
            let of = i * SIZES.width..(i + 1) * SIZES.width;
            let dot = |x: &[f32], y: &[f64]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * y).sum::<f64>();
            let simulated: Vec<f64> = simulated[of.clone()].iter().map(|v| f64::from(*v)).collect();
            let (alike, near) =
                (dot(&executed[of.clone()], &simulated), dot(&executed[of], &forward(&tensors, &SIZES, ids)));
            assert!(alike > 0.9995 && near > 0.99, "{timing:?}, sentence {i}: {alike} and {near}");
        }
    }
}

#[test]
fn names_are_those_of_pytorch_and_padding_is_known_of_every_site() {
    let dir = folder("bert.");
    let model = SentenceModel::open(dir.path()).unwrap();
    assert_eq!((model.max_tokens(), model.vocabulary(), model.width()), (9, 11, 12));
    let (graph, shorter) = (model.graph(6).unwrap(), model.graph(4).unwrap());
    let placement = placement(&graph);
    let weights: Vec<&str> = placement.weights.iter().map(|w| &*w.param).collect();
    assert_eq!(weights.len(), 1 + 6 * SIZES.layers);
    assert_eq!(weights[0], "embeddings.word_embeddings.weight");
    assert!(weights.contains(&"encoder.layer.1.attention.self.query.weight"));
    assert!(weights.contains(&"encoder.layer.0.intermediate.dense.weight"));
    let padding = placement.padding.unwrap();
    assert!(placement.activations.iter().all(|site| padding.axes.contains_key(site)));
    // Graphs share the weights, whatever their length.
    for name in weights {
        assert_eq!(graph.params[name].data().as_ptr(), shorter.params[name].data().as_ptr(), "{name}");
    }
    let plain = SentenceModel::open(folder("").path()).unwrap().graph(6).unwrap();
    assert_eq!(plain.params, graph.params);
}

#[test]
fn a_folder_that_does_not_fit_says_what_and_what_to_do() {
    let refused = |change: &dyn Fn(&Path)| {
        let dir = folder("");
        change(dir.path());
        SentenceModel::open(dir.path()).unwrap_err().to_string()
    };
    let with = |key: &'static str, value: Value| {
        refused(&|dir| {
            let mut config = config();
            config[key] = value.clone();
            write(dir, "config.json", &config);
        })
    };
    assert!(with("model_type", json!("mpnet")).contains("`model_type` is `mpnet`, but only BERT"));
    assert!(with("hidden_act", json!("relu")).contains("`hidden_act` is `relu`"));
    assert!(with("position_embedding_type", json!("relative_key")).contains("only absolute"));
    assert!(with("num_attention_heads", json!(5)).contains("must divide hidden_size"));
    assert!(with("vocab_size", json!(0)).contains("at least 1"));
    assert!(with("vocab_size", json!("many")).contains("config.json"));
    let shape = with("vocab_size", json!(12));
    assert!(
        shape.contains("`embeddings.word_embeddings.weight` has shape [11, 12], config.json needs [12, 12]")
    );
    assert!(with("num_hidden_layers", json!(3)).contains("encoder.layer.2.attention.self.query.bias"));
    let missing = refused(&|dir| fs::remove_file(dir.join("model.safetensors")).unwrap());
    assert!(missing.contains("model.safetensors") && missing.contains("just minilm"), "{missing}");

    let pooling = |value: Value| refused(&|dir| write(dir, "1_Pooling/config.json", &value));
    let both = json!({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true});
    assert!(pooling(both).contains("`cls_token, mean_tokens`, but only the mean"));
    assert!(pooling(json!({"pooling_mode": "cls"})).contains("`cls`"));
    assert!(pooling(json!({"pooling_mode_mean_tokens": false})).contains("nothing"));
    let dense = json!([{"type": "sentence_transformers.models.Dense"}]);
    assert!(refused(&|dir| write(dir, "modules.json", &dense)).contains("`type` is `Dense`"));

    let dir = folder("");
    write(
        dir.path(),
        "1_Pooling/config.json",
        &json!({"pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": false}),
    );
    write(dir.path(), "modules.json", &json!([{"type": "sentence_transformers.models.Normalize"}]));
    let model = SentenceModel::open(dir.path()).unwrap();
    for tokens in [0, 10] {
        assert!(model.graph(tokens).unwrap_err().to_string().contains("takes 1 to 9"));
    }
}
