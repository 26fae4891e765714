//! Options that choose how one model is quantized, shared by the commands that look at one cell.

use std::path::Path;

use anyhow::{Result, bail};
use calibench_quant::{Dtype, Granularity, Symmetry, Timing};
use calibench_store::RunFolder;
use clap::Args;

use crate::axes::Axes;
use crate::cli::{kernel_names, names};
use crate::config::{Config, SimulateOn};
use crate::own::Own;
use crate::plan::Plan;
use crate::sources::Sources;
use crate::sweep;

/// How a model is quantized and run.
#[derive(Debug, Args)]
pub struct Choice {
    /// When activation ranges are found [default: static for integers, none otherwise]
    #[arg(long, value_name = "NAME", value_parser = names(Timing::ALL.iter().map(|t| t.id())))]
    pub timing: Option<String>,
    /// Calibration method of a static cell
    #[arg(long, value_name = "NAME", default_value = "mse", value_parser = names(calibench_calibrators::ALL.iter().map(|c| c.id)))]
    pub calibrator: String,
    /// Scales of weights
    #[arg(long, value_name = "NAME", default_value = "per-channel", value_parser = names(Granularity::ALL.iter().map(|g| g.id())))]
    pub granularity: String,
    /// Zero points of activations
    #[arg(long, value_name = "NAME", default_value = "affine", value_parser = names(Symmetry::ALL.iter().map(|s| s.id())))]
    pub symmetry: String,
    /// Kernels, as for `sweep`; `best` is the best of this machine
    #[arg(long, value_name = "NAME", default_value = "best", value_parser = kernel_names())]
    pub kernel: String,
    /// Worker threads
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threads: usize,
    /// Operations kept in fp32: names, with * for any characters, or op:OPERATOR; with =fp16 or =bf16 behind, their weights
    /// are held as such halves
    #[arg(long, value_delimiter = ',', value_name = "PATTERN")]
    pub keep_float: Vec<String>,
    /// Samples that ranges are found on
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub calibration_samples: usize,
    /// What the fp32 model is observed on, and quantization simulated
    #[arg(long, value_enum, default_value_t)]
    pub simulate_on: SimulateOn,
    /// Data of your own model; last, because its heading holds for what follows
    #[command(flatten)]
    pub own: Own,
}

impl Choice {
    /// The configuration of the one cell that is meant.
    ///
    /// # Errors
    /// When the data's description cannot be read.
    pub(crate) fn configuration(&self, model: &str, dtype: Dtype) -> Result<(Config, Sources)> {
        let default = if dtype.is_integer() { Timing::Static } else { Timing::None };
        let timing = self.timing.clone().unwrap_or_else(|| default.id().to_owned());
        let one = |name: &str| Some(vec![name.to_owned()]);
        let axes = Axes {
            model: one(model),
            dtype: one(dtype.id()),
            timing: one(&timing),
            calibrator: one(&self.calibrator),
            granularity: one(&self.granularity),
            symmetry: one(&self.symmetry),
            kernel: one(&self.kernel),
            threads: Some(vec![self.threads]),
            ..Axes::default()
        };
        let mut config = Config::embedded().with_axes(&axes);
        config.measure.calibration_samples = self.calibration_samples;
        config.measure.simulate_on = self.simulate_on;
        Ok((config, Sources { keep_float: self.keep_float.clone(), ..self.own.sources()? }))
    }

    /// Prepares the cell in a new folder, as a sweep does: the model is loaded or trained, and calibrated.
    ///
    /// # Errors
    /// As a sweep; when it is interrupted, or the options fit no single cell.
    pub(crate) fn prepare(&self, model: &str, dtype: Dtype, folder: &Path) -> Result<(RunFolder, Plan)> {
        let (config, sources) = self.configuration(model, dtype)?;
        let Some((folder, plan)) = sweep::prepare(&config, sources, folder)? else { bail!("interrupted") };
        if plan.cells.len() != 1 {
            bail!("{} combinations of these options make sense, where one is needed", plan.cells.len());
        }
        Ok((folder, plan))
    }
}
