//! One conversion, with every size known.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use calibench_graph::{Dim, Element, Graph, GraphBuilder, Op, Tensor, Value, ValueId};

use super::fold::{self, LARGEST};
use super::{Batch, ConvertError, ops};
use crate::{Attribute, Constant, Data, InputDim, Model, Node};

/// A value of the model: known, or computed when the graph runs.
#[derive(Debug, Clone)]
pub(super) enum Operand<'m> {
    Known(Cow<'m, Constant>),
    Value(ValueId),
}

/// The work in progress: the model, the graph so far, and the node at hand.
pub(super) struct Converter<'m> {
    pub model: &'m Model,
    pub node: &'m Node,
    /// The batch size of this conversion.
    pub size: usize,
    /// Whether the file fixes the batch at 1.
    pub rebatched: bool,
    builder: GraphBuilder,
    values: BTreeMap<&'m str, Operand<'m>>,
    constants: usize,
    /// Elements that may still be copied, computed and stored.
    budget: Cell<usize>,
    /// Values that a node rounds to integers: a quotient must be exact there.
    rounded: BTreeSet<&'m str>,
}

/// Elements that any conversion may copy, compute and store: enough for the masks and tables of large models,
/// little enough that a small file cannot take up the machine.
const BUDGET: usize = 1 << 26;

/// How often a conversion may do so with each element that the file holds.
const PER_STORED: usize = 16;

pub(super) type Result<T> = std::result::Result<T, ConvertError>;

impl<'m> Converter<'m> {
    pub(super) fn new(
        model: &'m Model,
        batch: Batch<'m>,
        size: usize,
        bind: &BTreeMap<String, usize>,
    ) -> Result<Self> {
        let mut inputs = Vec::new();
        for input in &model.inputs {
            let bound = |(axis, dim): (usize, &InputDim)| match (dim, batch) {
                (InputDim::Fixed(1), Batch::One) if axis == 0 => Ok(Dim::Fixed(size)),
                (InputDim::Fixed(n), _) => Ok(Dim::Fixed(*n)),
                (InputDim::Symbol(symbol), Batch::Symbol(batch)) if symbol == batch => Ok(Dim::Fixed(size)),
                (InputDim::Symbol(symbol), _) => match bind.get(symbol) {
                    Some(0) | None if axis > 0 => Err(ConvertError::Unbound {
                        input: input.name.clone(),
                        symbol: symbol.clone(),
                        unused: bind.keys().find(|k| !model.symbols().any(|s| s == *k)).cloned(),
                    }),
                    Some(n) => Ok(Dim::Fixed(*n)),
                    // Axis 0 under a name of its own is the batch too.
                    None => Ok(Dim::Fixed(size)),
                },
            };
            let shape = input.dims.iter().enumerate().map(bound).collect::<Result<Vec<Dim>>>()?;
            if fold::count(&calibench_graph::bind(&shape, 1)).is_none() {
                return Err(ConvertError::Input {
                    input: input.name.clone(),
                    reason: format!("has more than {LARGEST} elements in a small batch; bind smaller sizes"),
                });
            }
            let element = element_of(input.dtype);
            inputs.push(Value { name: input.name.clone(), shape, element });
        }
        let mut values: BTreeMap<&str, Operand<'_>> = BTreeMap::new();
        for (name, constant) in &model.initializers {
            values.insert(name, Operand::Known(Cow::Borrowed(constant)));
        }
        for (index, input) in model.inputs.iter().enumerate() {
            values.insert(&input.name, Operand::Value(ValueId(index)));
        }
        let node = model.nodes.first().ok_or(ConvertError::NoOutput)?;
        let builder = GraphBuilder::with_inputs(&model.name, inputs);
        let rounding =
            model.nodes.iter().filter(|n| matches!(n.op.as_str(), "Cast" | "Ceil" | "Floor" | "Round"));
        Ok(Self {
            model,
            node,
            size,
            rebatched: batch == Batch::One,
            builder,
            values,
            constants: 0,
            budget: Cell::new(BUDGET.saturating_add(stored(model).saturating_mul(PER_STORED))),
            rounded: rounding.flat_map(|n| n.inputs.iter().flatten()).map(String::as_str).collect(),
        })
    }

    /// Converts every node that `output` needs.
    pub(super) fn run(mut self, output: &str) -> Result<Graph> {
        let needed = needed(self.model, output);
        for (node, needed) in self.model.nodes.iter().zip(needed) {
            if needed {
                self.node = node;
                let results = ops::convert(&mut self)?;
                for (name, result) in node.outputs.iter().zip(results) {
                    if let Some(name) = name {
                        self.values.insert(name, result);
                    }
                }
            }
        }
        match self.values.get(output) {
            Some(Operand::Value(id)) => {
                let id = *id;
                Ok(self.builder.finish(id))
            }
            _ => Err(ConvertError::Constant { output: output.to_owned() }),
        }
    }

