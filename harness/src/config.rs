//! The configuration: a TOML file over the embedded defaults, with the command line over both.

use std::path::Path;

use anyhow::{Context, Result, bail};
use calibench_engine::interpret::Processor;
use calibench_quant::nearest;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::axes::Axes;

/// The default configuration, as shipped and as `calibench config` prints it.
pub const DEFAULT: &str = include_str!("../default.toml");

/// Largest number of samples run at a time: activations of a whole batch are held at once.
const MAX_BATCH: usize = 65_536;

/// Most processes a cell: a typing error should not take a week.
const MAX_REPEATS: usize = 1_000;

/// How each cell is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Batch sizes whose latency is measured.
    pub batch: Vec<usize>,
    /// Seconds of interleaved timing per batch size.
    pub latency_seconds: f64,
    /// Processes that measure the latency of each cell, spread over the sweep: 3 or more show how much they differ.
    #[serde(default = "one")]
    pub repeats: usize,
    /// Whether a cell's process stays on as many CPUs as it has threads, the idlest ones.
    #[serde(default)]
    pub pin: bool,
    /// The largest swing of a fixed workload before the first cell, (p90 − p10) / median, with which a sweep begins; without
    /// a limit it warns above 0.10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_noise: Option<f64>,
    /// Samples of the calibration split that observers see.
    pub calibration_samples: usize,
    /// Samples per calibration batch.
    pub calibration_batch: usize,
    /// Samples per batch while accuracy is measured.
    pub evaluation_batch: usize,
    /// What the fp32 model is observed on, and quantization simulated.
    #[serde(default)]
    pub simulate_on: SimulateOn,
    /// Seconds after which a cell is ended as failed.
    pub cell_timeout_seconds: u64,
}

/// What computes where nothing is timed: observation of the fp32 model, fake quantization, and sites of both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SimulateOn {
    /// The CPU
    #[default]
    Cpu,
    /// The first GPU, in builds with the feature `cuda`
    Cuda,
}

impl SimulateOn {
    /// The processor of that name.
    ///
    /// # Errors
    /// When it is not there.
    pub fn processor(self) -> Result<Processor> {
        Ok(match self {
            Self::Cpu => Processor::cpu(),
            Self::Cuda => Processor::cuda()?,
        })
    }
}

/// Repeats of plans that were made before there were any.
fn one() -> usize {
    1
}

/// A whole configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Operations that stay in fp32: products in integer cells, any in those of half precision. Names, in which `*` stands
    /// for any characters, or `op:` and an operator's name; with `=fp16` or `=bf16` behind, their parameters are halves.
    #[serde(default)]
    pub keep_float: Vec<String>,
    /// How each cell is measured.
    pub measure: Measure,
    /// Axis values that hold in every group.
    #[serde(default)]
    pub defaults: Axes,
    /// Groups of cells.
    #[serde(default)]
    pub group: Vec<Axes>,
}

/// A user's file: any part may be left out and is then the default's.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Overrides {
    keep_float: Option<Vec<String>>,
    measure: Option<toml::Table>,
    defaults: Option<Axes>,
    group: Option<Vec<Axes>>,
}

impl Config {
    /// The embedded defaults.
    #[must_use]
    pub fn embedded() -> Self {
        toml::from_str(DEFAULT).expect("the embedded configuration is tested")
    }

