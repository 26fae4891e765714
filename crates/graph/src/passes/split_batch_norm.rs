//! Batch normalisation that no convolution takes up, as a scale and an offset.

use crate::{Binary, Element, Graph, GraphError, Node, Op, Tensor, Value, ValueId};

/// Replaces every `BatchNorm2d` by `x · a + b` with `a = γ / √(σ² + ε)` and `b = β − μ · a` per channel.
///
/// For those that [`super::fold_batch_norm`] has left: behind something else than a convolution.
///
/// # Errors
/// [`GraphError::MissingParam`] when a parameter is missing.
pub fn split_batch_norm(graph: &Graph) -> Result<Graph, GraphError> {
    let mut split = Graph { nodes: Vec::new(), ..graph.clone() };
    for node in &graph.nodes {
        let Op::BatchNorm2d { epsilon } = node.op else {
            split.nodes.push(node.clone());
            continue;
        };
        let [gamma, beta, mean, variance] = graph.params_of(node)?[..] else {
            return Err(GraphError::MissingParam {
                node: node.name.clone(),
                param: "γ, β, μ, σ²".to_owned(),
            });
        };
        let factor: Vec<f64> = (gamma.data().iter().zip(variance.data()))
            .map(|(g, v)| f64::from(*g) / (f64::from(*v) + f64::from(epsilon)).sqrt())
            .collect();
        let offset = (0..factor.len())
            .map(|c| (f64::from(beta.data()[c]) - f64::from(mean.data()[c]) * factor[c]) as f32)
            .collect();
        let factor = factor.into_iter().map(|f| f as f32).collect();
        node.params.iter().for_each(|p| drop(split.params.remove(p)));
        let channels = [gamma.len(), 1, 1];
        let factor = constant(&mut split, node, "factor", Tensor::new(channels, factor)?);
        let offset = constant(&mut split, node, "offset", Tensor::new(channels, offset)?);
        let scaled = value(&mut split, format!("{}.scaled", node.name), graph.value(node.output).clone());
        let step = |name, op, inputs, output| Node { name, op, inputs, params: Vec::new(), output };
        let (x, name) = (node.inputs[0], format!("{}.scaled", node.name));
        split.nodes.push(step(name, Op::Binary(Binary::Mul), vec![x, factor], scaled));
        split.nodes.push(step(node.name.clone(), Op::Add, vec![scaled, offset], node.output));
    }
    Ok(split)
}

fn value(graph: &mut Graph, name: String, like: Value) -> ValueId {
    graph.values.push(Value { name, ..like });
    ValueId(graph.values.len() - 1)
}

fn constant(graph: &mut Graph, node: &Node, role: &str, tensor: Tensor) -> ValueId {
    let name = format!("{}.{role}", node.name);
    let shape = tensor.shape().iter().map(|n| crate::Dim::Fixed(*n)).collect();
    let element = Element::Float;
    let output = value(graph, name.clone(), Value { name: String::new(), shape, element });
    let param = format!("{name}.value");
    graph.params.insert(param.clone(), tensor);
    let op = Op::Constant { element };
    graph.nodes.push(Node { name, op, inputs: Vec::new(), params: vec![param], output });
    output
}
