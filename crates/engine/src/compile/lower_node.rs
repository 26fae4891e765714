//! Lowering of each operator to its step.

use std::collections::BTreeSet;

use calibench_graph::{Dim, Node, Op, ValueId, Window};
use calibench_kernels::Activation;

use super::layout::MAX_RANK;
use super::lower::Lowering;
use super::matmul::MatMul;
use super::pool::{Pool, Pooling};
use super::rows::Target;
use super::step::Step;
use super::storage::{Kind, Slot};
use super::values::Layout;
use super::{Codes, Operand};
use crate::EngineError;

impl<'g> Lowering<'g> {
    /// Pushes a step from fp32 to fp32.
    fn push_float(
        &mut self,
        node: &Node,
        from_layout: Layout,
        to_layout: Layout,
        build: impl FnOnce(Slot, Slot) -> Step,
    ) -> Result<(), EngineError> {
        let tensor = self.float(node.inputs[0], from_layout)?;
        let from = self.read(tensor);
        let out = self.new_tensor(Kind::F32, node.output);
        let step = build(from, self.slot(out));
        self.push(step);
        self.define_float(node.output, out, to_layout)
    }

    /// Pushes a step from fp32 to what its target holds.
    fn push_target(
        &mut self,
        node: &Node,
        layout: Layout,
        build: impl FnOnce(Slot, Target) -> Step,
    ) -> Result<(), EngineError> {
        let tensor = self.float(node.inputs[0], layout)?;
        let from = self.read(tensor);
        let (out, target) = self.target(node.output, layout)?;
        self.push(build(from, target));
        self.define(node.output, out, layout)
    }

    /// Lowers one node; `fused` names values whose nodes are done with the product before them.
    pub(super) fn node(&mut self, node: &Node, fused: &mut BTreeSet<ValueId>) -> Result<(), EngineError> {
        let Some(&x) = node.inputs.first() else { return Ok(()) };
        let name = node.name.clone();
        let (dims, len) = (self.dims(x), self.len(x));
        let same = self.layout(x);
        let plain = Layout::Plain;
        match &node.op {
            Op::Linear | Op::Conv2d(_) => self.product(node, fused),
            Op::MatMul { transpose_rhs } => self.matmul(node, *transpose_rhs, fused),
            Op::Relu | Op::Gelu => {
                let activation = if node.op == Op::Relu { Activation::Relu } else { Activation::Gelu };
                self.push_target(node, same, |from, to| Step::Activate { name, activation, len, from, to })
            }
            Op::Scale { factor } => {
                let factor = *factor;
                self.push_float(node, same, same, |from, to| Step::Scale { name, factor, len, from, to })
            }
            Op::Add if self.graph.value(x).shape == self.graph.value(node.inputs[1]).shape => {
                let (a, b) = (self.float(x, same)?, self.float(node.inputs[1], same)?);
                let (lhs, rhs) = (self.read(a), self.read(b));
                let out = self.new_tensor(Kind::F32, node.output);
                let step = Step::Add { name, len, lhs, rhs, to: self.slot(out) };
                self.push(step);
                self.define_float(node.output, out, same)
            }
            Op::AddParam => {
                let param = self.float_param(node, 0)?;
                self.push_float(node, plain, plain, |from, to| Step::AddParam { name, param, from, to })
            }
            Op::LayerNorm { epsilon } => {
                let (gamma, beta) = (self.float_param(node, 0)?, self.float_param(node, 1)?);
                let epsilon = *epsilon;
                self.push_target(node, plain, |from, to| Step::LayerNorm {
                    name,
                    gamma,
                    beta,
                    epsilon,
                    len,
                    from,
                    to,
                })
            }
            Op::Softmax => {
                let width = dims.last().copied().unwrap_or(1);
                self.push_target(node, plain, |from, to| Step::Softmax { name, width, len, from, to })
            }
            Op::MaxPool2d(window) => self.pool(node, Pooling::Max, *window),
            Op::AvgPool2d { window, count_padding } if self.is_batch_first(x) => {
                self.pool(node, Pooling::Mean { count_padding: *count_padding }, *window)
            }
            Op::GlobalAvgPool => {
                let [c, h, w] = self.image(node, &dims)?;
                self.push_float(node, Layout::ChannelsLast, plain, |from, to| Step::MeanRows {
                    name,
                    rows: h * w,
                    width: c,
                    from,
                    to,
                })
            }
            Op::MeanTokens => {
                let (rows, width) = (dims[0], dims[1]);
                self.push_float(node, plain, plain, |from, to| Step::MeanRows { name, rows, width, from, to })
            }
            Op::Reshape { .. } => match self.movable(node) {
                Some(codes) => {
                    self.define_codes(node.output, codes, plain);
                    Ok(())
                }
                None => {
                    let tensor = self.float(x, plain)?;
                    self.define_float(node.output, tensor, plain)
                }
            },
            Op::Permute { axes }
                if axes.first() == Some(&0) && dims.len() <= MAX_RANK && self.is_batch_first(x) =>
            {
                let axes: Vec<usize> = axes[1..].iter().map(|a| a - 1).collect();
                match self.movable(node) {
                    Some(codes) => {
                        let from = self.read(codes);
                        let out = self.new_tensor(Kind::I8, node.output);
                        let to = self.slot(out);
                        self.push(Step::Permute { name, dims, axes, from, to });
                        self.define_codes(node.output, out, plain);
                        Ok(())
                    }
                    None => self.push_float(node, plain, plain, |from, to| Step::Permute {
                        name,
                        dims,
                        axes,
                        from,
                        to,
                    }),
                }
            }
            Op::BatchNorm2d { .. } => {
                Err(self
                    .unsupported(node, "batch normalisation must be folded first (passes::fold_batch_norm)"))
            }
            Op::Embedding => self.lookup(node),
            _ => self.general(node),
        }
    }

