//! One export in progress.

use std::collections::{BTreeMap, BTreeSet};

use calibench_graph::{Dim, Element, Graph, GraphError, HalfType, Node as GraphNode, ValueId};

use super::dynamic::Quantized;
use super::half_form::{self, HalfLoss};
use super::{Export, ExportError, Form, ops};
use crate::{Attribute, ElementType, InputDim, ModelBuilder, Node, Values};

pub(super) type Result<T> = std::result::Result<T, ExportError>;

/// What a value is held in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    F32,
    F16,
    I64,
}

impl Kind {
    pub(super) fn element(self) -> ElementType {
        match self {
            Self::F32 => ElementType::F32,
            Self::F16 => ElementType::F16,
            Self::I64 => ElementType::I64,
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::I64 => "int64",
        }
    }
}

/// A value of the graph as the model has it.
#[derive(Debug, Clone)]
struct Held {
    name: String,
    kind: Kind,
    /// The same value in other kinds, where some reader wanted it so.
    casts: BTreeMap<Kind, String>,
}

/// The model so far, and the node at hand.
pub(super) struct Emitter<'g> {
    pub graph: &'g Graph,
    pub form: &'g Form<'g>,
    pub opset: i64,
    pub node: Option<&'g GraphNode>,
    builder: ModelBuilder,
    nodes: Vec<Node>,
    names: BTreeSet<String>,
    held: Vec<Option<Held>>,
    params: BTreeMap<(String, Kind, bool), String>,
    /// Values in codes that are found at run time.
    pub quantized: BTreeMap<ValueId, Quantized>,
    batch: Option<String>,
    losses: Vec<HalfLoss>,
}

impl<'g> Emitter<'g> {
    pub(super) fn new(graph: &'g Graph, form: &'g Form<'g>, opset: i64) -> Self {
        Self {
            graph,
            form,
            opset,
            node: None,
            builder: ModelBuilder::new(&graph.name, opset),
            nodes: Vec::new(),
            names: graph.values.iter().map(|v| v.name.clone()).collect(),
            held: vec![None; graph.values.len()],
            params: BTreeMap::new(),
            quantized: BTreeMap::new(),
            batch: None,
            losses: Vec::new(),
        }
    }

    pub(super) fn run(mut self) -> Result<Export> {
        for (index, value) in self.graph.input_values().enumerate() {
            let kind = edge(value.element);
            self.builder.input(&value.name, kind.element(), &dims(&value.shape));
            self.define(ValueId(index), value.name.clone(), kind)?;
        }
        for node in &self.graph.nodes {
            self.node = Some(node);
            let (name, kind) = ops::convert(&mut self)?;
            self.define(node.output, name, kind)?;
        }
        self.node = None;
        self.finish()
    }

