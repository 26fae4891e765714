//! The order in which nodes are lowered.

use calibench_graph::{Graph, Op};

/// Positions of all nodes, each after those that it reads. What is added to a product comes before the product, whatever the
/// graph's own order, so that the sum can be taken where the product is finished.
pub(super) fn order(graph: &Graph) -> Vec<usize> {
    let mut producer = vec![None; graph.values.len()];
    graph.nodes.iter().enumerate().for_each(|(i, node)| producer[node.output.0] = Some(i));
    let reads = |i: usize| -> Vec<usize> {
        let mut reads: Vec<usize> = graph.nodes[i].inputs.iter().filter_map(|v| producer[v.0]).collect();
        if graph.nodes[i].op == Op::Add {
            reads.sort_by_key(|read| ends_in_product(graph, &producer, *read));
        }
        reads
    };
    let mut order = Vec::with_capacity(graph.nodes.len());
    let mut begun = vec![false; graph.nodes.len()];
    // The output's first; then what is left, in the graph's order. No recursion: graphs are deep.
    let roots = producer[graph.output.0].into_iter().chain(0..graph.nodes.len());
    for root in roots {
        let mut stack = Vec::new();
        if !std::mem::replace(&mut begun[root], true) {
            stack.push((root, reads(root).into_iter()));
        }
        while let Some((node, left)) = stack.last_mut() {
            match left.next() {
                Some(next) if begun[next] => {}
                Some(next) => {
                    begun[next] = true;
                    stack.push((next, reads(next).into_iter()));
                }
                None => {
                    order.push(*node);
                    stack.pop();
                }
            }
        }
    }
    order
}

/// Whether a node is a product that a sum can be fused into, or one times a number.
fn ends_in_product(graph: &Graph, producer: &[Option<usize>], at: usize) -> bool {
    let node = &graph.nodes[at];
    match node.op {
        Op::Linear | Op::Conv2d(_) | Op::MatMul { .. } => true,
        Op::Scale { .. } => producer[node.inputs[0].0]
            .is_some_and(|product| matches!(graph.nodes[product].op, Op::MatMul { .. })),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use calibench_graph::{Dim, GraphBuilder, Tensor, ValueId};

    use super::*;

    #[test]
    fn what_is_added_to_a_product_comes_before_it() {
        let mut builder = GraphBuilder::new("test", vec![Dim::Batch, Dim::Fixed(2)]);
        let weight = || vec![("w", Tensor::new([2, 2], vec![1.0; 4]).unwrap())];
        let x = ValueId(0);
        let product = builder.add("product", Op::Linear, &[x], weight()).unwrap();
        let side = builder.add("side", Op::Scale { factor: 2.0 }, &[x], Vec::new()).unwrap();
        let unused = builder.add("unused", Op::Relu, &[x], Vec::new()).unwrap();
        let sum = builder.add("sum", Op::Add, &[product, side], Vec::new()).unwrap();
        let graph = builder.finish(sum);
        let names: Vec<&str> = order(&graph).into_iter().map(|i| graph.nodes[i].name.as_str()).collect();
        assert_eq!(names, ["side", "product", "sum", "unused"]);
        assert_ne!(unused, sum);
    }
}
