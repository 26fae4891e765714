//! The tensors of a sentence model.

use std::collections::BTreeMap;
use std::path::Path;

use calibench_graph::Tensor;
use calibench_tasks::tensors::{TensorError, TensorFile, TensorInfo};

use super::SentenceError;
use super::config::Config;

/// Parameters by the name of their module in BERT, shapes checked.
#[derive(Debug, Clone)]
pub(super) struct Weights(BTreeMap<String, Tensor>);

impl Weights {
    /// Reads every tensor that the configuration asks for; others, such as a pooler's, are left aside.
    pub(super) fn read(path: &Path, config: &Config) -> Result<Self, SentenceError> {
        let mut file = TensorFile::open(path).map_err(|e| match e {
            TensorError::Io { path, source } => SentenceError::Io { path, source },
            other => other.into(),
        })?;
        let infos: BTreeMap<String, TensorInfo> =
            file.tensors().map(|t| (t.name.clone(), t.clone())).collect();
        let wanted = shapes(config);
        let bare = wanted.iter().any(|(name, _)| infos.contains_key(name));
        let prefix = if !bare && infos.keys().any(|k| k.starts_with("bert.")) { "bert." } else { "" };
        let mut tensors = BTreeMap::new();
        for (name, expected) in wanted {
            let stored = format!("{prefix}{name}");
            if let Some(info) = infos.get(&stored).filter(|i| i.shape != expected) {
                let (path, got) = (path.to_owned(), info.shape.clone());
                return Err(SentenceError::Shape { path, tensor: stored, expected, got });
            }
            let tensor = file.read(&stored)?;
            tensors.insert(name, Tensor::new(tensor.shape, tensor.values)?);
        }
        Ok(Self(tensors))
    }

    /// A tensor of [`shapes`].
    pub(super) fn get(&self, name: &str) -> &Tensor {
        self.0.get(name).expect("every tensor that the configuration asks for was read")
    }
}

/// Every tensor and its shape, in BERT's names.
pub(super) fn shapes(config: &Config) -> Vec<(String, Vec<usize>)> {
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    let mut shapes = Vec::new();
    let mut module = |name: String, weight: Vec<usize>| {
        shapes.push((format!("{name}.bias"), vec![weight[0]]));
        shapes.push((format!("{name}.weight"), weight));
    };
    module("embeddings.LayerNorm".to_owned(), vec![width]);
    for layer in 0..config.num_hidden_layers {
        for (part, weight) in [
            ("attention.self.query", vec![width, width]),
            ("attention.self.key", vec![width, width]),
            ("attention.self.value", vec![width, width]),
            ("attention.output.dense", vec![width, width]),
            ("attention.output.LayerNorm", vec![width]),
            ("intermediate.dense", vec![inner, width]),
            ("output.dense", vec![width, inner]),
            ("output.LayerNorm", vec![width]),
        ] {
            module(format!("encoder.layer.{layer}.{part}"), weight);
        }
    }
    for (table, rows) in [
        ("word", config.vocab_size),
        ("position", config.max_position_embeddings),
        ("token_type", config.type_vocab_size),
    ] {
        shapes.push((format!("embeddings.{table}_embeddings.weight"), vec![rows, width]));
    }
    shapes
}
