//! What the cells of a model share: the trained graph, its dataset and one calibration pass.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use calibench_engine::interpret::{Interpreter, ObserveTap};
use calibench_graph::{Graph, ValueId, bind, placement};
use calibench_models::{Cache, Progress, QatConfig, QatResult, Trained, load_or_train, qat};
use calibench_quant::{Granularity, Stats, Symmetry};
use calibench_tasks::Dataset;
use serde::{Deserialize, Serialize};

use crate::axes::Cell;
use crate::config::Measure;

/// Statistics of one calibration pass, as kept in the run folder: every calibrator replays them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Content hash of the graph that was observed.
    pub graph: String,
    /// Samples seen.
    pub samples: u32,
    /// Passes over the data; one serves every calibrator.
    pub passes: u32,
    /// Seconds that the pass took, forward passes included.
    pub seconds: f64,
    /// Statistics by site name, in execution order.
    pub sites: Vec<(String, Stats)>,
}

/// Where trained models are kept: `CALIBENCH_CACHE`, else the user's cache folder.
///
/// # Errors
/// When neither is known.
pub fn cache_dir() -> Result<PathBuf> {
    use etcetera::BaseStrategy;
    if let Some(dir) = std::env::var_os("CALIBENCH_CACHE") {
        return Ok(PathBuf::from(dir));
    }
    let strategy = etcetera::choose_base_strategy()
        .context("cannot find the user's cache folder; set CALIBENCH_CACHE to a folder for trained models")?;
    Ok(strategy.cache_dir().join("calibench"))
}

/// The dataset of a model, or the user's folder in its place.
///
/// # Errors
/// When the dataset is unknown, damaged, or does not match its description or the model.
pub fn dataset(model: &str, dir: Option<&Path>) -> Result<Dataset> {
    let entry = calibench_models::find(model)?;
    let dataset = match dir {
        Some(dir) => Dataset::load_dir(dir)?,
        None => Dataset::embedded(entry.dataset)?,
    };
    let graph = entry.inference_graph(0)?;
    let sample = bind(&graph.value(Graph::INPUT).shape, 1)[1..].to_vec();
    let classes = bind(&graph.value(graph.output).shape, 1)[1..].to_vec();
    let meta = &dataset.meta;
    if (&meta.shape, &[meta.classes as usize][..]) != (&sample, &classes[..]) {
        bail!(
            "dataset `{}` has samples of shape {:?} in {} classes, but {model} takes {sample:?} and gives {classes:?}",
            meta.id,
            meta.shape,
            meta.classes
        );
    }
    Ok(dataset)
}

/// The trained model, from the cache or trained now. `progress` is told of each epoch and stops the
/// training by `Break`.
///
/// # Errors
/// When training fails or is stopped, or the cache folder cannot be used.
pub fn model(
    model: &str,
    seed: u64,
    dataset: &Dataset,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Trained> {
    let entry = calibench_models::find(model)?;
    Ok(load_or_train(entry, dataset, seed, &Cache::new(cache_dir()?), progress)?)
}

/// The model of a QAT cell fine-tuned with fake quantization, from the cache or tuned now.
///
/// # Errors
/// As [`model`].
pub fn fine_tuned(
    cell: &Cell,
    trained: &Graph,
    dataset: &Dataset,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<QatResult> {
    let granularity = cell.granularity.unwrap_or(Granularity::PerTensor);
    let symmetry = cell.symmetry.unwrap_or(Symmetry::Symmetric);
    let config = QatConfig::new(cell.dtype, symmetry, granularity, cell.seed);
    Ok(qat(trained, dataset, &config, &Cache::new(cache_dir()?), progress)?)
}

/// Fails when the calibration split is smaller than what a configuration asks for.
///
/// # Errors
/// Naming the key and both numbers.
pub fn check_calibration(dataset: &Dataset, measure: &Measure) -> Result<()> {
    let (asked, there) = (measure.calibration_samples, dataset.calibration.len());
    if asked > there {
        bail!(
            "measure.calibration_samples is {asked}, but dataset `{}` has {there} calibration samples",
            dataset.meta.id
        );
    }
    Ok(())
}

/// Observes every activation site over the calibration split, once, for all `calibrators`.
///
/// # Errors
/// When the dataset has fewer calibration samples than asked for, or the graph does not run.
pub fn calibrate(
    graph: &Graph,
    dataset: &Dataset,
    measure: &Measure,
    calibrators: &BTreeSet<String>,
) -> Result<Calibration> {
    let split = dataset.calibration.input();
    check_calibration(dataset, measure)?;
    let kinds = calibench_calibrators::needs(calibrators)?;
    let placement = placement(graph);
    let start = Instant::now();
    let mut tap = ObserveTap::new(&placement, || calibench_observers::for_stats(kinds.iter().copied()));
    let interpreter = Interpreter::new(graph)?;
    let batches = (0..measure.calibration_samples).step_by(measure.calibration_batch);
    for (index, first) in batches.enumerate() {
        let count = measure.calibration_batch.min(measure.calibration_samples - first);
        tap.begin_batch(index as u64, count as u64);
        interpreter.run_slice(count, split.batch(first..first + count), &mut tap)?;
    }
    let mut stats: BTreeMap<ValueId, Stats> = tap.finish()?;
    let seconds = start.elapsed().as_secs_f64();
    let named = |id: &ValueId| stats.remove(id).map(|s| (graph.value(*id).name.clone(), s));
    Ok(Calibration {
        graph: graph.content_hash(),
        samples: measure.calibration_samples as u32,
        passes: 1,
        seconds,
        sites: placement.activations.iter().filter_map(named).collect(),
    })
}

/// The file of a model's calibration, below the run's `stats/`.
#[must_use]
pub fn calibration_file(stats: &Path, model: &str, seed: u64) -> PathBuf {
    stats.join(format!("{model}-s{seed}.json"))
}

/// Reads what an earlier pass over the same graph left; `None` when there is none that fits.
#[must_use]
pub fn read_calibration(path: &Path, graph: &Graph) -> Option<Calibration> {
    let bytes = std::fs::read(path).ok()?;
    let calibration: Calibration = serde_json::from_slice(&bytes).ok()?;
    (calibration.graph == graph.content_hash()).then_some(calibration)
}
