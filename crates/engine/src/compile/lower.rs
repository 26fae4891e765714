//! Graph and parameters to steps.

use std::collections::{BTreeMap, BTreeSet};

use calibench_graph::{
    Dim, Element, Graph, Node, Op, ValueId, is_quantized, per_sample, placement, unrounded,
};
use calibench_kernels::{Kernels, Quantizer};
use calibench_quant::{Dtype, IntFormat, QParams, Timing};

use super::Operand;
use super::layout;
use super::rows::Target;
use super::step::{CodeRange, Planned, Ranges, SiteParams, Step};
use super::storage::{Assignment, Kind, Lifetime, Slot};
use super::{Codes, Rounding, codes, rounding};
use crate::{EngineError, QuantSpec};

/// The result of lowering.
pub(super) struct Lowered {
    pub steps: Vec<Planned>,
    pub assignment: Assignment,
    /// Parameters of frozen sites by value.
    pub site_params: Vec<SiteParams>,
    pub inputs: Vec<Slot>,
    pub output: Slot,
}

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
struct State {
    float: Option<(usize, Layout)>,
    codes: Option<(usize, Layout)>,
    /// Whether `float` is unrounded where the plan rounds.
    wide: bool,
    /// `float` as operations of half precision read it.
    rounded: Option<(usize, Layout)>,
}

/// Work in progress.
pub(super) struct Lowering<'g> {
    pub graph: &'g Graph,
    pub spec: &'g QuantSpec,
    pub codes: Codes,
    pub kernels: Kernels,
    /// Nodes whose results are not rounded.
    unrounded: BTreeSet<String>,
    /// The format of the node that is being lowered.
    pub dtype: Dtype,
    sites: BTreeSet<ValueId>,
    /// Values that are quantized with the parameters of the site that they only are moved to.
    early: BTreeMap<ValueId, ValueId>,
    states: Vec<State>,
    tensors: Vec<Lifetime>,
    steps: Vec<Planned>,
    pub site_params: Vec<SiteParams>,
}

/// Lowers `graph` under `spec`.
pub(super) fn lower(graph: &Graph, spec: &QuantSpec, kernels: Kernels) -> Result<Lowered, EngineError> {
    let codes = codes(spec);
    let sites = match codes {
        Codes::Float => BTreeSet::new(),
        Codes::I8 | Codes::I16 => placement(graph).activations.into_iter().collect(),
    };
    let mut lowering = Lowering {
        graph,
        spec,
        codes,
        kernels,
        unrounded: unrounded(graph),
        // The inputs come as they are.
        dtype: Dtype::Fp32,
        sites,
        early: BTreeMap::new(),
        states: vec![State::default(); graph.values.len()],
        tensors: Vec::new(),
        steps: Vec::new(),
        site_params: vec![SiteParams { scale: 1.0, zero_point: 0 }; graph.values.len()],
    };
    lowering.freeze_sites()?;
    lowering.find_early();
    // All inputs are there before the first step that makes codes of one.
    let inputs: Vec<usize> = (0..graph.inputs).map(|i| lowering.new_tensor(Kind::F32, ValueId(i))).collect();
    for (i, input) in inputs.iter().enumerate() {
        lowering.tensors[*input].born = 0;
        lowering.define_float(ValueId(i), *input, Layout::Plain)?;
    }

    let mut fused = BTreeSet::new();
    for node in &graph.nodes {
        if !fused.contains(&node.output) {
            lowering.dtype = lowering.dtype_of(node);
            lowering.node(node, &mut fused)?;
        }
    }
    lowering.dtype = Dtype::Fp32;
    let output = lowering.float(graph.output, Layout::Plain)?;
    lowering.tensors[output].dies = usize::MAX;

    let (assignment, slots) = Assignment::assign(&lowering.tensors);
    let mut steps = lowering.steps;
    for planned in &mut steps {
        planned.step.remap(|s| slots[s.index]);
    }
    Ok(Lowered {
        steps,
        assignment,
        site_params: lowering.site_params,
        inputs: inputs.iter().map(|i| slots[*i]).collect(),
        output: slots[output],
    })
}

impl<'g> Lowering<'g> {
    /// Fills in the parameters of frozen sites.
    fn freeze_sites(&mut self) -> Result<(), EngineError> {
        if self.spec.timing == Timing::Dynamic {
            return Ok(());
        }
        for site in self.sites.clone() {
            let qparams =
                self.spec.activations.get(&site).ok_or_else(|| self.missing(&self.graph.value(site).name))?;
            self.site_params[site.0] =
                SiteParams { scale: qparams.scale_of(0), zero_point: qparams.zero_point_of(0) };
        }
        Ok(())
    }

