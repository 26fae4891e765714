//! Supervised training of a graph, and the cache around it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Instant;

use calibench_engine::interpret::{Interpreter, NoTap, Tap};
use calibench_graph::{Graph, Tensor as GraphTensor, bind, passes::fold_batch_norm};
use calibench_tasks::{Dataset, Samples, task_for};
use candle_core::{D, Device, Result as CandleResult, Tensor, Var};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::adamw::AdamW;
use crate::{Cache, ModelEntry, ModelError};

/// How a model is trained: AdamW on cross-entropy, the rate falling on a cosine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Passes over the training split.
    pub epochs: usize,
    /// Samples per step.
    pub batch: usize,
    /// Rate of the first step.
    pub learning_rate: f64,
    /// Decoupled weight decay of matrices and kernels.
    pub weight_decay: f64,
    /// Probability, per axis, that an image is moved by one pixel, either way.
    pub shift: f64,
}

/// [`Recipe::shift`] of the built-in models. Test images are centred: moving most of the training images
/// cost one to three points of accuracy, moving none of them half a point.
pub(crate) const SHIFT: f64 = 0.13;

/// How far a training is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Epochs done.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// Mean loss of the last epoch, in nats.
    pub loss: f32,
}

/// A trained model, ready for inference.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The graph with batch normalisation folded.
    pub graph: Graph,
    /// Content hash of the graph.
    pub hash: String,
    /// Number of parameter elements.
    pub parameters: usize,
    /// fp32 top-1 on the test split, by the interpreter.
    pub test_top1: f64,
    /// Seconds of training; `None` when it came from the cache.
    pub seconds: Option<f64>,
}

/// What the cache keeps of a [`Trained`].
#[derive(Serialize, Deserialize)]
struct Kept {
    graph: Graph,
    test_top1: f64,
}

/// The trained model, from the cache or trained now and cached.
///
/// # Errors
/// [`ModelError::Cancelled`] when `progress` breaks, [`ModelError::Diverged`], [`ModelError::Cache`] when the
/// result cannot be kept.
pub fn load_or_train(
    entry: &ModelEntry,
    dataset: &Dataset,
    seed: u64,
    cache: &Cache,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Trained, ModelError> {
    let initial = (entry.build)(seed)?;
    let file = cache.file(entry.id, &(initial.content_hash(), entry.recipe, data_key(dataset), seed));
    if let Some(Kept { graph, test_top1 }) = Cache::read(&file) {
        return Ok(trained(graph, test_top1, None));
    }
    let start = Instant::now();
    let graph = fit(&initial, &dataset.train, &entry.recipe, seed, &mut NoTap, progress, |_| {})?;
    let graph = fold_batch_norm(&graph)?;
    let seconds = start.elapsed().as_secs_f64();
    let kept = Kept { test_top1: test_top1(&graph, dataset, &mut NoTap)?, graph };
    cache.write(&file, &kept)?;
    Ok(trained(kept.graph, kept.test_top1, Some(seconds)))
}

/// What of a dataset decides a training's result: the file, and how its columns become samples.
pub(crate) fn data_key(dataset: &Dataset) -> impl Serialize + '_ {
    let meta = &dataset.meta;
    (&dataset.sha256, &meta.shape, meta.classes, meta.scale)
}

fn trained(graph: Graph, test_top1: f64, seconds: Option<f64>) -> Trained {
    Trained { hash: graph.content_hash(), parameters: graph.parameter_count(), graph, test_top1, seconds }
}

/// Top-1 on the test split by the interpreter, under `tap`.
pub(crate) fn test_top1(graph: &Graph, dataset: &Dataset, tap: &mut dyn Tap) -> Result<f64, ModelError> {
    let samples = &dataset.test;
    let task = task_for(samples, &dataset.meta.metric, dataset.meta.classes as usize)?;
    let logits = Interpreter::new(graph)?.run_slice(samples.len(), &samples.batch(0..samples.len()), tap)?;
    Ok(task.score(&task.outcomes(&logits)?).expect("a split has samples, and so a top-1"))
}

