//! Builds graphs node by node, checking shapes on the way.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Dim, Element, Graph, GraphError, Node, Op, Tensor, Value, ValueId, infer};

/// Builds a [`Graph`] in execution order.
///
/// # Example
/// ```
/// use calibench_graph::{Dim, GraphBuilder, Op, Tensor};
/// let mut g = GraphBuilder::new("tiny", vec![Dim::Batch, Dim::Fixed(2)]);
/// let x = g.input();
/// let w = Tensor::new([3, 2], vec![0.5; 6])?;
/// let y = g.add("fc", Op::Linear, &[x], vec![("fc.weight", w)])?;
/// let graph = g.finish(y);
/// assert_eq!(graph.value(graph.output).shape, vec![Dim::Batch, Dim::Fixed(3)]);
/// # Ok::<(), calibench_graph::GraphError>(())
/// ```
#[derive(Debug)]
pub struct GraphBuilder {
    graph: Graph,
    names: BTreeSet<String>,
}

impl GraphBuilder {
    /// A graph with one input, called `input`, of this shape and no node yet.
    #[must_use]
    pub fn new(name: &str, input_shape: Vec<Dim>) -> Self {
        let input = Value { name: "input".to_owned(), shape: input_shape, element: Element::Float };
        Self::with_inputs(name, vec![input])
    }

    /// A graph with these inputs and no node yet.
    #[must_use]
    pub fn with_inputs(name: &str, inputs: Vec<Value>) -> Self {
        Self {
            names: inputs.iter().map(|v| v.name.clone()).collect(),
            graph: Graph {
                name: name.to_owned(),
                inputs: inputs.len(),
                values: inputs,
                nodes: Vec::new(),
                params: BTreeMap::new(),
                output: Graph::INPUT,
                float: BTreeSet::new(),
                halves: BTreeMap::new(),
                mask: None,
            },
        }
    }

    /// The first input value.
    #[must_use]
    pub fn input(&self) -> ValueId {
        Graph::INPUT
    }

    /// The shape of a value so far defined.
    #[must_use]
    pub fn shape(&self, id: ValueId) -> &[Dim] {
        &self.graph.value(id).shape
    }

    /// What the elements of a value so far defined are.
    #[must_use]
    pub fn element(&self, id: ValueId) -> Element {
        self.graph.value(id).element
    }

    /// Whether an input or a node has this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Appends a node and gives its output.
    ///
    /// # Errors
    /// [`GraphError::Duplicate`] for a name in use, [`GraphError::Shape`] when the shapes do not fit.
    pub fn add(
        &mut self,
        name: &str,
        op: Op,
        inputs: &[ValueId],
        params: Vec<(&str, Tensor)>,
    ) -> Result<ValueId, GraphError> {
        if !self.names.insert(name.to_owned()) {
            return Err(GraphError::Duplicate { name: name.to_owned() });
        }
        let shapes: Vec<&[Dim]> = inputs.iter().map(|v| self.shape(*v)).collect();
        let tensors: Vec<&Tensor> = params.iter().map(|(_, t)| t).collect();
        let shape = infer(name, &op, &shapes, &tensors)?;
        let output = ValueId(self.graph.values.len());
        let elements: Vec<Element> = inputs.iter().map(|v| self.element(*v)).collect();
        let element = op.element(&elements);
        self.graph.values.push(Value { name: name.to_owned(), shape, element });
        let mut param_names = Vec::new();
        for (param, tensor) in params {
            if self.graph.params.insert(param.to_owned(), tensor).is_some() {
                return Err(GraphError::Duplicate { name: param.to_owned() });
            }
            param_names.push(param.to_owned());
        }
        self.graph.nodes.push(Node {
            name: name.to_owned(),
            op,
            inputs: inputs.to_vec(),
            params: param_names,
            output,
        });
        Ok(output)
    }

    /// Says that the zeros of this input, `[batch, positions]`, mark padding: [`Graph::mask`].
    pub fn set_mask(&mut self, mask: ValueId) {
        self.graph.mask = Some(mask);
    }

    /// The finished graph, which returns `output`.
    #[must_use]
    pub fn finish(mut self, output: ValueId) -> Graph {
        self.graph.output = output;
        self.graph
    }
}
