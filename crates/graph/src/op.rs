//! The operators. Names and attributes follow PyTorch's and ONNX's.

use serde::{Deserialize, Serialize};

use crate::{Binary, Conv2d, Coordinates, Dim, Element, Interpolation, PadMode, Reduction, Unary, Window};

/// What a node computes. In the formulas x is the first input, y the second and z the third.
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
    /// `x + y`; shapes broadcast as in NumPy.
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
    /// `x − max − ln Σ exp(x − max)` over the last axis.
    LogSoftmax,
    /// The same elements under another shape.
    Reshape {
        /// The new shape.
        shape: Vec<Dim>,
    },
    /// Axes reordered: output axis i is input axis `axes[i]`.
    Permute {
        /// The permutation.
        axes: Vec<usize>,
    },
    /// Largest value of each window over `[N, C, H, W]`.
    MaxPool2d(Window),
    /// Mean of each window over `[N, C, H, W]`.
    AvgPool2d {
        /// The window.
        window: Window,
        /// Whether padded positions count in the divisor.
        count_padding: bool,
    },
    /// Mean over height and width: `[N, C, H, W]` → `[N, C]`.
    GlobalAvgPool,
    /// Mean over axis 1: `[N, T, D]` → `[N, D]`.
    MeanTokens,
    /// A parameter as a value. Parameters: the tensor.
    Constant {
        /// What its elements are.
        element: Element,
    },
    /// Rows of a table: `[…]` of indices → `[…, D]`. Negative indices count from the end. Parameters:
    /// table `[V, D]`.
    Embedding,
    /// A function of each element.
    Unary(Unary),
    /// A function of each pair of elements.
    Binary(Binary),
    /// `y` where x is not 0, `z` elsewhere; shapes broadcast as in NumPy.
    Where,
    /// The element kind changed: to integers truncated towards zero.
    Cast {
        /// The new kind.
        to: Element,
    },
    /// Reduced along axes.
    Reduce {
        /// How.
        reduction: Reduction,
        /// Which axes, ascending.
        axes: Vec<usize>,
        /// Whether they stay, with size 1.
        keep: bool,
    },
    /// Inputs one after the other along an axis.
    Concat {
        /// The axis.
        axis: usize,
    },
    /// Elements `start, start + step, …` of an axis.
    Slice {
        /// The axis.
        axis: usize,
        /// The first.
        start: usize,
        /// The distance, negative to go backwards.
        step: isize,
        /// How many.
        len: usize,
    },
    /// Elements added before and after each axis.
    Pad {
        /// How many, per axis.
        pads: Vec<[usize; 2]>,
        /// What they hold.
        mode: PadMode,
    },
    /// Elements of an axis of x by the indices y: that axis becomes the axes of y.
    Gather {
        /// The axis.
        axis: usize,
    },
    /// Slices of x by index tuples: the last axis of y holds indices into the axes of x after the first
    /// `batch_dims`, which x and y share.
    GatherNd {
        /// Leading axes in common.
        batch_dims: usize,
    },
    /// x with the slices at the index tuples y (last axis) replaced by z.
    ScatterNd,
    /// Broadcast to a larger shape.
    Expand {
        /// The shape.
        shape: Vec<Dim>,
    },
    /// `[N, C, H, W]` resampled to another height and width.
    Resize2d {
        /// Height and width of the result.
        size: [usize; 2],
        /// How positions map.
        coordinates: Coordinates,
        /// How values between positions come about.
        interpolation: Interpolation,
        /// Result size over input size, per axis; what the file says may differ from the quotient of sizes.
        scale: [f32; 2],
    },
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
            Self::LogSoftmax => "LogSoftmax",
            Self::Reshape { .. } => "Reshape",
            Self::Permute { .. } => "Permute",
            Self::MaxPool2d(_) => "MaxPool2d",
            Self::AvgPool2d { .. } => "AvgPool2d",
            Self::GlobalAvgPool => "GlobalAvgPool",
            Self::MeanTokens => "MeanTokens",
            Self::Constant { .. } => "Constant",
            Self::Embedding => "Embedding",
            Self::Unary(unary) => unary.name(),
            Self::Binary(binary) => binary.name(),
            Self::Where => "Where",
            Self::Cast { .. } => "Cast",
            Self::Reduce { reduction, .. } => reduction.name(),
            Self::Concat { .. } => "Concat",
            Self::Slice { .. } => "Slice",
            Self::Pad { .. } => "Pad",
            Self::Gather { .. } => "Gather",
            Self::GatherNd { .. } => "GatherND",
            Self::ScatterNd => "ScatterND",
            Self::Expand { .. } => "Expand",
            Self::Resize2d { .. } => "Resize2d",
        }
    }

    /// Number of value inputs; `None` for any number from one.
    #[must_use]
    pub fn arity(&self) -> Option<usize> {
        match self {
            Self::Constant { .. } => Some(0),
            Self::Add
            | Self::MatMul { .. }
            | Self::Binary(_)
            | Self::Gather { .. }
            | Self::GatherNd { .. } => Some(2),
            Self::Where | Self::ScatterNd => Some(3),
            Self::Concat { .. } => None,
            _ => Some(1),
        }
    }

    /// Whether the operator is a matrix product or a convolution: what integers are for.
    #[must_use]
    pub fn is_product(&self) -> bool {
        matches!(self, Self::Linear | Self::Conv2d(_) | Self::MatMul { .. })
    }

    /// Whether the operator only moves elements, without arithmetic.
    #[must_use]
    pub fn is_layout(&self) -> bool {
        matches!(
            self,
            Self::Reshape { .. }
                | Self::Permute { .. }
                | Self::Concat { .. }
                | Self::Slice { .. }
                | Self::Gather { .. }
                | Self::GatherNd { .. }
                | Self::ScatterNd
                | Self::Expand { .. }
                | Self::Pad { .. }
        )
    }

    /// What the elements of the result are.
    #[must_use]
    pub fn element(&self, inputs: &[Element]) -> Element {
        let joined = |from: &[Element]| {
            let integers = !from.is_empty() && from.iter().all(|e| *e == Element::Integer);
            if integers { Element::Integer } else { Element::Float }
        };
        match self {
            Self::Constant { element } | Self::Cast { to: element } => *element,
            Self::Unary(Unary::Not) => Element::Integer,
            Self::Binary(binary) if binary.is_predicate() => Element::Integer,
            Self::Where => joined(inputs.get(1..).unwrap_or_default()),
            Self::Gather { .. } | Self::GatherNd { .. } => joined(inputs.get(..1).unwrap_or_default()),
            // A power is of the kind of its base.
            Self::Binary(Binary::Pow) => joined(inputs.get(..1).unwrap_or_default()),
            Self::Add
            | Self::Relu
            | Self::Binary(_)
            | Self::Unary(Unary::Neg | Unary::Abs | Unary::Clip { .. })
            | Self::ScatterNd => joined(inputs),
            Self::Reduce { reduction, .. } if !matches!(reduction, Reduction::Mean | Reduction::L2) => {
                joined(inputs)
            }
            op if op.is_layout() => joined(inputs),
            _ => Element::Float,
        }
    }
}
