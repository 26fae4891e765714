//! Operators without a step of their own: the graph crate's reference evaluation over the plan's buffers.

use calibench_graph::eval::{PerAxis, View, eval};
use calibench_graph::{Dim, Element, Node, Op, Tensor, ValueId, bind};
use smallvec::SmallVec;

use super::lower::Lowering;
use super::step::{Context, Step};
use super::storage::{Buffers, Slot};
use super::values::Layout;
use crate::EngineError;

/// Inputs, parameters among them, that need no memory of their own.
const MOST_INPUTS: usize = 8;

/// One operator on fp32 buffers and constants.
#[derive(Debug)]
pub(super) struct General {
    pub name: String,
    pub op: Op,
    inputs: Vec<Source>,
    shape: Vec<Dim>,
    element: Element,
    to: Slot,
}

#[derive(Debug)]
enum Source {
    Buffer { slot: Slot, shape: Vec<Dim> },
    Constant(Tensor),
}

impl General {
    pub(super) fn run(
        &self,
        batch: usize,
        buffers: &mut Buffers,
        context: &mut Context,
    ) -> Result<(), EngineError> {
        let mut out = buffers.take_f32(self.to);
        // On the stack: nothing is allocated while a plan runs.
        let shapes: SmallVec<[PerAxis<usize>; MOST_INPUTS]> =
            self.inputs.iter().map(|s| s.shape(batch)).collect();
        let inputs = self.inputs.iter().zip(&shapes);
        let views: SmallVec<[View<'_, f32>; MOST_INPUTS]> =
            inputs.map(|(source, shape)| View { shape, data: source.data(shape, buffers) }).collect();
        let shape: PerAxis<usize> = self.shape.iter().map(|dim| dim.bind(batch)).collect();
        let n = shape.iter().product();
        let result = eval(&self.name, &self.op, &views, &shape, &mut out[..n]);
        drop(views);
        if self.element == Element::Float {
            context.round(&mut out[..n]);
        }
        buffers.put_f32(self.to, out);
        Ok(result?)
    }

    /// Elements of the constants that it holds.
    pub(super) fn constants(&self) -> usize {
        let len = |source: &Source| match source {
            Source::Constant(tensor) => tensor.len(),
            Source::Buffer { .. } => 0,
        };
        self.inputs.iter().map(len).sum()
    }

    /// Elements of the buffers that it reads and writes; constants are parameters.
    pub(super) fn elements(&self, batch: usize) -> usize {
        let len = |source: &Source| match source {
            Source::Buffer { shape, .. } => bind(shape, batch).iter().product(),
            Source::Constant(_) => 0,
        };
        self.inputs.iter().map(len).sum::<usize>() + bind(&self.shape, batch).iter().product::<usize>()
    }

    pub(super) fn slots(&mut self) -> Vec<&mut Slot> {
        let buffer = |source| match source {
            &mut Source::Buffer { ref mut slot, .. } => Some(slot),
            Source::Constant(_) => None,
        };
        self.inputs.iter_mut().filter_map(buffer).chain([&mut self.to]).collect()
    }
}

impl Source {
    fn shape(&self, batch: usize) -> PerAxis<usize> {
        match self {
            Self::Buffer { shape, .. } => shape.iter().map(|dim| dim.bind(batch)).collect(),
            Self::Constant(tensor) => tensor.shape().into(),
        }
    }

