//! OpenVINO, through the `openvino` crate.

use std::sync::OnceLock;

use calibench_quant::Entry;
use openvino::{
    CompiledModel, Core, DeviceType, ElementType, InferRequest, InferenceError, RwPropertyKey, Shape, Tensor,
};

use crate::input::check;
use crate::library::{Library, Located, Opening};
use crate::locate::check_version;
use crate::{Input, LoadOptions, Model, Runtime, RuntimeError, Session};

pub(crate) const ENTRY: Entry<dyn Runtime> = Entry {
    id: "openvino",
    summary: "OpenVINO on the CPU, latency hint, floats in fp32",
    source: "https://docs.openvino.ai (Apache-2.0), through https://github.com/intel/openvino-rs (Apache-2.0)",
    construct: || Box::new(OpenVino),
};

const LIBRARY: Library = Library {
    runtime: "OpenVINO",
    stem: "openvino_c",
    variables: &["OPENVINO_LIB_PATH", "OPENVINO_INSTALL_DIR", "INTEL_OPENVINO_DIR"],
    folders: &[
        "",
        "lib",
        "runtime/lib/intel64",
        "runtime/lib/aarch64",
        "runtime/lib/arm64",
        "runtime/lib/arm64/Release",
        "runtime/bin/intel64/Release",
    ],
    package: "openvino",
    package_folder: "openvino/libs",
    fitting: "2025.1 or newer",
    // Element types had other numbers before.
    fits: |major, minor| (major, minor) >= (2025, 1),
};

/// One process, one library.
static OPENING: OnceLock<Opening> = OnceLock::new();

struct OpenVino;

impl Runtime for OpenVino {
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
        let fault = |reason: String| RuntimeError::Model { runtime: LIBRARY.runtime, reason };
        let mut core = Core::new().map_err(|error| RuntimeError::Open {
            runtime: LIBRARY.runtime,
            path: library.path.clone(),
            reason: error.to_string(),
        })?;
        let (compiled, request) = compile(&mut core, model, options).map_err(fault)?;
        let inputs = compiled.get_input_size().map_err(|error| fault(error.to_string()))?;
        let version = version.to_owned();
        Ok(Box::new(OpenVinoSession {
            request,
            _compiled: compiled,
            _core: core,
            inputs,
            slots: Vec::new(),
            version,
        }))
    }
}

/// Opens the library, and gives the version.
fn open(library: &Located) -> Result<String, String> {
    openvino_sys::library::load_from(&library.path)?;
    Ok(openvino::version().build_number)
}

fn compile(
    core: &mut Core,
    model: Model<'_>,
    options: &LoadOptions,
) -> Result<(CompiledModel, InferRequest), String> {
    let threads = options.threads.to_string();
    let properties = [
        (RwPropertyKey::HintPerformanceMode, "LATENCY"),
        (RwPropertyKey::InferenceNumThreads, threads.as_str()),
        // Where the CPU has bf16, OpenVINO would compute floats in it: another number format than the cell says.
        (RwPropertyKey::HintInferencePrecision, "f32"),
    ];
    let text = |error: InferenceError| error.to_string();
    core.set_properties(&DeviceType::CPU, properties).map_err(text)?;
    let model = match model {
        Model::Bytes(bytes) => core.read_model_from_buffer(bytes, None).map_err(text)?,
        Model::File(path) => {
            let path = path.to_str().filter(|path| !path.contains('\0')).ok_or("its path is not UTF-8")?;
            core.read_model_from_file(path, "").map_err(text)?
        }
    };
    if model.get_outputs_len().map_err(text)? == 0 {
        return Err("it has no output".to_owned());
    }
    let mut compiled = core.compile_model(&model, DeviceType::CPU).map_err(text)?;
    let request = compiled.create_infer_request().map_err(text)?;
    Ok((compiled, request))
}

struct OpenVinoSession {
    request: InferRequest,
    _compiled: CompiledModel,
    _core: Core,
    /// How many inputs the model has.
    inputs: usize,
    /// The tensors that the request reads, in the order of the last run's inputs.
    slots: Vec<Slot>,
    version: String,
}

/// Memory of the runtime that holds one input.
struct Slot {
    name: String,
    shape: Vec<usize>,
    integer: bool,
    tensor: Tensor,
}

impl Slot {
    fn new(input: &Input<'_>, request: &mut InferRequest) -> Result<Self, RuntimeError> {
        let shape = Shape::new(&input.dims()?).map_err(fault)?;
        let element = if input.integer { ElementType::I64 } else { ElementType::F32 };
        let tensor = Tensor::new(element, &shape).map_err(fault)?;
        request.set_tensor(input.name, &tensor).map_err(fault)?;
        Ok(Self { name: input.name.to_owned(), shape: input.shape.to_vec(), integer: input.integer, tensor })
    }

    fn fits(&self, input: &Input<'_>) -> bool {
        self.name == input.name && self.shape == input.shape && self.integer == input.integer
    }

    fn fill(&mut self, input: &Input<'_>) -> Result<(), RuntimeError> {
        if input.data.is_empty() {
            // A tensor without elements has no memory that could be written.
            return Ok(());
        }
        if input.integer {
            return input.integers_into(self.tensor.get_data_mut().map_err(fault)?);
        }
        self.tensor.get_data_mut::<f32>().map_err(fault)?.copy_from_slice(input.data);
        Ok(())
    }
}

fn fault(error: InferenceError) -> RuntimeError {
    RuntimeError::Run { runtime: LIBRARY.runtime, reason: error.to_string() }
}

impl Session for OpenVinoSession {
    fn run_into(&mut self, inputs: &[Input<'_>], output: &mut Vec<f32>) -> Result<(), RuntimeError> {
        check(inputs, self.inputs)?;
        if self.slots.len() != inputs.len()
            || self.slots.iter().zip(inputs).any(|(slot, input)| !slot.fits(input))
        {
            self.slots.clear();
            for input in inputs {
                self.slots.push(Slot::new(input, &mut self.request)?);
            }
        }
        for (slot, input) in self.slots.iter_mut().zip(inputs) {
            slot.fill(input)?;
        }
        self.request.infer().map_err(fault)?;
        let first = self.request.get_output_tensor_by_index(0).map_err(fault)?;
        let element = first.get_element_type().map_err(fault)?;
        if element != ElementType::F32 {
            let reason = format!("its first output is {element}, where f32 is needed");
            return Err(RuntimeError::Run { runtime: LIBRARY.runtime, reason });
        }
        output.clear();
        if first.get_size().map_err(fault)? > 0 {
            output.extend_from_slice(first.get_data::<f32>().map_err(fault)?);
        }
        Ok(())
    }

    fn version(&self) -> &str {
        &self.version
    }
}
