//! `digits-mlp`: two hidden layers, with a LayerNorm between them.

use calibench_graph::{Dim, Graph, GraphBuilder, GraphError, Op};

use crate::ModelEntry;
use crate::init::{Init, filled};
use crate::train::{Recipe, SHIFT};

pub(crate) const ENTRY: ModelEntry = ModelEntry {
    id: "digits-mlp",
    summary: "64-128-64-10 perceptron with LayerNorm and ReLU",
    dataset: "digits",
    build,
    recipe: Recipe { epochs: 60, batch: 32, learning_rate: 3e-3, weight_decay: 1e-2, shift: SHIFT },
};

fn build(seed: u64) -> Result<Graph, GraphError> {
    let mut init = Init::new(seed);
    let shape = vec![Dim::Batch, Dim::Fixed(1), Dim::Fixed(8), Dim::Fixed(8)];
    let mut g = GraphBuilder::new(ENTRY.id, shape);
    let x = g.input();
    let x = g.add("flatten", Op::Reshape { shape: vec![Dim::Batch, Dim::Fixed(64)] }, &[x], vec![])?;
    let fc1 = vec![("fc1.weight", init.weight(&[128, 64])?), ("fc1.bias", filled(&[128], 0.0)?)];
    let x = g.add("fc1", Op::Linear, &[x], fc1)?;
    let x = g.add("fc1.relu", Op::Relu, &[x], vec![])?;
    let norm = vec![("norm.weight", filled(&[128], 1.0)?), ("norm.bias", filled(&[128], 0.0)?)];
    let x = g.add("norm", Op::LayerNorm { epsilon: 1e-5 }, &[x], norm)?;
    let fc2 = vec![("fc2.weight", init.weight(&[64, 128])?), ("fc2.bias", filled(&[64], 0.0)?)];
    let x = g.add("fc2", Op::Linear, &[x], fc2)?;
    let x = g.add("fc2.relu", Op::Relu, &[x], vec![])?;
    let fc3 = vec![("fc3.weight", init.glorot(&[10, 64])?), ("fc3.bias", filled(&[10], 0.0)?)];
    let x = g.add("fc3", Op::Linear, &[x], fc3)?;
    Ok(g.finish(x))
}
