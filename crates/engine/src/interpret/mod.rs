//! The candle interpreter: runs a graph node by node, with a [`Tap`] on every value and parameter.
//!
//! One interpreter serves every use that is not timed: the fp32 reference, training by autograd
//! ([`Interpreter::with_params`]), half precision ([`Interpreter::with_dtype`]), observation
//! ([`ObserveTap`]), fake quantization ([`FakeQuantTap`]) and looking inside ([`CaptureTap`]). Taps
//! change what flows, never how an operator computes, so no model is written twice.
//!
//! # Half precision
//! With fp16 or bf16 every value and every intermediate that a half-precision program would store is
//! rounded to the format. Products and sums accumulate in fp32 and are rounded once, as matrix units
//! and hardware reductions do; bias and activation round after the product. An ε below the format
//! becomes zero. Nodes in [`Graph::float`] run in fp32 on what the others give, with their own parameters unrounded;
//! the others round what they read of them.
//!
//! # On a GPU
//! [`Interpreter::on`] a [`Processor`] runs the same there: reference, halves (in the GPU's own, with fp32 sums), fake quantization
//! and observation. Operators that candle lacks there (`ScatterND`, `Resize`, powers, …) are computed on the CPU.

mod capture;
mod fake_quant;
mod observe;
mod ops;
mod patches;
mod portable;
mod processor;
mod relu;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use calibench_graph::{Element, Graph, Node, Op, Value, ValueId, bind, unrounded};
use calibench_quant::Dtype;
use candle_core::{DType, Tensor};

pub use capture::{CaptureTap, Captured};
pub use fake_quant::{FakeQuantTap, fake_quantize};
pub use observe::ObserveTap;
pub use processor::Processor;

use crate::EngineError;

/// A hook on every value and parameter of a running graph.
///
/// What a method returns takes the tensor's place for everything that reads it. Both default to
/// passing the tensor through.
pub trait Tap {
    /// A value: the graph's input, or the output of a node.
    ///
    /// # Errors
    /// What the tap cannot do; the run stops and names the value.
    fn value(&mut self, id: ValueId, value: Tensor) -> Result<Tensor, candle_core::Error> {
        let _ = id;
        Ok(value)
    }

    /// Parameter `index` of a node, in the operator's order.
    ///
    /// # Errors
    /// What the tap cannot do; the run stops and names the node.
    fn param(&mut self, node: &Node, index: usize, param: Tensor) -> Result<Tensor, candle_core::Error> {
        let _ = (node, index);
        Ok(param)
    }
}

/// The tap that changes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTap;

impl Tap for NoTap {}

/// New running statistics of batch normalisations: parameter name → tensor `[C]`.
pub type RunningStats = BTreeMap<String, Tensor>;

/// How much of a batch's statistics enters the running statistics, as in PyTorch.
pub const BATCH_NORM_MOMENTUM: f64 = 0.1;

/// A graph whose parameters are candle tensors.
#[derive(Debug)]
pub struct Interpreter<'g> {
    graph: Cow<'g, Graph>,
    processor: Processor,
    dtype: DType,
    /// Nodes that run in fp32 whatever the type.
    wide: BTreeSet<String>,
    params: BTreeMap<String, Tensor>,
    /// Parameters of such nodes, unrounded, where the others are not.
    wide_params: BTreeMap<String, Tensor>,
}

impl<'g> Interpreter<'g> {
    /// Runs in fp32.
    ///
    /// # Errors
    /// [`EngineError::Graph`] for a graph that is not valid, [`EngineError::Candle`] when a parameter
    /// cannot be converted.
    pub fn new(graph: &'g Graph) -> Result<Self, EngineError> {
        Self::with_dtype(graph, DType::F32)
    }

    /// Runs with parameters and values rounded to `dtype`: fp32, fp16 or bf16.
    ///
    /// # Errors
    /// As [`Interpreter::new`].
    pub fn with_dtype(graph: &'g Graph, dtype: DType) -> Result<Self, EngineError> {
        Self::prepared(Cow::Borrowed(graph), dtype, &Processor::cpu())
    }

    /// Runs as a floating-point dtype computes: halves of the *compute* kind round every operation, all others are fp32 here.
    ///
    /// # Errors
    /// As [`Interpreter::new`].
    pub fn computing(graph: &'g Graph, dtype: Dtype) -> Result<Self, EngineError> {
        Self::on(&Processor::cpu(), graph, dtype)
    }

    /// As [`Interpreter::computing`], on a processor.
    ///
    /// # Errors
    /// As [`Interpreter::new`].
    pub fn on(processor: &Processor, graph: &'g Graph, dtype: Dtype) -> Result<Self, EngineError> {
        Self::prepared(Cow::Borrowed(graph), tensor_type(dtype), processor)
    }