    /// The value is called so from here on, quantized where the form says so.
    fn define(&mut self, id: ValueId, name: String, kind: Kind) -> Result<()> {
        self.held[id.0] = Some(Held { name, kind, casts: BTreeMap::new() });
        if let Some(qparams) = self.site(id) {
            let value = self.read(id, Kind::F32)?;
            let name = self.quantize_value(id, &value, qparams)?;
            self.held[id.0] = Some(Held { name, kind: Kind::F32, casts: BTreeMap::new() });
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Export> {
        let value = self.graph.value(self.graph.output);
        let (wanted, kind) = (value.name.clone(), edge(value.element));
        let name = self.read(self.graph.output, kind)?;
        let is = |found: &Option<String>, name: &str| found.as_deref() == Some(name);
        let defined = |name: &str| self.nodes.iter().any(|n| n.outputs.iter().any(|v| is(v, name)));
        let read = |name: &str| self.nodes.iter().any(|n| n.inputs.iter().any(|v| is(v, name)));
        // The name of an input or an initializer stays with it.
        let fixed = !defined(&wanted) && read(&wanted);
        let output = if !defined(&name) {
            // A model cannot return what it is fed or holds under the same name.
            let output = if name == wanted { self.fresh(&format!("{wanted}.output")) } else { wanted };
            self.nodes.push(Node::new(&output, "Identity", &[&name], &[&output]));
            output
        } else if name == wanted || fixed {
            name
        } else {
            // What was put behind the value takes its name.
            let before = self.fresh(&format!("{wanted}.computed"));
            for held in
                self.nodes.iter_mut().flat_map(|n| n.inputs.iter_mut().chain(&mut n.outputs)).flatten()
            {
                if *held == wanted {
                    held.clone_from(&before);
                } else if *held == name {
                    held.clone_from(&wanted);
                }
            }
            wanted
        };
        self.builder.output(&output, kind.element(), &dims(&value.shape));
        for node in self.nodes {
            self.builder.node(node);
        }
        Ok(Export { model: self.builder, half_losses: self.losses })
    }

    /// The node at hand.
    pub(super) fn at(&self) -> &'g GraphNode {
        self.node.expect("operators are converted for a node")
    }

    /// The error for something about the node at hand.
    pub(super) fn unsupported(&self, reason: impl Into<String>) -> ExportError {
        let node = self.at();
        ExportError::Unsupported {
            node: node.name.clone(),
            op: node.op.name(),
            opset: self.opset,
            reason: reason.into(),
        }
    }

    /// A name that nothing has yet.
    pub(super) fn fresh(&mut self, base: &str) -> String {
        let mut name = base.to_owned();
        while !self.names.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    /// What the node at hand computes real numbers in.
    pub(super) fn float(&self) -> Kind {
        match self.form {
            Form::Fp16 { keep } if !keep.contains(&self.at().name) => Kind::F16,
            _ => Kind::F32,
        }
    }

    /// What the result of the node at hand is held in.
    pub(super) fn result(&self) -> Kind {
        match self.graph.value(self.at().output).element {
            Element::Integer => Kind::I64,
            Element::Float => self.float(),
        }
    }

    pub(super) fn shape(&self, input: usize) -> &'g [Dim] {
        &self.graph.value(self.at().inputs[input]).shape
    }

    /// What an input is held in.
    pub(super) fn kind_of(&self, input: usize) -> Kind {
        self.held[self.at().inputs[input].0].as_ref().map_or(Kind::F32, |h| h.kind)
    }

    /// An input in this kind.
    pub(super) fn input(&mut self, input: usize, kind: Kind) -> Result<String> {
        self.read(self.at().inputs[input], kind)
    }

    fn read(&mut self, id: ValueId, kind: Kind) -> Result<String> {
        let undefined = || GraphError::Shape {
            node: self.graph.value(id).name.clone(),
            op: "Graph",
            reason: "is read before it is computed; sort the nodes".to_owned(),
        };
        let held = self.held[id.0].clone().ok_or_else(undefined)?;
        if held.kind == kind {
            return Ok(held.name);
        }
        if let Some(name) = held.casts.get(&kind) {
            return Ok(name.clone());
        }
        let cast = self.fresh(&format!("{}.{}", held.name, kind.suffix()));
        self.cast(&cast, &held.name, kind.element());
        if let Some(held) = &mut self.held[id.0] {
            held.casts.insert(kind, cast.clone());
        }
        Ok(cast)
    }

    /// Appends a cast whose result is called `name`.
    fn cast(&mut self, name: &str, value: &str, to: ElementType) {
        let to = Attribute::Int(i64::from(to.code()));
        self.nodes.push(Node::new(name, "Cast", &[value], &[name]).with("to", to));
    }

    /// Appends a step on the way; its result is called as the node at hand with this suffix.
    pub(super) fn step(
        &mut self,
        suffix: &str,
        op: &str,
        inputs: &[&str],
        attributes: Vec<(&str, Attribute)>,
    ) -> String {
        let name = self.fresh(&format!("{}.{suffix}", self.at().name));
        self.push(&name, op, inputs, attributes)
    }

    /// Appends the operator that gives the result of the node at hand.
    pub(super) fn emit(&mut self, op: &str, inputs: &[&str], attributes: Vec<(&str, Attribute)>) -> String {
        let name = self.at().name.clone();
        self.push(&name, op, inputs, attributes)
    }

    /// Appends an operator whose result has this name, which must be [`fresh`](Self::fresh) or the node's own.
    pub(super) fn push(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[&str],
        attributes: Vec<(&str, Attribute)>,
    ) -> String {
        // Optional inputs at the end are left away: OpenVINO does not take an empty name there.
        let given = inputs.iter().rposition(|i| !i.is_empty()).map_or(0, |last| last + 1);
        let node = Node::new(name, op, &inputs[..given], &[name]);
        self.nodes.push(attributes.into_iter().fold(node, |node, (key, value)| node.with(key, value)));
        name.to_owned()
    }

    /// Appends an operator with these results, whose names must be [`fresh`](Self::fresh).
    pub(super) fn push_all(&mut self, name: &str, op: &str, inputs: &[&str], outputs: &[&str]) {
        self.nodes.push(Node::new(name, op, inputs, outputs));
    }

    /// Appends a cast on the way.
    pub(super) fn step_cast(&mut self, suffix: &str, value: &str, to: ElementType) -> String {
        let name = self.fresh(&format!("{}.{suffix}", self.at().name));
        self.cast(&name, value, to);
        name
    }

    /// Appends the cast that gives the result of the node at hand.
    pub(super) fn emit_cast(&mut self, value: &str, to: ElementType) -> String {
        let name = self.at().name.clone();
        self.cast(&name, value, to);
        name
    }

    /// Stores an initializer called so, or nearly so.
    pub(super) fn store(&mut self, name: &str, shape: &[usize], values: Values<'_>) -> String {
        let name = self.fresh(name);
        self.builder.initializer(&name, shape, values);
        name
    }

    /// Stores integers of the node at hand: axes, shapes, positions.
    pub(super) fn ints(&mut self, suffix: &str, values: &[i64]) -> String {
        self.store(&format!("{}.{suffix}", self.at().name), &[values.len()], Values::I64(values))
    }

    /// Stores a number of the node at hand, in this kind.
    pub(super) fn scalar(&mut self, suffix: &str, value: f32, kind: Kind) -> String {
        let name = format!("{}.{suffix}", self.at().name);
        self.store_floats(&name, &[], &[value], kind)
    }

    /// Stores numbers in a kind; what fp16 loses is noted.
    pub(super) fn store_floats(&mut self, name: &str, shape: &[usize], values: &[f32], kind: Kind) -> String {
        match kind {
            Kind::F32 => self.store(name, shape, Values::F32(values)),
            Kind::I64 => {
                let values: Vec<i64> = values.iter().map(|v| *v as i64).collect();
                self.store(name, shape, Values::I64(&values))
            }
            Kind::F16 => {
                let (values, losses) = half_form::halves(name, values);
                self.losses.extend(losses);
                self.store(name, shape, Values::F16(&values))
            }
        }
    }

    /// Parameter `index` of the node at hand in a kind, each stored once; a matrix may be transposed.
    pub(super) fn param(&mut self, index: usize, kind: Kind, transposed: bool) -> Result<String> {
        let node = self.at();
        let (param, tensor) = (&node.params[index], self.graph.params_of(node)?[index]);
        // What is kept in fp32 may be held as halves.
        let kept = kind == Kind::F32 && !matches!(self.form, Form::Fp32);
        let half = self.graph.halves.get(&node.name).filter(|_| kept);
        let key =
            (half.map_or_else(|| param.clone(), |half| format!("{param}.{}", half.id())), kind, transposed);
        self.stored_once(key, |e| {
            let (name, (shape, mut data)) = match transposed {
                false => (param.clone(), (tensor.shape().to_vec(), tensor.data().to_vec())),
                true => (format!("{param}.transposed"), transpose(tensor.shape(), tensor.data())),
            };
            match half {
                None => Ok(e.store_floats(&name, &shape, &data, kind)),
                Some(HalfType::Fp16) => {
                    let halves = e.store_floats(&format!("{name}.float16"), &shape, &data, Kind::F16);
                    let name = e.fresh(&name);
                    e.cast(&name, &halves, ElementType::F32);
                    Ok(name)
                }
                // Few runtimes read bf16: the numbers that it holds, in fp32.
                Some(HalfType::Bf16) => {
                    data.iter_mut().for_each(|v| *v = half::bf16::from_f32(*v).to_f32());
                    Ok(e.store_floats(&name, &shape, &data, kind))
                }
            }
        })
    }

    /// A parameter that was stored in another form under this key, or is now by `store`.
    pub(super) fn stored_once(
        &mut self,
        key: (String, Kind, bool),
        store: impl FnOnce(&mut Self) -> Result<String>,
    ) -> Result<String> {
        if let Some(name) = self.params.get(&key) {
            return Ok(name.clone());
        }
        let name = store(self)?;
        self.params.insert(key, name.clone());
        Ok(name)
    }

    /// The batch size at run time, int64 of shape `[1]`.
    pub(super) fn batch(&mut self) -> Result<String> {
        if let Some(name) = &self.batch {
            return Ok(name.clone());
        }
        let axis = |value: &calibench_graph::Value| value.shape.iter().position(|d| *d == Dim::Batch);
        let found = self.graph.input_values().find_map(|v| Some((v.name.clone(), axis(v)?)));
        let (input, axis) =
            found.ok_or_else(|| self.unsupported("needs the batch size, which no input of the model has"))?;
        let shape = self.fresh(&format!("{input}.shape"));
        self.push(&shape, "Shape", &[&input], vec![]);
        let index = self.store(&format!("{input}.batch_axis"), &[1], Values::I64(&[axis as i64]));
        let batch = self.fresh("batch_size");
        self.push(&batch, "Gather", &[&shape, &index], vec![("axis", Attribute::Int(0))]);
        self.batch = Some(batch.clone());
        Ok(batch)
    }
}

/// What inputs and outputs of the model are.
fn edge(element: Element) -> Kind {
    match element {
        Element::Float => Kind::F32,
        Element::Integer => Kind::I64,
    }
}

fn dims(shape: &[Dim]) -> Vec<InputDim> {
    let dim = |dim: &Dim| match dim {
        Dim::Fixed(n) => InputDim::Fixed(*n),
        Dim::Batch => InputDim::Symbol("batch".to_owned()),
        Dim::Multiple(k) => InputDim::Symbol(format!("batch_times_{k}")),
    };
    shape.iter().map(dim).collect()
}

/// A matrix `[rows, columns]` as `[columns, rows]`.
pub(super) fn transpose<T: Copy>(shape: &[usize], data: &[T]) -> (Vec<usize>, Vec<T>) {
    let (rows, columns) = (shape[0], shape[1]);
    let at = |j: usize| (0..rows).map(move |i| i * columns + j);
    (vec![columns, rows], (0..columns).flat_map(at).map(|i| data[i]).collect())
}
