//! Seeded initial parameters.

use calibench_graph::{GraphError, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Draws initial parameters in the order in which they are asked for.
pub(crate) struct Init(ChaCha8Rng);

impl Init {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform in ±√(6 / fan_in): He et al. 2015 (arXiv 1502.01852). Shape `[out, in…]`.
    pub(crate) fn weight(&mut self, shape: &[usize]) -> Result<Tensor, GraphError> {
        let fan_in: usize = shape[1..].iter().product();
        self.uniform(shape, (6.0 / fan_in as f32).sqrt())
    }

    /// Uniform in ±√(6 / (in + out)): Glorot and Bengio 2010, for layers without a ReLU behind them.
    pub(crate) fn glorot(&mut self, shape: &[usize]) -> Result<Tensor, GraphError> {
        self.uniform(shape, (6.0 / (shape[0] + shape[1]) as f32).sqrt())
    }

    /// Uniform in ±bound.
    pub(crate) fn uniform(&mut self, shape: &[usize], bound: f32) -> Result<Tensor, GraphError> {
        let n = shape.iter().product();
        let data = (0..n).map(|_| self.0.random_range(-bound..=bound)).collect();
        Tensor::new(shape, data)
    }
}

/// A tensor of one value.
pub(crate) fn filled(shape: &[usize], value: f32) -> Result<Tensor, GraphError> {
    Tensor::new(shape, vec![value; shape.iter().product()])
}
