//! Attributes of the operators. Names follow PyTorch's and ONNX's.

use serde::{Deserialize, Serialize};

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

impl Unary {
    /// The operator's name, as in reports.
    pub(crate) fn name(self) -> &'static str {
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
    /// The operator's name, as in reports.
    pub(crate) fn name(self) -> &'static str {
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
    /// The operator's name, as in reports.
    pub(crate) fn name(self) -> &'static str {
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
