//! What executes a cell: our plan, the reference on a GPU, or another runtime on the model that `export` writes.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use calibench_engine::compile::Executable;
use calibench_engine::interpret::{Interpreter, NoTap, Processor};
use calibench_engine::{EngineError, QuantSpec};
use calibench_graph::{Element, Graph, Value, bind};
use calibench_kernels::Isa;
use calibench_onnx::{Codes, DEFAULT_OPSET};
use calibench_quant::{Dtype, Symmetry, Timing};
use calibench_runtimes::{Input, LoadOptions, Located, Model, Runtime, RuntimeError, Session};

use crate::commands::export;
use crate::machine::gpu;

/// The name of our own execution on the axis of backends.
pub const NATIVE: &str = "native";

/// The name of the reference on a GPU, in builds with the feature `cuda`.
pub const CUDA: &str = "cuda";

/// Every value of the axis of backends.
pub fn names() -> impl Iterator<Item = &'static str> {
    [NATIVE, CUDA].into_iter().chain(calibench_runtimes::ALL.iter().map(|entry| entry.id))
}

/// A model made ready to run.
pub enum Runner {
    /// Our plan.
    Native(Box<Executable>),
    /// Another runtime's session.
    Foreign(Box<Foreign>),
    /// The reference on a GPU.
    Gpu(Box<Gpu>),
}

/// The reference on a GPU; inputs go there and the output comes back in every call.
pub struct Gpu {
    interpreter: Interpreter<'static>,
    output: Vec<f32>,
}

impl Gpu {
    /// Bytes of all parameters as held there.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        self.interpreter.weight_bytes()
    }
}

/// A session of another runtime, with what it has to be told of the inputs.
pub struct Foreign {
    session: Box<dyn Session>,
    inputs: Vec<Value>,
    output: Vec<f32>,
}

impl Runner {
    /// Runs one batch, each input row-major `[batch, …]`, and gives the output likewise.
    ///
    /// # Errors
    /// When the inputs do not fit, or the runtime fails.
    pub fn run(&mut self, batch: usize, inputs: &[&[f32]]) -> Result<&[f32]> {
        match self {
            Self::Native(executable) => Ok(executable.run(batch, inputs)?),
            Self::Foreign(foreign) => foreign.run(batch, inputs),
            Self::Gpu(gpu) => {
                gpu.output = gpu.interpreter.run_slice(batch, inputs, &mut NoTap)?;
                Ok(&gpu.output)
            }
        }
    }
}

impl Foreign {
    fn run(&mut self, batch: usize, inputs: &[&[f32]]) -> Result<&[f32]> {
        let shapes: Vec<Vec<usize>> = self.inputs.iter().map(|v| bind(&v.shape, batch)).collect();
        let inputs: Vec<Input<'_>> = (self.inputs.iter().zip(&shapes).zip(inputs))
            .map(|((value, shape), data)| Input {
                name: &value.name,
                shape,
                integer: value.element == Element::Integer,
                data,
            })
            .collect();
        self.session.run_into(&inputs, &mut self.output)?;
        Ok(&self.output)
    }
}

/// What is there of a backend.
#[derive(Debug)]
pub struct Found {
    /// Its version; of a GPU its name and that of its driver.
    pub version: String,
    /// Where its library is.
    pub library: Option<PathBuf>,
}

/// What is there of a backend other than our own.
///
/// # Errors
/// When it is not there to be used ([`is_absence`]), or not usable.
pub fn find(name: &str) -> Result<Found> {
    if name == CUDA {
        Processor::cuda()?;
        return Ok(Found { version: gpu::describe(), library: None });
    }
    let (_, located) = locate(name)?;
    let version = located.version.unwrap_or_else(|| "of unknown version".to_owned());
    Ok(Found { version, library: Some(located.path) })
}

/// The runtime of that name, and where its library is.
///
/// # Errors
/// [`RuntimeError`] when it is not installed ([`RuntimeError::is_absence`]).
fn locate(name: &str) -> Result<(Box<dyn Runtime>, Located)> {
    let entry = calibench_quant::find(calibench_runtimes::ALL, "backend", name)?;
    let runtime = (entry.construct)();
    let located = runtime.locate()?;
    Ok((runtime, located))
}

