//! The graph of a sentence model.

use calibench_graph::{
    Binary, Dim, Element, Graph, GraphBuilder, GraphError, Op, Reduction, Tensor, Unary, ValueId,
};

use super::config::Config;
use super::weights::Weights;

/// Added to the attention scores of padded keys.
///
/// fp32: scores of trained models lie within some hundreds, and e^x is exactly 0 from x = −104 on, so a padded key weighs
/// exactly nothing. fp16: it is held exactly and stays finite; the largest finite number, which PyTorch takes, would
/// overflow once a score is added.
const MASKED: f32 = -1e4;

/// Least divisors, as in sentence-transformers: of the mean, and of PyTorch's `normalize`.
const LEAST_TOKENS: f32 = 1e-9;
const LEAST_LENGTH: f32 = 1e-12;

/// Builds the graph for a number of tokens.
pub(super) struct Encoder<'m> {
    g: GraphBuilder,
    config: &'m Config,
    weights: &'m Weights,
    tokens: usize,
}

type Result<T> = std::result::Result<T, GraphError>;

impl<'m> Encoder<'m> {
    /// Over a builder with the inputs ids and mask.
    pub(super) fn new(g: GraphBuilder, config: &'m Config, weights: &'m Weights, tokens: usize) -> Self {
        Self { g, config, weights, tokens }
    }

    pub(super) fn build(mut self) -> Result<Graph> {
        let (ids, mask) = (ValueId(0), ValueId(1));
        self.g.set_mask(mask);
        let mut x = self.embeddings(ids)?;
        let bias = self.attention_bias(mask)?;
        for layer in 0..self.config.num_hidden_layers {
            x = self.layer(&format!("encoder.layer.{layer}"), x, bias)?;
        }
        let x = self.pooling(x, mask)?;
        let x = self.normalize(x)?;
        Ok(self.g.finish(x))
    }

    fn op(&mut self, name: &str, op: Op, inputs: &[ValueId]) -> Result<ValueId> {
        self.g.add(name, op, inputs, vec![])
    }

