//! The two half-precision formats.

use calibench_quant::{Dtype, FloatFormat};

/// A format of 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// IEEE 754 binary16: 5 bits of exponent, 11 of significand.
    Fp16,
    /// bfloat16: the exponent of fp32, 8 bits of significand.
    Bf16,
}

impl Half {
    /// The format that an execution rounds to.
    pub(super) fn of(dtype: Dtype) -> Option<Self> {
        match dtype {
            Dtype::Fp16Storage | Dtype::Fp16Compute => Some(Self::Fp16),
            Dtype::Bf16Storage | Dtype::Bf16Compute => Some(Self::Bf16),
            Dtype::Fp32 | Dtype::Int8 | Dtype::Int16 => None,
        }
    }

    /// Its numbers.
    pub(super) fn format(self) -> &'static FloatFormat {
        match self {
            Self::Fp16 => &FloatFormat::FP16,
            Self::Bf16 => &FloatFormat::BF16,
        }
    }

    pub(super) fn id(self) -> &'static str {
        self.format().id
    }

    /// Nearest value of the format, ties to even, back in fp32: as [`FloatFormat::round`], by the hardware where it can.
    pub(super) fn round(self, x: f32) -> f32 {
        match self {
            Self::Fp16 => ::half::f16::from_f32(x).to_f32(),
            Self::Bf16 => ::half::bf16::from_f32(x).to_f32(),
        }
    }

    /// The dtype that rounds every operation to the format.
    pub(super) fn compute(self) -> Dtype {
        match self {
            Self::Fp16 => Dtype::Fp16Compute,
            Self::Bf16 => Dtype::Bf16Compute,
        }
    }
}
