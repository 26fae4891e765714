//! Graphs, nodes and values.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Dim, Element, GraphError, Op, Tensor, infer};

/// Index of a value in [`Graph::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ValueId(pub usize);

/// An activation: the graph's input or a node's output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// The producing node's name, or the input's. Sites carry this name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<Dim>,
    /// What its elements are.
    pub element: Element,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Unique name, dotted by module as in PyTorch.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Value inputs, in the operator's order.
    pub inputs: Vec<ValueId>,
    /// Names of parameters, in the operator's order.
    pub params: Vec<String>,
    /// The value it defines.
    pub output: ValueId,
}

/// A model: nodes in execution order, with one output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// The model's name.
    pub name: String,
    /// All values; the inputs come first.
    pub values: Vec<Value>,
    /// How many of the values are inputs.
    pub inputs: usize,
    /// Nodes in execution order.
    pub nodes: Vec<Node>,
    /// Parameters by name.
    pub params: BTreeMap<String, Tensor>,
    /// The value that the model returns.
    pub output: ValueId,
    /// Names of nodes that run in fp32 in every execution of reduced precision, whatever the placement's policy
    /// says of them.
    #[serde(default)]
    pub float: BTreeSet<String>,
    /// Those of them whose parameters are held as halves there, which they are widened from.
    #[serde(default)]
    pub halves: BTreeMap<String, HalfType>,
    /// The input `[batch, positions]` whose zeros mark padding, where the model has one. Statistics leave those
    /// positions out; what the model computes is the same.
    #[serde(default)]
    pub mask: Option<ValueId>,
}

/// A format of 16 bits that numbers are held in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HalfType {
    /// IEEE 754 binary16.
    Fp16,
    /// bfloat16: the upper half of an fp32 number.
    Bf16,
}

impl HalfType {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Fp16, Self::Bf16];

    /// Its name: `fp16` or `bf16`.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
        }
    }
}

impl Graph {
    /// The model's first input value.
    pub const INPUT: ValueId = ValueId(0);

    /// The model's inputs, in the order in which a run takes them.
    pub fn input_values(&self) -> impl Iterator<Item = &Value> {
        self.values.iter().take(self.inputs)
    }

    /// The graph's inputs and name alone, without nodes and parameters.
    #[must_use]
    pub fn signature(&self) -> Self {
        Self {
            name: self.name.clone(),
            values: self.input_values().cloned().collect(),
            inputs: self.inputs,
            nodes: Vec::new(),
            params: BTreeMap::new(),
            output: Self::INPUT,
            float: BTreeSet::new(),
            halves: BTreeMap::new(),
            mask: self.mask,
        }
    }

    /// A value by its id.
    #[must_use]
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    /// The nodes that read a value.
    pub fn consumers(&self, id: ValueId) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |n| n.inputs.contains(&id))
    }

    /// The node that defines a value; `None` for an input.
    #[must_use]
    pub fn producer(&self, id: ValueId) -> Option<&Node> {
        self.nodes.iter().find(|n| n.output == id)
    }

    /// The tensors of a node's parameters, in the operator's order.
    ///
    /// # Errors
    /// [`GraphError::MissingParam`].
    pub fn params_of(&self, node: &Node) -> Result<Vec<&Tensor>, GraphError> {
        node.params
            .iter()
            .map(|p| {
                self.params
                    .get(p)
                    .ok_or_else(|| GraphError::MissingParam { node: node.name.clone(), param: p.clone() })
            })
            .collect()
    }

    /// Number of parameter elements.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.params.values().map(Tensor::len).sum()
    }

    /// Checks every node's shapes against its inputs and parameters, and that the mask is an input
    /// `[batch, positions]`.
    ///
    /// # Errors
    /// The first node that does not fit; [`GraphError::Mask`].
    pub fn validate(&self) -> Result<(), GraphError> {
        if let Some(mask) = self.mask {
            let value = self.values.get(mask.0).filter(|_| mask.0 < self.inputs);
            if !value.is_some_and(|v| matches!(v.shape[..], [Dim::Batch, Dim::Fixed(_)])) {
                let (model, value) = (self.name.clone(), self.values.get(mask.0).map(|v| v.name.clone()));
                return Err(GraphError::Mask { model, value: value.unwrap_or_default() });
            }
        }
        for node in &self.nodes {
            let inputs: Vec<&[Dim]> = node.inputs.iter().map(|v| self.value(*v).shape.as_slice()).collect();
            let shape = infer(&node.name, &node.op, &inputs, &self.params_of(node)?)?;
            let elements: Vec<Element> = node.inputs.iter().map(|v| self.value(*v).element).collect();
            let element = node.op.element(&elements);
            let recorded = self.value(node.output);
            if (&shape, element) != (&recorded.shape, recorded.element) {
                return Err(GraphError::Shape {
                    node: node.name.clone(),
                    op: node.op.name(),
                    reason: format!(
                        "gives {shape:?} of {element:?}, recorded as {:?} of {:?}",
                        recorded.shape, recorded.element
                    ),
                });
            }
        }
        Ok(())
    }

    /// Hex BLAKE3 of the structure and of every parameter's bits: equal graphs have equal hashes.
    #[must_use]
    pub fn content_hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let structure = serde_json::to_vec(&(
            &self.name,
            &self.values,
            self.inputs,
            &self.nodes,
            self.output,
            &self.float,
        ))
        .expect("plain data without maps of non-string keys always serialises");
        hasher.update(&structure);
        if !self.halves.is_empty() {
            let halves = serde_json::to_vec(&self.halves).expect("a map of strings always serialises");
            hasher.update(&halves);
        }
        if let Some(mask) = self.mask {
            hasher.update(&(mask.0 as u64).to_le_bytes());
        }
        for (name, tensor) in &self.params {
            hasher.update(name.as_bytes());
            for dim in tensor.shape() {
                hasher.update(&(*dim as u64).to_le_bytes());
            }
            for value in tensor.data() {
                hasher.update(&value.to_le_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}
