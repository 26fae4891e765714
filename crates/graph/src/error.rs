//! Errors of graph construction.

use thiserror::Error;

/// A graph that does not make sense.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GraphError {
    /// Shapes that an operator cannot take.
    #[error("node `{node}` ({op}): {reason}")]
    Shape {
        /// The node.
        node: String,
        /// Its operator.
        op: &'static str,
        /// What does not fit, with both shapes.
        reason: String,
    },
    /// A parameter that the graph does not hold.
    #[error("node `{node}`: parameter `{param}` is missing from the graph")]
    MissingParam {
        /// The node.
        node: String,
        /// The parameter's name.
        param: String,
    },
    /// A tensor whose data does not fit its shape.
    #[error("tensor of shape {shape:?} needs {expected} elements, got {got}")]
    TensorSize {
        /// The shape.
        shape: Vec<usize>,
        /// Its number of elements.
        expected: usize,
        /// Elements given.
        got: usize,
    },
    /// A pattern for nodes that names none.
    #[error(
        "`{pattern}` names no operation that a precision can be chosen for; the model's products are {known}"
    )]
    NoNode {
        /// The pattern.
        pattern: String,
        /// The products there are.
        known: String,
    },
    /// A mask that is none.
    #[error("model `{model}`: the mask must be an input of shape [batch, positions], `{value}` is not")]
    Mask {
        /// The graph's name.
        model: String,
        /// The value that was given as mask.
        value: String,
    },
    /// Two nodes or parameters of one name.
    #[error("`{name}` is defined twice")]
    Duplicate {
        /// The name.
        name: String,
    },
}
