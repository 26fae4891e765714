//! Writing f32 tensors.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use ::safetensors::tensor::{Dtype, View, serialize};
use calibench_store::write_atomic;

use super::error::Fault;
use super::npy::f32_header;
use super::{Tensor, TensorError, TensorInfo};

/// Writes one array as .npy, version 1, little-endian f32 in row-major order. The name is not written.
///
/// # Errors
/// [`TensorError::Values`], [`TensorError::Unwritable`] for a shape that [`TensorFile`](super::TensorFile) does
/// not read, [`TensorError::Write`].
pub fn write_npy(path: &Path, tensor: &Tensor) -> Result<(), TensorError> {
    check(path, tensor)?;
    let file = [f32_header(&tensor.shape), bytes(tensor)].concat();
    Ok(write_atomic(path, &file)?)
}

/// Writes tensors as one .safetensors file.
///
/// # Errors
/// As [`write_npy`]; [`TensorError::Unwritable`] also for two tensors of one name.
pub fn write_safetensors(path: &Path, tensors: &[Tensor]) -> Result<(), TensorError> {
    let mut names = BTreeSet::new();
    for tensor in tensors {
        check(path, tensor)?;
        if !names.insert(&tensor.name) {
            return Err(unwritable(path, tensor, "another tensor has this name; rename one".to_owned()));
        }
    }
    let bytes = serialize(tensors.iter().map(|t| (&t.name, Stored(t))), None)
        .map_err(|e| TensorError::Malformed { path: path.to_owned(), tensor: None, reason: e.to_string() })?;
    Ok(write_atomic(path, &bytes)?)
}

/// Whether the tensor can be read again.
fn check(path: &Path, tensor: &Tensor) -> Result<(), TensorError> {
    tensor.check_values()?;
    match TensorInfo::new(tensor.name.clone(), super::Dtype::F32, tensor.shape.clone()) {
        Err(Fault::Malformed { reason, .. }) => Err(unwritable(path, tensor, reason)),
        _ => Ok(()),
    }
}

fn unwritable(path: &Path, tensor: &Tensor, reason: String) -> TensorError {
    TensorError::Unwritable { path: path.to_owned(), tensor: tensor.name.clone(), reason }
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A tensor as the safetensors crate wants it.
struct Stored<'t>(&'t Tensor);

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        bytes(self.0).into()
    }

    fn data_len(&self) -> usize {
        size_of_val(&*self.0.values)
    }
}
