//! Two conversions at two batch sizes to one graph with a free batch.

use calibench_graph::{Dim, Graph, GraphBuilder, Node, Op, Tensor, Value, ValueId};

use super::converter::Result;
use super::{Batch, ConvertError};

/// The graph that is `a` at batch size `sizes[0]` and `b` at `sizes[1]`.
pub(super) fn unify(a: &Graph, b: &Graph, sizes: [usize; 2], batch: Batch<'_>) -> Result<Graph> {
    let depends =
        |node: &str, reason: &str| ConvertError::Batch { node: node.to_owned(), reason: reason.to_owned() };
    let inputs = a.input_values().zip(b.input_values()).map(|(x, y)| {
        let shape = dims(&x.shape, &y.shape, sizes).ok_or_else(|| depends(&x.name, "its shape"))?;
        Ok(Value { name: x.name.clone(), shape, element: x.element })
    });
    let mut builder = GraphBuilder::with_inputs(&a.name, inputs.collect::<Result<_>>()?);
    let mut values: Vec<ValueId> = (0..a.inputs).map(ValueId).collect();
    if a.nodes.len() != b.nodes.len() {
        return Err(depends(&a.name, "the number of operations depends on the batch size"));
    }
    for (x, y) in a.nodes.iter().zip(&b.nodes) {
        let op = merged(&x.op, &y.op, sizes);
        let op = op.filter(|_| (&x.name, &x.inputs) == (&y.name, &y.inputs));
        let op = op.ok_or_else(|| depends(&x.name, "what it computes depends on the batch size"))?;
        let inputs: Vec<ValueId> = x.inputs.iter().map(|v| values[v.0]).collect();
        let (mut params, mut expanded) = (Vec::new(), None);
        for ((name, p), q) in x.params.iter().zip(a.params_of(x)?).zip(b.params_of(y)?) {
            let (tensor, shape) = constant(p, q, sizes)
                .filter(|(_, shape)| shape.is_none() || matches!(op, Op::Constant { .. }))
                .ok_or_else(|| {
                    depends(&x.name, "a constant in it has values that depend on the batch size")
                })?;
            params.push((name.as_str(), tensor));
            expanded = expanded.or(shape);
        }
        let id = add(&mut builder, x, op, &inputs, params, expanded)?;
        let (p, q) = (&a.value(x.output).shape, &b.value(y.output).shape);
        if dims(p, q, sizes).as_deref() != Some(builder.shape(id)) {
            return Err(depends(&x.name, "the shape of its result is not a multiple of the batch size"));
        }
        // A file with a batch of 1 says nothing of how its reshapes part several samples.
        let reshape = matches!(x.op, Op::Reshape { .. }) && batch == Batch::One;
        if reshape && before(builder.shape(id)) != before(builder.shape(inputs[0])) {
            return Err(depends(&x.name, "its new shape parts the samples"));
        }
        values.push(id);
    }
    Ok(builder.finish(values[a.output.0]))
}

/// Adds a node; a constant that had an axis of the batch is stored once and expanded to it.
fn add(
    builder: &mut GraphBuilder,
    node: &Node,
    op: Op,
    inputs: &[ValueId],
    params: Vec<(&str, Tensor)>,
    expanded: Option<Vec<Dim>>,
) -> Result<ValueId> {
    let Some(shape) = expanded else { return Ok(builder.add(&node.name, op, inputs, params)?) };
    let mut sample = format!("{}.sample", node.name);
    while builder.has(&sample) {
        sample.push('_');
    }
    let one = builder.add(&sample, op, inputs, params)?;
    Ok(builder.add(&node.name, Op::Expand { shape }, &[one], vec![])?)
}

/// Number of positions before the axis of the batch.
fn before(shape: &[Dim]) -> usize {
    shape.iter().map_while(|d| d.fixed()).product()
}

/// The shape with the batch where the sizes say so.
fn dims(x: &[Dim], y: &[Dim], sizes: [usize; 2]) -> Option<Vec<Dim>> {
    let dim = |(x, y): (&Dim, &Dim)| unified(x.fixed()?, y.fixed()?, sizes);
    (x.len() == y.len()).then(|| x.iter().zip(y).map(dim).collect())?
}

fn unified(x: usize, y: usize, [a, b]: [usize; 2]) -> Option<Dim> {
    if x == y {
        return Some(Dim::Fixed(x));
    }
    let k = x / a;
    ((x, y) == (k * a, k * b)).then_some(if k == 1 { Dim::Batch } else { Dim::Multiple(k) })
}

/// The operator with the batch in its attributes.
fn merged(x: &Op, y: &Op, sizes: [usize; 2]) -> Option<Op> {
    match (x, y) {
        (Op::Reshape { shape: p }, Op::Reshape { shape: q }) => {
            Some(Op::Reshape { shape: dims(p, q, sizes)? })
        }
        (Op::Expand { shape: p }, Op::Expand { shape: q }) => Some(Op::Expand { shape: dims(p, q, sizes)? }),
        _ => (x == y).then(|| x.clone()),
    }
}

/// A parameter of both; where its shape has the batch, one sample of it and the shape to expand it to.
fn constant(p: &Tensor, q: &Tensor, sizes: [usize; 2]) -> Option<(Tensor, Option<Vec<Dim>>)> {
    let same = |x: &[f32], y: &[f32]| x.iter().zip(y).all(|(x, y)| x.to_bits() == y.to_bits());
    if p.shape() == q.shape() {
        return same(p.data(), q.data()).then(|| (p.clone(), None));
    }
    let fixed = |t: &Tensor| t.shape().iter().map(|n| Dim::Fixed(*n)).collect::<Vec<_>>();
    let shape = dims(&fixed(p), &fixed(q), sizes)?;
    let (one, other) = (first_sample(p, &shape)?, first_sample(q, &shape)?);
    same(one.data(), other.data()).then_some((one, Some(shape)))
}

/// The elements at position 0 of the batch axes, when all positions hold the same.
fn first_sample(tensor: &Tensor, shape: &[Dim]) -> Option<Tensor> {
    let (mut sizes, mut data) = (tensor.shape().to_vec(), tensor.data().to_vec());
    for (axis, _) in shape.iter().enumerate().filter(|(_, d)| d.fixed().is_none()) {
        let inner: usize = sizes[axis + 1..].iter().product();
        let block = sizes[axis] * inner;
        let uniform = data.chunks_exact(block.max(1)).all(|block| {
            let first = &block[..inner];
            block
                .chunks_exact(inner.max(1))
                .all(|c| c.iter().zip(first).all(|(x, y)| x.to_bits() == y.to_bits()))
        });
        if !uniform {
            return None;
        }
        data = data.chunks_exact(block.max(1)).flat_map(|b| b[..inner].to_vec()).collect();
        sizes[axis] = 1;
    }
    Tensor::new(sizes, data).ok()
}
