//! Errors of conversion.

use calibench_graph::GraphError;
use thiserror::Error;

/// Why a model cannot become a graph.
#[derive(Debug, Error)]
pub enum ConvertError {
    /// An operator, or a form of it, that is not supported.
    #[error("node `{node}`: {op} (opset {opset}) {reason}")]
    Unsupported {
        /// The node.
        node: String,
        /// Its operator.
        op: String,
        /// The model's opset.
        opset: i64,
        /// What is not supported or does not fit.
        reason: String,
    },
    /// Shapes that do not fit.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A symbolic dimension without a size.
    #[error(
        "input `{input}` has the symbolic dimension `{symbol}`; give its size with --bind {symbol}=SIZE{}",
        unused.as_ref().map(|u| format!(" (the model has no `{u}`)")).unwrap_or_default()
    )]
    Unbound {
        /// The input.
        input: String,
        /// The symbol.
        symbol: String,
        /// A bound symbol that the model does not have.
        unused: Option<String>,
    },
    /// An input that a run could not feed.
    #[error("input `{input}` {reason}")]
    Input {
        /// The input.
        input: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A model that is fed nothing.
    #[error("the model has no input; there is nothing to calibrate on")]
    NoInput,
    /// A model that returns nothing.
    #[error("the model has no output")]
    NoOutput,
    /// An output that the model does not have.
    #[error("the model has no output `{output}`; it has {known}")]
    Output {
        /// The name given.
        output: String,
        /// The names it has.
        known: String,
    },
    /// An output that no input reaches.
    #[error("output `{output}` does not depend on any input")]
    Constant {
        /// The output.
        output: String,
    },
    /// A result without elements, which the output needs.
    #[error("node `{node}` gives a tensor without elements; check the sizes that the model is exported for")]
    Empty {
        /// The node.
        node: String,
    },
    /// Something that changes with the batch size in a way that no symbol says.
    #[error("node `{node}`: {reason}; export the model so that each sample is computed on its own")]
    Batch {
        /// The node.
        node: String,
        /// What depends on the batch.
        reason: String,
    },
}
