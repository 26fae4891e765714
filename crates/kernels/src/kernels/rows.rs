//! Normalisations over rows, and functions of single values.

use std::cell::RefCell;

use super::{check_len, check_quantizer};
use crate::{
    Activation, Aligned, Kernels, Output,
    lanes::{self, rows},
};

thread_local! {
    /// One row of values.
    static ROW: RefCell<Aligned<f32>> = const { RefCell::new(Aligned::new()) };
}

impl Kernels {
    /// Layer normalisation of rows of `gamma.len()` values: `(x − mean) / √(variance + ε) · γ + β`, with the variance of
    /// the row, not of a sample (Ba et al. 2016, arXiv 1607.06450).
    ///
    /// # Panics
    /// Unless `x` is whole rows and the output as long.
    pub fn layer_norm(&self, x: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32, output: Output<'_>) {
        check_values("layer_norm", x, gamma.len(), &output);
        check_len("layer_norm", "beta", beta.len(), gamma.len());
        with_row(gamma.len(), |row| {
            lanes::run(self.proof, rows::LayerNorm { x, gamma, beta, epsilon, row, output });
        });
    }

    /// Softmax of rows of `width` values: `e^(x − max) / Σ e^(x − max)`; a row with a NaN becomes NaN.
    ///
    /// # Panics
    /// Unless `x` is whole rows and the output as long.
    pub fn softmax(&self, x: &[f32], width: usize, output: Output<'_>) {
        check_values("softmax", x, width, &output);
        with_row(width, |row| lanes::run(self.proof, rows::Softmax { x, width, row, output }));
    }

    /// A function of each value.
    ///
    /// # Panics
    /// Unless the output is as long as `x`.
    pub fn activate(&self, x: &[f32], activation: Activation, output: Output<'_>) {
        check_values("activate", x, 1, &output);
        lanes::run(self.proof, rows::Activate { x, activation, output });
    }
}

#[track_caller]
fn check_values(op: &str, x: &[f32], width: usize, output: &Output<'_>) {
    assert!(width > 0 && x.len().is_multiple_of(width), "{op}: {} values are not rows of {width}", x.len());
    check_len(op, "output", output.len(), x.len());
    if let Output::S8(_, quantizer) = output {
        check_quantizer(op, *quantizer);
    }
}

fn with_row(width: usize, work: impl FnOnce(&mut [f32])) {
    let mut row = ROW.take();
    row.grow(width);
    work(&mut row[..width]);
    ROW.set(row);
}
