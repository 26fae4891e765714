//! The part of the command line that is about models and data of the user's own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use calibench_tasks::TASK_METRICS;
use calibench_tasks::data::{Columns, DataSpec, Layout};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::cli::names;
use crate::sources::{Sources, is_file};

/// Options for models and data of the user's own.
#[derive(Debug, Args)]
#[command(next_help_heading = "Your own model and data")]
pub struct Own {
    /// Test data: npz, npy, safetensors, Parquet, CSV, IDX, a folder of images per class, or a .toml about them
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// Calibration data, prepared like --data; without it some of --data is set aside, evenly spaced
    #[arg(long, value_name = "PATH", requires = "data")]
    pub calibration_data: Option<PathBuf>,
    /// Let calibration and test data share samples
    #[arg(long, requires = "calibration_data")]
    pub allow_overlap: bool,
    /// What models are scored by [default: top1 for labels, mse for values, fidelity to fp32 without either]
    #[arg(long, value_name = "METRIC", requires = "data", value_parser = names(TASK_METRICS.iter().copied()))]
    pub metric: Option<String>,
    /// The array or column for an input, as NAME or INPUT=NAME; several columns by repeating it
    #[arg(long, value_name = "[INPUT=]NAME", requires = "data")]
    pub data_input: Vec<String>,
    /// The array or column with the targets
    #[arg(long, value_name = "NAME", requires = "data")]
    pub data_target: Option<String>,
    /// Order of the axes of images
    #[arg(long, value_name = "LAYOUT", requires = "data", value_parser = names(["nchw", "nhwc"].into_iter()))]
    pub layout: Option<String>,
    /// Divisor of every value: 255 takes 8-bit pixels to 0..1
    #[arg(long, value_name = "X", requires = "data")]
    pub scale: Option<f64>,
    /// Subtracted after that, one number or one a channel
    #[arg(long, value_delimiter = ',', value_name = "X", requires = "data", allow_negative_numbers = true)]
    pub mean: Vec<f64>,
    /// Divisor after that, one number or one a channel
    #[arg(long, value_delimiter = ',', value_name = "X", requires = "data")]
    pub std: Vec<f64>,
    /// Most samples of the test data that are used
    #[arg(long, value_name = "N", requires = "data")]
    pub limit: Option<usize>,
    /// Size of a symbolic dimension of the model, as NAME=SIZE
    #[arg(long, value_name = "NAME=SIZE", value_parser = size)]
    pub bind: Vec<(String, usize)>,
    /// The model's output that is scored [default: its first]
    #[arg(long, value_name = "NAME")]
    pub output: Option<String>,
}

/// `NAME=SIZE`.
fn size(text: &str) -> Result<(String, usize), String> {
    let parts = text.split_once('=').and_then(|(name, size)| Some((name, size.parse().ok()?)));
    match parts {
        Some((name, size)) if !name.is_empty() && size > 0 => Ok((name.to_owned(), size)),
        _ => Err("give NAME=SIZE with a positive SIZE, such as sequence=128".to_owned()),
    }
}

/// Takes the names of the built-in models, which help and completions list, and files.
#[derive(Debug, Clone)]
pub struct ModelName;

impl TypedValueParser for ModelName {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        match value.to_str() {
            Some(file) if is_file(file) => Ok(file.to_owned()),
            _ => models().parse_ref(command, arg, value),
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(calibench_models::every().map(|m| PossibleValue::new(m.id))))
    }
}

fn models() -> PossibleValuesParser {
    names(calibench_models::every().map(|m| m.id))
}

impl Own {
    /// What they say of models and data; model files are found among the models.
    ///
    /// # Errors
    /// When a description of data cannot be read or holds what makes no sense.
    pub fn sources(&self) -> anyhow::Result<Sources> {
        let mut data = self.data.as_deref().map(DataSpec::open).transpose()?;
        if let Some(spec) = &mut data {
            self.apply(spec)?;
        }
        let calibration_data = match (&self.calibration_data, &data) {
            (Some(path), Some(data)) => Some(prepared_like(DataSpec::open(path)?, data, path)?),
            _ => None,
        };
        Ok(Sources {
            data,
            calibration_data,
            allow_overlap: self.allow_overlap,
            bind: self.bind.iter().cloned().collect(),
            output: self.output.clone(),
            ..Sources::default()
        })
    }

    fn apply(&self, spec: &mut DataSpec) -> anyhow::Result<()> {
        for named in &self.data_input {
            match named.split_once('=') {
                Some((input, column)) => {
                    spec.inputs.entry(input.to_owned()).or_default().0.push(column.to_owned());
                }
                None => spec.input.get_or_insert_default().0.push(named.clone()),
            }
        }
        if let Some(target) = &self.data_target {
            spec.target = Some(Columns(vec![target.clone()]));
        }
        match self.layout.as_deref() {
            Some("nchw") => spec.layout = Some(Layout::Nchw),
            Some(_) => spec.layout = Some(Layout::Nhwc),
            None => {}
        }
        spec.scale = self.scale.or(spec.scale);
        for (given, key) in [(&self.mean, &mut spec.mean), (&self.std, &mut spec.std)] {
            if !given.is_empty() {
                key.clone_from(given);
            }
        }
        spec.limit = self.limit.or(spec.limit);
        spec.metric = self.metric.clone().or(spec.metric.take());
        absolute(spec)?;
        Ok(spec.check()?)
    }
}

/// Other files, read and normalised as `data` are; a description of its own stays as it is.
fn prepared_like(spec: DataSpec, data: &DataSpec, path: &Path) -> anyhow::Result<DataSpec> {
    let mut spec = match path.extension() {
        Some(e) if e == "toml" => spec,
        _ => DataSpec { path: spec.path, skip: 0, limit: None, ..data.clone() },
    };
    absolute(&mut spec)?;
    Ok(spec)
}

/// Paths that the cells' processes, and a resumed run, find from any folder.
fn absolute(spec: &mut DataSpec) -> anyhow::Result<()> {
    for path in &mut spec.path.0 {
        *path = std::path::absolute(&*path)?;
    }
    Ok(())
}