    fn prepared(graph: Cow<'g, Graph>, dtype: DType, processor: &Processor) -> Result<Self, EngineError> {
        graph.validate()?;
        let convert = |name: &String, dtype: DType| {
            let param = graph.params.get(name)?;
            let tensor = Tensor::from_slice(param.data(), param.shape(), &processor.device);
            Some(tensor.and_then(|t| t.to_dtype(dtype)).map_err(|e| candle_error(&graph, name, e)))
        };
        let of = |names: &mut dyn Iterator<Item = &String>, dtype: DType| -> Result<_, EngineError> {
            names.filter_map(|name| Some(convert(name, dtype)?.map(|t| (name.clone(), t)))).collect()
        };
        let params = of(&mut graph.params.keys(), dtype)?;
        let (mut wide, mut wide_params) = (BTreeSet::new(), BTreeMap::new());
        if dtype != DType::F32 {
            wide = unrounded(&graph);
            let nodes = graph.nodes.iter().filter(|n| wide.contains(&n.name));
            wide_params = of(&mut nodes.flat_map(|n| &n.params), DType::F32)?;
        }
        Ok(Self { graph, processor: processor.clone(), dtype, wide, params, wide_params })
    }

    /// Runs in fp32 on these parameters instead of the graph's: those of variables, for training.
    ///
    /// # Errors
    /// As [`Interpreter::new`]; a parameter that is missing is a graph error.
    pub fn with_params(graph: &'g Graph, params: BTreeMap<String, Tensor>) -> Result<Self, EngineError> {
        graph.validate()?;
        Ok(Self {
            graph: Cow::Borrowed(graph),
            processor: Processor::cpu(),
            dtype: DType::F32,
            wide: BTreeSet::new(),
            params,
            wide_params: BTreeMap::new(),
        })
    }

    /// The graph that runs.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Bytes of all parameters as held.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        let tensors = self.params.values().chain(self.wide_params.values());
        tensors.map(|t| (t.elem_count() * t.dtype().size_in_bytes()) as u64).sum()
    }

    /// Runs a batch, each input row-major; gives the output in fp32, row-major.
    ///
    /// # Errors
    /// [`EngineError::Input`] when the inputs do not hold `batch` samples, otherwise as
    /// [`Interpreter::run`].
    pub fn run_slice(
        &self,
        batch: usize,
        inputs: &[&[f32]],
        tap: &mut dyn Tap,
    ) -> Result<Vec<f32>, EngineError> {
        check_inputs(&self.graph, batch, inputs)?;
        let tensor = |(value, data): (&Value, &&[f32])| {
            let tensor = Tensor::from_slice(data, bind(&value.shape, batch), &self.processor.device);
            tensor.map_err(|e| candle_error(&self.graph, &value.name, e))
        };
        let inputs: Vec<Tensor> =
            self.graph.input_values().zip(inputs).map(tensor).collect::<Result<_, _>>()?;
        let output = self.forward(batch, &inputs, tap, None)?;
        let flat = output.to_dtype(DType::F32).and_then(|t| t.flatten_all()?.to_vec1());
        flat.map_err(|e| candle_error(&self.graph, "output", e))
    }

    /// Runs a batch through a graph of one input, which has the graph's input shape with the batch bound.
    ///
    /// # Errors
    /// [`EngineError::Candle`], naming the node at which candle or the tap failed;
    /// [`EngineError::Graph`] for a missing parameter.
    pub fn run(&self, input: &Tensor, tap: &mut dyn Tap) -> Result<Tensor, EngineError> {
        let batch = input.dims().first().copied().unwrap_or(0);
        self.forward(batch, std::slice::from_ref(input), tap, None)
    }

    /// Runs a batch for training: batch normalisation uses the batch's own statistics.
    ///
    /// Also gives what the running statistics become: `(1 − m) · old + m · batch` with m =
    /// [`BATCH_NORM_MOMENTUM`], the variance unbiased, as PyTorch does.
    ///
    /// # Errors
    /// As [`Interpreter::run`].
    pub fn run_training(
        &self,
        input: &Tensor,
        tap: &mut dyn Tap,
    ) -> Result<(Tensor, RunningStats), EngineError> {
        let mut running = RunningStats::new();
        let batch = input.dims().first().copied().unwrap_or(0);
        let output = self.forward(batch, std::slice::from_ref(input), tap, Some(&mut running))?;
        Ok((output, running))
    }

    fn forward(
        &self,
        batch: usize,
        inputs: &[Tensor],
        tap: &mut dyn Tap,
        mut training: Option<&mut RunningStats>,
    ) -> Result<Tensor, EngineError> {
        let graph = &*self.graph;
        let mut values: Vec<Option<Tensor>> = vec![None; graph.values.len()];
        let mut order: Vec<_> = graph.input_values().zip(inputs).enumerate().collect();
        // The mask first: a tap may need it to tell what of another input is padding.
        order.sort_by_key(|(index, _)| graph.mask != Some(ValueId(*index)));
        for (index, (value, input)) in order {
            let start = tap.value(ValueId(index), input.clone());
            values[index] = Some(start.map_err(|e| candle_error(graph, &value.name, e))?);
        }
        // After its last reader a value is dropped, unless autograd holds it.
        let mut last_reader = vec![0; graph.values.len()];
        for (position, node) in graph.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|v| last_reader[v.0] = position);
        }
        for (position, node) in graph.nodes.iter().enumerate() {
            let at_node = |e| candle_error(graph, &node.name, e);
            let params = self.tapped_params(node, tap)?;
            let dtype = if self.wide.contains(&node.name) { DType::F32 } else { self.dtype };
            let read = |id: &ValueId| {
                let value = values[id.0].as_ref()?;
                // Integers do not round to halves.
                let exact = graph.value(*id).element == Element::Integer;
                Some(if exact { Ok(value.clone()) } else { value.to_dtype(dtype) })
            };
            let inputs: Vec<Tensor> =
                node.inputs.iter().filter_map(read).collect::<Result<_, _>>().map_err(at_node)?;
            if inputs.len() != node.inputs.len() {
                return Err(EngineError::Unsupported {
                    model: graph.name.clone(),
                    node: node.name.clone(),
                    reason: "an input is read before it is computed; sort the nodes".to_owned(),
                });
            }
            let output = match (&node.op, training.as_deref_mut()) {
                (Op::BatchNorm2d { epsilon }, Some(running)) => {
                    let (output, mean, variance) =
                        ops::batch_norm_training(&inputs[0], &params, *epsilon).map_err(at_node)?;
                    running.insert(node.params[2].clone(), mean);
                    running.insert(node.params[3].clone(), variance);
                    output
                }
                _ => {
                    let value = graph.value(node.output);
                    let dtype = if value.element == Element::Integer { DType::F32 } else { dtype };
                    let shape = &bind(&value.shape, batch)[..];
                    let job = ops::Job { node, batch, shape, dtype, portable: self.processor.portable };
                    ops::apply(&job, &inputs, &params).map_err(at_node)?
                }
            };
            values[node.output.0] = Some(tap.value(node.output, output).map_err(at_node)?);
            for input in &node.inputs {
                if last_reader[input.0] == position && *input != graph.output {
                    values[input.0] = None;
                }
            }
        }
        values[graph.output.0].take().ok_or_else(|| EngineError::Unsupported {
            model: graph.name.clone(),
            node: graph.value(graph.output).name.clone(),
            reason: "no node computes the output".to_owned(),
        })
    }

    fn tapped_params(&self, node: &Node, tap: &mut dyn Tap) -> Result<Vec<Tensor>, EngineError> {
        let mut params = Vec::with_capacity(node.params.len());
        for (index, name) in node.params.iter().enumerate() {
            let own = if self.wide.contains(&node.name) { self.wide_params.get(name) } else { None };
            let param = own.or_else(|| self.params.get(name)).ok_or_else(|| {
                calibench_graph::GraphError::MissingParam { node: node.name.clone(), param: name.clone() }
            })?;
            let half = own.and_then(|_| self.graph.halves.get(&node.name));
            let param = half.map_or_else(|| Ok(param.clone()), |half| fake_quant::rounded(param, *half));
            let tapped = param.and_then(|param| tap.param(node, index, param));
            params.push(tapped.map_err(|e| candle_error(&self.graph, &node.name, e))?);
        }
        Ok(params)
    }
}

