//! Which elements of a value are padding, for graphs whose mask says which positions are.

use std::collections::BTreeMap;

use crate::{Graph, Node, Op, ValueId, bind};

/// What of a graph's values runs over the positions of its mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Padding {
    /// The input `[batch, positions]` whose zeros mark padding.
    pub mask: ValueId,
    /// For each value the axes that run over the positions, ascending: an element is padding where the mask of its sample is
    /// 0 at its position along any of them. `[batch, positions, width]` has axis 1, attention scores
    /// `[batch, heads, positions, positions]` axes 2 and 3. The outermost axis of such a value is the batch, alone or
    /// joined with axes inside it. Values of which this is not known are absent: nothing of them counts as padding.
    pub axes: BTreeMap<ValueId, Vec<usize>>,
}

impl Padding {
    /// Follows the positions from the inputs through the nodes; `None` for a graph without a mask.
    ///
    /// Inputs `[batch, positions, …]` begin with the mask's own sizes. Sizes alone would not do further on: as many heads
    /// as positions, and the axes could not be told apart.
    #[must_use]
    pub fn of(graph: &Graph) -> Option<Self> {
        let mask = graph.mask?;
        let mut padding = Self { mask, axes: BTreeMap::new() };
        let sizes = &graph.value(mask).shape;
        for (index, _) in graph.input_values().enumerate().filter(|(_, v)| v.shape.starts_with(sizes)) {
            padding.axes.insert(ValueId(index), vec![1]);
        }
        for node in &graph.nodes {
            let mut axes = padding.through(graph, node);
            axes.sort_unstable();
            axes.dedup();
            let batched = graph.value(node.output).shape.first().is_some_and(|d| d.fixed().is_none());
            if batched && !axes.is_empty() {
                padding.axes.insert(node.output, axes);
            }
        }
        Some(padding)
    }

    fn axes_of(&self, value: ValueId) -> &[usize] {
        self.axes.get(&value).map_or(&[], Vec::as_slice)
    }