    /// A user's file over the embedded defaults.
    ///
    /// # Errors
    /// When the file cannot be read or holds an unknown key or a value of the wrong type.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read configuration {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("configuration {} is not valid", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let overrides: Overrides = toml::from_str(text).map_err(explain)?;
        let mut config = Self::embedded();
        if let Some(table) = overrides.measure {
            let mut measure = toml::Table::try_from(&config.measure)?;
            measure.extend(table);
            config.measure = toml::Value::Table(measure).try_into().map_err(explain)?;
        }
        if let Some(keep_float) = overrides.keep_float {
            config.keep_float = keep_float;
        }
        if let Some(defaults) = overrides.defaults {
            config.defaults = defaults.or(&config.defaults);
        }
        if let Some(group) = overrides.group {
            config.group = group;
        }
        config.check()?;
        Ok(config)
    }

    /// Applies the axes of the command line. Naming dtype, timing, calibrator, granularity or symmetry
    /// replaces the groups by one; the other axes replace those of every group.
    #[must_use]
    pub fn with_axes(mut self, axes: &Axes) -> Self {
        if axes.chooses_cells() {
            self.group = vec![axes.clone().or(&self.defaults)];
        } else {
            self.group = self.group.into_iter().map(|g| axes.clone().or(&g)).collect();
        }
        self
    }

    /// Checks numbers that would make measuring meaningless.
    ///
    /// # Errors
    /// Naming the key and what it must be.
    pub fn check(&self) -> Result<()> {
        let m = &self.measure;
        let sizes = 1..=MAX_BATCH;
        if m.batch.is_empty() || m.batch.iter().any(|b| !sizes.contains(b)) {
            bail!("measure.batch must list batch sizes from 1 to {MAX_BATCH}, got {:?}", m.batch);
        }
        if !(m.latency_seconds > 0.0 && m.latency_seconds <= 3600.0) {
            bail!("measure.latency_seconds must be above 0 and at most 3600, got {}", m.latency_seconds);
        }
        for (key, value) in [
            ("calibration_samples", m.calibration_samples),
            ("calibration_batch", m.calibration_batch),
            ("evaluation_batch", m.evaluation_batch),
        ] {
            if !sizes.contains(&value) {
                bail!("measure.{key} must be from 1 to {MAX_BATCH}, got {value}");
            }
        }
        if !(1..=MAX_REPEATS).contains(&m.repeats) {
            bail!("measure.repeats must be from 1 to {MAX_REPEATS}, got {}", m.repeats);
        }
        if m.cell_timeout_seconds == 0 {
            bail!("measure.cell_timeout_seconds must be positive");
        }
        if self.group.is_empty() {
            bail!("no [[group]] of cells is configured");
        }
        Ok(())
    }
}

/// A configuration file, over the embedded defaults, that keeps these operations in fp32; `groups` replace the default's
/// where there are any.
///
/// # Errors
/// Never for names, which are text.
pub fn keeping(names: &[String], groups: &[Axes]) -> Result<String> {
    #[derive(Serialize)]
    struct Keeping<'a> {
        keep_float: &'a [String],
        #[serde(skip_serializing_if = "<[Axes]>::is_empty")]
        group: &'a [Axes],
    }
    let list = toml::to_string(&Keeping { keep_float: names, group: groups })?;
    Ok(format!("# Operations that stay in fp32. Use with: calibench sweep --config FILE --model ...\n{list}"))
}

/// Adds the nearest known key to serde's message about an unknown one.
fn explain(error: toml::de::Error) -> anyhow::Error {
    let message = error.to_string();
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let hint = match (message.contains("unknown field"), quoted.split_first()) {
        (true, Some((name, known))) => nearest(name, known.iter().copied()),
        _ => None,
    };
    match hint {
        Some(hint) => anyhow::anyhow!("{message}did you mean `{hint}`?"),
        None => anyhow::anyhow!("{message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_configuration_is_valid() {
        Config::embedded().check().unwrap();
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        for (text, hint) in [
            ("[measure]\nlatency_second = 1.0", "latency_seconds"),
            ("[[group]]\ndtpye = [\"int8\"]", "dtype"),
            ("[measur]\n", "measure"),
        ] {
            let error = format!("{:#}", Config::parse(text).unwrap_err());
            assert!(error.contains(&format!("did you mean `{hint}`?")), "{error}");
        }
    }

    #[test]
    fn a_partial_file_keeps_the_other_defaults() {
        let config = Config::parse("[measure]\nbatch = [4]").unwrap();
        assert_eq!(config.measure.batch, [4]);
        assert_eq!(config.measure.evaluation_batch, Config::embedded().measure.evaluation_batch);
        assert_eq!(config.group, Config::embedded().group);
    }

    #[test]
    fn naming_a_dtype_replaces_the_groups_but_naming_a_model_does_not() {
        let model = Axes { model: Some(vec!["digits-cnn".to_owned()]), ..Axes::default() };
        let config = Config::embedded().with_axes(&model);
        assert_eq!(config.group.len(), Config::embedded().group.len());
        assert!(config.group.iter().all(|g| g.model == model.model));
        let dtype = Axes { dtype: Some(vec!["int8".to_owned()]), ..model };
        let config = Config::embedded().with_axes(&dtype);
        assert_eq!(config.group.len(), 1);
        assert_eq!(config.group[0].granularity, Some(vec!["per-channel".to_owned()]));
    }

    #[test]
    fn meaningless_numbers_are_refused_by_name() {
        for text in
            ["[measure]\nbatch = []", "[measure]\nlatency_seconds = 0.0", "[measure]\nevaluation_batch = 0"]
        {
            let error = format!("{:#}", Config::parse(text).unwrap_err());
            assert!(error.contains("measure."), "{error}");
        }
    }
}
