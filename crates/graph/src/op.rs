//! The operators. Names and attributes follow PyTorch's and ONNX's.

use serde::{Deserialize, Serialize};

use crate::Dim;

/// Attributes of a 2-D convolution over `[N, C, H, W]`, weight `[out, in/groups, kh, kw]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conv2d {
    /// Step in height and width.
    pub stride: usize,
    /// Zero padding on all four sides.
    pub padding: usize,
    /// Distance between kernel taps.
    pub dilation: usize,
    /// Channel groups; `in` and `out` divide by it.
    pub groups: usize,
}

/// What a node computes. In the formulas x is the first input and y the second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// `x · Wᵀ + b` on the last axis. Parameters: weight `[out, in]`, bias `[out]` (optional).
    Linear,
    /// Cross-correlation. Parameters: weight `[out, in/groups, kh, kw]`, bias `[out]` (optional).
    Conv2d(Conv2d),
    /// `γ · (x − μ) / √(σ² + ε) + β` per channel (axis 1), with running statistics in inference.
    /// Parameters: γ, β, μ, σ², each `[C]`.
    BatchNorm2d {
        /// ε.
        epsilon: f32,
    },
    /// `γ · (x − mean) / √(var + ε) + β` over the last axis (biased variance). Parameters: γ, β.
    LayerNorm {
        /// ε.
        epsilon: f32,
    },
    /// `max(x, 0)`.
    Relu,
    /// `x · Φ(x)`, with the error function (not the tanh approximation).
    Gelu,
    /// `x + y`, equal shapes.
    Add,
    /// `x + p`, the parameter `p` broadcast over the batch axis. Parameters: p, shape of x without batch.
    AddParam,
    /// `x · factor`.
    Scale {
        /// The factor.
        factor: f32,
    },
    /// Batched matrix product over the last two axes, `[…, M, K] × […, K, N]`, or `[…, N, K]` transposed.
    MatMul {
        /// Whether y is `[…, N, K]`.
        transpose_rhs: bool,
    },
    /// `exp(x − max) / Σ exp(x − max)` over the last axis.
    Softmax,
    /// The same elements under another shape.
    Reshape {
        /// The new shape.
        shape: Vec<Dim>,
    },
    /// Axes reordered: output axis i is input axis `axes[i]`. Axis 0 stays in place.
    Permute {
        /// The permutation.
        axes: Vec<usize>,
    },
    /// Largest value of each window over `[N, C, H, W]`, no padding.
    MaxPool2d {
        /// Window height and width.
        kernel: usize,
        /// Step in height and width.
        stride: usize,
    },
    /// Mean over height and width: `[N, C, H, W]` → `[N, C]`.
    GlobalAvgPool,
    /// Mean over axis 1: `[N, T, D]` → `[N, D]`.
    MeanTokens,
}

impl Op {
    /// The operator's name, as in reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Linear => "Linear",
            Self::Conv2d(_) => "Conv2d",
            Self::BatchNorm2d { .. } => "BatchNorm2d",
            Self::LayerNorm { .. } => "LayerNorm",
            Self::Relu => "Relu",
            Self::Gelu => "Gelu",
            Self::Add => "Add",
            Self::AddParam => "AddParam",
            Self::Scale { .. } => "Scale",
            Self::MatMul { .. } => "MatMul",
            Self::Softmax => "Softmax",
            Self::Reshape { .. } => "Reshape",
            Self::Permute { .. } => "Permute",
            Self::MaxPool2d { .. } => "MaxPool2d",
            Self::GlobalAvgPool => "GlobalAvgPool",
            Self::MeanTokens => "MeanTokens",
        }
    }

    /// Number of value inputs.
    #[must_use]
    pub fn arity(&self) -> usize {
        match self {
            Self::Add | Self::MatMul { .. } => 2,
            _ => 1,
        }
    }

    /// Whether the operator only moves elements, without arithmetic.
    #[must_use]
    pub fn is_layout(&self) -> bool {
        matches!(self, Self::Reshape { .. } | Self::Permute { .. })
    }
}
