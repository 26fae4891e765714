//! Other inference runtimes as backends: the same ONNX model, measured in ours and in theirs.
//!
//! Nothing is linked or downloaded at build time, and nothing is touched until a runtime is asked for. A
//! [`Runtime`] is first located ([`Runtime::locate`] opens nothing), then its shared library is opened with a model
//! in it ([`Runtime::load`]), which gives a [`Session`]. A runtime that is not installed is an error that says what
//! was looked for and how to provide it; [`RuntimeError::is_absence`] tells it from a failure.
//!
//! # Where a library is looked for
//! 1. The environment variables of the runtime, each the library itself or a folder: `ORT_DYLIB_PATH` for ONNX
//!    Runtime; `OPENVINO_LIB_PATH`, `OPENVINO_INSTALL_DIR` and `INTEL_OPENVINO_DIR` for OpenVINO. One that is set
//!    decides: if the library is not there, that is an error.
//! 2. The Python wheel in the active environment: `VIRTUAL_ENV`, then `CONDA_PREFIX`.
//! 3. The Python wheel on the `sys.path` of `python3`, when that is on `PATH` and answers within five seconds.
//!
//! # Limits
//! CPU only. One library of a runtime in a process: its first load stands, successful or not.
//!
//! # Example
//! ```no_run
//! use std::num::NonZeroUsize;
//! use std::path::Path;
//!
//! use calibench_runtimes::{ALL, Input, LoadOptions, Model};
//!
//! let runtime = (calibench_quant::find(ALL, "runtime", "onnxruntime")?.construct)();
//! let library = runtime.locate()?;
//! let options = LoadOptions { threads: NonZeroUsize::MIN };
//! let mut session = runtime.load(&library, Model::File(Path::new("model.onnx")), &options)?;
//! let image = Input { name: "x", shape: &[1, 2], integer: false, data: &[0.5, -1.0] };
//! println!("{:?} from {}", session.run(&[image])?, session.version());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Adding one
//! One new file with an `ENTRY`, its `mod` line and its place in [`ALL`].

mod error;
mod input;
mod library;
mod locate;
mod onnxruntime;
mod openvino;
mod python;

use std::num::NonZeroUsize;
use std::path::Path;

use calibench_quant::Entry;

pub use error::RuntimeError;
pub use input::Input;
pub use library::{Library, Located};
pub use locate::Surroundings;

/// Every runtime, in the order of help texts and reports.
pub const ALL: &[Entry<dyn Runtime>] = &[onnxruntime::ENTRY, openvino::ENTRY];

/// A program that runs ONNX models, in a shared library that may or may not be installed.
pub trait Runtime: Send + Sync {
    /// What is looked for, and where.
    fn library(&self) -> &'static Library;

    /// Opens the library and compiles a model for the CPU with all of the runtime's optimisations.
    ///
    /// # Errors
    /// [`RuntimeError::Open`] for a library that cannot be opened, [`RuntimeError::Another`] for a second one,
    /// [`RuntimeError::Model`] for a model that the runtime does not take.
    fn load(
        &self,
        library: &Located,
        model: Model<'_>,
        options: &LoadOptions,
    ) -> Result<Box<dyn Session>, RuntimeError>;

    /// Finds the library in the environment of this process, without opening it.
    ///
    /// # Errors
    /// As [`Runtime::locate_in`].
    fn locate(&self) -> Result<Located, RuntimeError> {
        self.locate_in(&Surroundings::of_process())
    }

    /// Finds the library in the given environment, without opening it.
    ///
    /// # Errors
    /// [`RuntimeError::NotFound`], [`RuntimeError::Variable`] when a variable leads nowhere, and
    /// [`RuntimeError::Version`] when the version is known not to fit.
    fn locate_in(&self, surroundings: &Surroundings) -> Result<Located, RuntimeError> {
        locate::locate(self.library(), surroundings)
    }
}

/// A model that is ready to run.
pub trait Session {
    /// Runs the model once, and gives its first output in row-major order. `output` is overwritten; handed in
    /// again, its memory is used again.
    ///
    /// # Errors
    /// [`RuntimeError::Input`] for inputs that are not what the model takes, [`RuntimeError::Run`] for a failure of
    /// the runtime, and for a first output that is not f32.
    fn run_into(&mut self, inputs: &[Input<'_>], output: &mut Vec<f32>) -> Result<(), RuntimeError>;

    /// [`Session::run_into`] memory of its own.
    ///
    /// # Errors
    /// As [`Session::run_into`].
    fn run(&mut self, inputs: &[Input<'_>]) -> Result<Vec<f32>, RuntimeError> {
        let mut output = Vec::new();
        self.run_into(inputs, &mut output)?;
        Ok(output)
    }

    /// The version of the runtime, as it gives it.
    fn version(&self) -> &str;
}

/// An ONNX model.
#[derive(Debug, Clone, Copy)]
pub enum Model<'m> {
    /// The bytes of a file, with every initializer in it.
    Bytes(&'m [u8]),
    /// A file; its external data lies beside it.
    File(&'m Path),
}

/// How a session computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadOptions {
    /// Threads that share the work of one operator. Operators run one after another.
    pub threads: NonZeroUsize,
}
