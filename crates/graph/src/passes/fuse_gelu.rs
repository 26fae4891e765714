//! GELU as exporters spell it out.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

use super::links::{Links, close};
use super::prune::prune;
use crate::{Binary, Graph, Op, Unary, ValueId};

/// Replaces `x · ½ · (1 + erf(x / √2))` by `Gelu`, and `x · ½ · (1 + tanh(√(2/π) · (x + 0.044715 x³)))` by
/// `GeluTanh`, in whatever order the factors are multiplied.
#[must_use]
pub fn fuse_gelu(graph: &Graph) -> Graph {
    let mut fused = graph.clone();
    let links = Links::new(graph);
    for (position, node) in graph.nodes.iter().enumerate() {
        if !matches!(node.op, Op::Scale { .. } | Op::Binary(Binary::Mul)) {
            continue;
        }
        let (factor, factors) = factors(&links, node.output, DEEPEST);
        let [a, b] = factors[..] else { continue };
        if !close(factor, 0.5) {
            continue;
        }
        let found = [(a, b), (b, a)].into_iter().find_map(|(x, gate)| Some((x, gelu(&links, x, gate)?)));
        // Constants of more axes than x add some to the result.
        let found = found.filter(|(x, _)| graph.value(*x).shape == graph.value(node.output).shape);
        if let Some((x, op)) = found {
            fused.nodes[position].op = op;
            fused.nodes[position].inputs = vec![x];
        }
    }
    prune(&fused)
}

/// How far products of products are looked into: GELU has three factors.
const DEEPEST: usize = 4;

/// The number and the values whose product a value is, looking into what nothing else reads.
fn factors(links: &Links<'_>, value: ValueId, depth: usize) -> (f32, Vec<ValueId>) {
    let node = match depth {
        DEEPEST => links.producer(value),
        0 => None,
        _ => links.sole(value),
    };
    match node.map(|n| (&n.op, &n.inputs[..])) {
        Some((Op::Scale { factor }, &[x])) => {
            let (inner, values) = factors(links, x, depth - 1);
            (factor * inner, values)
        }
        Some((Op::Binary(Binary::Mul), &[x, y])) => {
            let ((a, left), (b, right)) = (factors(links, x, depth - 1), factors(links, y, depth - 1));
            (a * b, [left, right].concat())
        }
        _ => (1.0, vec![value]),
    }
}

/// The GELU whose gate on `x` this is.
fn gelu(links: &Links<'_>, x: ValueId, gate: ValueId) -> Option<Op> {
    let squashed = plus_one(links, gate)?;
    let node = links.sole(squashed)?;
    match node.op {
        Op::Unary(Unary::Erf) => {
            let (factor, values) = factors(links, node.inputs[0], DEEPEST - 1);
            (values == [x] && close(factor, FRAC_1_SQRT_2)).then_some(Op::Gelu)
        }
        Op::Unary(Unary::Tanh) => {
            let (factor, values) = factors(links, node.inputs[0], DEEPEST - 1);
            let sum = links.sole(*values.first()?).filter(|n| n.op == Op::Add && values.len() == 1)?;
            let cube = *sum.inputs.iter().find(|v| **v != x)?;
            let fits = sum.inputs.contains(&x) && close(factor, (2.0 / PI).sqrt()) && cubic(links, x, cube);
            fits.then_some(Op::Unary(Unary::GeluTanh))
        }
        _ => None,
    }
}

/// y of `y + 1`.
fn plus_one(links: &Links<'_>, value: ValueId) -> Option<ValueId> {
    let sum = links.sole(value).filter(|n| n.op == Op::Add)?;
    let [a, b] = sum.inputs[..] else { return None };
    [(a, b), (b, a)].into_iter().find(|(_, one)| links.number(*one) == Some(1.0)).map(|(y, _)| y)
}

/// Whether the value is `0.044715 x³`.
fn cubic(links: &Links<'_>, x: ValueId, value: ValueId) -> bool {
    let (factor, values) = factors(links, value, DEEPEST - 1);
    let power = |v: &ValueId| {
        let node = links.producer(*v)?;
        (node.op == Op::Binary(Binary::Pow) && node.inputs[0] == x).then(|| links.number(node.inputs[1]))?
    };
    let exponent: Option<f32> =
        values.iter().map(|v| if *v == x { Some(1.0) } else { power(v) }).sum::<Option<f32>>();
    close(factor, 0.044_715) && exponent == Some(3.0)
}