    fn pool(&mut self, node: &Node, pooling: Pooling, window: Window) -> Result<(), EngineError> {
        let [c, h, w] = self.image(node, &self.dims(node.inputs[0]))?;
        let result = self.dims(node.output);
        let (name, dims, out) = (node.name.clone(), [h, w, c], [result[1], result[2]]);
        let last = Layout::ChannelsLast;
        self.push_float(node, last, last, |from, to| {
            Step::Pool(Box::new(Pool { name, pooling, window, dims, out, from, to }))
        })
    }

    /// Whether the first axis is the batch and nothing else: sizes of a sample are then those of the other axes.
    fn is_batch_first(&self, value: ValueId) -> bool {
        self.graph.value(value).shape.first() == Some(&Dim::Batch)
    }

    fn image(&self, node: &Node, dims: &[usize]) -> Result<[usize; 3], EngineError> {
        dims.try_into().map_err(|_| self.unsupported(node, format!("input must be an image, got {dims:?}")))
    }

    /// The codes that a move of elements may move: those of its site, in the graph's own order.
    fn movable(&self, node: &Node) -> Option<usize> {
        let (x, plain) = (node.inputs[0], Layout::Plain);
        let site = self.frozen_site(node.output)?;
        let (codes, layout) = self.codes_at(x).filter(|_| self.frozen_site(x) == Some(site))?;
        let read_plain = self.fits(node.output, plain, self.code_layout(node.output).ok()?);
        (self.fits(x, layout, plain) && read_plain).then_some(codes)
    }

    fn matmul(
        &mut self,
        node: &Node,
        transpose_rhs: bool,
        fused: &mut BTreeSet<ValueId>,
    ) -> Result<(), EngineError> {
        let lhs_dims = self.dims(node.inputs[0]);
        let out_dims = self.dims(node.output);
        let [.., m, n] = out_dims[..] else {
            return Err(self.unsupported(node, "needs matrices of fixed size"));
        };
        let Some(k) = lhs_dims.last().copied() else {
            return Err(self.unsupported(node, "needs matrices of fixed size"));
        };
        if self.codes == Codes::I8 && node.inputs.iter().all(|v| self.is_site(*v)) {
            self.check_terms(node, k)?;
        }
        let After { value, factor, mask, softmax } = self.fuse_attention(node, fused);
        let mask = mask.map(|mask| self.float(mask, Layout::Plain)).transpose()?;
        let lhs = self.product_input(node, node.inputs[0], Layout::Plain)?;
        let rhs = self.product_input(node, node.inputs[1], Layout::Plain)?;
        // Converting the second operand may have pushed a step: read the others again.
        let lhs = Operand { slot: self.read(lhs.slot.index), ..lhs };
        let mask = mask.map(|mask| self.read(mask));
        let heads = out_dims[..out_dims.len() - 2].iter().product();
        let (out, to) = self.target(value, Layout::Plain)?;
        let name = node.name.clone();
        self.push(Step::MatMul(Box::new(MatMul {
            name,
            m,
            k,
            n,
            heads,
            transpose_rhs,
            factor,
            mask,
            softmax,
            lhs,
            rhs,
            to,
        })));
        self.define(value, out, Layout::Plain)
    }

    /// The only reader of a value that need not be kept.
    pub(super) fn only_reader(&self, value: ValueId) -> Option<&'g Node> {
        let mut readers = self.graph.consumers(value);
        let only = readers.next().filter(|_| readers.next().is_none());
        only.filter(|_| value != self.graph.output && !self.is_site(value))
    }

    /// Follows the only readers of a product of activations: a multiplication by a number, the addition of one number a
    /// column, a softmax. What is done with it is noted as done.
    fn fuse_attention(&self, node: &Node, done: &mut BTreeSet<ValueId>) -> After {
        let mut after = After { value: node.output, factor: 1.0, mask: None, softmax: false };
        // In the half compute modes product and what follows it round one after the other.
        while let Some(reader) =
            self.only_reader(after.value).filter(|reader| self.is_unrounded() && self.rounds_alike(reader))
        {
            let other = || reader.inputs.iter().copied().find(|v| *v != after.value);
            match &reader.op {
                Op::Scale { factor } if after.mask.is_none() && after.factor == 1.0 => after.factor = *factor,
                Op::Add if after.mask.is_none() => match other() {
                    Some(mask) if self.is_mask(mask, after.value) => after.mask = Some(mask),
                    _ => break,
                },
                Op::Softmax => after.softmax = true,
                _ => break,
            }
            after.value = reader.output;
            done.insert(after.value);
            if after.softmax {
                break;
            }
        }
        after
    }

    /// Whether a value that is there in fp32 adds one number to each column of another, the same for all rows of a sample.
    fn is_mask(&self, mask: ValueId, to: ValueId) -> bool {
        let (mask_shape, shape) = (&self.graph.value(mask).shape, &self.graph.value(to).shape);
        self.is_defined(mask)
            && self.codes_at(mask).is_none()
            && mask_shape.len() == shape.len()
            && [mask_shape.first(), shape.first()].iter().all(|dim| *dim == Some(&Dim::Batch))
            && mask_shape.last() == shape.last()
            && self.len(mask) == self.dims(to).last().copied().unwrap_or(0)
    }
}

/// What is done with a product of activations in the same step.
struct After {
    /// The value that then is computed.
    value: ValueId,
    factor: f32,
    mask: Option<ValueId>,
    softmax: bool,
}
