//! Errors of reading a sentence model's folder.

use std::path::PathBuf;

use calibench_graph::GraphError;
use calibench_tasks::tensors::TensorError;
use thiserror::Error;

/// What can be wrong with the folder of a sentence model.
#[derive(Debug, Error)]
pub enum SentenceError {
    /// A file that cannot be read.
    #[error(
        "cannot read {}: {source}; a sentence model is a folder with config.json, model.safetensors and tokenizer.json \
         (`just minilm` fetches one)", path.display()
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A configuration that does not parse, or lacks a key.
    #[error("{}: {source}; give the files that belong to the weights", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A model that is not built in.
    #[error("{}: `{key}` is {found}, but {supported}; export such a model to ONNX instead", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What is built in.
        supported: &'static str,
    },
    /// Weights that do not fit the configuration.
    #[error(
        "{}: tensor `{tensor}` has shape {got:?}, config.json needs {expected:?}; give config.json and \
         model.safetensors of one model", path.display()
    )]
    Shape {
        /// The tensor file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The shape that the configuration says.
        expected: Vec<usize>,
        /// The shape in the file.
        got: Vec<usize>,
    },
    /// More tokens than the model has positions, or none.
    #[error(
        "{tokens} tokens: model `{model}` takes 1 to {positions}; choose the number of tokens within that"
    )]
    Tokens {
        /// The model.
        model: String,
        /// Tokens asked for.
        tokens: usize,
        /// Positions that the model has learnt.
        positions: usize,
    },
    /// The file of weights.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// The graph is not valid.
    #[error(transparent)]
    Graph(#[from] GraphError),
}
