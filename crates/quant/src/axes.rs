//! The axes of a sweep that are closed sets: dtype and timing mode.

use serde::{Deserialize, Serialize};

use crate::QuantError;

/// The known name nearest to `name`, when one is near enough to be a likely slip.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(name, k), k))
        .filter(|(d, k)| *d <= (k.chars().count() / 2).max(2))
        .min()
        .map(|(_, k)| k)
}

macro_rules! axis {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$vdoc:meta])* $variant:ident = $id:literal : $summary:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $id)] $variant),+
        }

        impl $name {
            /// Every value, in the order in which reports list them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name used in configurations, rows and on the command line.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self { $(Self::$variant => $id),+ }
            }

            /// One line of help.
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self { $(Self::$variant => $summary),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.id())
            }
        }

        impl std::str::FromStr for $name {
            type Err = QuantError;

            fn from_str(name: &str) -> Result<Self, QuantError> {
                Self::ALL.iter().copied().find(|v| v.id() == name).ok_or_else(|| QuantError::Unknown {
                    what: $what,
                    name: name.to_owned(),
                    suggestion: nearest(name, Self::ALL.iter().map(|v| v.id())).map(str::to_owned),
                    known: Self::ALL.iter().map(|v| v.id()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

axis!(
    /// The number format of a cell.
    Dtype, "dtype", {
        /// 32-bit floating point: the reference.
        Fp32 = "fp32": "32-bit float: the reference every other cell is paired with",
        /// fp16 weights in memory, widened to fp32 for arithmetic.
        Fp16Storage = "fp16-storage": "fp16 weights, fp32 arithmetic: what a CPU without half arithmetic does",
        /// Every value and every intermediate rounded to fp16.
        Fp16Compute = "fp16-compute": "every operation rounds to fp16; products accumulate in fp32, as matrix units do (emulated on a CPU without fp16 arithmetic)",
        /// bf16 weights in memory, widened to fp32 for arithmetic.
        Bf16Storage = "bf16-storage": "bf16 weights, fp32 arithmetic",
        /// Every value and every intermediate rounded to bf16.
        Bf16Compute = "bf16-compute": "every operation rounds to bf16; products accumulate in fp32 (emulated on a CPU without bf16 arithmetic)",
        /// 8-bit weights and activations, integer execution.
        Int8 = "int8": "8-bit weights and activations (W8A8), int8 x int8 -> int32 products",
        /// 8-bit weights and 16-bit activations, integer execution.
        Int16 = "int16": "16-bit activations with 8-bit weights (W8A16), int16 x int8 -> int64 products",
    }
);

axis!(
    /// When the ranges of activations are found.
    Timing, "timing mode", {
        /// Not quantized to integers: no range is needed.
        None = "none": "no ranges: floating-point cells",
        /// Each activation's range is found while running.
        Dynamic = "dynamic": "each activation's range is found at run time, from the tensor itself",
        /// Ranges from observers over the calibration split, frozen before inference.
        Static = "static": "observers over the calibration split find the ranges, frozen before inference",
        /// Fake-quantized fine-tuning, then converted to the same execution as static.
        Qat = "qat": "fake_quantize during fine-tuning, then the same integer execution as static",
        /// Weights quantized at load; activations stay fp32.
        WeightOnly = "weight-only": "weights quantized at load, activations stay fp32",
    }
);

impl Dtype {
    /// Whether activations and weights are integers.
    #[must_use]
    pub fn is_integer(self) -> bool {
        matches!(self, Self::Int8 | Self::Int16)
    }

    /// The integer format of activations, for integer dtypes. Weights are int8 in both.
    #[must_use]
    pub fn activation_format(self) -> Option<crate::IntFormat> {
        match self {
            Self::Int8 => Some(crate::IntFormat::INT8),
            Self::Int16 => Some(crate::IntFormat::INT16),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_dtype_names_the_nearest() {
        let error = "itn8".parse::<Dtype>().unwrap_err();
        assert!(error.to_string().contains("did you mean `int8`"), "{error}");
        let error = "zzzzzzzzzzzzzzzz".parse::<Dtype>().unwrap_err();
        assert!(!error.to_string().contains("did you mean"), "{error}");
    }

    #[test]
    fn ids_round_trip() {
        for dtype in Dtype::ALL {
            assert_eq!(dtype.id().parse::<Dtype>().unwrap(), *dtype);
        }
        for timing in Timing::ALL {
            assert_eq!(timing.id().parse::<Timing>().unwrap(), *timing);
        }
    }
}
