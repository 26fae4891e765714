//! What executes a cell: our plan, or another runtime on the model that `export` writes.

use std::num::NonZeroUsize;

use anyhow::{Context, Result, bail};
use calibench_engine::QuantSpec;
use calibench_engine::compile::Executable;
use calibench_graph::{Element, Graph, Value, bind};
use calibench_kernels::Isa;
use calibench_onnx::{Codes, DEFAULT_OPSET};
use calibench_quant::{Dtype, Timing};
use calibench_runtimes::{Input, LoadOptions, Located, Model, Runtime, RuntimeError, Session};

use crate::commands::export;

/// The name of our own execution on the axis of backends.
pub const NATIVE: &str = "native";

/// A model made ready to run.
pub enum Runner {
    /// Our plan.
    Native(Box<Executable>),
    /// Another runtime's session.
    Foreign(Box<Foreign>),
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

/// The runtime of that name, and where its library is.
///
/// # Errors
/// [`RuntimeError`] when it is not installed ([`RuntimeError::is_absence`]).
pub fn locate(name: &str) -> Result<(Box<dyn Runtime>, Located)> {
    let entry = calibench_quant::find(calibench_runtimes::ALL, "backend", name)?;
    let runtime = (entry.construct)();
    let located = runtime.locate()?;
    Ok((runtime, located))
}

/// Whether an error says that a runtime is not there to be used.
#[must_use]
pub fn is_absence(error: &anyhow::Error) -> bool {
    error.downcast_ref::<RuntimeError>().is_some_and(RuntimeError::is_absence)
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

/// Why no other runtime executes cells of this dtype and timing; `None` where they do.
#[must_use]
pub fn unsupported(dtype: Dtype, timing: Timing) -> Option<&'static str> {
    match (dtype, timing) {
        (_, Timing::Dynamic) => Some("ONNX has no portable form for ranges found at run time"),
        (Dtype::Fp32 | Dtype::Fp16Storage | Dtype::Int8, _) => None,
        (Dtype::Int16, _) => Some("16-bit codes need opset 21, which few runtimes execute on integers"),
        _ => Some("the backend decides what it computes in; fp16-storage hands it an fp16 model"),
    }
}
