//! Runs a graph node by node.

use std::collections::BTreeMap;

use calibench_graph::{Dim, Graph, GraphError, Node, Op, bind};
use candle_core::{DType, Device, Tensor};

use super::capture::to_f32;
use super::{Tap, ops};
use crate::EngineError;

/// Which statistics batch normalisation uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchNormMode {
    /// The running statistics among the parameters.
    Inference,
    /// The batch's own; they are also reported, to update the running ones.
    Training,
}

/// Batch statistics of one [`Op::BatchNorm2d`] node, per channel.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningStats {
    /// The node.
    pub node: String,
    /// Means.
    pub mean: Vec<f32>,
    /// Unbiased variances, as PyTorch puts into its running variance.
    pub var: Vec<f32>,
}

/// A graph with its parameters as candle tensors.
#[derive(Debug, Clone)]
pub struct Interpreter<'g> {
    graph: &'g Graph,
    params: BTreeMap<String, Tensor>,
    dtype: DType,
}

impl<'g> Interpreter<'g> {
    /// Runs in fp32.
    ///
    /// # Errors
    /// [`EngineError::Graph`] when the graph is not valid.
    pub fn new(graph: &'g Graph) -> Result<Self, EngineError> {
        Self::with_dtype(graph, DType::F32)
    }

    /// Runs with parameters, values and intermediates rounded to `dtype` (F32, F16 or BF16). Products and
    /// other sums accumulate in fp32.
    ///
    /// # Errors
    /// [`EngineError::Graph`] when the graph is not valid, [`EngineError::Candle`] for another dtype.
    pub fn with_dtype(graph: &'g Graph, dtype: DType) -> Result<Self, EngineError> {
        Self::convert(graph, dtype, dtype)
    }

    /// Runs in fp32 with parameters that were stored as `dtype` (F32, F16 or BF16), thus rounded to it.
    ///
    /// # Errors
    /// As [`Interpreter::with_dtype`].
    pub fn with_storage(graph: &'g Graph, dtype: DType) -> Result<Self, EngineError> {
        Self::convert(graph, dtype, DType::F32)
    }

    fn convert(graph: &'g Graph, stored: DType, dtype: DType) -> Result<Self, EngineError> {
        graph.validate()?;
        let convert = |tensor: &calibench_graph::Tensor| {
            if !matches!(stored, DType::F32 | DType::F16 | DType::BF16) {
                let reason = format!("runs in F32, F16 or BF16, not {stored:?}");
                return Err(candle_core::Error::Msg(reason));
            }
            let tensor = Tensor::from_slice(tensor.data(), tensor.shape(), &Device::Cpu)?;
            tensor.to_dtype(stored)?.to_dtype(dtype)
        };
        let params = graph.params.iter().map(|(name, tensor)| {
            let tensor = convert(tensor).map_err(|e| candle(graph, name, e))?;
            Ok((name.clone(), tensor))
        });
        Ok(Self { graph, params: params.collect::<Result<_, EngineError>>()?, dtype })
    }

    /// Runs on these parameters instead of the graph's: variables, for training. The dtype is theirs.
    ///
    /// A parameter that is missing is an error of the run.
    #[must_use]
    pub fn with_params(graph: &'g Graph, params: BTreeMap<String, Tensor>) -> Self {
        let dtype = params.values().next().map_or(DType::F32, Tensor::dtype);
        Self { graph, params, dtype }
    }

