//! Where models and data come from: built in, or the user's files.

mod onnx;
mod sentence;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use calibench_graph::{Graph, keep_float, per_sample};
use calibench_store::DatasetInfo;
use calibench_tasks::data::{Data, DataSpec, overlap};
use calibench_tasks::{Samples, Targets, task_for};
use serde::{Deserialize, Serialize};

use crate::config::Measure;
use crate::subject::{FIDELITY, Subject};

/// Everything that the command line says of models and data beside their names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sources {
    /// The folder of a dataset that replaces the built-in one.
    pub dataset_dir: Option<PathBuf>,
    /// The user's model files by the name that their cells carry.
    pub files: BTreeMap<String, PathBuf>,
    /// The data that the user's models are tested on.
    pub data: Option<DataSpec>,
    /// The data that they are calibrated on; some of `data` when `None`.
    pub calibration_data: Option<DataSpec>,
    /// Whether the two may share samples.
    pub allow_overlap: bool,
    /// Sizes of symbolic dimensions.
    pub bind: BTreeMap<String, usize>,
    /// The output that is scored; the model's first when `None`.
    pub output: Option<String>,
    /// Patterns of products that stay in floating point.
    pub keep_float: Vec<String>,
    /// Whether `calibration_data` stay unread: the statistics are there already.
    #[serde(skip)]
    pub(crate) calibrated: bool,
}

/// Whether a model's name is an ONNX file, or the folder of a sentence model, rather than a name of the registry.
#[must_use]
pub fn is_file(model: &str) -> bool {
    let path = Path::new(model);
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx")) || path.join("config.json").is_file()
}

impl Sources {
    /// Notes a model file; gives the name that its cells carry, which is the file's stem.
    ///
    /// # Errors
    /// When it is no file, or another model has that name.
    pub fn add_file(&mut self, file: &str) -> Result<String> {
        let path = std::path::absolute(file).with_context(|| format!("{file} is no path"))?;
        if !path.is_file() && !path.is_dir() {
            bail!("model {file} does not exist");
        }
        let stem = if path.is_dir() { path.file_name() } else { path.file_stem() };
        let stem = stem.map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let name: String = stem.chars().map(plain).collect();
        let taken = calibench_models::every().any(|m| m.id == name);
        let other = self.files.get(&name).is_some_and(|known| *known != path);
        if taken || other {
            bail!(
                "two models are called `{name}`, one of them {file}; rename the file or measure them in runs of their own"
            );
        }
        if self.data.is_none() {
            bail!(
                "{file} needs data to be tested on: give --data FILE (npz, npy, safetensors, Parquet, CSV, IDX, a folder of images, or a .toml that describes them)"
            );
        }
        self.files.insert(name.clone(), path);
        Ok(name)
    }

    /// The same, for a process that measures with statistics gathered before: calibration data are not read again.
    #[must_use]
    pub fn calibrated(&self) -> Self {
        Self { calibrated: true, ..self.clone() }
    }

    /// The calibration data that are to be read.
    fn unread(&self) -> Option<&DataSpec> {
        self.calibration_data.as_ref().filter(|_| !self.calibrated)
    }

    /// The name of the data that a model is tested on.
    ///
    /// # Errors
    /// When the model, or the dataset's description, cannot be read.
    pub fn dataset_of(&self, model: &str) -> Result<String> {
        match (&self.data, &self.dataset_dir) {
            (Some(spec), _) if self.files.contains_key(model) => Ok(dataset_name(spec)),
            (_, dir) => Ok(crate::prepare::dataset(model, dir.as_deref())?.meta.id),
        }
    }

