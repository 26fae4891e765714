//! Lowering of each operator to its step.

use std::collections::BTreeSet;

use calibench_graph::{Node, Op, ValueId};

use super::lower::{Layout, Lowering};
use super::matmul::{MatMul, Operand};
use super::step::{Elementwise, Step};
use super::storage::{Kind, Slot};
use crate::EngineError;

impl Lowering<'_> {
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

    /// Lowers one node; `fused` names values whose nodes are done with the product before them.
    pub(super) fn node(&mut self, node: &Node, fused: &mut BTreeSet<ValueId>) -> Result<(), EngineError> {
        let Some(&x) = node.inputs.first() else { return Ok(()) };
        let name = node.name.clone();
        let (dims, len) = (self.dims(x), self.len(x));
        let same = self.layout(x);
        let plain = Layout::Plain;
        match &node.op {
            Op::Linear | Op::Conv2d(_) => self.product(node, fused),
            Op::MatMul { transpose_rhs } => self.matmul(node, *transpose_rhs),
            Op::Relu | Op::Gelu | Op::Scale { .. } => {
                let op = match node.op {
                    Op::Relu => Elementwise::Relu,
                    Op::Scale { factor } => Elementwise::Scale(factor),
                    _ => Elementwise::Gelu,
                };
                self.push_float(node, same, same, |from, to| Step::Elementwise { name, op, len, from, to })
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
                self.push_float(node, plain, plain, |from, to| Step::LayerNorm {
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
                self.push_float(node, plain, plain, |from, to| Step::Softmax { name, width, len, from, to })
            }
            Op::MaxPool2d(window) => {
                let [c, h, w] = self.image(node, &dims)?;
                let result = self.dims(node.output);
                let (window, out) = (*window, [result[1], result[2]]);
                let last = Layout::ChannelsLast;
                self.push_float(node, last, last, |from, to| Step::MaxPool {
                    name,
                    dims: [h, w, c],
                    window,
                    out,
                    from,
                    to,
                })
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
            Op::Reshape { .. } => {
                let tensor = self.float(x, plain)?;
                self.define_float(node.output, tensor, plain)
            }
            Op::Permute { axes } if axes.first() == Some(&0) => {
                let axes: Vec<usize> = axes[1..].iter().map(|a| a - 1).collect();
                self.push_float(node, plain, plain, |from, to| Step::Permute { name, dims, axes, from, to })
            }
            Op::BatchNorm2d { .. } => {
                Err(self
                    .unsupported(node, "batch normalisation must be folded first (passes::fold_batch_norm)"))
            }
            _ => self.general(node),
        }
    }

    fn image(&self, node: &Node, dims: &[usize]) -> Result<[usize; 3], EngineError> {
        dims.try_into().map_err(|_| self.unsupported(node, format!("input must be an image, got {dims:?}")))
    }

    fn matmul(&mut self, node: &Node, transpose_rhs: bool) -> Result<(), EngineError> {
        let lhs_dims = self.dims(node.inputs[0]);
        let out_dims = self.dims(node.output);
        let [.., m, n] = out_dims[..] else {
            return Err(self.unsupported(node, "needs matrices of fixed size"));
        };
        let Some(k) = lhs_dims.last().copied() else {
            return Err(self.unsupported(node, "needs matrices of fixed size"));
        };
        let lhs = self.product_input(node, node.inputs[0], Layout::Plain)?;
        let rhs = self.product_input(node, node.inputs[1], Layout::Plain)?;
        // Converting the second operand may have pushed a step: read the first again.
        let lhs_slot = self.read(lhs.slot.index);
        let heads = out_dims[..out_dims.len() - 2].iter().product();
        let out = self.new_tensor(Kind::F32, node.output);
        let step = MatMul {
            name: node.name.clone(),
            m,
            k,
            n,
            heads,
            transpose_rhs,
            lhs: Operand { slot: lhs_slot, value: lhs.value },
            rhs: Operand { slot: rhs.slot, value: rhs.value },
            to: self.slot(out),
        };
        self.push(Step::MatMul(Box::new(step)));
        self.define_float(node.output, out, Layout::Plain)
    }

    /// The value after a ReLU that can be fused into the product `node`; the ReLU is then done.
    pub(super) fn fuse_relu(&self, node: &Node, fused: &mut BTreeSet<ValueId>) -> (ValueId, bool) {
        let value = node.output;
        let mut readers = self.graph.consumers(value);
        let only = readers.next().filter(|_| readers.next().is_none());
        match only {
            Some(relu) if relu.op == Op::Relu && value != self.graph.output && !self.is_site(value) => {
                fused.insert(relu.output);
                (relu.output, true)
            }
            _ => (value, false),
        }
    }
}
