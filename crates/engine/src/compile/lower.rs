//! Graph and parameters to steps.

use std::collections::{BTreeMap, BTreeSet};

use calibench_graph::{Dim, Graph, HalfType, Node, Op, ValueId, per_sample, placement, unrounded};
use calibench_kernels::{Kernels, Quantizer};
use calibench_quant::{Dtype, IntFormat, QParams, Timing};

use super::layout;
use super::order::order;
use super::step::{CodeRange, Planned, SiteParams, Step};
use super::storage::{Assignment, Kind, Lifetime, Slot};
use super::values::{Layout, State};
use super::{Codes, codes, rounding};
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
    pub(super) states: Vec<State>,
    pub(super) tensors: Vec<Lifetime>,
    pub(super) steps: Vec<Planned>,
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
    for node in order(graph).into_iter().map(|i| &graph.nodes[i]) {
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
    pub(super) fn quantizer(&self, site: ValueId) -> Quantizer {
        let SiteParams { scale, zero_point } = self.site_params[site.0];
        let CodeRange { low, high } = self.codes_of(site);
        Quantizer { scale, zero_point, low, high }
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

    pub(super) fn push(&mut self, step: Step) {
        self.steps.push(Planned { step, rounding: rounding(self.dtype) });
    }

    /// The format that a node runs in: the plan's, unless it stays in fp32, perhaps with parameters that are halves.
    pub(super) fn dtype_of(&self, node: &Node) -> Dtype {
        if self.spec.dtype == Dtype::Fp32 || !self.unrounded.contains(&node.name) {
            return self.spec.dtype;
        }
        match self.graph.halves.get(&node.name) {
            None => Dtype::Fp32,
            Some(HalfType::Fp16) => Dtype::Fp16Storage,
            Some(HalfType::Bf16) => Dtype::Bf16Storage,
        }
    }

    /// Parameters of a frozen site.
    pub(super) fn frozen(&self, value: ValueId) -> Option<&'g QParams> {
        self.spec.activations.get(&value)
    }

    pub(super) fn dims_of(&self, value: ValueId) -> Vec<usize> {
        self.dims(value)
    }
}

/// Per-channel layouts of weights, used by products.
pub(super) fn patch_order<T: Copy + Default>(weight: &[T], shape: &[usize]) -> Vec<T> {
    if shape.len() == 4 { layout::weight_to_patch_order(weight, shape) } else { weight.to_vec() }
}
