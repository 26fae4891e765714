//! Errors of building, training and caching models.

use std::path::PathBuf;

use calibench_engine::EngineError;
use calibench_graph::GraphError;
use calibench_quant::QuantError;
use calibench_tasks::DatasetError;
use thiserror::Error;

use crate::SentenceError;

/// What can go wrong with a built-in model.
#[derive(Debug, Error)]
pub enum ModelError {
    /// A name that is in no registry.
    #[error("unknown model `{name}`{}; known: {known}", suggestion.as_ref().map(|s| format!(", did you mean `{s}`?")).unwrap_or_default())]
    Unknown {
        /// The name given.
        name: String,
        /// The nearest known name, when one is near.
        suggestion: Option<String>,
        /// All known names.
        known: String,
    },
    /// The graph is not valid.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The graph does not run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A site cannot be quantized.
    #[error(transparent)]
    Quant(#[from] QuantError),
    /// The dataset does not fit the model.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The folder of a sentence model.
    #[error(transparent)]
    Sentence(#[from] SentenceError),
    /// A tensor operation of the training loop failed.
    #[error("training `{model}`: {source}")]
    Training {
        /// The model.
        model: String,
        /// Candle's error.
        source: candle_core::Error,
    },
    /// The loss is no longer finite.
    #[error("training `{model}` diverged in epoch {epoch}: the loss is {loss}")]
    Diverged {
        /// The model.
        model: String,
        /// Counted from 1.
        epoch: usize,
        /// The loss.
        loss: f32,
    },
    /// The progress callback asked to stop.
    #[error("training `{model}` was stopped")]
    Cancelled {
        /// The model.
        model: String,
    },
    /// The cache folder cannot be used.
    #[error("cannot write {path}: {source}; set CALIBENCH_CACHE to a folder that can be written")]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}
