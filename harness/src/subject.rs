//! What a sweep measures: a model, with the data that it is calibrated and tested on.

use std::ops::ControlFlow;

use anyhow::Result;
use calibench_graph::{Graph, keep_float, per_sample};
use calibench_models::{Cache, Progress, load_or_train};
use calibench_store::DatasetInfo;
use calibench_tasks::{Dataset, Samples};

use crate::config::Measure;
use crate::prepare;
use crate::sources::Sources;

/// The metric whose targets are the fp32 model's own outputs.
pub const FIDELITY: &str = "fidelity";

/// A model ready to be measured.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The fp32 graph in its inference form.
    pub graph: Graph,
    /// Its content hash.
    pub hash: String,
    /// The data's name in rows.
    pub dataset: String,
    /// What the manifest says of the data.
    pub info: DatasetInfo,
    /// What the model is scored by: the id of a metric.
    pub metric: String,
    /// For observing activation ranges.
    pub calibration: Samples,
    /// For every reported score.
    pub test: Samples,
    /// What was decided while the data were read, a line each.
    pub notes: Vec<String>,
    /// Of a built-in model, what it is trained on.
    pub built_in: Option<Dataset>,
    /// Score of the fp32 model where its training gave one.
    pub fp32_score: Option<f64>,
    /// Seconds of training; `None` when nothing was trained now.
    pub trained_seconds: Option<f64>,
}

impl Subject {
    /// The model of that name: loaded, or trained. `progress` is told of each epoch and stops the training by
    /// `Break`.
    ///
    /// # Errors
    /// When the model or its data cannot be read, do not fit each other, or the training fails or is stopped.
    pub fn load(
        model: &str,
        seed: u64,
        sources: &Sources,
        measure: &Measure,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Self> {
        if sources.files.contains_key(model) {
            return sources.load(model, measure);
        }
        let dataset = prepare::dataset(model, sources.dataset_dir.as_deref())?;
        let entry = calibench_models::find(model)?;
        let trained = load_or_train(entry, &dataset, seed, &Cache::new(prepare::cache_dir()?), progress)?;
        let mut calibration = dataset.calibration.clone();
        let asked = measure.calibration_samples;
        prepare::check_calibration(&dataset, asked)?;
        if calibration.len() > asked {
            calibration = calibration.select(&(0..asked).collect::<Vec<_>>());
        }
        let graph = keep_float(&trained.graph, &sources.keep_float)?;
        Ok(Self {
            hash: graph.content_hash(),
            graph,
            dataset: dataset.meta.id.clone(),
            info: prepare::dataset_info(&dataset),
            metric: dataset.meta.metric.clone(),
            calibration,
            test: dataset.test.clone(),
            notes: Vec::new(),
            fp32_score: Some(trained.test_top1),
            trained_seconds: trained.seconds,
            built_in: Some(dataset),
        })
    }

    /// Finds what is wrong with a model or its data, before anything is trained or measured.
    ///
    /// # Errors
    /// As [`Subject::load`].
    pub fn check(model: &str, sources: &Sources, measure: &Measure) -> Result<Vec<String>> {
        if sources.files.contains_key(model) {
            return Ok(sources.load(model, measure)?.notes);
        }
        let dataset = prepare::dataset(model, sources.dataset_dir.as_deref())?;
        prepare::check_calibration(&dataset, measure.calibration_samples)?;
        Self::structure(model, sources, measure)?;
        Ok(Vec::new())
    }

    /// The structure of a model in its inference form, untrained where it is built in.
    ///
    /// # Errors
    /// As [`Subject::load`].
    pub fn structure(model: &str, sources: &Sources, measure: &Measure) -> Result<Graph> {
        if sources.files.contains_key(model) {
            return Ok(sources.load(model, measure)?.graph);
        }
        let graph = calibench_models::find(model)?.inference_graph(0)?;
        Ok(keep_float(&graph, &sources.keep_float)?)
    }

    /// Outputs per sample.
    #[must_use]
    pub fn width(&self) -> usize {
        per_sample(&self.graph.value(self.graph.output).shape)
    }
}
