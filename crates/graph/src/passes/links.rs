//! Who computes and who reads each value, for passes that look for patterns.

use crate::{Graph, Node, Op, Tensor, ValueId};

/// An index over a graph's nodes.
pub(super) struct Links<'g> {
    graph: &'g Graph,
    /// Position of the node that computes each value.
    producers: Vec<Option<usize>>,
    readers: Vec<usize>,
}

impl<'g> Links<'g> {
    pub(super) fn new(graph: &'g Graph) -> Self {
        let mut links =
            Self { graph, producers: vec![None; graph.values.len()], readers: vec![0; graph.values.len()] };
        for (position, node) in graph.nodes.iter().enumerate() {
            links.producers[node.output.0] = Some(position);
            node.inputs.iter().for_each(|v| links.readers[v.0] += 1);
        }
        // The caller reads the output.
        links.readers[graph.output.0] += 1;
        links
    }

    /// The node that computes a value.
    pub(super) fn producer(&self, value: ValueId) -> Option<&'g Node> {
        self.producers[value.0].map(|p| &self.graph.nodes[p])
    }

    /// The position of the node that computes a value.
    pub(super) fn position(&self, value: ValueId) -> Option<usize> {
        self.producers[value.0]
    }

    /// The node that computes a value which one node reads.
    pub(super) fn sole(&self, value: ValueId) -> Option<&'g Node> {
        self.producer(value).filter(|_| self.readers[value.0] == 1)
    }

    /// The only node that reads a value.
    pub(super) fn sole_reader(&self, value: ValueId) -> Option<(usize, &'g Node)> {
        let reads = |(_, n): &(usize, &Node)| n.inputs.contains(&value);
        (self.readers[value.0] == 1).then(|| self.graph.nodes.iter().enumerate().find(reads))?
    }

    /// The tensor of a constant value.
    pub(super) fn constant(&self, value: ValueId) -> Option<&'g Tensor> {
        let node = self.producer(value).filter(|n| matches!(n.op, Op::Constant { .. }))?;
        self.graph.params.get(node.params.first()?)
    }

    /// The number of a constant with one element.
    pub(super) fn number(&self, value: ValueId) -> Option<f32> {
        self.constant(value).filter(|t| t.len() == 1).map(|t| t.data()[0])
    }
}

/// Whether two numbers are the same but for rounding on the way into a file.
pub(super) fn close(x: f32, y: f32) -> bool {
    (x - y).abs() <= 1e-5 * y.abs()
}