    /// The error for something about the node at hand.
    pub(super) fn unsupported(&self, reason: impl Into<String>) -> ConvertError {
        let (node, op, opset) = (self.node.name.clone(), self.node.op.clone(), self.model.opset);
        ConvertError::Unsupported { node, op, opset, reason: reason.into() }
    }

    /// Takes elements off what the conversion may still copy, compute and store.
    pub(super) fn spend(&self, elements: usize) -> Result<()> {
        let left = self.budget.get().checked_sub(elements).ok_or_else(|| {
            self.unsupported(
                "takes the constants of this model beyond what is computed; export it simplified",
            )
        })?;
        self.budget.set(left);
        Ok(())
    }

    /// A known operand of the node's own, of a shape that may be.
    pub(super) fn owned(&self, shape: Vec<usize>, fill: impl FnOnce(usize) -> Data) -> Result<Operand<'m>> {
        let len = fold::count(&shape).ok_or_else(|| {
            self.unsupported(format!("gives more than {LARGEST} elements, or too many axes"))
        })?;
        self.spend(len)?;
        Ok(Operand::Known(Cow::Owned(Constant { shape, data: fill(len) })))
    }

    /// Whether a node rounds the result of the node at hand to integers.
    pub(super) fn is_rounded(&self) -> bool {
        self.node.outputs.iter().flatten().any(|o| self.rounded.contains(o.as_str()))
    }

    /// Input `index` of the node, where it is given.
    pub(super) fn optional(&self, index: usize) -> Result<Option<Operand<'m>>> {
        let Some(name) = self.node.inputs.get(index).and_then(|n| n.as_deref()) else { return Ok(None) };
        let operand = self.values.get(name).ok_or_else(|| {
            self.unsupported(format!("reads `{name}`, an optional output that calibench does not compute"))
        })?;
        if let Operand::Known(Cow::Owned(constant)) = operand {
            self.spend(constant.data.len())?;
        }
        Ok(Some(operand.clone()))
    }

    /// Input `index` of the node.
    pub(super) fn input(&self, index: usize) -> Result<Operand<'m>> {
        self.optional(index)?.ok_or_else(|| self.unsupported(format!("lacks input {index}")))
    }

    /// All inputs of the node, which must be given.
    pub(super) fn inputs(&self) -> Result<Vec<Operand<'m>>> {
        (0..self.node.inputs.len()).map(|i| self.input(i)).collect()
    }

    /// A known input, where it is given.
    pub(super) fn optional_known(&self, index: usize, what: &str) -> Result<Option<Cow<'m, Constant>>> {
        match self.optional(index)? {
            None => Ok(None),
            Some(Operand::Known(constant)) => Ok(Some(constant)),
            Some(Operand::Value(_)) => {
                Err(self
                    .unsupported(format!("takes its {what} from the model's inputs; it must be constant")))
            }
        }
    }

    /// A known input.
    pub(super) fn known(&self, index: usize, what: &str) -> Result<Cow<'m, Constant>> {
        let known = self.optional_known(index, what)?;
        known.ok_or_else(|| self.unsupported(format!("lacks its {what} (input {index})")))
    }

    /// Known integers of an input, where it is given.
    pub(super) fn optional_ints(&self, index: usize, what: &str) -> Result<Option<Vec<i64>>> {
        Ok(self.optional_known(index, what)?.map(|c| fold::ints(&c)))
    }

    /// Known floats of an input, where it is given.
    pub(super) fn optional_floats(&self, index: usize, what: &str) -> Result<Option<Vec<f32>>> {
        Ok(self.optional_known(index, what)?.map(|c| fold::floats(&c)))
    }

    pub(super) fn shape(&self, operand: &Operand<'_>) -> Vec<usize> {
        match operand {
            Operand::Known(constant) => constant.shape.clone(),
            Operand::Value(id) => self.builder.shape(*id).iter().map(|d| d.bind(1)).collect(),
        }
    }

    pub(super) fn element(&self, operand: &Operand<'_>) -> Element {
        match operand {
            Operand::Known(constant) => element_of(constant.data.dtype()),
            Operand::Value(id) => self.builder.element(*id),
        }
    }

    /// The result of `op`: folded when every operand is known, else a node called as the one at hand.
    pub(super) fn emit(&mut self, op: Op, inputs: &[Operand<'m>]) -> Result<Operand<'m>> {
        let name = self.node.name.clone();
        self.emit_as(&name, op, inputs, Vec::new())
    }

    /// As [`Converter::emit`], for a step on the way; the suffix keeps names apart.
    pub(super) fn step(&mut self, suffix: &str, op: Op, inputs: &[Operand<'m>]) -> Result<Operand<'m>> {
        let name = format!("{}.{suffix}", self.node.name);
        self.emit_as(&name, op, inputs, Vec::new())
    }

    /// As [`Converter::emit`], with parameters called by role: `weight`, `bias`.
    pub(super) fn emit_with(
        &mut self,
        op: Op,
        inputs: &[Operand<'m>],
        params: Vec<(&str, Tensor)>,
    ) -> Result<Operand<'m>> {
        let name = self.node.name.clone();
        let params = params.into_iter().map(|(role, tensor)| (format!("{name}.{role}"), tensor)).collect();
        self.emit_as(&name, op, inputs, params)
    }

    fn emit_as(
        &mut self,
        name: &str,
        op: Op,
        inputs: &[Operand<'m>],
        params: Vec<(String, Tensor)>,
    ) -> Result<Operand<'m>> {
        self.spend(params.iter().map(|(_, t)| t.len()).sum())?;
        let known: Option<Vec<&Constant>> =
            inputs.iter().map(|i| if let Operand::Known(c) = i { Some(c.as_ref()) } else { None }).collect();
        if let Some(mut known) = known.filter(|k| !k.is_empty() && fold::folds(&op)) {
            let held = |(_, t): &(String, Tensor)| Constant {
                shape: t.shape().to_vec(),
                data: Data::F32(t.data().to_vec()),
            };
            let params: Vec<Constant> = params.iter().map(held).collect();
            known.extend(&params);
            let (shape, elements) = fold::plan(name, &op, &known)?;
            self.spend(elements)?;
            return Ok(Operand::Known(Cow::Owned(fold::fold(name, &op, &known, shape)?)));
        }
        let values = inputs.iter().map(|i| self.value(i)).collect::<Result<Vec<_>>>()?;
        let params = params.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
        let name = self.unused(name.to_owned());
        let id = self.builder.add(&name, op, &values, params)?;
        if fold::count(&calibench_graph::bind(self.builder.shape(id), 1)).is_none() {
            return Err(self.unsupported(format!("gives more than {LARGEST} elements, or too many axes")));
        }
        Ok(Operand::Value(id))
    }

    /// The name, made longer while something else has it: an input, or a step of another node.
    fn unused(&self, mut name: String) -> String {
        while self.builder.has(&name) {
            name.push('_');
        }
        name
    }

    /// The operand as a value of the graph; a known one becomes a constant node.
    fn value(&mut self, operand: &Operand<'m>) -> Result<ValueId> {
        let constant = match operand {
            Operand::Value(id) => return Ok(*id),
            Operand::Known(constant) => constant,
        };
        let element = element_of(constant.data.dtype());
        self.spend(constant.data.len())?;
        let tensor = self.tensor(constant)?;
        let name = self.unused(format!("{}.constant{}", self.node.name, self.constants));
        self.constants += 1;
        Ok(self.builder.add(
            &name,
            Op::Constant { element },
            &[],
            vec![(&format!("{name}.value"), tensor)],
        )?)
    }

    /// A constant as fp32, where that holds it exactly.
    pub(super) fn tensor(&self, constant: &Constant) -> Result<Tensor> {
        if let Data::I64(values) = &constant.data {
            const EXACT: i64 = 1 << 24;
            if let Some(large) = values.iter().find(|v| !(-EXACT..=EXACT).contains(*v)) {
                return Err(
                    self.unsupported(format!("reads the integer {large}, which fp32 does not hold exactly"))
                );
            }
        }
        Ok(Tensor::new(constant.shape.clone(), fold::floats(constant))?)
    }
}

fn element_of(dtype: crate::DataType) -> Element {
    if dtype == crate::DataType::F32 { Element::Float } else { Element::Integer }
}

/// Elements that the file holds.
fn stored(model: &Model) -> usize {
    let attributes = model.nodes.iter().flat_map(|n| n.attributes.values());
    let held = attributes.map(|a| if let Attribute::Tensor(t) = a { t.data.len() } else { 0 });
    model.initializers.values().map(|c| c.data.len()).chain(held).sum()
}

/// Which nodes `output` needs, by index.
fn needed(model: &Model, output: &str) -> Vec<bool> {
    let mut wanted = std::collections::BTreeSet::from([output]);
    let mut needed = vec![false; model.nodes.len()];
    for (node, needed) in model.nodes.iter().zip(&mut needed).rev() {
        if node.outputs.iter().flatten().any(|o| wanted.contains(o.as_str())) {
            *needed = true;
            wanted.extend(node.inputs.iter().flatten().map(String::as_str));
        }
    }
    needed
}

impl Model {
    /// The names of all symbolic dimensions.
    pub fn symbols(&self) -> impl Iterator<Item = &str> {
        let symbol = |d: &'_ InputDim| matches!(d, InputDim::Symbol(_));
        self.inputs.iter().flat_map(move |i| i.dims.iter().filter(move |d| symbol(d))).filter_map(|d| match d
        {
            InputDim::Symbol(symbol) => Some(symbol.as_str()),
            InputDim::Fixed(_) => None,
        })
    }
}
