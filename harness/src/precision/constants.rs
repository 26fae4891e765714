//! Constants of a graph that a half-precision format does not hold: found without running anything.

use calibench_graph::{Element, Graph, Node, Op, PadMode, Unary};
use serde::Serialize;

use super::half::Half;

/// Numbers of one constant that become infinite or 0.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Loss {
    /// The node that uses it.
    pub node: String,
    /// The attribute or the parameter.
    pub constant: String,
    /// Whether it is the epsilon of a normalisation.
    pub epsilon: bool,
    /// How many there are.
    pub count: usize,
    /// Those beyond the largest finite value.
    pub overflow: usize,
    /// Those that are not 0 and become 0.
    pub flushed: usize,
    /// The largest of those that overflow, else the smallest of those that vanish.
    pub example: f32,
}

/// The losses of every node, in execution order.
pub(super) fn losses(graph: &Graph, half: Half) -> Vec<Loss> {
    let mut losses = Vec::new();
    for node in &graph.nodes {
        for (name, value) in attributes(node) {
            losses.extend(loss(node, name, &[value], half));
        }
        if matches!(node.op, Op::Constant { element: Element::Integer }) {
            continue;
        }
        for param in &node.params {
            if let Some(tensor) = graph.params.get(param) {
                losses.extend(loss(node, param, tensor.data(), half));
            }
        }
    }
    losses
}

const EPSILON: &str = "epsilon";

/// Numbers among a node's attributes that enter the arithmetic.
fn attributes(node: &Node) -> Vec<(&'static str, f32)> {
    match &node.op {
        Op::LayerNorm { epsilon } | Op::BatchNorm2d { epsilon } => vec![(EPSILON, *epsilon)],
        Op::Scale { factor } => vec![("factor", *factor)],
        // A bound that is not there is infinite by design.
        Op::Unary(Unary::Clip { low, high }) => {
            let given = |v: &(&str, f32)| v.1.is_finite() && v.1.abs() < f32::MAX;
            [("lower bound", *low), ("upper bound", *high)].into_iter().filter(given).collect()
        }
        Op::Pad { mode: PadMode::Constant(value), .. } => vec![("pad value", *value)],
        _ => Vec::new(),
    }
}

fn loss(node: &Node, constant: &str, values: &[f32], half: Half) -> Option<Loss> {
    let overflows = |v: &&f32| v.is_finite() && half.round(**v).is_infinite();
    let vanishes = |v: &&f32| **v != 0.0 && half.round(**v) == 0.0;
    let (overflow, flushed) = (values.iter().filter(overflows), values.iter().filter(vanishes));
    let largest = overflow.clone().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
    let smallest = flushed.clone().copied().min_by(|a, b| a.abs().total_cmp(&b.abs()));
    Some(Loss {
        node: node.name.clone(),
        constant: constant.to_owned(),
        epsilon: constant == EPSILON,
        count: values.len(),
        overflow: overflow.count(),
        flushed: flushed.count(),
        example: largest.or(smallest)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_graph::{Dim, GraphBuilder, Tensor};

    #[test]
    fn an_epsilon_and_a_mask_that_fp16_does_not_hold_are_named() {
        let mut g = GraphBuilder::new("t", vec![Dim::Batch, Dim::Fixed(2)]);
        let tensor = |v: [f32; 2]| Tensor::new([2], v.to_vec()).unwrap();
        let x = g.input();
        let params = vec![("gamma", tensor([1.0, 1e-9])), ("beta", tensor([0.0, 0.0]))];
        let x = g.add("norm", Op::LayerNorm { epsilon: 1e-12 }, &[x], params).unwrap();
        let x = g.add("mask", Op::AddParam, &[x], vec![("mask.p", tensor([0.0, -1e9]))]).unwrap();
        let graph = g.finish(x);
        let found = losses(&graph, Half::Fp16);
        let names: Vec<_> = found.iter().map(|l| (l.node.as_str(), l.constant.as_str(), l.epsilon)).collect();
        assert_eq!(names, [("norm", "epsilon", true), ("norm", "gamma", false), ("mask", "mask.p", false)]);
        assert_eq!((found[2].overflow, found[2].flushed, found[2].example), (1, 0, -1e9));
        assert!(losses(&graph, Half::Bf16).is_empty(), "bf16 has the range of fp32");
    }
}
