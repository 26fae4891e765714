//! Where values lie while a graph is lowered: in which tensor, type and layout; and the conversions between those.

use calibench_graph::{Element, Node, Op, ValueId, is_quantized};
use calibench_quant::Timing;

use super::lower::Lowering;
use super::rows::Target;
use super::step::{Ranges, Step};
use super::storage::{Kind, Lifetime, Slot};
use super::{Codes, Operand, Rounding, rounding};
use crate::EngineError;

/// Order of a value's elements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Layout {
    /// As the graph's shape says.
    #[default]
    Plain,
    /// `[N, C, H, W]` held as `[N, H, W, C]`.
    ChannelsLast,
}

/// Where a value lives; indices into [`Lowering::tensors`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    pub(super) float: Option<(usize, Layout)>,
    codes: Option<(usize, Layout)>,
    /// Whether `float` is unrounded where the plan rounds.
    wide: bool,
    /// `float` as operations of half precision read it.
    rounded: Option<(usize, Layout)>,
}

impl Lowering<'_> {
    /// A new tensor for a value, of codes where it may be written so, and how.
    pub(super) fn target(&mut self, value: ValueId, layout: Layout) -> Result<(usize, Target), EngineError> {
        let site = match self.frozen_site(value) {
            Some(site) if self.fits(value, layout, self.code_layout(value)?) => Some(site),
            _ => None,
        };
        let tensor = self.new_tensor(if site.is_some() { Kind::I8 } else { Kind::F32 }, value);
        let quantizer = site.map(|site| self.quantizer(site));
        Ok((tensor, Target { slot: self.slot(tensor), quantizer }))
    }

    /// Records a value that a step wrote to its target.
    pub(super) fn define(
        &mut self,
        value: ValueId,
        tensor: usize,
        layout: Layout,
    ) -> Result<(), EngineError> {
        if self.tensors[tensor].kind == Kind::F32 {
            return self.define_float(value, tensor, layout);
        }
        self.define_codes(value, tensor, layout);
        Ok(())
    }

    /// Records a value that lies in codes.
    pub(super) fn define_codes(&mut self, value: ValueId, tensor: usize, layout: Layout) {
        self.states[value.0] = State { codes: Some((tensor, layout)), ..State::default() };
    }

    /// Where a value's codes lie, and in which layout.
    pub(super) fn codes_at(&self, value: ValueId) -> Option<(usize, Layout)> {
        self.states[value.0].codes
    }

    /// Whether the value is there to be read.
    pub(super) fn is_defined(&self, value: ValueId) -> bool {
        let state = self.states[value.0];
        state.float.is_some() || state.codes.is_some()
    }

    /// The layout in which a value's codes are read.
    pub(super) fn code_layout(&self, value: ValueId) -> Result<Layout, EngineError> {
        if self.is_site(value) { self.site_layout(value) } else { Ok(Layout::Plain) }
    }

    pub(super) fn new_tensor(&mut self, kind: Kind, value: ValueId) -> usize {
        let now = self.steps.len();
        self.tensors.push(Lifetime { kind, len: self.len(value), born: now, dies: now });
        self.tensors.len() - 1
    }

    /// A new fp32 tensor for a value.
    pub(super) fn new_f32(&mut self, value: ValueId) -> usize {
        self.new_tensor(Kind::F32, value)
    }

    /// Notes that the step pushed next reads the tensor.
    pub(super) fn read(&mut self, tensor: usize) -> Slot {
        self.tensors[tensor].dies = self.steps.len();
        self.slot(tensor)
    }

    /// Before assignment a slot's index is the tensor's.
    pub(super) fn slot(&self, tensor: usize) -> Slot {
        Slot { kind: self.tensors[tensor].kind, index: tensor }
    }

    /// Whether both layouts of a value are the same bytes.
    fn layout_is_trivial(&self, value: ValueId) -> bool {
        match self.dims(value)[..] {
            [c, h, w] => c == 1 || h * w == 1,
            _ => true,
        }
    }

    pub(super) fn fits(&self, value: ValueId, have: Layout, want: Layout) -> bool {
        have == want || self.layout_is_trivial(value)
    }

    /// The layout in which the value already lies.
    pub(super) fn layout(&self, value: ValueId) -> Layout {
        let state = self.states[value.0];
        state.float.or(state.codes).map_or(Layout::Plain, |(_, layout)| layout)
    }

    /// The value in fp32 and in that layout, converted when needed.
    pub(super) fn float(&mut self, value: ValueId, want: Layout) -> Result<usize, EngineError> {
        if self.states[value.0].float.is_none() {
            let Some((codes, layout)) = self.states[value.0].codes else {
                return Err(EngineError::Unsupported {
                    model: self.graph.name.clone(),
                    node: self.name(value),
                    reason:
                        "a constant, or a value read before it is computed, where a computed one is needed"
                            .to_owned(),
                });
            };
            let from = self.read(codes);
            let out = self.new_tensor(Kind::F32, value);
            let step = Step::Dequantize {
                site: self.name(value),
                value: value.0,
                len: self.len(value),
                from,
                to: self.slot(out),
            };
            self.push(step);
            self.states[value.0].float = Some((out, layout));
        }
        let (tensor, have) = self.as_read(value);
        if self.fits(value, have, want) {
            return Ok(tensor);
        }
        Ok(self.relaid(value, tensor, want))
    }

    /// A value that lies in fp32, rounded where it is not and the node that is being lowered rounds.
    fn as_read(&mut self, value: ValueId) -> (usize, Layout) {
        let State { float, wide, rounded, .. } = self.states[value.0];
        let (tensor, layout) = float.expect("the caller has seen to it");
        if !wide || rounding(self.dtype) == Rounding::None {
            return (tensor, layout);
        }
        if let Some(rounded) = rounded {
            return rounded;
        }
        let from = self.read(tensor);
        let out = self.new_tensor(Kind::F32, value);
        let step = Step::Round { name: self.name(value), len: self.len(value), from, to: self.slot(out) };
        self.push(step);
        self.states[value.0].rounded = Some((out, layout));
        (out, layout)
    }

    /// A copy of an image in the other layout.
    fn relaid(&mut self, value: ValueId, tensor: usize, want: Layout) -> usize {
        let dims = self.dims(value);
        let (c, h, w) = (dims[0], dims[1], dims[2]);
        let (dims, axes) = match want {
            Layout::ChannelsLast => (vec![c, h, w], vec![1, 2, 0]),
            Layout::Plain => (vec![h, w, c], vec![2, 0, 1]),
        };
        let from = self.read(tensor);
        let out = self.new_tensor(Kind::F32, value);
        let step = Step::Permute { name: self.name(value), dims, axes, from, to: self.slot(out) };
        self.push(step);
        out
    }

    /// Records a value computed in fp32; a site is quantized at once, and its readers see the codes.
    pub(super) fn define_float(
        &mut self,
        value: ValueId,
        tensor: usize,
        layout: Layout,
    ) -> Result<(), EngineError> {
        let exact = self.graph.value(value).element == Element::Integer;
        let wide = !exact && rounding(self.dtype) == Rounding::None;
        self.states[value.0] = State { float: Some((tensor, layout)), wide, ..State::default() };
        if !self.is_site(value) {
            return Ok(());
        }
        let want = self.site_layout(value)?;
        let tensor = if self.fits(value, layout, want) { tensor } else { self.relaid(value, tensor, want) };
        let kind = if self.codes == Codes::I16 { Kind::I16 } else { Kind::I8 };
        let ranges = match self.spec.timing {
            Timing::Dynamic => Ranges::Dynamic { format: self.format(), symmetry: self.spec.symmetry },
            _ => Ranges::Static(self.site_params[value.0]),
        };
        let from = self.read(tensor);
        let out = self.new_tensor(kind, value);
        let step = Step::Quantize {
            site: self.name(value),
            value: value.0,
            ranges,
            codes: self.codes_of(value),
            len: self.len(value),
            from,
            to: self.slot(out),
        };
        self.push(step);
        self.states[value.0] = State { codes: Some((out, want)), ..State::default() };
        Ok(())
    }

    /// The layout that a site's products read.
    fn site_layout(&self, value: ValueId) -> Result<Layout, EngineError> {
        let reads_image = |n: &&Node| matches!(n.op, Op::Conv2d(_));
        let reads_rows = |n: &&Node| matches!(n.op, Op::Linear | Op::MatMul { .. });
        let readers = || self.graph.consumers(value).filter(|n| is_quantized(self.graph, n));
        let image = readers().find(reads_image);
        let rows = readers().find(reads_rows);
        match (image, rows) {
            (Some(_), Some(node)) if !self.layout_is_trivial(value) => Err(self
                .unsupported(node, "reads an image that a convolution reads too; quantize only one of them")),
            (Some(_), _) => Ok(Layout::ChannelsLast),
            _ => Ok(Layout::Plain),
        }
    }

    /// The input of a product: codes in integer plans, fp32 otherwise. Reads it for the next step.
    pub(super) fn product_input(
        &mut self,
        node: &Node,
        value: ValueId,
        want: Layout,
    ) -> Result<Operand, EngineError> {
        let tensor = match self.states[value.0].codes {
            Some((codes, _)) if is_quantized(self.graph, node) => codes,
            _ => self.float(value, want)?,
        };
        Ok(Operand { slot: self.read(tensor), value: value.0 })
    }
}
