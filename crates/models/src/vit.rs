//! `digits-vit`: a small vision transformer.

use calibench_graph::{Conv2d, Dim, Graph, GraphBuilder, GraphError, Op, Tensor, ValueId};

use crate::ModelEntry;
use crate::init::{Init, filled};
use crate::train::{Recipe, SHIFT};

pub(crate) const ENTRY: ModelEntry = ModelEntry {
    id: "digits-vit",
    summary: "vision transformer, 16 patches, 2 pre-norm blocks of width 32, 4 heads (Dosovitskiy et al. 2020)",
    dataset: "digits",
    build,
    recipe: Recipe { epochs: 60, batch: 32, learning_rate: 5e-3, weight_decay: 5e-2, shift: SHIFT },
};

const TOKENS: usize = 16;
const WIDTH: usize = 32;
const HEADS: usize = 4;
const HIDDEN: usize = 64;

struct Block<'b> {
    g: &'b mut GraphBuilder,
    init: &'b mut Init,
}

impl Block<'_> {
    fn linear(&mut self, name: &str, x: ValueId, [input, output]: [usize; 2]) -> Result<ValueId, GraphError> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let params = vec![
            (weight.as_str(), self.init.glorot(&[output, input])?),
            (bias.as_str(), filled(&[output], 0.0)?),
        ];
        self.g.add(name, Op::Linear, &[x], params)
    }

    fn norm(&mut self, name: &str, x: ValueId) -> Result<ValueId, GraphError> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let params: Vec<(&str, Tensor)> =
            vec![(&weight, filled(&[WIDTH], 1.0)?), (&bias, filled(&[WIDTH], 0.0)?)];
        self.g.add(name, Op::LayerNorm { epsilon: 1e-5 }, &[x], params)
    }

    /// `[B, T, D]` → `[B, heads, T, D/heads]`.
    fn heads(&mut self, name: &str, x: ValueId) -> Result<ValueId, GraphError> {
        let shape = [TOKENS, HEADS, WIDTH / HEADS].map(Dim::Fixed);
        let shape = [&[Dim::Batch], &shape[..]].concat();
        let x = self.g.add(&format!("{name}.split"), Op::Reshape { shape }, &[x], vec![])?;
        self.g.add(&format!("{name}.heads"), Op::Permute { axes: vec![0, 2, 1, 3] }, &[x], vec![])
    }

    fn attention(&mut self, name: &str, x: ValueId) -> Result<ValueId, GraphError> {
        let mut projected = Vec::new();
        for part in ["query", "key", "value"] {
            let part = format!("{name}.{part}");
            let y = self.linear(&part, x, [WIDTH, WIDTH])?;
            projected.push(self.heads(&part, y)?);
        }
        let [q, k, v] = projected[..] else { unreachable!("three projections") };
        let scores =
            self.g.add(&format!("{name}.scores"), Op::MatMul { transpose_rhs: true }, &[q, k], vec![])?;
        let factor = 1.0 / ((WIDTH / HEADS) as f32).sqrt();
        let scores = self.g.add(&format!("{name}.scale"), Op::Scale { factor }, &[scores], vec![])?;
        let shares = self.g.add(&format!("{name}.softmax"), Op::Softmax, &[scores], vec![])?;
        let context = Op::MatMul { transpose_rhs: false };
        let context = self.g.add(&format!("{name}.context"), context, &[shares, v], vec![])?;
        let context = self.g.add(
            &format!("{name}.merge"),
            Op::Permute { axes: vec![0, 2, 1, 3] },
            &[context],
            vec![],
        )?;
        let shape = vec![Dim::Batch, Dim::Fixed(TOKENS), Dim::Fixed(WIDTH)];
        let context = self.g.add(&format!("{name}.join"), Op::Reshape { shape }, &[context], vec![])?;
        self.linear(&format!("{name}.output"), context, [WIDTH, WIDTH])
    }

    fn encoder(&mut self, name: &str, x: ValueId) -> Result<ValueId, GraphError> {
        let y = self.norm(&format!("{name}.norm1"), x)?;
        let y = self.attention(&format!("{name}.attention"), y)?;
        let x = self.g.add(&format!("{name}.add1"), Op::Add, &[x, y], vec![])?;
        let y = self.norm(&format!("{name}.norm2"), x)?;
        let y = self.linear(&format!("{name}.fc1"), y, [WIDTH, HIDDEN])?;
        let y = self.g.add(&format!("{name}.gelu"), Op::Gelu, &[y], vec![])?;
        let y = self.linear(&format!("{name}.fc2"), y, [HIDDEN, WIDTH])?;
        self.g.add(&format!("{name}.add2"), Op::Add, &[x, y], vec![])
    }
}

fn build(seed: u64) -> Result<Graph, GraphError> {
    let mut init = Init::new(seed);
    let shape = vec![Dim::Batch, Dim::Fixed(1), Dim::Fixed(8), Dim::Fixed(8)];
    let mut g = GraphBuilder::new(ENTRY.id, shape);
    let x = g.input();
    let patches = Op::Conv2d(Conv2d::square(2, 0));
    let params = vec![
        ("patches.weight", init.uniform(&[WIDTH, 1, 2, 2], 0.5)?),
        ("patches.bias", filled(&[WIDTH], 0.0)?),
    ];
    let x = g.add("patches", patches, &[x], params)?;
    let shape = vec![Dim::Batch, Dim::Fixed(WIDTH), Dim::Fixed(TOKENS)];
    let x = g.add("patches.flatten", Op::Reshape { shape }, &[x], vec![])?;
    let x = g.add("tokens", Op::Permute { axes: vec![0, 2, 1] }, &[x], vec![])?;
    let x =
        g.add("positions", Op::AddParam, &[x], vec![("positions", init.uniform(&[TOKENS, WIDTH], 0.1)?)])?;
    let mut block = Block { g: &mut g, init: &mut init };
    let x = block.encoder("encoder0", x)?;
    let x = block.encoder("encoder1", x)?;
    let x = block.norm("norm", x)?;
    let x = block.g.add("mean", Op::MeanTokens, &[x], vec![])?;
    let x = block.linear("head", x, [WIDTH, 10])?;
    Ok(g.finish(x))
}
