//! Reductions along axes.

use calibench_graph::{Element, Op, Reduction};

use super::super::converter::{Converter, Operand, Result};
use super::elementwise::cut;

pub(super) fn reduce<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let reduction = match c.node.op.as_str() {
        "ReduceMean" => Reduction::Mean,
        "ReduceSum" => Reduction::Sum,
        "ReduceL2" => Reduction::L2,
        "ReduceMax" => Reduction::Max,
        "ReduceMin" => Reduction::Min,
        _ => Reduction::Prod,
    };
    let x = c.input(0)?;
    let rank = c.shape(&x).len();
    let given = match c.ints_attribute("axes")? {
        Some(axes) => axes.to_vec(),
        None => c.optional_ints(1, "axes")?.unwrap_or_default(),
    };
    let mut axes = given.iter().map(|a| c.axis(*a, rank)).collect::<Result<Vec<_>>>()?;
    axes.sort_unstable();
    axes.dedup();
    if axes.is_empty() {
        if c.int("noop_with_empty_axes", 0)? != 0 {
            return Ok(x);
        }
        axes = (0..rank).collect();
    }
    let keep = c.int("keepdims", 1)? != 0;
    let fractions = c.element(&x) == Element::Integer && matches!(reduction, Reduction::Mean | Reduction::L2);
    cut(c, fractions, "fractions", Op::Reduce { reduction, axes, keep }, &[x])
}
