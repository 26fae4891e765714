//! What the cells of a model share: the trained graph, its dataset and one calibration pass.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use calibench_engine::interpret::{Interpreter, ObserveTap, Processor};
use calibench_graph::{Graph, ValueId, bind, placement};
use calibench_models::{Cache, Progress, QatConfig, QatResult, qat};
use calibench_quant::{Dtype, Granularity, Stats, Symmetry};
use calibench_store::DatasetInfo;
use calibench_tasks::{Dataset, Samples};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::axes::Cell;

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

/// The model of a QAT cell fine-tuned with fake quantization, from the cache or tuned now.
///
/// # Errors
/// When fine-tuning fails or is stopped, or the cache folder cannot be used.
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

/// Fails when the calibration split is smaller than what is asked for.
///
/// # Errors
/// Naming the key and both numbers.
pub fn check_calibration(dataset: &Dataset, asked: usize) -> Result<()> {
    let there = dataset.calibration.len();
    if asked > there {
        bail!(
            "measure.calibration_samples is {asked}, but dataset `{}` has {there} calibration samples",
            dataset.meta.id
        );
    }
    Ok(())
}

/// What the manifest says of a built-in dataset, or of the user's folder in its place.
#[must_use]
pub fn dataset_info(dataset: &Dataset) -> DatasetInfo {
    let split = |name: &str, samples: &Samples| (name.to_owned(), samples.len() as u32);
    DatasetInfo {
        sha256: dataset.sha256.clone(),
        version: dataset.meta.version.clone(),
        licence: dataset.meta.licence.clone(),
        splits: BTreeMap::from([
            split("train", &dataset.train),
            split("calibration", &dataset.calibration),
            split("test", &dataset.test),
        ]),
    }
}

/// Observes every activation site over the calibration samples, once, for all `calibrators`; the model runs on `processor`.
///
/// # Errors
/// When a calibrator is unknown or the graph does not run.
pub fn calibrate(
    graph: &Graph,
    samples: &Samples,
    batch: usize,
    calibrators: &BTreeSet<String>,
    processor: &Processor,
) -> Result<Calibration> {
    let kinds = calibench_calibrators::needs(calibrators)?;
    let placement = placement(graph);
    let start = Instant::now();
    let mut tap = ObserveTap::new(&placement, || calibench_observers::for_stats(kinds.iter().copied()));
    let interpreter = Interpreter::on(processor, graph, Dtype::Fp32)?;
    for (index, first) in (0..samples.len()).step_by(batch).enumerate() {
        let count = batch.min(samples.len() - first);
        tap.begin_batch(index as u64, count as u64);
        interpreter.run_slice(count, &samples.batch(first..first + count), &mut tap)?;
    }
    let mut stats: BTreeMap<ValueId, Stats> = tap.finish()?;
    let seconds = start.elapsed().as_secs_f64();
    let named = |id: &ValueId| stats.remove(id).map(|s| (graph.value(*id).name.clone(), s));
    Ok(Calibration {
        graph: graph.content_hash(),
        samples: samples.len() as u32,
        passes: 1,
        seconds,
        sites: placement.activations.iter().filter_map(named).collect(),
    })
}

/// The samples of a draw: draw 0 is all of them as they are, every other as many, drawn with replacement. How far results
/// of several draws lie apart is how much they depend on the choice of calibration data (the bootstrap).
#[must_use]
pub fn drawn(calibration: &Samples, draw: u32) -> Samples {
    if draw == 0 {
        return calibration.clone();
    }
    let mut rng = ChaCha8Rng::seed_from_u64(u64::from(draw));
    let n = calibration.len();
    calibration.select(&(0..n).map(|_| rng.random_range(0..n)).collect::<Vec<_>>())
}

/// The file of a model's calibration, below the run's `stats/`.
#[must_use]
pub fn calibration_file(stats: &Path, model: &str, seed: u64, draw: u32) -> PathBuf {
    let draw = if draw == 0 { String::new() } else { format!("-d{draw}") };
    stats.join(format!("{model}-s{seed}{draw}.json"))
}

/// Reads what an earlier pass over the same graph left; `None` when there is none that fits.
#[must_use]
pub fn read_calibration(path: &Path, graph: &Graph) -> Option<Calibration> {
    let bytes = std::fs::read(path).ok()?;
    let calibration: Calibration = serde_json::from_slice(&bytes).ok()?;
    (calibration.graph == graph.content_hash()).then_some(calibration)
}