    /// Finds values that nothing reads but moves of elements, to a frozen int8 site in the end: their codes are moved, a
    /// quarter of the bytes, and what produces them may write codes.
    fn find_early(&mut self) {
        if self.codes != Codes::I8 || self.spec.timing == Timing::Dynamic {
            return;
        }
        for node in self.graph.nodes.iter().rev() {
            let moves = match &node.op {
                Op::Reshape { .. } => true,
                Op::Permute { axes } => axes.first() == Some(&0) && axes.len() <= layout::MAX_RANK,
                _ => false,
            };
            let Some(&from) = node.inputs.first().filter(|_| moves) else { continue };
            let site = if self.is_site(node.output) {
                Some(node.output)
            } else {
                self.early.get(&node.output).copied()
            };
            let alone = self.graph.consumers(from).count() == 1 && from != self.graph.output;
            if let (Some(site), true, false) = (site, alone, self.is_site(from)) {
                self.early.insert(from, site);
                self.site_params[from.0] = self.site_params[site.0];
            }
        }
    }

    /// The site whose frozen int8 parameters a value may be written with at once.
    pub(super) fn frozen_site(&self, value: ValueId) -> Option<ValueId> {
        if self.codes != Codes::I8 || self.spec.timing == Timing::Dynamic {
            return None;
        }
        if self.is_site(value) { Some(value) } else { self.early.get(&value).copied() }
    }

    /// How a value becomes frozen int8 codes.
    fn quantizer(&self, site: ValueId) -> Quantizer {
        let SiteParams { scale, zero_point } = self.site_params[site.0];
        let CodeRange { low, high } = self.codes_of(site);
        Quantizer { scale, zero_point, low, high }
    }

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

    pub(super) fn missing(&self, site: &str) -> EngineError {
        EngineError::MissingQParams { model: self.graph.name.clone(), site: site.to_owned() }
    }

    pub(super) fn unsupported(&self, node: &Node, reason: impl Into<String>) -> EngineError {
        EngineError::Unsupported {
            model: self.graph.name.clone(),
            node: node.name.clone(),
            reason: reason.into(),
        }
    }

    pub(super) fn is_site(&self, value: ValueId) -> bool {
        self.sites.contains(&value)
    }

    /// The integer format of activations.
    pub(super) fn format(&self) -> IntFormat {
        if self.codes == Codes::I16 { IntFormat::INT16 } else { IntFormat::INT8 }
    }

    /// The codes that an activation may use: those of its parameters, or the format's when it has none yet.
    pub(super) fn codes_of(&self, value: ValueId) -> CodeRange {
        let of_format = || self.format().range(self.spec.symmetry);
        let (low, high) = self.frozen(value).map_or_else(of_format, QParams::code_range);
        CodeRange { low, high }
    }

    /// Sizes without the batch.
    pub(super) fn dims(&self, value: ValueId) -> Vec<usize> {
        self.graph.value(value).shape.iter().filter(|d| **d != Dim::Batch).map(|d| d.bind(1)).collect()
    }

    /// Elements per sample.
    pub(super) fn len(&self, value: ValueId) -> usize {
        per_sample(&self.graph.value(value).shape)
    }

    pub(super) fn name(&self, value: ValueId) -> String {
        self.graph.value(value).name.clone()
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

    pub(super) fn push(&mut self, step: Step) {
        self.steps.push(Planned { step, rounding: rounding(self.dtype) });
    }

    /// The format that a node runs in: the plan's, unless it stays in fp32.
    pub(super) fn dtype_of(&self, node: &Node) -> Dtype {
        if self.unrounded.contains(&node.name) { Dtype::Fp32 } else { self.spec.dtype }
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

    /// Parameters of a frozen site.
    pub(super) fn frozen(&self, value: ValueId) -> Option<&'g QParams> {
        self.spec.activations.get(&value)
    }

    pub(super) fn dims_of(&self, value: ValueId) -> Vec<usize> {
        self.dims(value)
    }
}

impl Step {
    /// Replaces every slot.
    fn remap(&mut self, f: impl Fn(Slot) -> Slot) {
        let all: Vec<&mut Slot> = match self {
            Self::Quantize { from, to, .. }
            | Self::Dequantize { from, to, .. }
            | Self::Round { from, to, .. }
            | Self::Scale { from, to, .. }
            | Self::AddParam { from, to, .. }
            | Self::MaxPool { from, to, .. }
            | Self::MeanRows { from, to, .. }
            | Self::Permute { from, to, .. } => vec![from, to],
            Self::Activate { from, to, .. }
            | Self::LayerNorm { from, to, .. }
            | Self::Softmax { from, to, .. } => vec![from, &mut to.slot],
            Self::General(general) => general.slots(),
            Self::Add { lhs, rhs, to, .. } => vec![lhs, rhs, to],
            Self::Product(p) => {
                let residual = p.residual.as_mut().map(|operand| &mut operand.slot);
                [&mut p.input.slot, &mut p.to.slot].into_iter().chain(residual).collect()
            }
            Self::MatMul(m) => vec![&mut m.lhs.slot, &mut m.rhs.slot, &mut m.to.slot],
        };
        for slot in all {
            *slot = f(*slot);
        }
    }
}

/// Per-channel layouts of weights, used by products.
pub(super) fn patch_order<T: Copy + Default>(weight: &[T], shape: &[usize]) -> Vec<T> {
    if shape.len() == 4 { layout::weight_to_patch_order(weight, shape) } else { weight.to_vec() }
}