impl Interpreter<'static> {
    /// As [`Interpreter::on`], with a graph of its own: what is held is on the processor, and nothing else.
    ///
    /// # Errors
    /// As [`Interpreter::new`].
    pub fn owned(processor: &Processor, graph: &Graph, dtype: Dtype) -> Result<Self, EngineError> {
        let mut built = Self::prepared(Cow::Owned(graph.clone()), tensor_type(dtype), processor)?;
        built.graph.to_mut().params.clear();
        Ok(built)
    }
}

/// What values are held in.
fn tensor_type(dtype: Dtype) -> DType {
    match dtype {
        Dtype::Fp16Compute => DType::F16,
        Dtype::Bf16Compute => DType::BF16,
        _ => DType::F32,
    }
}

/// Checks that the inputs hold `batch` samples.
pub(crate) fn check_inputs(graph: &Graph, batch: usize, inputs: &[&[f32]]) -> Result<(), EngineError> {
    if inputs.len() != graph.inputs {
        let (model, expected) = (graph.name.clone(), graph.inputs);
        return Err(EngineError::InputCount { model, expected, got: inputs.len() });
    }
    for (value, input) in graph.input_values().zip(inputs) {
        let needed: usize = value.shape.iter().map(|dim| dim.bind(batch)).product();
        if batch == 0 || input.len() != needed {
            let expected = bind(&value.shape, batch);
            let (model, input_name) = (graph.name.clone(), value.name.clone());
            return Err(EngineError::Input { model, input: input_name, expected, got: input.len(), batch });
        }
    }
    Ok(())
}

fn candle_error(graph: &Graph, node: &str, source: candle_core::Error) -> EngineError {
    EngineError::Candle { model: graph.name.clone(), node: node.to_owned(), source }
}

/// All elements of a tensor in fp32, row-major.
fn to_vec(tensor: &Tensor) -> Result<Vec<f32>, candle_core::Error> {
    tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}
