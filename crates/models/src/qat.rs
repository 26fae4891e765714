//! Quantization-aware training: fine-tuning with fake quantization in the graph.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use calibench_engine::QuantSpec;
use calibench_engine::interpret::{Tap, fake_quantize};
use calibench_graph::{Graph, Node, Placement, ValueId, placement};
use calibench_quant::{Dtype, Granularity, IntFormat, QParams, QuantError, Range, Symmetry, Timing};
use calibench_tasks::Dataset;
use candle_core::{Error, Result as CandleResult, Tensor};
use serde::{Deserialize, Serialize};

use crate::train::{Progress, Recipe, SHIFT, data_key, fit};
use crate::{Cache, ModelError};

/// New weight of the moving average of activation ranges.
///
/// Larger than the 0.01 of calibration, because the weights move while it follows them.
const AVERAGING: f32 = 0.05;

/// How a trained model is fine-tuned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QatConfig {
    /// int8 or int16.
    pub dtype: Dtype,
    /// Symmetry of activations.
    pub symmetry: Symmetry,
    /// Granularity of weights.
    pub granularity: Granularity,
    /// Seed of the sample order.
    pub seed: u64,
    /// Optimiser and epochs.
    pub recipe: Recipe,
    /// The epoch from which on activation ranges no longer move.
    pub freeze_epoch: usize,
}

impl QatConfig {
    /// The built-in fine-tuning: four epochs at a small rate, ranges frozen for the last two.
    #[must_use]
    pub fn new(dtype: Dtype, symmetry: Symmetry, granularity: Granularity, seed: u64) -> Self {
        let recipe = Recipe { epochs: 4, batch: 32, learning_rate: 2e-4, weight_decay: 0.0, shift: SHIFT };
        Self { dtype, symmetry, granularity, seed, recipe, freeze_epoch: 3 }
    }
}

/// A fine-tuned model and the parameters of its integer execution.
#[derive(Debug, Clone)]
pub struct QatResult {
    /// The graph with fine-tuned fp32 weights.
    pub graph: Graph,
    /// What static execution needs: frozen activation ranges, and weight scales.
    pub spec: QuantSpec,
    /// Seconds of fine-tuning; `None` when it came from the cache.
    pub seconds: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    graph: Graph,
    weights: BTreeMap<String, QParams>,
    activations: Vec<(ValueId, QParams)>,
}

/// Fine-tunes `graph` (trained, batch normalisation folded) with fake quantization.
///
/// Each step fake-quantizes weights by the min-max of their present values and activations by a moving
/// average of min-max, `r ← r + 0.05 · (batch − r)`, which freezes for the last epochs; gradients pass
/// straight through where nothing was clipped. Source: Jacob et al. 2017 (arXiv 1712.05877), §3;
/// Krishnamoorthi 2018 (arXiv 1806.08342), §3.2.
///
/// # Errors
/// As [`crate::load_or_train`].
pub fn qat(
    graph: &Graph,
    dataset: &Dataset,
    config: &QatConfig,
    cache: &Cache,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<QatResult, ModelError> {
    let kind = format!("{}-qat", graph.name);
    let file = cache.file(&kind, &(config, data_key(dataset), graph.content_hash()));
    if let Some(kept) = Cache::read::<Kept>(&file) {
        return Ok(result(kept, config, None));
    }
    let start = Instant::now();
    let placement = placement(graph);
    let mut tap = QatTap::new(&placement, config);
    let freeze = |(tap, epoch): (&mut QatTap, usize)| tap.frozen = epoch >= config.freeze_epoch;
    let tuned = fit(graph, &dataset.train, &config.recipe, config.seed, &mut tap, progress, freeze)?;
    let mut activations = Vec::new();
    for id in &placement.activations {
        activations.push((*id, tap.activation(*id, &graph.value(*id).name)?));
    }
    let mut weights = BTreeMap::new();
    for site in &placement.weights {
        let data = tuned.params[&site.param].data();
        let qparams =
            QParams::of_weights(&site.param, data, site.channels, IntFormat::INT8, config.granularity)?;
        weights.insert(site.param.clone(), qparams);
    }
    let kept = Kept { graph: tuned, weights, activations };
    cache.write(&file, &kept)?;
    Ok(result(kept, config, Some(start.elapsed().as_secs_f64())))
}

fn result(kept: Kept, config: &QatConfig, seconds: Option<f64>) -> QatResult {
    let spec = QuantSpec {
        dtype: config.dtype,
        timing: Timing::Qat,
        granularity: config.granularity,
        symmetry: config.symmetry,
        weights: kept.weights,
        activations: kept.activations.into_iter().collect(),
    };
    QatResult { graph: kept.graph, spec, seconds }
}

/// Fake quantization whose activation ranges follow the data until they are frozen.
struct QatTap {
    format: IntFormat,
    symmetry: Symmetry,
    granularity: Granularity,
    ranges: BTreeMap<ValueId, Option<Range>>,
    weights: Vec<String>,
    frozen: bool,
}

impl QatTap {
    fn new(placement: &Placement, config: &QatConfig) -> Self {
        Self {
            format: config.dtype.activation_format().unwrap_or(IntFormat::INT8),
            symmetry: config.symmetry,
            granularity: config.granularity,
            ranges: placement.activations.iter().map(|id| (*id, None)).collect(),
            weights: placement.weights.iter().map(|w| w.param.clone()).collect(),
            frozen: false,
        }
    }

    fn activation(&self, id: ValueId, site: &str) -> Result<QParams, QuantError> {
        let no_sample = || QuantError::NoSample { site: site.to_owned(), elements: 0, nan: 0, infinite: 0 };
        let range = self.ranges.get(&id).copied().flatten().ok_or_else(no_sample)?;
        QParams::from_range(site, range, self.format, self.symmetry)
    }
}

impl Tap for QatTap {
    fn value(&mut self, id: ValueId, value: Tensor) -> CandleResult<Tensor> {
        let Some(slot) = self.ranges.get_mut(&id) else { return Ok(value) };
        if !self.frozen || slot.is_none() {
            let seen = Range::of(&value.detach().flatten_all()?.to_vec1::<f32>()?);
            *slot = match (*slot, seen) {
                (Some(old), Some(new)) => Some(Range {
                    low: old.low + AVERAGING * (new.low - old.low),
                    high: old.high + AVERAGING * (new.high - old.high),
                }),
                (old, new) => old.or(new),
            };
        }
        let qparams = self.activation(id, "training").map_err(Error::wrap)?;
        fake_quantize(&value, Arc::new(qparams))
    }

    fn param(&mut self, node: &Node, index: usize, param: Tensor) -> CandleResult<Tensor> {
        if index != 0 || !self.weights.contains(&node.params[0]) {
            return Ok(param);
        }
        let data = param.detach().flatten_all()?.to_vec1::<f32>()?;
        let qparams =
            QParams::of_weights(&node.params[0], &data, param.dims()[0], IntFormat::INT8, self.granularity)
                .map_err(Error::wrap)?;
        fake_quantize(&param, Arc::new(qparams))
    }
}