/// Whether an error says that a backend is not there to be used.
#[must_use]
pub fn is_absence(error: &anyhow::Error) -> bool {
    error.downcast_ref::<RuntimeError>().is_some_and(RuntimeError::is_absence)
        || matches!(error.downcast_ref(), Some(EngineError::Cuda { .. }))
}

/// The reference on the first GPU.
///
/// # Errors
/// When there is none, or the model does not fit.
pub fn on_gpu(graph: &Graph, dtype: Dtype) -> Result<Runner> {
    let interpreter = Interpreter::owned(&Processor::cuda()?, graph, dtype)?;
    Ok(Runner::Gpu(Box::new(Gpu { interpreter, output: Vec::new() })))
}

/// A cell's model as another runtime takes it: an ONNX file's bytes.
///
/// # Errors
/// When the cell has no ONNX form.
pub fn exported(graph: &Graph, spec: &QuantSpec) -> Result<Vec<u8>> {
    let exported =
        export::model(graph, spec, &export::Style { opset: DEFAULT_OPSET, ..export::Style::default() })?;
    exported.model.to_bytes().context("cannot write the model")
}

/// How weights are written for runtimes on this CPU: the fastest way that is exact.
///
/// Their kernels are made for uint8 × int8; with uint8 weights ONNX Runtime takes twice to three times as long, and OpenVINO
/// leaves convolutions in fp32. But on x86 without VNNI those kernels saturate in 16 bits ([`calibench_onnx::export`]).
#[must_use]
pub fn weight_codes() -> Codes {
    let dot_products = [Isa::AvxVnni, Isa::Avx512Vnni].iter().any(|isa| isa.is_available());
    if dot_products || !cfg!(target_arch = "x86_64") { Codes::Signed } else { Codes::Unsigned }
}

/// A session of `runtime` on the bytes of an ONNX file.
///
/// # Errors
/// When the runtime is not installed, or does not take the model.
pub fn open(name: &str, graph: &Graph, onnx: &[u8], threads: usize) -> Result<Runner> {
    let (runtime, located) = locate(name)?;
    let Some(threads) = NonZeroUsize::new(threads) else { bail!("a runtime needs a thread") };
    let session = runtime.load(&located, Model::Bytes(onnx), &LoadOptions { threads })?;
    let inputs = graph.input_values().cloned().collect();
    Ok(Runner::Foreign(Box::new(Foreign { session, inputs, output: Vec::new() })))
}

/// Why a backend other than our own executes no cells of this dtype and timing; `None` where it does.
#[must_use]
pub fn unsupported(
    backend: &str,
    dtype: Dtype,
    timing: Timing,
    symmetry: Option<Symmetry>,
) -> Option<&'static str> {
    if backend == CUDA {
        return match dtype {
            Dtype::Fp32 | Dtype::Fp16Compute | Dtype::Bf16Compute => None,
            Dtype::Fp16Storage | Dtype::Bf16Storage => {
                Some("a GPU computes in the halves that it stores: fp16-compute and bf16-compute")
            }
            _ => Some(
                "candle multiplies no integers on a GPU; `--simulate-on cuda` runs fake quantization there",
            ),
        };
    }
    match (dtype, timing) {
        (_, Timing::Dynamic) => no_dynamic_form(dtype, symmetry),
        (Dtype::Fp32 | Dtype::Fp16Storage | Dtype::Int8, _) => None,
        (Dtype::Int16, _) => Some("16-bit codes need opset 21, which few runtimes execute on integers"),
        _ => Some("the backend decides what it computes in; fp16-storage hands it an fp16 model"),
    }
}

/// Why ranges found at run time have no ONNX form; `None` where they do.
#[must_use]
pub fn no_dynamic_form(dtype: Dtype, symmetry: Option<Symmetry>) -> Option<&'static str> {
    match (dtype, symmetry) {
        (Dtype::Int8, Some(Symmetry::Affine)) => None,
        _ => Some("ONNX finds ranges at run time for affine 8-bit codes only (DynamicQuantizeLinear)"),
    }
}
