//! .npz, .npy and .safetensors, by the tensor readers.

use std::ops::Range;
use std::path::Path;

use super::DataError;
use super::source::{ArrayInfo, Elements, Kind, Source};
use crate::tensors::{Dtype, TensorFile};

/// A tensor file: each tensor is an array; a .npy file's is named by the file.
pub(super) struct Tensors(TensorFile);

impl Tensors {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        Ok(Self(TensorFile::open(path)?))
    }
}

fn kind(dtype: &Dtype) -> Kind {
    match dtype {
        Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16 => Kind::Real,
        Dtype::Unsupported(name) => Kind::Other(name.clone()),
        _ => Kind::Whole,
    }
}

impl Source for Tensors {
    fn path(&self) -> &Path {
        self.0.path()
    }

    fn list(&self) -> Vec<ArrayInfo> {
        let info = |t: &crate::tensors::TensorInfo| ArrayInfo {
            name: t.name.clone(),
            shape: t.shape.clone(),
            kind: kind(&t.dtype),
            column: false,
        };
        self.0.tensors().map(info).collect()
    }

    fn read(&mut self, name: &str, rows: &Range<usize>) -> Result<Elements, DataError> {
        let tensor = self.0.read(name)?;
        let width: usize = tensor.shape[1..].iter().product();
        let mut values = tensor.values;
        values.truncate(rows.end * width);
        values.drain(..rows.start * width);
        Ok(Elements::Numbers(values))
    }
}