    /// The graph.
    #[must_use]
    pub fn graph(&self) -> &'g Graph {
        self.graph
    }

    /// Runs one batch in inference mode. The output has the interpreter's dtype.
    ///
    /// # Errors
    /// [`EngineError::Input`] when the input's shape is not the graph's, [`EngineError::Graph`] for a
    /// missing parameter, [`EngineError::Candle`] when candle or the tap refuses.
    pub fn run(&self, input: &Tensor, tap: &mut dyn Tap) -> Result<Tensor, EngineError> {
        self.run_as(BatchNormMode::Inference, input, tap).map(|(output, _)| output)
    }

    /// Runs one batch in training mode: batch normalisation uses and reports the batch's statistics.
    ///
    /// # Errors
    /// As [`Interpreter::run`].
    pub fn run_training(
        &self,
        input: &Tensor,
        tap: &mut dyn Tap,
    ) -> Result<(Tensor, Vec<RunningStats>), EngineError> {
        self.run_as(BatchNormMode::Training, input, tap)
    }

    /// Runs one batch of row-major values and gives the output row-major.
    ///
    /// # Errors
    /// As [`Interpreter::run`]; [`EngineError::Input`] also for an empty batch.
    pub fn run_slice(&self, batch: usize, input: &[f32], tap: &mut dyn Tap) -> Result<Vec<f32>, EngineError> {
        let expected = bind(&self.graph.value(Graph::INPUT).shape, batch);
        if batch == 0 || input.len() != expected.iter().product::<usize>() {
            return Err(self.bad_input(expected, input.len(), batch));
        }
        let at_input = |e| candle(self.graph, &self.graph.value(Graph::INPUT).name, e);
        let input = Tensor::from_slice(input, expected, &Device::Cpu).map_err(at_input)?;
        let output = self.run(&input, tap)?;
        to_f32(&output).map_err(|e| candle(self.graph, &self.graph.value(self.graph.output).name, e))
    }

    /// Runs one batch with batch normalisation in the given mode.
    ///
    /// # Errors
    /// As [`Interpreter::run`].
    pub fn run_as(
        &self,
        mode: BatchNormMode,
        input: &Tensor,
        tap: &mut dyn Tap,
    ) -> Result<(Tensor, Vec<RunningStats>), EngineError> {
        let graph = self.graph;
        let batch = self.batch(input)?;
        let mut readers = vec![0_usize; graph.values.len()];
        for id in graph.nodes.iter().flat_map(|n| &n.inputs).chain([&graph.output]) {
            readers[id.0] += 1;
        }
        let mut values: Vec<Option<Tensor>> = vec![None; graph.values.len()];
        let mut stats = Vec::new();
        let first = input.to_dtype(self.dtype).and_then(|x| tap.value(Graph::INPUT, x));
        values[0] = Some(first.map_err(|e| candle(graph, &graph.value(Graph::INPUT).name, e))?);
        for node in &graph.nodes {
            let params = self.params(node, tap)?;
            let inputs: Vec<Tensor> = node
                .inputs
                .iter()
                .map(|id| {
                    // The last reader takes the value, so that its memory is free again.
                    readers[id.0] -= 1;
                    let value = if readers[id.0] == 0 { values[id.0].take() } else { values[id.0].clone() };
                    value.ok_or_else(|| self.unordered(node))
                })
                .collect::<Result<_, _>>()?;
            let output = match (&node.op, mode) {
                (Op::BatchNorm2d { epsilon }, BatchNormMode::Training) => {
                    training_step(node, *epsilon, &inputs[0], &params).map(|(output, seen)| {
                        stats.push(seen);
                        output
                    })
                }
                (op, _) => ops::apply(op, batch, &inputs, &params),
            };
            let output = output.and_then(|value| tap.value(node.output, value));
            values[node.output.0] = Some(output.map_err(|e| candle(graph, &node.name, e))?);
        }
        let output = values[graph.output.0].take();
        let output = output.ok_or_else(|| GraphError::MissingParam {
            node: graph.name.clone(),
            param: graph.value(graph.output).name.clone(),
        })?;
        Ok((output, stats))
    }

    /// The batch size of an input of the right shape.
    fn batch(&self, input: &Tensor) -> Result<usize, EngineError> {
        let shape = &self.graph.value(Graph::INPUT).shape;
        let axis = shape.iter().position(|d| *d == Dim::Batch);
        let batch = axis.map_or(1, |axis| input.dims().get(axis).copied().unwrap_or(0));
        let expected = bind(shape, batch);
        if batch == 0 || input.dims() != expected {
            return Err(self.bad_input(expected, input.elem_count(), batch));
        }
        Ok(batch)
    }

    fn params(&self, node: &Node, tap: &mut dyn Tap) -> Result<Vec<Tensor>, EngineError> {
        let one = |(index, name): (usize, &String)| {
            let param = self.params.get(name).ok_or_else(|| GraphError::MissingParam {
                node: node.name.clone(),
                param: name.clone(),
            })?;
            tap.param(node, index, param.clone()).map_err(|e| candle(self.graph, &node.name, e))
        };
        node.params.iter().enumerate().map(one).collect()
    }

    fn bad_input(&self, expected: Vec<usize>, got: usize, batch: usize) -> EngineError {
        EngineError::Input { model: self.graph.name.clone(), expected, got, batch }
    }

    fn unordered(&self, node: &Node) -> EngineError {
        EngineError::Unsupported {
            model: self.graph.name.clone(),
            node: node.name.clone(),
            reason: "it reads a value that no earlier node defines".to_owned(),
        }
    }
}

/// Batch normalisation with the batch's statistics, and these as they enter the running ones.
fn training_step(
    node: &Node,
    epsilon: f32,
    x: &Tensor,
    params: &[Tensor],
) -> candle_core::Result<(Tensor, RunningStats)> {
    let (output, seen) = ops::batch_norm_training(x, epsilon, params)?;
    let count = (x.elem_count() / x.dim(1)?) as f32;
    let unbiased = if count > 1.0 { count / (count - 1.0) } else { 1.0 };
    let var = to_f32(&seen.variance)?.into_iter().map(|v| v * unbiased).collect();
    Ok((output, RunningStats { node: node.name.clone(), mean: to_f32(&seen.mean)?, var }))
}

fn candle(graph: &Graph, node: &str, source: candle_core::Error) -> EngineError {
    EngineError::Candle { model: graph.name.clone(), node: node.to_owned(), source }
}
