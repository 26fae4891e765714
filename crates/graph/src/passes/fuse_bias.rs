//! The addition of a constant behind a product becomes the product's bias.

use super::links::Links;
use super::prune::prune;
use crate::{Graph, GraphError, Op, Tensor};

/// Makes `Linear + c` and `Conv2d + c` one node with a bias, where `c` is one number per output channel and
/// nothing else reads the product. An earlier bias is added to.
///
/// # Errors
/// [`GraphError`] when a parameter is missing.
pub fn fuse_bias(graph: &Graph) -> Result<Graph, GraphError> {
    let mut fused = graph.clone();
    let links = Links::new(graph);
    for (position, add) in graph.nodes.iter().enumerate().filter(|(_, n)| n.op == Op::Add) {
        for (x, c) in [(add.inputs[0], add.inputs[1]), (add.inputs[1], add.inputs[0])] {
            let (Some(product), Some(constant)) = (links.sole(x), links.constant(c)) else { continue };
            let axis_from_end = match product.op {
                Op::Linear => 0,
                Op::Conv2d(_) => 2,
                _ => continue,
            };
            let params = graph.params_of(product)?;
            let channels = params[0].shape()[0];
            let same_shape = graph.value(add.output).shape == graph.value(x).shape;
            let Some(bias) = per_channel(constant, channels, axis_from_end).filter(|_| same_shape) else {
                continue;
            };
            // An addition fused before may have replaced this product already.
            let current = fused.nodes.iter().find(|n| n.output == x).cloned();
            let Some(mut node) = current else { continue };
            let earlier = fused.params_of(&node)?.get(1).map(|b| b.data().to_vec());
            let total: Vec<f32> = match earlier {
                None => bias,
                Some(earlier) => earlier.iter().zip(&bias).map(|(a, b)| a + b).collect(),
            };
            let name = node.params.get(1).cloned().unwrap_or_else(|| format!("{}.bias", node.name));
            fused.params.insert(name.clone(), Tensor::new([channels], total)?);
            node.params.truncate(1);
            node.params.push(name);
            node.output = add.output;
            fused.nodes[position] = node;
            break;
        }
    }
    Ok(prune(&fused))
}

/// One number per channel, when the constant broadcasts to that: its other axes have size 1.
fn per_channel(constant: &Tensor, channels: usize, axis_from_end: usize) -> Option<Vec<f32>> {
    let shape = constant.shape();
    if constant.len() == 1 {
        return Some(vec![constant.data()[0]; channels]);
    }
    let axis = shape.len().checked_sub(axis_from_end + 1)?;
    (constant.len() == channels && shape[axis] == channels).then(|| constant.data().to_vec())
}
