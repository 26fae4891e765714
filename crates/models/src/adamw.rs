//! AdamW with a cosine schedule.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// AdamW (Loshchilov and Hutter 2017, arXiv 1711.05101): decay is applied to matrices and kernels only.
pub(crate) struct AdamW {
    vars: Vec<Var>,
    moments: BTreeMap<usize, (Tensor, Tensor)>,
    steps: i32,
    total: usize,
    learning_rate: f64,
    weight_decay: f64,
}

impl AdamW {
    /// An optimiser over `vars` for `total` steps; the rate falls from `learning_rate` to 0 on a cosine.
    pub(crate) fn new(vars: Vec<Var>, total: usize, learning_rate: f64, weight_decay: f64) -> Self {
        Self { vars, moments: BTreeMap::new(), steps: 0, total, learning_rate, weight_decay }
    }

    /// One step along the gradients.
    pub(crate) fn step(&mut self, gradients: &GradStore) -> Result<()> {
        let progress = f64::from(self.steps) / self.total as f64;
        let rate = self.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        self.steps += 1;
        let (correct1, correct2) = (1.0 - BETA1.powi(self.steps), 1.0 - BETA2.powi(self.steps));
        for (i, var) in self.vars.iter().enumerate() {
            let Some(gradient) = gradients.get(var) else { continue };
            let gradient = gradient.detach();
            let (m, v) = match self.moments.remove(&i) {
                Some((m, v)) => (
                    ((m * BETA1)? + (&gradient * (1.0 - BETA1))?)?,
                    ((v * BETA2)? + (gradient.sqr()? * (1.0 - BETA2))?)?,
                ),
                None => ((&gradient * (1.0 - BETA1))?, (gradient.sqr()? * (1.0 - BETA2))?),
            };
            let step = ((&m / correct1)? / ((&v / correct2)?.sqrt()? + EPSILON)?)?;
            let decay = if var.rank() > 1 { 1.0 - rate * self.weight_decay } else { 1.0 };
            var.set(&((var.as_tensor().detach() * decay)? - (step * rate)?)?)?;
            self.moments.insert(i, (m, v));
        }
        Ok(())
    }
}
