//! Shapes with a symbolic batch, and shape inference.

mod general;
mod products;

use serde::{Deserialize, Serialize};

use crate::{GraphError, Op, Tensor};

/// One dimension of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Dim {
    /// The batch size, bound when the graph runs.
    Batch,
    /// A fixed size.
    Fixed(usize),
    /// That many times the batch size: the batch joined with other axes.
    Multiple(usize),
}

impl Dim {
    /// The size, where it does not depend on the batch.
    #[must_use]
    pub fn fixed(self) -> Option<usize> {
        match self {
            Self::Fixed(n) => Some(n),
            Self::Batch | Self::Multiple(_) => None,
        }
    }

    /// The size at this batch size.
    #[must_use]
    pub fn bind(self, batch: usize) -> usize {
        match self {
            Self::Batch => batch,
            Self::Fixed(n) => n,
            Self::Multiple(n) => n * batch,
        }
    }
}

/// What the elements of a value are. All are held as fp32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Element {
    /// Real numbers.
    #[default]
    Float,
    /// Integers and truth values, exact up to 2²⁴: token ids, masks, indices. Never rounded or quantized.
    Integer,
}

/// The shape with the batch dimension bound.
#[must_use]
pub fn bind(shape: &[Dim], batch: usize) -> Vec<usize> {
    shape.iter().map(|d| d.bind(batch)).collect()
}

/// Elements per sample.
#[must_use]
pub fn per_sample(shape: &[Dim]) -> usize {
    shape.iter().map(|d| d.bind(1)).product()
}

/// Whether the number of elements grows with the batch.
#[must_use]
pub fn is_batched(shape: &[Dim]) -> bool {
    shape.iter().any(|d| d.fixed().is_none())
}

fn batches(shape: &[Dim]) -> usize {
    shape.iter().filter(|d| d.fixed().is_none()).count()
}

/// Shapes as NumPy broadcasts them; `None` when they do not fit.
pub(crate) fn broadcast(shapes: &[&[Dim]]) -> Option<Vec<Dim>> {
    let rank = shapes.iter().map(|s| s.len()).max()?;
    let one = Dim::Fixed(1);
    (0..rank)
        .map(|axis| {
            let of = |s: &&[Dim]| (axis + s.len()).checked_sub(rank).map_or(one, |i| s[i]);
            let mut dims = shapes.iter().map(of).filter(|d| *d != one);
            let dim = dims.next().unwrap_or(one);
            dims.all(|d| d == dim).then_some(dim)
        })
        .collect()
}

/// What inference knows about a node.
struct Case<'a> {
    node: &'a str,
    op: &'a Op,
    inputs: &'a [&'a [Dim]],
    params: Vec<&'a [usize]>,
}

impl Case<'_> {
    fn error(&self, reason: impl Into<String>) -> GraphError {
        GraphError::Shape { node: self.node.to_owned(), op: self.op.name(), reason: reason.into() }
    }

    /// The error for shapes that do not fit, which it shows.
    fn bad(&self, what: &str) -> GraphError {
        self.error(format!("{what}; inputs {}, parameters {:?}", shown(self.inputs), self.params))
    }

    /// N, C, H and W of an input `[N, C, H, W]` with fixed C, H, W.
    fn image(&self) -> Result<(Dim, usize, usize, usize), GraphError> {
        let known = match self.inputs[0] {
            [n, c, h, w] => c.fixed().zip(h.fixed()).zip(w.fixed()).map(|((c, h), w)| (*n, c, h, w)),
            _ => None,
        };
        known.ok_or_else(|| self.bad("input must be [N, C, H, W]"))
    }
}

/// Shapes as people write them: `[N, 3, 8]`.
fn shown(shapes: &[&[Dim]]) -> String {
    let dim = |d: &Dim| match d {
        Dim::Batch => "N".to_owned(),
        Dim::Fixed(n) => n.to_string(),
        Dim::Multiple(k) => format!("{k}N"),
    };
    let shape = |s: &&[Dim]| format!("[{}]", s.iter().map(dim).collect::<Vec<_>>().join(", "));
    shapes.iter().map(shape).collect::<Vec<_>>().join(" and ")
}

/// The output shape of `op` on `inputs` and `params`.
///
/// # Errors
/// [`GraphError::Shape`], naming the node and both shapes.
pub fn infer(node: &str, op: &Op, inputs: &[&[Dim]], params: &[&Tensor]) -> Result<Vec<Dim>, GraphError> {
    let case = Case { node, op, inputs, params: params.iter().map(|p| p.shape()).collect() };
    let fits = op.arity().map_or(!inputs.is_empty(), |n| n == inputs.len());
    if !fits {
        let takes = op.arity().map_or("at least 1".to_owned(), |n| n.to_string());
        return Err(case.error(format!("takes {takes} inputs, got {}", inputs.len())));
    }
    let shape = case.product().or_else(|| case.general());
    let shape = shape.unwrap_or_else(|| Err(case.bad("has no inference rule")))?;
    if batches(&shape) > 1 {
        return Err(case.bad("combines every sample with every other: the result has the batch on two axes"));
    }
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_as_in_numpy_and_the_batch_only_with_one() {
        let (n, one, three) = (Dim::Batch, Dim::Fixed(1), Dim::Fixed(3));
        assert_eq!(broadcast(&[&[n, one, three], &[three, one]]), Some(vec![n, three, three]));
        assert_eq!(broadcast(&[&[n, three], &[three, three]]), None);
        assert_eq!(broadcast(&[&[], &[one]]), Some(vec![one]));
    }
}
