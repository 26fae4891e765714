//! Layer normalisation as exporters spell it out.

use super::links::Links;
use super::prune::prune;
use crate::{Binary, Graph, GraphError, Node, Op, Reduction, Tensor, Unary, ValueId};

/// Replaces `(x − mean) / √(mean((x − mean)²) + ε)` over the last axis, with the factor and the offset behind it
/// where they are constants of that axis, by `LayerNorm`.
///
/// # Errors
/// [`GraphError`] when a parameter does not fit its shape.
pub fn fuse_layer_norm(graph: &Graph) -> Result<Graph, GraphError> {
    let mut fused = graph.clone();
    let links = Links::new(graph);
    for (position, node) in graph.nodes.iter().enumerate() {
        let Some((x, epsilon)) = normalised(graph, &links, node) else { continue };
        // Constants of more axes than x add some to the result.
        let same_shape = |v: ValueId| graph.value(v).shape == graph.value(x).shape;
        if !same_shape(node.output) {
            continue;
        }
        let Some(width) = graph.value(x).shape.last().and_then(|d| d.fixed()) else { continue };
        let (mut at, mut last) = (position, node);
        let mut take = |op: &Op| {
            let (next_at, next) =
                links.sole_reader(last.output).filter(|(_, n)| n.op == *op && same_shape(n.output))?;
            let other = *next.inputs.iter().find(|v| **v != last.output)?;
            let rows = |t: &&Tensor| t.len() == width && t.shape().last() == Some(&width);
            let constant = links.constant(other).filter(rows)?;
            (at, last) = (next_at, next);
            Some(constant.data().to_vec())
        };
        let gamma = take(&Op::Binary(Binary::Mul)).unwrap_or_else(|| vec![1.0; width]);
        let beta = take(&Op::Add).unwrap_or_else(|| vec![0.0; width]);
        let names = ["weight", "bias"].map(|role| format!("{}.{role}", last.name));
        fused.params.insert(names[0].clone(), Tensor::new([width], gamma)?);
        fused.params.insert(names[1].clone(), Tensor::new([width], beta)?);
        fused.nodes[at] = Node {
            name: last.name.clone(),
            op: Op::LayerNorm { epsilon },
            inputs: vec![x],
            params: names.to_vec(),
            output: last.output,
        };
    }
    Ok(prune(&fused))
}

/// x and ε, when the node divides x less its mean by its standard deviation.
fn normalised(graph: &Graph, links: &Links<'_>, node: &Node) -> Option<(ValueId, f32)> {
    if node.op != Op::Binary(Binary::Div) {
        return None;
    }
    let x = centred(graph, links, node.inputs[0])?;
    let root = links.sole(node.inputs[1]).filter(|n| n.op == Op::Unary(Unary::Sqrt))?;
    let sum = links.sole(root.inputs[0]).filter(|n| n.op == Op::Add)?;
    let [a, b] = sum.inputs[..] else { return None };
    let (variance, epsilon) =
        [(a, b), (b, a)].into_iter().find_map(|(v, e)| links.number(e).map(|e| (v, e)))?;
    let square = links.sole(mean_of(graph, links, variance)?)?;
    let base = match square.op {
        Op::Binary(Binary::Pow) if links.number(square.inputs[1]) == Some(2.0) => square.inputs[0],
        Op::Binary(Binary::Mul) if square.inputs[0] == square.inputs[1] => square.inputs[0],
        _ => return None,
    };
    (centred(graph, links, base)? == x).then_some((x, epsilon))
}

/// x of `x − mean(x)`.
fn centred(graph: &Graph, links: &Links<'_>, value: ValueId) -> Option<ValueId> {
    let node = links.producer(value).filter(|n| n.op == Op::Binary(Binary::Sub))?;
    (mean_of(graph, links, node.inputs[1])? == node.inputs[0]).then_some(node.inputs[0])
}

/// x of the mean of x over its last axis, which stays.
fn mean_of(graph: &Graph, links: &Links<'_>, value: ValueId) -> Option<ValueId> {
    let node = links.producer(value)?;
    let Op::Reduce { reduction: Reduction::Mean, ref axes, keep: true } = node.op else { return None };
    let x = node.inputs[0];
    let last = graph.value(x).shape.len().checked_sub(1)?;
    (axes[..] == [last]).then_some(x)
}