    /// The user's model of that name with its data.
    ///
    /// # Errors
    /// What is wrong with the file, the data, or their fit.
    pub(crate) fn load(&self, name: &str, measure: &Measure) -> Result<Subject> {
        let path = self.files.get(name).with_context(|| format!("no file of the model `{name}` is known"))?;
        let spec = self.data.as_ref().context("no data are known to test it on")?;
        let Given { graph, mut data, mut calibration, rebatched } =
            if path.is_dir() { sentence::read(self, path, spec) } else { onnx::read(self, path, spec) }?;
        let at_model = || format!("model {}", path.display());
        let width = per_sample(&graph.value(graph.output).shape);
        if let Some(classes) = as_classes(&data.samples.targets, width) {
            data.samples.targets = classes;
        }
        if let Some(calibration) = &mut calibration {
            // Observers need no targets, and the samples taken of them are not whole pairs.
            calibration.targets = Targets::None;
        }
        let (calibration, test) = self.split(data.samples, calibration, measure)?;
        if rebatched {
            onnx::check_rebatched(&graph, &test).with_context(at_model)?;
        }
        let graph = keep_float(&graph, &self.keep_float).with_context(at_model)?;
        let metric = spec.metric.clone().unwrap_or_else(|| default_metric(&test.targets).to_owned());
        if metric != FIDELITY {
            task_for(&test, &metric, width)?;
        }
        let count = |samples: &Samples| samples.len() as u32;
        let info = DatasetInfo {
            sha256: data.sha256,
            version: String::new(),
            licence: String::new(),
            splits: BTreeMap::from([
                ("calibration".to_owned(), count(&calibration)),
                ("test".to_owned(), count(&test)),
            ]),
        };
        Ok(Subject {
            hash: graph.content_hash(),
            graph,
            dataset: dataset_name(spec),
            info,
            metric,
            calibration,
            test,
            notes: data.notes,
            built_in: None,
            fp32_score: None,
            trained_seconds: None,
        })
    }

    /// Samples to calibrate and to test on.
    fn split(
        &self,
        data: Samples,
        calibration: Option<Samples>,
        measure: &Measure,
    ) -> Result<(Samples, Samples)> {
        let asked = measure.calibration_samples;
        if calibration.is_none() && self.calibration_data.is_some() {
            return Ok((data.select(&[]), data));
        }
        let Some(calibration) = calibration else {
            // Evenly spaced, because files are often sorted by class; pairs stay together.
            let (all, wanted) = (data.units(), asked.div_ceil(data.unit()));
            if all < 2 * wanted {
                bail!(
                    "{} samples are too few to take {asked} of them for calibration and test on the others; \
                     give --calibration-data, or fewer with --calibration-samples",
                    data.len()
                );
            }
            let chosen = spaced(wanted, all);
            let others: Vec<usize> = (0..all).filter(|i| chosen.binary_search(i).is_err()).collect();
            return Ok((data.select_units(&chosen), data.select_units(&others)));
        };
        if calibration.len() < asked {
            bail!(
                "{asked} calibration samples are asked for, but --calibration-data has {}; \
                 say fewer with --calibration-samples",
                calibration.len()
            );
        }
        let calibration = calibration.select(&spaced(asked, calibration.len()));
        let shared = overlap(&calibration, &data);
        if shared > 0 && !self.allow_overlap {
            bail!(
                "{shared} of the {} test samples are among the calibration samples, which would flatter the result; \
                 use other data, or --allow-overlap",
                data.len()
            );
        }
        Ok((calibration, data))
    }
}

/// A model with its data, as read.
struct Given {
    graph: Graph,
    data: Data,
    /// What --calibration-data holds.
    calibration: Option<Samples>,
    /// Whether the file fixes the batch at 1.
    rebatched: bool,
}

/// `count` of `all` indices, evenly spaced.
pub(crate) fn spaced(count: usize, all: usize) -> Vec<usize> {
    (0..count).map(|i| i * all / count).collect()
}

/// The name of data in rows: that of the first file or folder, without its endings.
fn dataset_name(spec: &DataSpec) -> String {
    let name = spec.path.0.first().and_then(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| "data".to_owned());
    name.split('.').next().filter(|s| !s.is_empty()).unwrap_or("data").to_owned()
}

/// Whole numbers as classes, where the model gives a score for each of them.
fn as_classes(targets: &Targets, width: usize) -> Option<Targets> {
    let Targets::Values { width: 1, data } = targets else { return None };
    let class = |v: &f32| (v.fract() == 0.0 && (0.0..width as f32).contains(v)).then_some(*v as u32);
    (width > 1).then(|| data.iter().map(class).collect::<Option<_>>().map(Targets::Classes))?
}

/// What models are scored by when nothing else is said.
fn default_metric(targets: &Targets) -> &'static str {
    match targets {
        Targets::None => FIDELITY,
        Targets::Classes(_) => "top1",
        Targets::Values { .. } => "mse",
        Targets::Pairs(_) => "spearman",
    }
}
