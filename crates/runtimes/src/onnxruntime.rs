//! ONNX Runtime, through the `ort` crate.

use std::borrow::Cow;
use std::sync::OnceLock;

use calibench_quant::Entry;
use ort::logging::LogLevel;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session as OrtSession, SessionInputValue};
use ort::value::TensorRef;

use crate::input::check;
use crate::library::{Library, Located, Opening};
use crate::locate::check_version;
use crate::{Input, LoadOptions, Model, Runtime, RuntimeError, Session};

pub(crate) const ENTRY: Entry<dyn Runtime> = Entry {
    id: "onnxruntime",
    summary: "ONNX Runtime on the CPU, all graph optimisations",
    source: "https://onnxruntime.ai (MIT), through https://github.com/pykeio/ort (MIT or Apache-2.0)",
    construct: || Box::new(OnnxRuntime),
};

const LIBRARY: Library = Library {
    runtime: "ONNX Runtime",
    stem: "onnxruntime",
    variables: &["ORT_DYLIB_PATH"],
    folders: &["", "lib"],
    package: "onnxruntime",
    package_folder: "onnxruntime/capi",
    fitting: "1.22 or newer, before 2.0",
    // Its interface keeps what it had: a newer library serves the interface for which `ort` asks.
    fits: |major, minor| major == 1 && minor >= ort::MINOR_VERSION,
};

/// One process, one library.
static OPENING: OnceLock<Opening> = OnceLock::new();

struct OnnxRuntime;

impl Runtime for OnnxRuntime {
    fn library(&self) -> &'static Library {
        &LIBRARY
    }

    fn load(
        &self,
        library: &Located,
        model: Model<'_>,
        options: &LoadOptions,
    ) -> Result<Box<dyn Session>, RuntimeError> {
        let version = LIBRARY.open_once(&OPENING, library, || open(library))?;
        check_version(&LIBRARY, &library.path, version)?;
        let session = build(model, options)
            .map_err(|error| RuntimeError::Model { runtime: LIBRARY.runtime, reason: error.to_string() })?;
        if session.outputs.is_empty() {
            let reason = "it has no output".to_owned();
            return Err(RuntimeError::Model { runtime: LIBRARY.runtime, reason });
        }
        Ok(Box::new(OnnxSession { session, integers: Vec::new(), version: version.to_owned() }))
    }
}

/// Opens the library, makes the one environment of the process, and gives the version.
fn open(library: &Located) -> Result<String, String> {
    let path = library.path.to_str().ok_or("its path is not UTF-8")?;
    ort::init_from(path)
        .with_name("calibench")
        .with_telemetry(false)
        .commit()
        .map_err(|error| error.to_string())?;
    // The version is not in the interface that `ort` gives; that of the wheel or the file is the same.
    Ok(library.version.clone().unwrap_or_else(|| ort::info().to_owned()))
}

fn build(model: Model<'_>, options: &LoadOptions) -> ort::Result<OrtSession> {
    let builder: SessionBuilder = OrtSession::builder()?
        .with_optimization_level(GraphOptimizationLevel::Level3)?
        .with_intra_threads(options.threads.get())?
        .with_inter_threads(1)?
        // Else its threads wait busily after a call, beside whatever is timed next.
        .with_config_entry("session.force_spinning_stop", "1")?
        .with_log_level(LogLevel::Error)?;
    match model {
        Model::Bytes(bytes) => builder.commit_from_memory(bytes),
        Model::File(path) => builder.commit_from_file(path),
    }
}

struct OnnxSession {
    session: OrtSession,
    /// What integer inputs are given as, per input; kept, so that runs do not allocate.
    integers: Vec<Vec<i64>>,
    version: String,
}

impl Session for OnnxSession {
    fn run_into(&mut self, inputs: &[Input<'_>], output: &mut Vec<f32>) -> Result<(), RuntimeError> {
        check(inputs, self.session.inputs.len())?;
        self.integers.resize_with(inputs.len(), Vec::new);
        for (input, integers) in inputs.iter().zip(&mut self.integers) {
            integers.resize(if input.integer { input.data.len() } else { 0 }, 0);
            if input.integer {
                input.integers_into(integers)?;
            }
        }
        let fault =
            |error: ort::Error| RuntimeError::Run { runtime: LIBRARY.runtime, reason: error.to_string() };
        let mut values: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::with_capacity(inputs.len());
        for (input, integers) in inputs.iter().zip(&self.integers) {
            let shape = input.dims()?;
            // Views: floats are read where they lie.
            let value = if input.integer {
                TensorRef::from_array_view((shape, integers.as_slice())).map_err(fault)?.into()
            } else {
                TensorRef::from_array_view((shape, input.data)).map_err(fault)?.into()
            };
            values.push((Cow::Borrowed(input.name), value));
        }
        let outputs = self.session.run(values).map_err(fault)?;
        let (_, first) = outputs[0].try_extract_tensor::<f32>().map_err(fault)?;
        output.clear();
        output.extend_from_slice(first);
        Ok(())
    }

    fn version(&self) -> &str {
        &self.version
    }
}
