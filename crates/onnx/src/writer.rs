//! Building and writing ONNX files.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::path::Path;

use half::f16;
use prost::Message;
use tempfile::{Builder, NamedTempFile};

use crate::element::ElementType;
use crate::error::{Fault, OnnxError};
use crate::model::{Attribute, Constant, Data, InputDim, Node};
use crate::proto::{
    AttributeProto, AttributeType, DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use crate::read;

/// Elements of an initializer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values<'v> {
    /// `float`.
    F32(&'v [f32]),
    /// `float16`.
    F16(&'v [f16]),
    /// `int64`.
    I64(&'v [i64]),
    /// `int32`.
    I32(&'v [i32]),
    /// `int16`.
    I16(&'v [i16]),
    /// `uint16`.
    U16(&'v [u16]),
    /// `int8`.
    I8(&'v [i8]),
    /// `uint8`.
    U8(&'v [u8]),
    /// `bool`.
    Bool(&'v [bool]),
}

impl Values<'_> {
    /// The element type and the elements, little-endian.
    fn encode(self) -> (ElementType, Vec<u8>) {
        fn each<const N: usize, T: Copy>(values: &[T], encode: impl Fn(T) -> [u8; N]) -> Vec<u8> {
            values.iter().flat_map(|value| encode(*value)).collect()
        }
        match self {
            Self::F32(values) => (ElementType::F32, each(values, f32::to_le_bytes)),
            Self::F16(values) => (ElementType::F16, each(values, f16::to_le_bytes)),
            Self::I64(values) => (ElementType::I64, each(values, i64::to_le_bytes)),
            Self::I32(values) => (ElementType::I32, each(values, i32::to_le_bytes)),
            Self::I16(values) => (ElementType::I16, each(values, i16::to_le_bytes)),
            Self::U16(values) => (ElementType::U16, each(values, u16::to_le_bytes)),
            Self::I8(values) => (ElementType::I8, each(values, i8::to_le_bytes)),
            Self::U8(values) => (ElementType::U8, values.to_vec()),
            Self::Bool(values) => (ElementType::Bool, each(values, |value| [u8::from(value)])),
        }
    }

    fn tensor(self, name: &str, shape: &[usize]) -> TensorProto {
        let (element, raw) = self.encode();
        TensorProto {
            // What does not fit is refused with all other shapes that are too large.
            dims: shape.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect(),
            data_type: Some(element.code()),
            name: (!name.is_empty()).then(|| name.to_owned()),
            raw_data: Some(raw.into()),
            ..TensorProto::default()
        }
    }
}

impl<'v> From<&'v Data> for Values<'v> {
    fn from(data: &'v Data) -> Self {
        match data {
            Data::F32(values) => Self::F32(values),
            Data::I64(values) => Self::I64(values),
            Data::Bool(values) => Self::Bool(values),
        }
    }
}

/// Collects a model and writes it.
///
/// What it writes, [`Model::load`](crate::Model::load) reads: the same checks run before the first byte is written.
///
/// # Example
/// ```
/// use calibench_onnx::{ElementType, InputDim, Model, ModelBuilder, Node, Values};
///
/// let mut builder = ModelBuilder::new("relu", 17);
/// let dims = [InputDim::Symbol("batch".to_owned()), InputDim::Fixed(4)];
/// builder.input("x", ElementType::F32, &dims);
/// builder.initializer("bias", &[4], Values::F32(&[0.5, 1.0, 1.5, 2.0]));
/// builder.node(Node::new("shift", "Add", &["x", "bias"], &["shifted"]));
/// builder.node(Node::new("clip", "Relu", &["shifted"], &["y"]));
/// builder.output("y", ElementType::F32, &dims);
///
/// let model = Model::from_bytes(&builder.to_bytes()?, None)?;
/// assert_eq!(model.nodes[1].op, "Relu");
/// # Ok::<(), calibench_onnx::OnnxError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ModelBuilder {
    model: ModelProto,
    graph: GraphProto,
}

impl ModelBuilder {
    /// An empty model whose graph is called `name`, in operators of version `opset`.
    pub fn new(name: &str, opset: i64) -> Self {
        let import = OperatorSetIdProto { domain: Some(String::new()), version: Some(opset) };
        Self {
            model: ModelProto {
                ir_version: Some(ir_version(opset)),
                producer_name: Some("calibench".to_owned()),
                producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                opset_import: vec![import],
                ..ModelProto::default()
            },
            graph: GraphProto { name: Some(name.to_owned()), ..GraphProto::default() },
        }
    }

    /// Says who made the model; calibench, unless this is called.
    pub fn producer(&mut self, name: &str, version: &str) -> &mut Self {
        self.model.producer_name = Some(name.to_owned());
        self.model.producer_version = Some(version.to_owned());
        self
    }

    /// Adds an input of the model.
    pub fn input(&mut self, name: &str, element: ElementType, dims: &[InputDim]) -> &mut Self {
        self.graph.input.push(value(name, element, dims));
        self
    }

    /// Adds an output of the model.
    pub fn output(&mut self, name: &str, element: ElementType, dims: &[InputDim]) -> &mut Self {
        self.graph.output.push(value(name, element, dims));
        self
    }

    /// Adds an initializer, row-major.
    pub fn initializer(&mut self, name: &str, shape: &[usize], values: Values<'_>) -> &mut Self {
        self.graph.initializer.push(values.tensor(name, shape));
        self
    }

    /// Adds a node; nodes may come in any order and are written in that order.
    pub fn node(&mut self, node: Node) -> &mut Self {
        let values =
            |values: Vec<Option<String>>| values.into_iter().map(Option::unwrap_or_default).collect();
        self.graph.node.push(NodeProto {
            input: values(node.inputs),
            output: values(node.outputs),
            name: Some(node.name),
            op_type: Some(node.op),
            attribute: node.attributes.into_iter().map(|(name, value)| attribute(name, value)).collect(),
            domain: None,
        });
        self
    }

    /// The file's bytes.
    ///
    /// # Errors
    ///
    /// [`OnnxError::Model`] for what the reader would refuse; values of more than 2 GiB together.
    pub fn to_bytes(&self) -> Result<Vec<u8>, OnnxError> {
        self.encode().map_err(|fault| fault.in_file(None))
    }

    /// Writes the file whole, or not at all: under a temporary name in the same folder, flushed, then renamed.
    ///
    /// # Errors
    ///
    /// As [`to_bytes`](Self::to_bytes); [`OnnxError::Write`] with the system's error.
    pub fn save(&self, path: &Path) -> Result<(), OnnxError> {
        let bytes = self.encode().map_err(|fault| fault.in_file(Some(path)))?;
        let failed = |source| OnnxError::Write { path: path.to_owned(), source };
        let temporary = write_synced(path, &bytes).map_err(failed)?;
        temporary.persist(path).map_err(|error| failed(error.error))?;
        if let Some(Ok(folder)) = path.parent().map(File::open) {
            // Makes the rename itself durable; where a folder cannot be flushed, the file is whole all the same.
            let _ = folder.sync_all();
        }
        Ok(())
    }

    fn encode(&self) -> Result<Vec<u8>, Fault> {
        let model = ModelProto { graph: Some(self.graph.clone()), ..self.model.clone() };
        read::check_length(model.encoded_len() as u64)?;
        // Raw data is shared by the copy.
        read::model(model.clone(), None)?;
        Ok(model.encode_to_vec())
    }
}

/// The file format's version that came with an operator set; at least 4, since which initializers are no inputs.
///
/// Source: the table of ONNX releases in `docs/Versioning.md`.
fn ir_version(opset: i64) -> i64 {
    match opset {
        ..=9 => 4,
        10 => 5,
        11 => 6,
        12..=14 => 7,
        15..=18 => 8,
        19 | 20 => 9,
        21.. => 10,
    }
}

fn value(name: &str, element: ElementType, dims: &[InputDim]) -> ValueInfoProto {
    let dim = |dim: &InputDim| {
        let value = match dim {
            InputDim::Fixed(size) => DimensionValue::DimValue(i64::try_from(*size).unwrap_or(i64::MAX)),
            InputDim::Symbol(symbol) => DimensionValue::DimParam(symbol.clone()),
        };
        DimensionProto { value: Some(value) }
    };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = TensorTypeProto { elem_type: Some(element.code()), shape: Some(shape) };
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

fn attribute(name: String, value: Attribute) -> AttributeProto {
    let mut proto = AttributeProto { name: Some(name), ..AttributeProto::default() };
    let kind = match value {
        Attribute::Float(value) => {
            proto.f = Some(value);
            AttributeType::Float
        }
        Attribute::Int(value) => {
            proto.i = Some(value);
            AttributeType::Int
        }
        Attribute::String(value) => {
            proto.s = Some(value.into_bytes());
            AttributeType::String
        }
        Attribute::Tensor(Constant { shape, data }) => {
            proto.t = Some(Values::from(&data).tensor("", &shape));
            AttributeType::Tensor
        }
        Attribute::Floats(values) => {
            proto.floats = values;
            AttributeType::Floats
        }
        Attribute::Ints(values) => {
            proto.ints = values;
            AttributeType::Ints
        }
        Attribute::Strings(values) => {
            proto.strings = values.into_iter().map(String::into_bytes).collect();
            AttributeType::Strings
        }
    };
    proto.set_type(kind);
    proto
}

/// The temporary file next to `path`, whole and on the disk; dropping it deletes it.
fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = Builder::new();
    builder.prefix(".").suffix(".onnx.tmp");
    if let Some(permissions) = ordinary_permissions() {
        builder.permissions(permissions);
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Those of any new file, before the umask; a temporary file would be readable by its owner only.
#[cfg(unix)]
fn ordinary_permissions() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn ordinary_permissions() -> Option<Permissions> {
    None
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
