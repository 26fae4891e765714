//! Errors of exporting.

use calibench_graph::GraphError;
use thiserror::Error;

use super::EXPORT_OPSETS;

/// Why a graph cannot be written as an ONNX model.
#[derive(Debug, Error)]
pub enum ExportError {
    /// A version of the operator set that is not written.
    #[error(
        "opset {opset} is not written; choose one from {} to {}",
        EXPORT_OPSETS.start(),
        EXPORT_OPSETS.end()
    )]
    Opset {
        /// The version asked for.
        opset: i64,
    },
    /// A form of an operator that this version of the operator set does not have.
    #[error("node `{node}`: {op} {reason} (opset {opset})")]
    Unsupported {
        /// The node.
        node: String,
        /// Its operator.
        op: &'static str,
        /// The version asked for.
        opset: i64,
        /// What cannot be said, and what to do.
        reason: String,
    },
    /// A quantized site without parameters.
    #[error("`{site}` has no scale and zero point; calibrate it, or export another form")]
    MissingQParams {
        /// The activation or the weight.
        site: String,
    },
    /// Parameters that no `QuantizeLinear` expresses.
    #[error("the quantization of `{site}` cannot be written: {reason}")]
    QParams {
        /// The activation or the weight.
        site: String,
        /// What does not fit, and what to do.
        reason: String,
    },
    /// A node to keep in fp32 that the graph does not have.
    #[error("no node is called `{name}`, so it cannot be kept in fp32")]
    Keep {
        /// The name given.
        name: String,
    },
    /// A graph that is not valid.
    #[error(transparent)]
    Graph(#[from] GraphError),
}
