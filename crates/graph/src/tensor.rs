//! Plain fp32 tensors.

use serde::{Deserialize, Serialize};

use crate::GraphError;

/// A dense row-major fp32 tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
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
        Ok(Self { shape, data })
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

    /// Its elements, row-major, to change.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
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
