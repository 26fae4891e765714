//! The command line of the calibration lab.

use std::path::PathBuf;

use calibench_quant::{Fp8Format, IntFormat, QuantError, nearest};
use clap::{Args, ValueEnum};

use crate::cli::Format;

/// A number format on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Integer codes with scale and zero point.
    Int(IntFormat),
    /// 8-bit floating point with a scale.
    Fp8(Fp8Format),
}

impl std::str::FromStr for Target {
    type Err = QuantError;

    fn from_str(name: &str) -> Result<Self, QuantError> {
        if let Ok(format) = name.parse() {
            return Ok(Self::Fp8(format));
        }
        name.parse().map(Self::Int).map_err(|_| {
            let fp8 = Fp8Format::ALL.iter().map(|f| f.id());
            let common = ["int8", "uint8", "int16", "uint16", "int4", "uint4"];
            QuantError::Unknown {
                what: "dtype",
                name: name.to_owned(),
                suggestion: nearest(name, common.into_iter().chain(fp8)).map(str::to_owned),
                known: "int2 to int16, uint2 to uint16, fp8-e4m3, fp8-e5m2".to_owned(),
            }
        })
    }
}

/// Options of `calibrate`.
#[derive(Debug, Args)]
pub struct Calibrate {
    /// Tensors to calibrate: .safetensors, .npy or .npz; NAME.0, NAME.1, … are the batches of NAME
    #[arg(long, value_name = "FILE", required_unless_present = "stats", conflicts_with = "stats")]
    pub tensors: Option<PathBuf>,
    /// Statistics to replay, from `observe` or `merge`
    #[arg(long, value_name = "FILE")]
    pub stats: Option<PathBuf>,
    /// Only cases whose name starts with this
    #[arg(long, value_name = "PREFIX")]
    pub case: Option<String>,
    /// Calibration methods [default: every own method; `calibench list calibrators`]
    #[arg(long, value_delimiter = ',', num_args = 1.., value_name = "ID")]
    pub calibrator: Vec<String>,
    /// Number format: int2 … int16, uint2 … uint16, fp8-e4m3, fp8-e5m2
    #[arg(long, value_name = "DTYPE", default_value = "int8")]
    pub dtype: Target,
    /// Fix the zero point to that of a symmetric range
    #[arg(long)]
    pub symmetric: bool,
    /// Leave one bit of the codes unused, as for kernels that saturate
    #[arg(long)]
    pub reduce_range: bool,
    /// One scale for each index of this axis instead of one for the tensor
    #[arg(long, value_name = "N", conflicts_with = "stats")]
    pub axis: Option<usize>,
    /// The tensors are weights: symmetric scales from the values themselves (methods minmax, mse)
    #[arg(long, conflicts_with_all = ["stats", "bootstrap", "curve", "plot"])]
    pub weights: bool,
    /// With --weights: one scale for this many consecutive values
    #[arg(long, value_name = "N", requires = "weights", conflicts_with = "axis")]
    pub group_size: Option<usize>,
    /// Resample the samples this many times: 95 % intervals of the thresholds
    #[arg(long, value_name = "N", conflicts_with_all = ["stats", "axis"])]
    pub bootstrap: Option<u32>,
    /// Thresholds and error against the number of samples
    #[arg(long, conflicts_with_all = ["stats", "axis"])]
    pub curve: bool,
    /// Seed of the resampling
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Draw each case's histogram with every method's thresholds (several cases: OUT-CASE.svg)
    #[arg(long, value_name = "OUT.svg", conflicts_with = "axis")]
    pub plot: Option<PathBuf>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Options of `observe`.
#[derive(Debug, Args)]
pub struct Observe {
    /// Tensors to observe: .safetensors, .npy or .npz; NAME.0, NAME.1, … are the batches of NAME
    #[arg(long, value_name = "FILE")]
    pub tensors: PathBuf,
    /// Only cases whose name starts with this
    #[arg(long, value_name = "PREFIX")]
    pub case: Option<String>,
    /// Gather what these methods need [default: what every own method needs]
    #[arg(long, value_delimiter = ',', num_args = 1.., value_name = "ID")]
    pub calibrator: Vec<String>,
    /// Number of the first batch: parts that are to be merged must not share a number
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub first_batch: u64,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Options of `merge`.
#[derive(Debug, Args)]
pub struct Merge {
    /// Files of statistics, from `observe` or `merge`
    #[arg(required = true, value_name = "STATS")]
    pub stats: Vec<PathBuf>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// What a value enum of clap needs to be shown by name.
impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |v| v.get_name()))
    }
}
