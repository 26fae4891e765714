//! A model as read: names resolved, values decoded, nodes in execution order.

use std::collections::BTreeMap;

/// An ONNX model whose every value is defined once and before it is used.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The file's stem; the graph's own name when it was read from bytes.
    pub name: String,
    /// Version of the default operator set.
    pub opset: i64,
    /// What the model is fed: graph inputs that no initializer gives a value.
    pub inputs: Vec<Input>,
    /// Names of the values that the model returns.
    pub outputs: Vec<String>,
    /// Values stored in the file, by name.
    pub initializers: BTreeMap<String, Constant>,
    /// In execution order; nodes that no output needs are kept.
    pub nodes: Vec<Node>,
}

/// One input of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The name of its value.
    pub name: String,
    /// How its elements are held.
    pub dtype: DataType,
    /// Its shape; empty for a scalar.
    pub dims: Vec<InputDim>,
}

/// One dimension of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputDim {
    /// Always this many, at least one.
    Fixed(usize),
    /// Chosen by the caller; equal symbols are equal sizes. A dimension without a name has a symbol of its own,
    /// such as `input.0`.
    Symbol(String),
}

/// How elements are held: f16, bf16 and f64 as f32, every integer as i64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// Floating point.
    F32,
    /// Integers, signed or not.
    I64,
    /// Truth values.
    Bool,
}

/// One operator of the default domain.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Unique in the model: the file's name where that is unique, else made from the operator and its index.
    pub name: String,
    /// The operator, as the specification spells it.
    pub op: String,
    /// Values read, by position; `None` where an optional input is left out.
    pub inputs: Vec<Option<String>>,
    /// Values defined, by position; `None` where an optional output is left out.
    pub outputs: Vec<Option<String>>,
    /// Attributes that the file gives, by name. Defaults are not filled in.
    pub attributes: BTreeMap<String, Attribute>,
}

impl Node {
    /// A node without attributes; a value called `""` is one that is left out.
    pub fn new(name: &str, op: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        let values =
            |names: &[&str]| names.iter().map(|n| (!n.is_empty()).then(|| (*n).to_owned())).collect();
        Self {
            name: name.to_owned(),
            op: op.to_owned(),
            inputs: values(inputs),
            outputs: values(outputs),
            attributes: BTreeMap::new(),
        }
    }

    /// The node with one more attribute.
    #[must_use]
    pub fn with(mut self, attribute: &str, value: Attribute) -> Self {
        self.attributes.insert(attribute.to_owned(), value);
        self
    }
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// One float.
    Float(f32),
    /// One integer.
    Int(i64),
    /// One text.
    String(String),
    /// One tensor.
    Tensor(Constant),
    /// A list of floats.
    Floats(Vec<f32>),
    /// A list of integers.
    Ints(Vec<i64>),
    /// A list of texts.
    Strings(Vec<String>),
}

/// A stored tensor; its elements fill its shape exactly, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// Its shape; empty for a scalar. A size of zero is allowed: it is how `axes` or `roi` are left empty.
    pub shape: Vec<usize>,
    /// Its elements.
    pub data: Data,
}

/// Elements of a stored tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Floating point.
    F32(Vec<f32>),
    /// Integers.
    I64(Vec<i64>),
    /// Truth values.
    Bool(Vec<bool>),
}

impl Data {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::Bool(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How the elements are held.
    pub fn dtype(&self) -> DataType {
        match self {
            Self::F32(_) => DataType::F32,
            Self::I64(_) => DataType::I64,
            Self::Bool(_) => DataType::Bool,
        }
    }
}
