//! What a plan does, counted instead of timed: the same on every machine and at every load.

use super::Executable;
use super::product::{Geometry, Product};
use super::step::Step;
use super::storage::Slot;

/// Work of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Multiply-adds of all products (linear layers, convolutions, matrix products); other operators have none.
    pub operations: u64,
    /// Bytes that the steps read and write: activations in their element types once per step that touches them, and
    /// every parameter once. Patch rows, accumulators and what caches save are not in it.
    pub traffic_bytes: u64,
}

impl Executable {
    /// The work of a call with `batch` samples, by the plan.
    #[must_use]
    pub fn work(&self, batch: usize) -> Work {
        self.steps.iter().map(|planned| planned.step.work(batch)).fold(Work::default(), |all, step| Work {
            operations: all.operations + step.operations,
            traffic_bytes: all.traffic_bytes + step.traffic_bytes,
        })
    }
}

impl Step {
    /// The work of the step alone, its own parameters included.
    pub(super) fn work(&self, batch: usize) -> Work {
        Work {
            operations: (batch * self.operations()) as u64,
            traffic_bytes: self.parameter_traffic() + self.activation_bytes(batch) as u64,
        }
    }

    /// Bytes of parameters that a call reads whatever its input. Of a table it reads some rows, which count with its input.
    fn parameter_traffic(&self) -> u64 {
        if matches!(self, Self::Lookup(_)) { 0 } else { self.weight_bytes() }
    }

    /// Multiply-adds per sample.
    fn operations(&self) -> usize {
        match self {
            Self::Product(p) => p.geometry.rows_per_sample() * p.geometry.k() * p.out_channels,
            Self::MatMul(m) => m.heads * m.m * m.k * m.n,
            _ => 0,
        }
    }

    /// Bytes of activations read and written.
    fn activation_bytes(&self, batch: usize) -> usize {
        let one = |slot: &Slot, len: usize| batch * len * slot.kind.bytes();
        let through = |from: &Slot, to: &Slot, len: usize| one(from, len) + one(to, len);
        match self {
            Self::General(general) => 4 * general.elements(batch),
            Self::Lookup(lookup) => {
                one(&lookup.from, lookup.len)
                    + one(&lookup.to, lookup.len * lookup.width)
                    + batch * lookup.table_traffic()
            }
            Self::Quantize { len, from, to, .. }
            | Self::Dequantize { len, from, to, .. }
            | Self::Round { len, from, to, .. }
            | Self::Scale { len, from, to, .. } => through(from, to, *len),
            Self::Activate { len, from, to, .. }
            | Self::LayerNorm { len, from, to, .. }
            | Self::Softmax { len, from, to, .. } => through(from, &to.slot, *len),
            Self::Add { len, lhs, rhs, to, .. } => one(lhs, *len) + through(rhs, to, *len),
            Self::AddParam { param, from, to, .. } => through(from, to, param.len()),
            Self::Product(p) => {
                let residual = p.residual.map_or(0, |operand| one(&operand.slot, p.outputs()));
                one(&p.input.slot, p.inputs()) + residual + one(&p.to.slot, p.outputs())
            }
            Self::MatMul(m) => {
                one(&m.lhs.slot, m.heads * m.m * m.k)
                    + one(&m.rhs.slot, m.heads * m.k * m.n)
                    + m.mask.map_or(0, |mask| one(&mask, m.n))
                    + one(&m.to.slot, m.heads * m.m * m.n)
            }
            Self::Pool(pool) => {
                let [height, width] = pool.out;
                one(&pool.from, pool.dims.iter().product()) + one(&pool.to, height * width * pool.dims[2])
            }
            Self::MeanRows { rows, width, from, to, .. } => one(from, rows * width) + one(to, *width),
            Self::Permute { dims, from, to, .. } => through(from, to, dims.iter().product()),
        }
    }
}

impl Product {
    /// Input values per sample.
    fn inputs(&self) -> usize {
        match &self.geometry {
            Geometry::Rows { rows, k } => rows * k,
            Geometry::Conv(shape) => shape.in_h * shape.in_w * shape.channels,
        }
    }

    /// Output values per sample.
    fn outputs(&self) -> usize {
        self.geometry.rows_per_sample() * self.out_channels
    }
}

#[cfg(test)]
mod tests {
    use calibench_graph::{Conv2d, Dim, Graph, GraphBuilder, Op, Tensor};
    use calibench_kernels::{Isa, Kernels};
    use calibench_quant::Dtype;

    use super::*;
    use crate::QuantSpec;
    use crate::compile::CompileOptions;

    fn work(graph: &Graph, batch: usize) -> Work {
        let kernels = Kernels::new(Isa::Generic).expect("generic kernels are everywhere");
        let options = CompileOptions { kernels, threads: 1, max_batch: 4 };
        let plan = Executable::compile(graph, &QuantSpec::float(Dtype::Fp32), options).expect("it compiles");
        plan.work(batch)
    }

    #[test]
    fn a_linear_layer_multiplies_rows_by_inputs_by_outputs() {
        let mut g = GraphBuilder::new("linear", vec![Dim::Batch, Dim::Fixed(5)]);
        let weight = Tensor::new([16, 5], vec![1.0; 80]).expect("80 values");
        let y = g.add("fc", Op::Linear, &[g.input()], vec![("w", weight)]).expect("it fits");
        let graph = g.finish(y);
        // 80 weights once, 5 inputs and 16 outputs a sample, each of four bytes.
        assert_eq!(work(&graph, 1), Work { operations: 80, traffic_bytes: 4 * (80 + 5 + 16) });
        assert_eq!(work(&graph, 4), Work { operations: 320, traffic_bytes: 4 * (80 + 4 * (5 + 16)) });
    }

    #[test]
    fn a_grouped_convolution_multiplies_within_its_groups() {
        let mut g = GraphBuilder::new("conv", vec![Dim::Batch, Dim::Fixed(4), Dim::Fixed(6), Dim::Fixed(6)]);
        let weight = Tensor::new([8, 2, 3, 3], vec![0.5; 144]).expect("144 values");
        let op = Op::Conv2d(Conv2d { groups: 2, ..Conv2d::square(1, 1) });
        let y = g.add("conv", op, &[g.input()], vec![("w", weight)]).expect("it fits");
        // 36 pixels, 8 channels, each of 2 × 3 × 3 products.
        assert_eq!(work(&g.finish(y), 1).operations, 36 * 8 * 18);
    }
}
