//! The operators. Names and attributes follow PyTorch's and ONNX's.

use serde::{Deserialize, Serialize};

use crate::{Dim, Element};

/// Attributes of a 2-D convolution over `[N, C, H, W]`, weight `[out, in/groups, kh, kw]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conv2d {
    /// Step in height and width.
    pub stride: [usize; 2],
    /// Zeros added at top, left, bottom and right.
    pub padding: [usize; 4],
    /// Distance between kernel taps in height and width.
    pub dilation: [usize; 2],
    /// Channel groups; `in` and `out` divide by it.
    pub groups: usize,
}

impl Conv2d {
    /// One stride and one padding for both axes, no dilation, one group.
    #[must_use]
    pub fn square(stride: usize, padding: usize) -> Self {
        Self { stride: [stride; 2], padding: [padding; 4], dilation: [1; 2], groups: 1 }
    }
}

/// The moving window of a pooling over `[N, C, H, W]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// Step in height and width.
    pub stride: [usize; 2],
    /// Positions added at top, left, bottom and right; they never win and weigh nothing.
    pub padding: [usize; 4],
    /// Distance between taps in height and width.
    pub dilation: [usize; 2],
}

impl Window {
    /// A square window without padding.
    #[must_use]
    pub fn square(kernel: usize, stride: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [stride; 2], padding: [0; 4], dilation: [1; 2] }
    }

    /// Whether it covers the image without overlap, gap or padding.
    #[must_use]
    pub fn tiles(&self, height: usize, width: usize) -> bool {
        self.kernel == self.stride
            && self.padding == [0; 4]
            && self.dilation == [1; 2]
            && height.is_multiple_of(self.kernel[0])
            && width.is_multiple_of(self.kernel[1])
    }
}

/// A function of one number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Unary {
    /// `−x`.
    Neg,
    /// `|x|`.
    Abs,
    /// `√x`.
    Sqrt,
    /// `eˣ`.
    Exp,
    /// `ln x`.
    Log,
    /// `1 / x`.
    Reciprocal,
    /// The error function.
    Erf,
    /// `tanh x`.
    Tanh,
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// `max(0, min(1, alpha · x + beta))`.
    HardSigmoid {
        /// Slope.
        alpha: f32,
        /// Offset.
        beta: f32,
    },
    /// `x · max(0, min(1, x / 6 + 1/2))`.
    HardSwish,
    /// x where it is not negative, `alpha · x` elsewhere.
    LeakyRelu {
        /// Slope below zero.
        alpha: f32,
    },
    /// `min(max(x, low), high)`.
    Clip {
        /// Least result.
        low: f32,
        /// Largest result.
        high: f32,
    },
    /// GELU by its tanh approximation, `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`.
    GeluTanh,
    /// Largest integer not above x.
    Floor,
    /// Smallest integer not below x.
    Ceil,
    /// Nearest integer, ties to even.
    Round,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// 1 where x is 0, 0 elsewhere.
    Not,
}

/// A function of two numbers; shapes broadcast as in NumPy. Comparisons and logic give 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Binary {
    /// `x − y`.
    Sub,
    /// `x · y`.
    Mul,
    /// `x / y`, towards zero on integers.
    Div,
    /// `xʸ`.
    Pow,
    /// The smaller.
    Min,
    /// The larger.
    Max,
    /// `x = y`.
    Equal,
    /// `x > y`.
    Greater,
    /// `x ≥ y`.
    GreaterOrEqual,
    /// `x < y`.
    Less,
    /// `x ≤ y`.
    LessOrEqual,
    /// Both are not 0.
    And,
    /// At least one is not 0.
    Or,
}

impl Binary {
    /// Whether the result is 0 or 1.
    #[must_use]
    pub fn is_predicate(self) -> bool {
        !matches!(self, Self::Sub | Self::Mul | Self::Div | Self::Pow | Self::Min | Self::Max)
    }
}

/// What a reduction makes of the values along its axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reduction {
    /// `Σ x / n`.
    Mean,
    /// `Σ x`.
    Sum,
    /// `√Σ x²`.
    L2,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// The product.
    Prod,
}

/// What a padded position holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum PadMode {
    /// This value.
    Constant(f32),
    /// The image mirrored at its outermost element.
    Reflect,
    /// The outermost element.
    Edge,
}

/// How a resized position maps to the input (ONNX `coordinate_transformation_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Coordinates {
    /// `(x + 0.5) / scale − 0.5`.
    HalfPixel,
    /// As half pixel, but 0 where the result has size 1.
    PytorchHalfPixel,
    /// `x · (in − 1) / (out − 1)`.
    AlignCorners,
    /// `x / scale`.
    Asymmetric,
}

/// How a position between elements takes its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interpolation {
    /// From the nearest, the lower of two equally near.
    NearestPreferFloor,
    /// From the nearest, the upper of two equally near.
    NearestPreferCeil,
    /// From the one below.
    NearestFloor,
    /// From the one above.
    NearestCeil,
    /// Bilinear.
    Linear,
}

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

impl Unary {
    fn name(self) -> &'static str {
        match self {
            Self::Neg => "Neg",
            Self::Abs => "Abs",
            Self::Sqrt => "Sqrt",
            Self::Exp => "Exp",
            Self::Log => "Log",
            Self::Reciprocal => "Reciprocal",
            Self::Erf => "Erf",
            Self::Tanh => "Tanh",
            Self::Sigmoid => "Sigmoid",
            Self::HardSigmoid { .. } => "HardSigmoid",
            Self::HardSwish => "HardSwish",
            Self::LeakyRelu { .. } => "LeakyRelu",
            Self::Clip { .. } => "Clip",
            Self::GeluTanh => "GeluTanh",
            Self::Floor => "Floor",
            Self::Ceil => "Ceil",
            Self::Round => "Round",
            Self::Sin => "Sin",
            Self::Cos => "Cos",
            Self::Not => "Not",
        }
    }
}

impl Binary {
    fn name(self) -> &'static str {
        match self {
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Div => "Div",
            Self::Pow => "Pow",
            Self::Min => "Min",
            Self::Max => "Max",
            Self::Equal => "Equal",
            Self::Greater => "Greater",
            Self::GreaterOrEqual => "GreaterOrEqual",
            Self::Less => "Less",
            Self::LessOrEqual => "LessOrEqual",
            Self::And => "And",
            Self::Or => "Or",
        }
    }
}

impl Reduction {
    fn name(self) -> &'static str {
        match self {
            Self::Mean => "ReduceMean",
            Self::Sum => "ReduceSum",
            Self::L2 => "ReduceL2",
            Self::Max => "ReduceMax",
            Self::Min => "ReduceMin",
            Self::Prod => "ReduceProd",
        }
    }
}