    fn data<'a>(&'a self, shape: &[usize], buffers: &'a Buffers) -> &'a [f32] {
        match self {
            Self::Buffer { slot, .. } => &buffers.f32(*slot)[..shape.iter().product()],
            Self::Constant(tensor) => tensor.data(),
        }
    }
}

/// An operator that only moves elements of images along axes, for images that are held channels-last; `None` for others.
fn in_channels_last(op: &Op) -> Option<Op> {
    let place = |axis: usize| [0, 3, 1, 2].get(axis).copied().unwrap_or(axis);
    Some(match op {
        Op::Slice { axis, start, step, len } => {
            Op::Slice { axis: place(*axis), start: *start, step: *step, len: *len }
        }
        Op::Pad { pads, mode } => Op::Pad { pads: channels_last(pads), mode: *mode },
        Op::Concat { axis } => Op::Concat { axis: place(*axis) },
        _ => return None,
    })
}

/// What belongs to the axes of an image, for one that is held channels-last.
fn channels_last<T: Copy>(of_axes: &[T]) -> Vec<T> {
    match *of_axes {
        [n, c, h, w] => vec![n, h, w, c],
        _ => of_axes.to_vec(),
    }
}

impl Lowering<'_> {
    /// Lowers an operator by its reference evaluation.
    pub(super) fn general(&mut self, node: &Node) -> Result<(), EngineError> {
        if !calibench_graph::eval::evaluates(&node.op) {
            return Err(self.unsupported(node, format!("{} has no compiled form", node.op.name())));
        }
        let output = self.graph.value(node.output);
        // Where every element meets only its own kind, the order of elements does not matter.
        let elementwise =
            matches!(node.op, Op::Unary(_) | Op::Binary(_) | Op::Where | Op::Add | Op::Cast { .. })
                && node
                    .inputs
                    .iter()
                    .all(|v| self.graph.value(*v).shape == output.shape && !self.is_constant(*v));
        let moved = in_channels_last(&node.op).filter(|_| self.only_images(node));
        let image = moved.is_some() && self.layout(node.inputs[0]) == Layout::ChannelsLast;
        let layout = if elementwise || image { self.layout(node.inputs[0]) } else { Layout::Plain };
        let laid = |shape: &[Dim]| if image { channels_last(shape) } else { shape.to_vec() };

        // Conversions push steps of their own, so they come before anything is read.
        let mut tensors = Vec::new();
        for value in &node.inputs {
            tensors.push(if self.is_constant(*value) { None } else { Some(self.float(*value, layout)?) });
        }
        let mut inputs = Vec::new();
        for (value, tensor) in node.inputs.iter().zip(tensors) {
            inputs.push(match (tensor, self.graph.producer(*value)) {
                (None, Some(constant)) => Source::Constant(self.constant(constant, 0)?),
                (tensor, _) => Source::Buffer {
                    slot: self.read(tensor.unwrap_or_default()),
                    shape: laid(&self.graph.value(*value).shape),
                },
            });
        }
        for index in 0..node.params.len() {
            inputs.push(Source::Constant(self.constant(node, index)?));
        }
        let out = self.new_f32(node.output);
        let name = node.name.clone();
        let op = moved.filter(|_| image).unwrap_or_else(|| node.op.clone());
        let (shape, element, to) = (laid(&output.shape), output.element, self.slot(out));
        self.push(Step::General(Box::new(General { name, op, inputs, shape, element, to })));
        self.define_float(node.output, out, layout)
    }

    /// Whether a node reads and gives images, none of them constant.
    fn only_images(&self, node: &Node) -> bool {
        let image = |value: ValueId| {
            matches!(
                self.graph.value(value).shape[..],
                [Dim::Batch, Dim::Fixed(_), Dim::Fixed(_), Dim::Fixed(_)]
            )
        };
        image(node.output) && node.inputs.iter().all(|value| image(*value) && !self.is_constant(*value))
    }

    fn is_constant(&self, value: ValueId) -> bool {
        self.graph.producer(value).is_some_and(|n| matches!(n.op, Op::Constant { .. }))
    }

    /// A parameter as held in the plan: halves are rounded, integers are not.
    fn constant(&self, node: &Node, index: usize) -> Result<Tensor, EngineError> {
        let exact = node.op == Op::Constant { element: Element::Integer };
        let tensor = self.graph.params_of(node)?[index];
        if exact {
            return Ok(tensor.clone());
        }
        Ok(Tensor::new(tensor.shape(), self.float_param(node, index)?)?)
    }
}