    /// The axes of a node's result, from those of its inputs; no axis for operators that mix positions.
    fn through(&self, graph: &Graph, node: &Node) -> Vec<usize> {
        let Some(&x) = node.inputs.first() else { return Vec::new() };
        let own = self.axes_of(x).iter().copied();
        let rank = graph.value(node.output).shape.len();
        match &node.op {
            Op::Unary(_)
            | Op::Cast { .. }
            | Op::Relu
            | Op::Gelu
            | Op::Scale { .. }
            | Op::AddParam
            | Op::LayerNorm { .. }
            | Op::Softmax
            | Op::LogSoftmax
            | Op::Embedding => own.collect(),
            Op::Linear => own.filter(|axis| axis + 1 < rank).collect(),
            Op::Add | Op::Binary(_) | Op::Where | Op::Expand { .. } => {
                node.inputs.iter().flat_map(|v| self.broadcast(graph, *v, node.output)).collect()
            }
            Op::MatMul { transpose_rhs } => {
                let (rows, columns) = (rank.saturating_sub(2), rank.saturating_sub(1));
                let of_columns = if *transpose_rhs { rows } else { columns };
                let right = self.axes_of(node.inputs[1]).iter().copied();
                let right = right.filter(|axis| *axis < rows || *axis == of_columns);
                own.filter(|axis| *axis < columns)
                    .chain(right.map(|axis| if axis == of_columns { columns } else { axis }))
                    .collect()
            }
            Op::Permute { axes } if axes.first() == Some(&0) => {
                let own: Vec<usize> = own.collect();
                (0..rank).filter(|to| own.contains(&axes[*to])).collect()
            }
            Op::Reshape { .. } => own.filter_map(|axis| reshaped(graph, axis, x, node.output)).collect(),
            Op::Reduce { axes: gone, keep, .. } => {
                let before = |axis: usize| gone.iter().filter(|g| **g < axis).count();
                own.filter(|axis| !gone.contains(axis))
                    .map(|axis| if *keep { axis } else { axis - before(axis) })
                    .collect()
            }
            Op::Slice { axis: cut, .. } => own.filter(|axis| axis != cut).collect(),
            Op::Concat { axis: joined } => {
                let all = node.inputs.iter().flat_map(|v| self.axes_of(*v)).copied();
                all.filter(|axis| axis != joined).collect()
            }
            Op::Gather { axis: indexed } => {
                let indices = graph.value(node.inputs[1]).shape.len();
                let moved = |axis: usize| if axis > *indexed { axis + indices - 1 } else { axis };
                own.filter(|axis| axis != indexed).map(moved).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The axes of an operand in a result of as many axes, but for those along which it is repeated.
    fn broadcast(&self, graph: &Graph, operand: ValueId, result: ValueId) -> Vec<usize> {
        let (from, to) = (&graph.value(operand).shape, &graph.value(result).shape);
        let same = |axis: &usize| from.len() == to.len() && from[*axis] == to[*axis];
        self.axes_of(operand).iter().copied().filter(same).collect()
    }
}

/// Where an axis is after a reshape that leaves it whole: behind as many elements, of the same size.
fn reshaped(graph: &Graph, axis: usize, from: ValueId, to: ValueId) -> Option<usize> {
    let sizes = |value: ValueId| bind(&graph.value(value).shape, 1);
    let (from, to) = (sizes(from), sizes(to));
    let before: usize = from[..axis].iter().product();
    (1..to.len()).find(|i| to[*i] == from[axis] && to[..*i].iter().product::<usize>() == before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Binary, Dim, Element, GraphBuilder, Reduction, Tensor, Value};

    /// As many heads as positions, each as wide: no size tells the axes apart.
    const SAME: usize = 4;

    fn fixed(sizes: &[usize]) -> Vec<Dim> {
        [Dim::Batch].into_iter().chain(sizes.iter().map(|n| Dim::Fixed(*n))).collect()
    }

    #[test]
    fn positions_are_followed_through_attention() {
        let input = |name: &str, sizes: &[usize], element| Value {
            name: name.to_owned(),
            shape: fixed(sizes),
            element,
        };
        let inputs = vec![
            input("ids", &[SAME], Element::Integer),
            input("mask", &[SAME], Element::Integer),
            input("other", &[7], Element::Float),
        ];
        let mut g = GraphBuilder::with_inputs("attention", inputs);
        g.set_mask(ValueId(1));
        let table = Tensor::new([2, SAME * SAME], vec![0.0; 2 * SAME * SAME]).unwrap();
        let weight = Tensor::new([SAME * SAME, SAME * SAME], vec![0.0; 256]).unwrap();
        let rows = g.add("rows", Op::Embedding, &[ValueId(0)], vec![("t", table)]).unwrap();
        let linear = g.add("linear", Op::Linear, &[rows], vec![("w", weight)]).unwrap();
        let split = Op::Reshape { shape: fixed(&[SAME, SAME, SAME]) };
        let split = g.add("split", split, &[linear], vec![]).unwrap();
        let heads = g.add("heads", Op::Permute { axes: vec![0, 2, 1, 3] }, &[split], vec![]).unwrap();
        let turned = g.add("turned", Op::Permute { axes: vec![0, 2, 3, 1] }, &[split], vec![]).unwrap();
        let product = Op::MatMul { transpose_rhs: false };
        let scores = g.add("scores", product.clone(), &[heads, turned], vec![]).unwrap();
        let also = g.add("also", Op::MatMul { transpose_rhs: true }, &[heads, heads], vec![]).unwrap();
        let wide = Op::Reshape { shape: fixed(&[1, 1, SAME]) };
        let wide = g.add("wide", wide, &[ValueId(1)], vec![]).unwrap();
        let masked = g.add("masked", Op::Binary(Binary::Sub), &[scores, wide], vec![]).unwrap();
        let shares = g.add("shares", Op::Softmax, &[masked], vec![]).unwrap();
        let context = g.add("context", product, &[shares, heads], vec![]).unwrap();
        let flat = vec![Dim::Multiple(SAME), Dim::Fixed(SAME), Dim::Fixed(SAME)];
        let flat = g.add("flat", Op::Reshape { shape: flat }, &[context], vec![]).unwrap();
        let lost = vec![Dim::Multiple(SAME * SAME), Dim::Fixed(SAME)];
        let lost = g.add("lost", Op::Reshape { shape: lost }, &[context], vec![]).unwrap();
        let sum = Op::Reduce { reduction: Reduction::Sum, axes: vec![1], keep: false };
        let sum = g.add("sum", sum, &[scores], vec![]).unwrap();
        let graph = g.finish(sum);
        graph.validate().unwrap();

        let padding = Padding::of(&graph).unwrap();
        for (value, axes) in [
            (ValueId(0), &[1][..]),
            (ValueId(1), &[1]),
            (ValueId(2), &[]),
            (linear, &[1]),
            (split, &[1]),
            (heads, &[2]),
            (turned, &[3]),
            (scores, &[2, 3]),
            (also, &[2, 3]),
            (wide, &[3]),
            (shares, &[2, 3]),
            (context, &[2]),
            (flat, &[1]),
            (lost, &[]),
            (sum, &[1, 2]),
        ] {
            assert_eq!(padding.axes_of(value), axes, "{}", graph.value(value).name);
        }
    }

    #[test]
    fn a_mask_must_be_an_input_over_batch_and_positions() {
        let mut g = GraphBuilder::new("m", fixed(&[2, 2]));
        let y = g.add("relu", Op::Relu, &[ValueId(0)], vec![]).unwrap();
        g.set_mask(ValueId(0));
        let mut graph = g.finish(y);
        assert!(graph.validate().unwrap_err().to_string().contains("`input` is not"));
        graph.mask = Some(y);
        assert!(graph.validate().unwrap_err().to_string().contains("`relu` is not"));
        graph.mask = None;
        assert_eq!((graph.validate(), Padding::of(&graph)), (Ok(()), None));
    }
}
