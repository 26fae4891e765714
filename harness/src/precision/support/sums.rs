//! Sums that only a wide accumulator gets right.
//!
//! A third of the terms is large, a third is 1, and a third takes the large ones away again: `L + … + 1 + … − L − …`. What
//! accumulates in fewer bits than the large terms need loses the ones, or overflows, in whatever order blocks and lanes
//! add up; each holds enough of the large terms.

use anyhow::Result;
use calibench_graph::{Conv2d, Graph, GraphBuilder, Op, Reduction, Tensor, Value, ValueId, Window};
use calibench_quant::FloatFormat;

use super::specimen::{FOLLOWER, batched, followed};

/// Terms of each kind for floating point: enough for 16 lanes in four accumulators to hold some.
const FEW: usize = 64;
/// Terms of each kind for integers: the tenth part of as many times 127² is above 2²⁴, where fp32 no longer counts, and three
/// times as many products of two unsigned bytes fit an i32.
const MANY: usize = 11_000;
/// The outermost code.
pub(super) const CODE: f32 = 127.0;
/// Products whose pairs a 16-bit accumulator cannot hold.
const SATURATING: usize = 64;

/// A graph, its inputs, and what its sums are.
#[derive(Debug)]
pub(super) struct Sum {
    pub graph: Graph,
    pub inputs: Vec<Vec<f32>>,
    /// Every output.
    pub exact: f32,
}

/// Sums that a half-precision accumulator loses; `None` for an operator that sums nothing of any length.
pub(super) fn of_half(op: &Op, format: &FloatFormat) -> Result<Option<Sum>> {
    // The first whole number after which 1 is less than half a step.
    let large = (1_u64 << (format.fraction_bits + 1)) as f32;
    let mean = matches!(
        op,
        Op::MeanTokens
            | Op::GlobalAvgPool
            | Op::AvgPool2d { .. }
            | Op::Reduce { reduction: Reduction::Mean, .. }
    );
    let exact = if mean { 1.0 / 3.0 } else { FEW as f32 };
    let terms = Terms { values: [large, 1.0, -large], weights: [1.0; 3], count: FEW };
    Ok(terms.graph(op)?.map(|(graph, inputs)| Sum { graph, inputs, exact }))
}

/// Sums of int8 products that only integers get right, for weights up to a code, read by another product; `None` where the
/// operator is no product. Unsigned activations begin at 0.
pub(super) fn of_integers(op: &Op, weight: f32, unsigned: bool) -> Result<Option<Sum>> {
    let (values, weights) = match unsigned {
        true => ([2.0 * CODE + 1.0, 1.0, 2.0 * CODE + 1.0], [weight, 1.0, -weight]),
        false => ([CODE, 1.0, -CODE], [weight, 1.0, weight]),
    };
    let terms = Terms { values, weights, count: MANY };
    before_another(op, &terms, MANY as f32)
}

/// Sums of the largest products, which saturate in pairs where the accumulator of a pair has 16 bits.
pub(super) fn of_pairs(op: &Op) -> Result<Option<Sum>> {
    let terms = Terms { values: [CODE; 3], weights: [CODE; 3], count: SATURATING };
    before_another(op, &terms, 3.0 * SATURATING as f32 * CODE * CODE)
}

fn before_another(op: &Op, terms: &Terms, exact: f32) -> Result<Option<Sum>> {
    let Some((graph, inputs)) = terms.graph(op)?.filter(|_| op.is_product()) else { return Ok(None) };
    Ok(Some(Sum { graph: followed(&graph)?, inputs, exact }))
}

/// Operands of a sum: so many of each of three kinds, one kind after the other.
struct Terms {
    values: [f32; 3],
    weights: [f32; 3],
    count: usize,
}

impl Terms {
    fn graph(&self, op: &Op) -> Result<Option<(Graph, Vec<Vec<f32>>)>> {
        let len = 3 * self.count;
        // Sizes of the inputs, and how many sums lie side by side in a row of the first.
        let (op, inputs, weight, beside) = match op {
            Op::Linear => (Op::Linear, vec![vec![len]], Some(vec![FOLLOWER, len]), 1),
            Op::Conv2d(Conv2d { groups: 1, .. }) => {
                (Op::Conv2d(Conv2d::square(1, 0)), vec![vec![len, 1, 1]], Some(vec![FOLLOWER, len, 1, 1]), 1)
            }
            Op::Conv2d(_) => {
                let op = Op::Conv2d(Conv2d { groups: FOLLOWER, ..Conv2d::square(1, 0) });
                let kernel = [3, self.count];
                let image = vec![FOLLOWER, kernel[0], kernel[1]];
                (op, vec![image], Some(vec![FOLLOWER, 1, kernel[0], kernel[1]]), 1)
            }
            Op::MatMul { .. } => {
                (Op::MatMul { transpose_rhs: true }, vec![vec![1, len], vec![FOLLOWER, len]], None, 1)
            }
            Op::MeanTokens => (Op::MeanTokens, vec![vec![len, FOLLOWER]], None, FOLLOWER),
            Op::GlobalAvgPool => (Op::GlobalAvgPool, vec![vec![FOLLOWER, 3, self.count]], None, 1),
            Op::AvgPool2d { count_padding, .. } => {
                let kernel = [3, self.count];
                let window = Window { kernel, stride: kernel, ..Window::square(1, 1) };
                let op = Op::AvgPool2d { window, count_padding: *count_padding };
                (op, vec![vec![FOLLOWER, kernel[0], kernel[1]]], None, 1)
            }
            Op::Reduce { reduction: Reduction::Sum | Reduction::Mean, .. } => {
                (op.clone(), vec![vec![FOLLOWER, len]], None, 1)
            }
            _ => return Ok(None),
        };
        let operand = |of: &[f32; 3], beside: usize, total: usize| -> Vec<f32> {
            (0..total).map(|i| of[i / beside % len / self.count]).collect()
        };
        let total = |sizes: &[usize]| sizes.iter().product::<usize>();
        let mut data = vec![operand(&self.values, beside, total(&inputs[0]))];
        if let Some(sizes) = inputs.get(1) {
            data.push(operand(&self.weights, 1, total(sizes)));
        }
        let values = inputs.iter().enumerate().map(|(i, sizes)| Value {
            name: format!("x{i}"),
            shape: batched(sizes),
            element: calibench_graph::Element::Float,
        });
        let ids: Vec<ValueId> = (0..inputs.len()).map(ValueId).collect();
        let mut builder = GraphBuilder::with_inputs("sum", values.collect());
        let mut params = Vec::new();
        if let Some(sizes) = &weight {
            params.push((
                "sum.weight",
                Tensor::new(sizes.as_slice(), operand(&self.weights, 1, total(sizes)))?,
            ));
        }
        let output = builder.add("sum", op, &ids, params)?;
        Ok(Some((builder.finish(output), data)))
    }
}