/// Trains the graph's parameters under `tap`; `before_epoch` is told of each epoch before it starts.
pub(crate) fn fit<T: Tap>(
    graph: &Graph,
    samples: &Samples,
    recipe: &Recipe,
    seed: u64,
    tap: &mut T,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    mut before_epoch: impl FnMut((&mut T, usize)),
) -> Result<Graph, ModelError> {
    let failed = |source| ModelError::Training { model: graph.name.clone(), source };
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x7261_696e);
    let (vars, mut fixed) = variables(graph).map_err(failed)?;
    let steps = recipe.epochs * samples.len().div_ceil(recipe.batch);
    let all: Vec<Var> = vars.values().cloned().collect();
    let mut optimiser = AdamW::new(all, steps, recipe.learning_rate, recipe.weight_decay);
    let mut order: Vec<usize> = (0..samples.len()).collect();
    for epoch in 1..=recipe.epochs {
        before_epoch((tap, epoch));
        order.shuffle(&mut rng);
        let (mut loss_sum, mut batches) = (0.0, 0);
        for chosen in order.chunks(recipe.batch) {
            let (input, labels) = batch(samples, chosen, recipe.shift, &mut rng);
            let shape = bind(&graph.value(Graph::INPUT).shape, chosen.len());
            let input = Tensor::from_vec(input, shape, &Device::Cpu).map_err(failed)?;
            let labels = Tensor::from_vec(labels, chosen.len(), &Device::Cpu).map_err(failed)?;
            let mut params: BTreeMap<String, Tensor> =
                vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
            params.extend(fixed.clone());
            let (logits, running) = Interpreter::with_params(graph, params)?.run_training(&input, tap)?;
            fixed.extend(running);
            loss_sum += step(&logits, &labels, &mut optimiser).map_err(failed)?;
            batches += 1;
        }
        let loss = loss_sum / batches as f32;
        if !loss.is_finite() {
            return Err(ModelError::Diverged { model: graph.name.clone(), epoch, loss });
        }
        if progress(Progress { epoch, epochs: recipe.epochs, loss }).is_break() {
            return Err(ModelError::Cancelled { model: graph.name.clone() });
        }
    }
    let mut result = graph.clone();
    let tensors = vars.iter().map(|(name, var)| (name, var.as_tensor())).chain(fixed.iter());
    for (name, tensor) in tensors {
        let data = tensor.flatten_all().and_then(|t| t.to_vec1()).map_err(failed)?;
        result.params.insert(name.clone(), GraphTensor::new(tensor.dims(), data)?);
    }
    Ok(result)
}

/// The parameters to learn as variables, and the running statistics, which are not learnt.
fn variables(graph: &Graph) -> CandleResult<(BTreeMap<String, Var>, BTreeMap<String, Tensor>)> {
    let (mut vars, mut fixed) = (BTreeMap::new(), BTreeMap::new());
    for (name, tensor) in &graph.params {
        let value = Tensor::from_slice(tensor.data(), tensor.shape(), &Device::Cpu)?;
        if name.contains(".running_") {
            fixed.insert(name.clone(), value);
        } else {
            vars.insert(name.clone(), Var::from_tensor(&value)?);
        }
    }
    Ok((vars, fixed))
}

/// Mean cross-entropy, one optimiser step along its gradient; gives the loss in nats.
fn step(logits: &Tensor, labels: &Tensor, optimiser: &mut AdamW) -> CandleResult<f32> {
    let max = logits.max_keepdim(D::Minus1)?.detach();
    let shifted = logits.broadcast_sub(&max)?;
    let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let right = shifted.broadcast_sub(&log_sum)?.gather(&labels.unsqueeze(1)?, 1)?;
    let loss = right.mean_all()?.neg()?;
    optimiser.step(&loss.backward()?)?;
    loss.to_scalar()
}

/// The chosen samples, each image moved by one pixel along an axis with probability `shift`; borders are zero.
fn batch(samples: &Samples, chosen: &[usize], shift: f64, rng: &mut ChaCha8Rng) -> (Vec<f32>, Vec<u32>) {
    let (images, labels) = (samples.input(), samples.labels().unwrap_or_default());
    let (h, w) = match images.shape[..] {
        [.., h, w] => (h as i64, w as i64),
        _ => (1, 1),
    };
    let mut offset = || match rng.random_bool(shift) {
        true => {
            if rng.random_bool(0.5) {
                1
            } else {
                -1
            }
        }
        false => 0,
    };
    let mut features = Vec::with_capacity(chosen.len() * images.sample_len());
    for i in chosen {
        let image = images.batch(*i..*i + 1);
        let (dy, dx): (i64, i64) = (offset(), offset());
        for plane in image.chunks_exact((h * w) as usize) {
            for pixel in 0..h * w {
                let (y, x) = (pixel / w + dy, pixel % w + dx);
                let inside = (0..h).contains(&y) && (0..w).contains(&x);
                features.push(if inside { plane[(y * w + x) as usize] } else { 0.0 });
            }
        }
    }
    (features, chosen.iter().map(|i| labels[*i]).collect())
}

#[cfg(test)]
mod tests {
    use calibench_graph::GraphError;

    use super::*;

    fn quick(build: fn(u64) -> Result<Graph, GraphError>) -> ModelEntry {
        let entry = crate::find("digits-epsilon").unwrap();
        ModelEntry { build, recipe: Recipe { epochs: 1, ..entry.recipe }, ..*entry }
    }

    #[test]
    fn a_model_whose_structure_changed_is_trained_again() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, dataset) = (Cache::new(folder.path().to_owned()), Dataset::embedded("digits").unwrap());
        let seconds = |entry: &ModelEntry| {
            let untold = &mut |_| ControlFlow::Continue(());
            load_or_train(entry, &dataset, 0, &cache, untold).unwrap().seconds
        };
        let first = quick(crate::find("digits-epsilon").unwrap().build);
        assert!(seconds(&first).is_some());
        assert!(seconds(&first).is_none(), "from the cache");
        assert!(seconds(&quick(crate::find("digits-energy").unwrap().build)).is_some());
    }
}
