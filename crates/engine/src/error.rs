//! Errors of running a graph.

use calibench_graph::GraphError;
use calibench_quant::QuantError;
use thiserror::Error;

/// What can go wrong while preparing or running a graph.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The graph itself is not valid.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Quantization parameters are missing or invalid.
    #[error(transparent)]
    Quant(#[from] QuantError),
    /// Candle refused an operation.
    #[error("model `{model}`, node `{node}`: {source}")]
    Candle {
        /// The graph's name.
        model: String,
        /// The node that failed.
        node: String,
        /// Candle's error.
        source: candle_core::Error,
    },
    /// No GPU to compute on.
    #[error("cuda: {reason}")]
    Cuda {
        /// Why, and what to do.
        reason: String,
    },
    /// Not as many inputs as the model has.
    #[error("model `{model}` takes {expected} inputs, got {got}")]
    InputCount {
        /// The graph's name.
        model: String,
        /// How many it takes.
        expected: usize,
        /// How many were given.
        got: usize,
    },
    /// An input does not fit the model.
    #[error("model `{model}` takes `{input}` of shape {expected:?}, got {got} values for batch size {batch}")]
    Input {
        /// The graph's name.
        model: String,
        /// The input.
        input: String,
        /// The input's shape, batch included.
        expected: Vec<usize>,
        /// Number of values given.
        got: usize,
        /// The batch size asked for.
        batch: usize,
    },
    /// A batch larger than planned for.
    #[error("model `{model}` was compiled for batches of at most {max}, got {batch}")]
    Batch {
        /// The graph's name.
        model: String,
        /// The batch size asked for.
        batch: usize,
        /// The largest planned.
        max: usize,
    },
    /// A site that the placement quantizes has no parameters.
    #[error("model `{model}`: site `{site}` has no quantization parameters; calibrate it first")]
    MissingQParams {
        /// The graph's name.
        model: String,
        /// The site.
        site: String,
    },
    /// A graph, dtype and timing mode that the executor cannot combine.
    #[error("model `{model}`, node `{node}`: {reason}")]
    Unsupported {
        /// The graph's name.
        model: String,
        /// The node.
        node: String,
        /// What is not supported and what to do.
        reason: String,
    },
}
