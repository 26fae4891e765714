//! Planned execution on the kernels crate: the code whose latency is reported.
//!
//! [`Executable::compile`] lowers a graph and its [`QuantSpec`] to a list of steps over buffers that
//! liveness analysis has assigned. Products (linear, convolution, matrix product) run on integers in
//! integer dtypes: codes are multiplied to i32 (int8) or i64 (int16) accumulators, and the epilogue
//! either requantizes to the next site's codes or dequantizes to fp32. Images are kept channels-last
//! between convolutions, so that a convolution is a product over patch rows.

mod describe;
mod float_ops;
mod general;
mod layout;
mod lookup;
mod lower;
mod lower_node;
mod lower_product;
mod matmul;
mod order;
mod pool;
mod product;
mod profile;
mod remap;
mod rows;
mod step;
mod storage;
mod threads;
mod values;
mod windows;
mod work;

use calibench_graph::{Graph, per_sample};
use calibench_kernels::Kernels;
use calibench_quant::{Dtype, Timing};

use crate::interpret::check_inputs;
use crate::{EngineError, QuantSpec};
pub use describe::PlanLine;
pub use profile::Profile;
use step::{Context, Planned};
use storage::Buffers;
use threads::Threads;
pub use work::Work;

/// How an executable runs.
#[derive(Debug, Clone, Copy)]
pub struct CompileOptions {
    /// The kernels, of one instruction set.
    pub kernels: Kernels,
    /// Worker threads; 1 runs on the calling thread.
    pub threads: usize,
    /// The largest batch that will be run; buffers are sized for it.
    pub max_batch: usize,
}

/// A graph made ready to run under one [`QuantSpec`].
#[derive(Debug)]
pub struct Executable {
    steps: Vec<Planned>,
    buffers: Buffers,
    context: Context,
    threads: Threads,
    inputs: Vec<storage::Slot>,
    output: storage::Slot,
    /// The graph without its nodes and parameters: what it takes and gives.
    signature: Graph,
    output_len: usize,
    weight_bytes: u64,
    max_batch: usize,
}

impl Executable {
    /// Lowers a graph.
    ///
    /// Weights are quantized and packed here, once.
    ///
    /// # Errors
    /// [`EngineError::MissingQParams`] when a site has no parameters, [`EngineError::Unsupported`] for an
    /// operator that the executor does not run, [`EngineError::Graph`] for an invalid graph.
    pub fn compile(graph: &Graph, spec: &QuantSpec, options: CompileOptions) -> Result<Self, EngineError> {
        graph.validate()?;
        let lowered = lower::lower(graph, spec, options.kernels)?;
        let weight_bytes = lowered.steps.iter().map(|planned| planned.step.weight_bytes()).sum();
        let buffers = Buffers::new(&lowered.assignment, options.max_batch);
        Ok(Self {
            context: Context::new(options.kernels, lowered.site_params),
            threads: Threads::new(options, &lowered.steps, &graph.name)?,
            steps: lowered.steps,
            buffers,
            inputs: lowered.inputs,
            output: lowered.output,
            signature: graph.signature(),
            output_len: per_sample(&graph.value(graph.output).shape),
            weight_bytes,
            max_batch: options.max_batch,
        })
    }

    /// Runs one batch, each input row-major `[batch, …]`, and gives the output likewise.
    ///
    /// # Errors
    /// [`EngineError::Input`] when an input's length does not fit the batch, or the batch is empty,
    /// [`EngineError::Batch`] when it is larger than the `max_batch` compiled for, [`EngineError::Graph`] for an
    /// index outside of what it indexes.
    pub fn run(&mut self, batch: usize, inputs: &[&[f32]]) -> Result<&[f32], EngineError> {
        self.accept(batch, inputs)?;
        let Self { steps, buffers, context, threads, .. } = self;
        threads.run(batch, context, |context| {
            steps.iter().try_for_each(|planned| planned.run(batch, buffers, context))
        })?;
        Ok(&self.buffers.f32(self.output)[..batch * self.output_len])
    }

    /// Checks the inputs and puts them where the first steps read them.
    fn accept(&mut self, batch: usize, inputs: &[&[f32]]) -> Result<(), EngineError> {
        check_inputs(&self.signature, batch, inputs)?;
        if batch > self.max_batch {
            let (model, max) = (self.signature.name.clone(), self.max_batch);
            return Err(EngineError::Batch { model, batch, max });
        }
        for (slot, input) in self.inputs.iter().zip(inputs) {
            self.buffers.f32_mut(*slot)[..input.len()].copy_from_slice(input);
        }
        Ok(())
    }

    /// Values per sample of the output.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.output_len
    }

    /// Bytes of parameters as held for execution: packed weights, scales, biases and the rest.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Bytes of the activation buffers at the largest batch, after reuse. Scratch of the products
    /// (patch rows, accumulators) is not in it.
    #[must_use]
    pub fn peak_activation_bytes(&self) -> u64 {
        self.buffers.bytes()
    }
}

/// A tensor that a step reads and, as codes, whose parameters it has.
#[derive(Debug, Clone, Copy)]
struct Operand {
    slot: storage::Slot,
    value: usize,
}

/// What the results of a step are rounded to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Rounding {
    #[default]
    None,
    Fp16,
    Bf16,
}

fn rounding(dtype: Dtype) -> Rounding {
    match dtype {
        Dtype::Fp16Compute => Rounding::Fp16,
        Dtype::Bf16Compute => Rounding::Bf16,
        _ => Rounding::None,
    }
}

/// How activations of products are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codes {
    /// fp32.
    Float,
    /// int8 codes.
    I8,
    /// int16 codes.
    I16,
}

fn codes(spec: &QuantSpec) -> Codes {
    match (spec.dtype, spec.timing) {
        (_, Timing::WeightOnly) => Codes::Float,
        (Dtype::Int8, _) => Codes::I8,
        (Dtype::Int16, _) => Codes::I16,
        _ => Codes::Float,
    }
}
