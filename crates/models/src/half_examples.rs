//! Two models that work in fp32 and fail in fp16, each for one of the two usual reasons.
//!
//! They are no part of a sweep unless they are named: what they are for is to see what the half-precision lab
//! (`calibench sensitivity`, `calibench tune`) makes of them.

use calibench_graph::{Binary, Dim, Graph, GraphBuilder, GraphError, Op, ValueId};

use crate::ModelEntry;
use crate::init::{Init, filled};
use crate::train::{Recipe, SHIFT};

const RECIPE: Recipe =
    Recipe { epochs: 40, batch: 32, learning_rate: 3e-3, weight_decay: 1e-2, shift: SHIFT };

/// Columns of pixels are normalised with the epsilon that BERT's configuration has. Columns of blank pixels have no
/// variance, so that only epsilon keeps them from 0 / 0, and in fp16 it is 0.
pub(crate) const EPSILON: ModelEntry = ModelEntry {
    id: "digits-epsilon",
    summary: "fails in fp16: a LayerNorm whose epsilon of 1e-12 is 0 there, over columns without variance",
    dataset: "digits",
    build: epsilon,
    recipe: RECIPE,
};

/// Pixels are counts of a 10-bit sensor, their squares energies up to 1,046,529; fp16 ends at 65,504.
pub(crate) const ENERGY: ModelEntry = ModelEntry {
    id: "digits-energy",
    summary: "fails in fp16: squares of sensor counts, up to 1,046,529, before the first normalisation",
    dataset: "digits",
    build: energy,
    recipe: RECIPE,
};

/// The largest count of a 10-bit sensor.
const COUNTS: f32 = 1023.0;

fn epsilon(seed: u64) -> Result<Graph, GraphError> {
    let mut g = images(EPSILON.id);
    let x = g.input();
    let x = g.add("columns", Op::Permute { axes: vec![0, 1, 3, 2] }, &[x], vec![])?;
    let norm = vec![("norm.weight", filled(&[8], 1.0)?), ("norm.bias", filled(&[8], 0.0)?)];
    let x = g.add("norm", Op::LayerNorm { epsilon: 1e-12 }, &[x], norm)?;
    let x = flat(&mut g, x)?;
    classify(g, x, seed)
}

fn energy(seed: u64) -> Result<Graph, GraphError> {
    let mut g = images(ENERGY.id);
    let x = g.input();
    let x = g.add("counts", Op::Scale { factor: COUNTS }, &[x], vec![])?;
    let x = g.add("energy", Op::Binary(Binary::Mul), &[x, x], vec![])?;
    let x = flat(&mut g, x)?;
    let norm = vec![("norm.weight", filled(&[64], 1.0)?), ("norm.bias", filled(&[64], 0.0)?)];
    let x = g.add("norm", Op::LayerNorm { epsilon: 1e-5 }, &[x], norm)?;
    classify(g, x, seed)
}

fn images(name: &str) -> GraphBuilder {
    GraphBuilder::new(name, vec![Dim::Batch, Dim::Fixed(1), Dim::Fixed(8), Dim::Fixed(8)])
}

fn flat(g: &mut GraphBuilder, x: ValueId) -> Result<ValueId, GraphError> {
    g.add("flatten", Op::Reshape { shape: vec![Dim::Batch, Dim::Fixed(64)] }, &[x], vec![])
}

/// A perceptron with one hidden layer.
fn classify(mut g: GraphBuilder, x: ValueId, seed: u64) -> Result<Graph, GraphError> {
    let mut init = Init::new(seed);
    let fc1 = vec![("fc1.weight", init.weight(&[64, 64])?), ("fc1.bias", filled(&[64], 0.0)?)];
    let x = g.add("fc1", Op::Linear, &[x], fc1)?;
    let x = g.add("fc1.relu", Op::Relu, &[x], vec![])?;
    let fc2 = vec![("fc2.weight", init.glorot(&[10, 64])?), ("fc2.bias", filled(&[10], 0.0)?)];
    let x = g.add("fc2", Op::Linear, &[x], fc2)?;
    Ok(g.finish(x))
}
