//! Errors of ONNX files.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// What can go wrong with an ONNX file.
#[derive(Debug, Error)]
pub enum OnnxError {
    /// A file that the system does not let us read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file that cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("{} is not a regular file; give one .onnx file", path.display())]
    NotAFile {
        /// What was given.
        path: PathBuf,
    },
    /// A model that is not taken, and why.
    #[error("{}: {fault}", file.as_deref().unwrap_or(Path::new("ONNX model")).display())]
    Model {
        /// The file; `None` when it was read from bytes, or is about to be written.
        file: Option<PathBuf>,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with a model.
///
/// Names from the file are escaped and shortened when they are shown.
#[derive(Debug, Error)]
pub enum Fault {
    /// More bytes than protobuf can say.
    #[error(
        "{bytes} bytes are more than the {limit} of a protobuf file; keep large initializers as external data"
    )]
    TooLarge {
        /// Its length.
        bytes: u64,
        /// The most it may have.
        limit: u64,
    },
    /// More nodes, tensors, attributes and names than are read.
    #[error("the file has more than {limit} parts (nodes, tensors, attributes, names); split the model")]
    TooManyParts {
        /// The most it may have.
        limit: usize,
    },
    /// Bytes that are no ONNX model.
    #[error("not an ONNX model, or damaged ({reason}); export the model again")]
    Undecodable {
        /// What the decoder says.
        reason: String,
    },
    /// A model without a graph.
    #[error("the model has no graph; is this an ONNX file? Export the model again")]
    NoGraph,
    /// A model that returns nothing.
    #[error("the model has no output; export it again")]
    NoOutput,
    /// A version of the default operator set that we do not know.
    #[error(
        "{}; supported are {} to {}: convert it with onnx.version_converter, or export it with one of these",
        found.map_or("it imports no default operator set".to_owned(), |v| format!("it is of opset {v}")),
        crate::OPSETS.start(), crate::OPSETS.end()
    )]
    Opset {
        /// The version; `None` when the file imports no default operator set.
        found: Option<i64>,
    },
    /// An operator of another domain.
    #[error(
        "node `{}` is {} of domain `{}`; only operators of the default domain (ai.onnx) are read: \
         export without this domain's operators",
        shown(node),
        shown(op),
        shown(domain)
    )]
    Domain {
        /// The node.
        node: String,
        /// Its operator.
        op: String,
        /// The operator's domain.
        domain: String,
    },
    /// A call of a function that the model defines itself.
    #[error(
        "node `{}` calls the model's own function `{}`; inline it with onnx.inliner.inline_local_functions",
        shown(node),
        shown(function)
    )]
    Function {
        /// The node.
        node: String,
        /// The function.
        function: String,
    },
    /// An attribute that holds a graph.
    #[error(
        "node `{}` ({}) holds a sub-graph in `{}`; control flow is not read: export the model without it",
        shown(node),
        shown(op),
        shown(attribute)
    )]
    SubGraph {
        /// The node.
        node: String,
        /// Its operator.
        op: String,
        /// The attribute.
        attribute: String,
    },
    /// A node that is not what the format says.
    #[error("node `{}`: {reason}; export the model again", shown(node))]
    Node {
        /// The node.
        node: String,
        /// What is wrong.
        reason: String,
    },
    /// An attribute that cannot be read.
    #[error("node `{}`: attribute `{}` {reason}", shown(node), shown(attribute))]
    Attribute {
        /// The node.
        node: String,
        /// The attribute.
        attribute: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A tensor whose contents do not agree with what it says of them.
    #[error("tensor `{}`: {reason}", shown(tensor))]
    Tensor {
        /// The tensor; for an attribute, `node.attribute`.
        tensor: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Elements that are not read.
    #[error(
        "tensor `{}` has elements of type {dtype}; read are float, float16, bfloat16, double, \
         8 to 64 bit integers and bool: convert it",
        shown(tensor)
    )]
    DataType {
        /// The tensor or input.
        tensor: String,
        /// The type, as ONNX calls it.
        dtype: String,
    },
    /// A tensor whose data lies outside the file, where it is not read.
    #[error("tensor `{}`: external data `{}`: {reason}", shown(tensor), shown(location))]
    External {
        /// The tensor.
        tensor: String,
        /// Where its data should be.
        location: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// An input that cannot be fed.
    #[error("input `{}`: {reason}", shown(input))]
    Input {
        /// The input.
        input: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A value, tensor, input or output without a name.
    #[error("{what} has no name; export the model again")]
    Unnamed {
        /// What has none.
        what: String,
    },
    /// A value that is read and that nothing defines.
    #[error(
        "`{}`, which {reader}, is no input, no initializer and no node's output; export the model again",
        shown(value)
    )]
    Undefined {
        /// The value.
        value: String,
        /// Who reads it: "node `x` reads", "the model returns".
        reader: String,
    },
    /// A name that is given twice.
    #[error("`{}` is defined twice: by {first} and by {second}; export the model again", shown(value))]
    Duplicate {
        /// The name.
        value: String,
        /// Who defines it.
        first: String,
        /// Who defines it too.
        second: String,
    },
    /// Nodes that wait for each other.
    #[error("the graph has a cycle through {}; export the model again", listed(nodes))]
    Cycle {
        /// Its nodes, each read by the next and the last by the first.
        nodes: Vec<String>,
    },
}

impl Fault {
    pub(crate) fn tensor(tensor: &str, reason: impl Into<String>) -> Self {
        Self::Tensor { tensor: tensor.to_owned(), reason: reason.into() }
    }

    pub(crate) fn input(input: &str, reason: impl Into<String>) -> Self {
        Self::Input { input: input.to_owned(), reason: reason.into() }
    }

    pub(crate) fn node(node: &str, reason: impl Into<String>) -> Self {
        Self::Node { node: node.to_owned(), reason: reason.into() }
    }

    pub(crate) fn in_file(self, file: Option<&Path>) -> OnnxError {
        OnnxError::Model { file: file.map(Path::to_owned), fault: self }
    }
}

/// Text from a file, safe for a terminal and short enough for a message.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

fn listed(names: &[String]) -> String {
    const MOST: usize = 10;
    let mut listed: Vec<_> = names.iter().take(MOST).map(|name| format!("`{}`", shown(name))).collect();
    if names.len() > MOST {
        listed.push(format!("{} more", names.len() - MOST));
    }
    listed.join(", ")
}
