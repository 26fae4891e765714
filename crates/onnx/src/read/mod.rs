//! From bytes to a checked [`Model`].

mod census;
mod external;
mod input;
mod node;
mod order;
mod tensor;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use prost::Message;
use prost::bytes::{Buf, Bytes};

use self::external::External;
use crate::error::{Fault, OnnxError};
use crate::model::{Constant, Model};
use crate::proto::{GraphProto, ModelProto, TensorProto, ValueInfoProto};
use crate::{LONGEST_FILE, OPSETS};

impl Model {
    /// Reads a model, with external data from its folder.
    ///
    /// Float16, bfloat16 and double become f32, integers i64. Memory is bounded by the length of the files, times a
    /// small factor, whatever they claim.
    ///
    /// # Errors
    ///
    /// [`OnnxError`] with the file and what in it is damaged, undefined, or not supported: operator sets other than
    /// [`OPSETS`], operators of other domains, functions, sub-graphs, sparse tensors, element types without a value
    /// as f32, i64 or bool, external data outside of the file's folder.
    ///
    /// # Limits
    ///
    /// The file itself has at most [`LONGEST_FILE`] bytes.
    pub fn load(path: &Path) -> Result<Self, OnnxError> {
        let failed = |source| OnnxError::Read { path: path.to_owned(), source };
        // Asked before it is opened, because opening a pipe waits for its writer.
        let metadata = fs::metadata(path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(OnnxError::NotAFile { path: path.to_owned() });
        }
        check_length(metadata.len()).map_err(|fault| fault.in_file(Some(path)))?;
        let mut bytes = Vec::new();
        File::open(path).and_then(|file| file.take(LONGEST_FILE).read_to_end(&mut bytes)).map_err(failed)?;

        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let model = decode(Bytes::from(bytes)).and_then(|proto| model(proto, Some(folder)));
        let model = model.map_err(|fault| fault.in_file(Some(path)))?;
        Ok(Self { name: stem, ..model })
    }

    /// Reads a model from memory; `folder` is where its external data lies, if it has any.
    ///
    /// The model is called what its graph is called, or else `model`.
    ///
    /// # Errors
    ///
    /// As [`Model::load`]; external data without a folder.
    pub fn from_bytes(bytes: &[u8], folder: Option<&Path>) -> Result<Self, OnnxError> {
        decode(bytes).and_then(|proto| model(proto, folder)).map_err(|fault| fault.in_file(None))
    }
}

/// Refuses what protobuf cannot hold.
pub(crate) fn check_length(bytes: u64) -> Result<(), Fault> {
    if bytes > LONGEST_FILE { Err(Fault::TooLarge { bytes, limit: LONGEST_FILE }) } else { Ok(()) }
}

/// Decodes one contiguous buffer; raw data of [`Bytes`] is shared, not copied.
fn decode(bytes: impl Buf) -> Result<ModelProto, Fault> {
    check_length(bytes.remaining() as u64)?;
    census::check(bytes.chunk())?;
    ModelProto::decode(bytes).map_err(|error| Fault::Undecodable { reason: error.to_string() })
}

/// Checks a decoded model.
pub(crate) fn model(proto: ModelProto, folder: Option<&Path>) -> Result<Model, Fault> {
    let opset = opset(&proto)?;
    let graph = proto.graph.ok_or(Fault::NoGraph)?;
    if let Some(sparse) = graph.sparse_initializer.first() {
        let name = sparse.values.as_ref().map(TensorProto::name).unwrap_or_default();
        return Err(Fault::tensor(name, "it is sparse, which is not read; store it densely"));
    }
    let GraphProto { node, name, initializer, input, output, .. } = graph;
    let mut external = External::new(folder);
    let initializers = initializers(initializer, &mut external)?;
    let inputs = input::inputs(input, &initializers)?;
    let outputs = outputs(output)?;
    let nodes = node::nodes(node, &proto.functions, &mut external)?;
    let nodes = order::sort(nodes, &inputs, &initializers, &outputs)?;
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "model".to_owned());
    Ok(Model { name, opset, inputs, outputs, initializers, nodes })
}

/// The version of the default operator set.
fn opset(proto: &ModelProto) -> Result<i64, Fault> {
    let imports = proto.opset_import.iter().filter(|import| node::domain(import.domain()).is_empty());
    let mut versions = imports.map(|import| import.version());
    let first = versions.next();
    if let (Some(first), Some(second)) = (first, versions.find(|other| Some(*other) != first)) {
        let [first, second] = [first, second].map(|version| format!("opset {version}"));
        return Err(Fault::Duplicate { value: "ai.onnx".to_owned(), first, second });
    }
    first.filter(|version| OPSETS.contains(version)).ok_or(Fault::Opset { found: first })
}

fn initializers(
    protos: Vec<TensorProto>,
    external: &mut External,
) -> Result<BTreeMap<String, Constant>, Fault> {
    let mut initializers = BTreeMap::new();
    for mut proto in protos {
        let name = proto.name.take().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Fault::Unnamed { what: "an initializer".to_owned() })?;
        let constant = tensor::constant(proto, &name, external)?;
        if initializers.contains_key(&name) {
            let [first, second] = ["an initializer", "another"].map(str::to_owned);
            return Err(Fault::Duplicate { value: name, first, second });
        }
        initializers.insert(name, constant);
    }
    Ok(initializers)
}

fn outputs(protos: Vec<ValueInfoProto>) -> Result<Vec<String>, Fault> {
    let mut seen = BTreeSet::new();
    for proto in &protos {
        if proto.name().is_empty() {
            return Err(Fault::Unnamed { what: "an output of the model".to_owned() });
        }
        if !seen.insert(proto.name()) {
            let [first, second] = ["an output of the model", "another"].map(str::to_owned);
            return Err(Fault::Duplicate { value: proto.name().to_owned(), first, second });
        }
    }
    if protos.is_empty() {
        return Err(Fault::NoOutput);
    }
    Ok(protos.into_iter().filter_map(|proto| proto.name).collect())
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