    /// A node with the parameters `weight` and `bias` of the module called like it.
    fn module(&mut self, name: &str, op: Op, x: ValueId) -> Result<ValueId> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let params = [&weight, &bias].map(|param| (param.as_str(), self.weights.get(param).clone()));
        self.g.add(name, op, &[x], params.into())
    }

    fn norm(&mut self, name: &str, x: ValueId) -> Result<ValueId> {
        self.module(name, Op::LayerNorm { epsilon: self.config.layer_norm_eps }, x)
    }

    fn reshape(&mut self, name: &str, x: ValueId, sample: &[usize]) -> Result<ValueId> {
        let shape = [Dim::Batch].into_iter().chain(sample.iter().map(|n| Dim::Fixed(*n))).collect();
        self.op(name, Op::Reshape { shape }, &[x])
    }

    /// The rows of the ids, with position and type 0 added, normalised.
    fn embeddings(&mut self, ids: ValueId) -> Result<ValueId> {
        let table = |name: &str| format!("embeddings.{name}_embeddings.weight");
        let words = (table("word"), self.weights.get(&table("word")).clone());
        let words = vec![(words.0.as_str(), words.1)];
        let x = self.g.add("embeddings.word_embeddings", Op::Embedding, &[ids], words)?;
        let kind = &self.weights.get(&table("token_type")).data()[..self.config.hidden_size];
        let positions =
            self.weights.get(&table("position")).data().chunks_exact(kind.len()).take(self.tokens);
        let sums = positions.flat_map(|position| position.iter().zip(kind).map(|(p, t)| p + t)).collect();
        let sums = Tensor::new([self.tokens, kind.len()], sums)?;
        let name = "embeddings.position_embeddings";
        let x = self.g.add(name, Op::AddParam, &[x], vec![("embeddings.position_and_type", sums)])?;
        self.norm("embeddings.LayerNorm", x)
    }

    /// What is added to scores `[batch, heads, queries, keys]`: 0 for tokens, [`MASKED`] for padding.
    fn attention_bias(&mut self, mask: ValueId) -> Result<ValueId> {
        let x = self.op("attention_mask.padding", Op::Unary(Unary::Not), &[mask])?;
        let x = self.op("attention_mask.float", Op::Cast { to: Element::Float }, &[x])?;
        let x = self.op("attention_mask.scale", Op::Scale { factor: MASKED }, &[x])?;
        self.reshape("attention_mask.bias", x, &[1, 1, self.tokens])
    }

    fn layer(&mut self, name: &str, x: ValueId, bias: ValueId) -> Result<ValueId> {
        let y = self.attention(&format!("{name}.attention.self"), x, bias)?;
        let x = self.output(&format!("{name}.attention.output"), y, x)?;
        let y = self.module(&format!("{name}.intermediate.dense"), Op::Linear, x)?;
        let y = self.op(&format!("{name}.intermediate.gelu"), Op::Gelu, &[y])?;
        self.output(&format!("{name}.output"), y, x)
    }

    /// `LayerNorm(W · y + b + x)`.
    fn output(&mut self, name: &str, y: ValueId, x: ValueId) -> Result<ValueId> {
        let y = self.module(&format!("{name}.dense"), Op::Linear, y)?;
        let x = self.op(&format!("{name}.add"), Op::Add, &[y, x])?;
        self.norm(&format!("{name}.LayerNorm"), x)
    }

    /// `softmax(q kᵀ / √d + bias) · v`, head by head.
    fn attention(&mut self, name: &str, x: ValueId, bias: ValueId) -> Result<ValueId> {
        let (width, heads) = (self.config.hidden_size, self.config.num_attention_heads);
        let of_heads = [self.tokens, heads, width / heads];
        let swap = || Op::Permute { axes: vec![0, 2, 1, 3] };
        let mut split = |part: &str| {
            let part = format!("{name}.{part}");
            let y = self.module(&part, Op::Linear, x)?;
            let y = self.reshape(&format!("{part}.split"), y, &of_heads)?;
            self.op(&format!("{part}.heads"), swap(), &[y])
        };
        let (query, key, value) = (split("query")?, split("key")?, split("value")?);
        let scores = self.op(&format!("{name}.scores"), Op::MatMul { transpose_rhs: true }, &[query, key])?;
        let factor = 1.0 / ((width / heads) as f32).sqrt();
        let scores = self.op(&format!("{name}.scale"), Op::Scale { factor }, &[scores])?;
        let scores = self.op(&format!("{name}.mask"), Op::Add, &[scores, bias])?;
        let shares = self.op(&format!("{name}.softmax"), Op::Softmax, &[scores])?;
        let product = Op::MatMul { transpose_rhs: false };
        let context = self.op(&format!("{name}.context"), product, &[shares, value])?;
        let context = self.op(&format!("{name}.merge"), swap(), &[context])?;
        self.reshape(&format!("{name}.join"), context, &[self.tokens, width])
    }

    /// The mean of the rows that are not padding: `[batch, tokens, width]` → `[batch, width]`.
    fn pooling(&mut self, x: ValueId, mask: ValueId) -> Result<ValueId> {
        let sum = |keep| Op::Reduce { reduction: Reduction::Sum, axes: vec![1], keep };
        let mask = self.op("pooling.mask", Op::Cast { to: Element::Float }, &[mask])?;
        let rows = self.reshape("pooling.rows", mask, &[self.tokens, 1])?;
        let kept = self.op("pooling.tokens", Op::Binary(Binary::Mul), &[x, rows])?;
        let total = self.op("pooling.sum", sum(false), &[kept])?;
        let count = self.op("pooling.count", sum(true), &[mask])?;
        let count = self.op("pooling.divisor", at_least(LEAST_TOKENS), &[count])?;
        self.op("pooling", Op::Binary(Binary::Div), &[total, count])
    }

    /// `x / ‖x‖`.
    fn normalize(&mut self, x: ValueId) -> Result<ValueId> {
        let length = Op::Reduce { reduction: Reduction::L2, axes: vec![1], keep: true };
        let length = self.op("normalize.length", length, &[x])?;
        let length = self.op("normalize.divisor", at_least(LEAST_LENGTH), &[length])?;
        self.op("normalize", Op::Binary(Binary::Div), &[x, length])
    }
}

/// Bounded from below alone; the largest finite number, since JSON has no infinity.
fn at_least(low: f32) -> Op {
    Op::Unary(Unary::Clip { low, high: f32::MAX })
}
