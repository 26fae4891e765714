//! Shapes of the operators that move, combine and reduce.

use super::{Case, broadcast};
use crate::{Dim, GraphError, Op, PadMode};

impl Case<'_> {
    /// The shape, for the operators of this file.
    pub(super) fn general(&self) -> Option<Result<Vec<Dim>, GraphError>> {
        if let Op::Constant { .. } = self.op {
            let shape = self.params.first().map(|s| s.iter().map(|n| Dim::Fixed(*n)).collect());
            return Some(shape.ok_or_else(|| self.bad("needs its tensor as parameter")));
        }
        let x = *self.inputs.first()?;
        Some(match self.op {
            Op::Unary(_) | Op::Cast { .. } => Ok(x.to_vec()),
            Op::Binary(_) | Op::Where => {
                broadcast(self.inputs).ok_or_else(|| self.bad("shapes do not broadcast"))
            }
            Op::Embedding => match self.params[..] {
                [&[_, width]] => Ok([x, &[Dim::Fixed(width)]].concat()),
                _ => Err(self.bad("table must be [V, D]")),
            },
            Op::Permute { axes } => {
                let mut sorted = axes.clone();
                sorted.sort_unstable();
                let fits = sorted.iter().copied().eq(0..x.len());
                fits.then(|| axes.iter().map(|a| x[*a]).collect())
                    .ok_or_else(|| self.bad(&format!("{axes:?} is not a permutation of the axes")))
            }
            Op::Reduce { axes, keep, .. } => self.reduce(x, axes, *keep),
            Op::Concat { axis } => self.concat(x, *axis),
            Op::Slice { axis, start, step, len } => self.slice(x, *axis, (*start, *step, *len)),
            Op::Pad { pads, mode } => self.pad(x, pads, *mode),
            Op::Gather { axis } => match x.get(*axis).and_then(|d| d.fixed()) {
                Some(_) => Ok([&x[..*axis], self.inputs[1], &x[axis + 1..]].concat()),
                None => Err(self.bad(&format!("axis {axis} must exist and have a fixed size"))),
            },
            Op::GatherNd { batch_dims } => self.gather_nd(x, *batch_dims),
            Op::ScatterNd => self.scatter_nd(x),
            Op::Expand { shape } => match broadcast(&[x, shape]) {
                Some(out) if out == *shape => Ok(out),
                _ => Err(self.bad(&format!("cannot be broadcast to {}", super::shown(&[shape])))),
            },
            Op::Resize2d { size: [h, w], .. } => {
                let (n, c, _, _) = match self.image() {
                    Ok(image) => image,
                    Err(error) => return Some(Err(error)),
                };
                Ok(vec![n, Dim::Fixed(c), Dim::Fixed(*h), Dim::Fixed(*w)])
            }
            _ => return None,
        })
    }

    fn reduce(&self, x: &[Dim], axes: &[usize], keep: bool) -> Result<Vec<Dim>, GraphError> {
        let fixed = |a: &usize| x.get(*a).is_some_and(|d| d.fixed().is_some());
        if !axes.iter().all(fixed) || !axes.is_sorted_by(|a, b| a < b) {
            return Err(
                self.bad(&format!("cannot reduce axes {axes:?}: each must exist and have a fixed size"))
            );
        }
        let kept = |(axis, dim): (usize, &Dim)| match axes.contains(&axis) {
            true => keep.then_some(Dim::Fixed(1)),
            false => Some(*dim),
        };
        Ok(x.iter().enumerate().filter_map(kept).collect())
    }

    fn concat(&self, x: &[Dim], axis: usize) -> Result<Vec<Dim>, GraphError> {
        let mut total = 0_usize;
        for shape in self.inputs {
            let others = |s: &[Dim]| {
                s.iter().enumerate().filter(|(i, _)| *i != axis).map(|(_, d)| *d).collect::<Vec<_>>()
            };
            let size = shape.get(axis).and_then(|d| d.fixed());
            total =
                size.filter(|_| others(shape) == others(x)).and_then(|n| total.checked_add(n)).ok_or_else(
                    || self.bad(&format!("shapes must be equal except on axis {axis}, fixed there")),
                )?;
        }
        let mut out = x.to_vec();
        out[axis] = Dim::Fixed(total);
        Ok(out)
    }

    fn slice(
        &self,
        x: &[Dim],
        axis: usize,
        (start, step, len): (usize, isize, usize),
    ) -> Result<Vec<Dim>, GraphError> {
        let size = x.get(axis).and_then(|d| d.fixed());
        let inside = |size: usize| {
            let last = (len.max(1) - 1).checked_mul(step.unsigned_abs())?;
            let end = if step < 0 { start.checked_sub(last)? } else { start.checked_add(last)? };
            (step != 0 && (len == 0 || start.max(end) < size)).then_some(())
        };
        size.and_then(inside).ok_or_else(|| {
            self.bad(&format!("{len} elements from {start} in steps of {step} are not all on axis {axis}"))
        })?;
        let mut out = x.to_vec();
        out[axis] = Dim::Fixed(len);
        Ok(out)
    }

    fn pad(&self, x: &[Dim], pads: &[[usize; 2]], mode: PadMode) -> Result<Vec<Dim>, GraphError> {
        let padded = |(dim, [before, after]): (&Dim, &[usize; 2])| match dim.fixed() {
            _ if (*before, *after) == (0, 0) => Some(*dim),
            // Neither an edge nor a mirror has anything to show there.
            Some(0) if !matches!(mode, PadMode::Constant(_)) => None,
            Some(n) => n.checked_add(*before)?.checked_add(*after).map(Dim::Fixed),
            None => None,
        };
        let out: Option<Vec<Dim>> = x.iter().zip(pads).map(padded).collect();
        out.filter(|out| out.len() == x.len() && pads.len() == x.len()).ok_or_else(|| {
            self.bad("needs a pair of pads for each axis, none on the batch, and elements to repeat")
        })
    }

    fn gather_nd(&self, x: &[Dim], batch_dims: usize) -> Result<Vec<Dim>, GraphError> {
        let y = self.inputs[1];
        let tuple = y.last().and_then(|d| d.fixed());
        let shared = y.len() > batch_dims && x.len() >= batch_dims && x[..batch_dims] == y[..batch_dims];
        match tuple.filter(|n| shared && indexes(&x[batch_dims..], *n)) {
            Some(n) => Ok([&y[..y.len() - 1], &x[batch_dims + n..]].concat()),
            None => {
                Err(self
                    .bad("the last axis of the indices must index axes of the data that have fixed sizes"))
            }
        }
    }

    fn scatter_nd(&self, x: &[Dim]) -> Result<Vec<Dim>, GraphError> {
        let (y, z) = (self.inputs[1], self.inputs[2]);
        let tuple = y.last().and_then(|d| d.fixed()).filter(|n| indexes(x, *n));
        let fits = tuple.is_some_and(|n| z == [&y[..y.len() - 1], &x[n..]].concat());
        self.needs(fits, x, "indices into axes of fixed sizes, and one update of the other axes for each")
    }
}

/// Whether tuples of n numbers index the first axes, none of which is the batch.
fn indexes(x: &[Dim], n: usize) -> bool {
    (1..=x.len()).contains(&n) && x[..n].iter().all(|d| d.fixed().is_some())
}
