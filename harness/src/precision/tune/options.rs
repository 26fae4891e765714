//! The command line of `tune`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::super::FORMATS;
use crate::cli::{Format, names};
use crate::commands::choice::Choice;
use crate::own::ModelName;
use crate::regress::options::percent;

/// What is to become small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Objective {
    /// Time of a call
    Latency,
    /// Bytes of weights and activations
    Memory,
}

impl Objective {
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Memory => "memory",
        }
    }
}

/// Options of `tune`.
#[derive(Debug, Args)]
pub struct Tune {
    /// The model: a built-in name, or a file, which needs --data
    #[arg(value_name = "MODEL", value_parser = ModelName)]
    pub model: String,
    /// Formats to choose from; each is tried against fp32, halves as stored weights, and integers against such halves too
    /// where both are named
    #[arg(long, value_delimiter = ',', value_name = "NAME", default_value = "int8", value_parser = names(FORMATS.iter().copied()))]
    pub dtype: Vec<String>,
    /// How much worse than fp32 the score may be: percentage points of a share, else percent of it
    #[arg(long, value_name = "PERCENT", default_value = "0.5%", value_parser = percent)]
    pub max_drop: f64,
    /// What to make small within that
    #[arg(long, value_enum, default_value_t = Objective::Latency)]
    pub objective: Objective,
    /// Most executions over the search half of the test data, for each format
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub evaluations: usize,
    /// Samples of the search half on which single sites are looked at
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub screen: usize,
    /// Samples per timed call
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub batch: usize,
    /// Seconds of timing for each configuration that is timed
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub latency_seconds: f64,
    /// The folder to write, or to go on with after an interruption [default: reports/tune/UTC-HOST-COMMIT]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// How the model is quantized; last, because its headings hold for what follows
    #[command(flatten)]
    pub choice: Choice,
}
