//! A product with a transposed right side reads it as it lies.

use super::links::Links;
use super::prune::prune;
use crate::{Graph, Op};

/// Makes `x · permute(y)` a product with `transpose_rhs`, where the permutation ends by swapping the last two axes
/// of what it would otherwise give: attention's `q · kᵀ`. A scaling behind the permutation moves in front of it.
#[must_use]
pub fn transpose_matmul(graph: &Graph) -> Graph {
    let mut rewritten = graph.clone();
    let links = Links::new(graph);
    for (position, product) in graph.nodes.iter().enumerate() {
        if product.op != (Op::MatMul { transpose_rhs: false }) {
            continue;
        }
        let Some(mut permute) = links.sole(product.inputs[1]) else { continue };
        let mut scale = None;
        if let Op::Scale { .. } = permute.op {
            let Some(inner) = links.sole(permute.inputs[0]) else { continue };
            (scale, permute) = (Some(permute), inner);
        }
        let Op::Permute { axes } = &permute.op else { continue };
        let mut straight = axes.clone();
        let rank = straight.len();
        straight.swap(rank - 1, rank - 2);
        // Only where the inner axis then stays the inner one.
        if straight[rank - 1] != rank - 1 {
            continue;
        }
        let shape_of =
            |axes: &[usize]| axes.iter().map(|a| graph.value(permute.inputs[0]).shape[*a]).collect();
        let shape: Vec<_> = shape_of(&straight);
        for node in [Some(permute), scale].into_iter().flatten() {
            rewritten.values[node.output.0].shape.clone_from(&shape);
        }
        if let Some(at) = links.position(permute.output) {
            rewritten.nodes[at].op = Op::Permute { axes: straight };
        }
        rewritten.nodes[position].op = Op::MatMul { transpose_rhs: true };
    }
    prune(&remove_identities(&rewritten))
}

/// Permutations that leave every axis in place pass their input on.
fn remove_identities(graph: &Graph) -> Graph {
    let mut without = graph.clone();
    for node in &graph.nodes {
        let Op::Permute { axes } = &node.op else { continue };
        if axes.iter().copied().eq(0..axes.len()) && node.output != graph.output {
            let input = without.nodes.iter().find(|n| n.output == node.output).map(|n| n.inputs[0]);
            let Some(input) = input else { continue };
            for reader in &mut without.nodes {
                reader.inputs.iter_mut().filter(|v| **v == node.output).for_each(|v| *v = input);
            }
        }
    }
    without
}
