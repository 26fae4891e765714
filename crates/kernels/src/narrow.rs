//! Weights that stay narrow in memory and are widened block by block when used.

/// A weight matrix `[n, k]` (output features by input features, row-major) in a narrow format.
///
/// Row j, column kk has the real value `data[j · k + kk] · scale[j]` (or `scale[0]`) for `S8`, and
/// the value of the half-precision bits otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum NarrowWeights {
    /// Symmetric int8.
    S8 {
        /// `n · k` values.
        data: Vec<i8>,
        /// One scale, or one per output feature.
        scale: Vec<f32>,
        /// Output features.
        n: usize,
        /// Input features.
        k: usize,
    },
    /// IEEE binary16 bits.
    F16 {
        /// `n · k` values.
        data: Vec<u16>,
        /// Output features.
        n: usize,
        /// Input features.
        k: usize,
    },
    /// bfloat16 bits.
    Bf16 {
        /// `n · k` values.
        data: Vec<u16>,
        /// Output features.
        n: usize,
        /// Input features.
        k: usize,
    },
}

impl NarrowWeights {
    /// Memory held, in bytes: values and scales.
    pub fn bytes(&self) -> usize {
        match self {
            Self::S8 { data, scale, .. } => size_of_val(data.as_slice()) + size_of_val(scale.as_slice()),
            Self::F16 { data, .. } | Self::Bf16 { data, .. } => size_of_val(data.as_slice()),
        }
    }

    /// Output features.
    pub fn n(&self) -> usize {
        match *self {
            Self::S8 { n, .. } | Self::F16 { n, .. } | Self::Bf16 { n, .. } => n,
        }
    }

    /// Input features: the reduction length.
    pub fn k(&self) -> usize {
        match *self {
            Self::S8 { k, .. } | Self::F16 { k, .. } | Self::Bf16 { k, .. } => k,
        }
    }
}
