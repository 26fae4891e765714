//! Plain fp32 tensors.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::GraphError;

/// A dense row-major fp32 tensor. Copies share their elements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tensor {
    shape: Vec<usize>,
    #[serde(with = "shared")]
    data: Arc<Vec<f32>>,
}

/// Shared elements are written and read as plain ones.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(data: &Arc<Vec<f32>>, to: S) -> Result<S::Ok, S::Error> {
        data.as_ref().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Vec<f32>>, D::Error> {
        Vec::deserialize(from).map(Arc::new)
    }
}

impl Tensor {
    /// A tensor of `shape` over `data`, row-major.
    ///
    /// # Errors
    /// [`GraphError::TensorSize`] when the number of elements differs from the shape's.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Result<Self, GraphError> {
        let shape = shape.into();
        let expected = shape.iter().product();
        if data.len() != expected {
            return Err(GraphError::TensorSize { shape, expected, got: data.len() });
        }
        Ok(Self { shape, data: Arc::new(data) })
    }

    /// The same elements under another shape.
    ///
    /// # Errors
    /// As [`Tensor::new`].
    pub fn reshaped(&self, shape: impl Into<Vec<usize>>) -> Result<Self, GraphError> {
        let shape = shape.into();
        let expected = shape.iter().product();
        if self.len() != expected {
            return Err(GraphError::TensorSize { shape, expected, got: self.len() });
        }
        Ok(Self { shape, data: self.data.clone() })
    }

    /// Its dimensions, outermost first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its elements, row-major.
    #[must_use]
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether it has no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }
}
