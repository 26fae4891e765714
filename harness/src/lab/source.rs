//! What is calibrated: tensors in a file, batch by batch, or the statistics that were gathered of them.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use calibench_observers::{ChannelLayout, ChannelObserver};
use calibench_quant::{Batch, QuantError, StatKind, Stats, find};
use calibench_tasks::tensors::{Tensor, TensorFile};

/// A case with its tensors in memory.
#[derive(Debug, Clone)]
pub struct Case {
    /// The name that the tensors share.
    pub name: String,
    /// The batches, in order.
    pub batches: Vec<Tensor>,
}

impl Case {
    /// Rows of the batch axis: the first dimension of a tensor that has others.
    #[must_use]
    pub fn samples_of(batch: &Tensor) -> usize {
        if batch.shape.len() > 1 { batch.shape[0] } else { 1 }
    }

    /// Every sample of every batch, in order.
    pub fn samples(&self) -> impl Iterator<Item = &[f32]> {
        self.batches.iter().flat_map(|b| b.values.chunks(b.values.len() / Self::samples_of(b).max(1)))
    }

    /// All finite values.
    #[must_use]
    pub fn finite(&self) -> Vec<f32> {
        self.batches.iter().flat_map(|b| b.values.iter().copied().filter(|v| v.is_finite())).collect()
    }

    /// The statistics of these kinds, batches being numbered from `first_batch`.
    ///
    /// # Errors
    /// [`QuantError::Merge`] when observers disagree on what they saw.
    pub fn observe(&self, kinds: &BTreeSet<StatKind>, first_batch: u64) -> Result<Stats, QuantError> {
        let batches = self.batches.iter().map(|b| (Self::samples_of(b), b.values.as_slice()));
        observe(kinds, first_batch, batches)
    }

    /// The statistics of each index of an axis.
    ///
    /// # Errors
    /// When a batch lacks the axis, or has another size there than the first.
    pub fn observe_channels(&self, kinds: &BTreeSet<StatKind>, axis: usize) -> Result<Vec<Stats>> {
        let first = layout(&self.batches[0], axis)?;
        let mut observer = ChannelObserver::new(kinds, first);
        for (index, tensor) in (0..).zip(&self.batches) {
            let here = layout(tensor, axis)?;
            if here != first {
                bail!(
                    "case `{}`: axis {axis} of batch {index}, shape {:?}, is not that of the first batch, shape {:?}",
                    self.name,
                    tensor.shape,
                    self.batches[0].shape
                );
            }
            let samples = Self::samples_of(tensor) as u64;
            observer.observe(&Batch { index, samples, values: &tensor.values });
        }
        Ok(observer.stats()?)
    }
}

/// Where an axis of a tensor lies.
///
/// # Errors
/// When the tensor has no such axis.
pub fn layout(tensor: &Tensor, axis: usize) -> Result<ChannelLayout> {
    ChannelLayout::of(&tensor.shape, axis).with_context(|| {
        format!("tensor `{}` has shape {:?}: no axis {axis} (axes count from 0)", tensor.name, tensor.shape)
    })
}

/// Observes batches given as samples and values.
fn observe<'a>(
    kinds: &BTreeSet<StatKind>,
    first_batch: u64,
    batches: impl Iterator<Item = (usize, &'a [f32])>,
) -> Result<Stats, QuantError> {
    let mut observers = calibench_observers::for_stats(kinds.iter().copied());
    for (index, (samples, values)) in (first_batch..).zip(batches) {
        let batch = Batch { index, samples: samples as u64, values };
        observers.iter_mut().for_each(|o| o.observe(&batch));
    }
    calibench_observers::joined(&observers)
}

/// Reads the cases of a tensor file.
///
/// # Errors
/// Those of the file, with its name and the tensor's.
pub fn read(path: &Path, prefix: Option<&str>) -> Result<Vec<Case>> {
    let mut file = TensorFile::open(path)?;
    let cases = file.cases(prefix)?;
    let mut read = Vec::new();
    for case in cases {
        let batches = case.batches.iter().map(|info| file.read(&info.name)).collect::<Result<_, _>>()?;
        read.push(Case { name: case.name, batches });
    }
    Ok(read)
}

/// Own methods: every one without a peer's name.
#[must_use]
pub fn own_methods() -> Vec<String> {
    let own = calibench_calibrators::ALL.iter().map(|e| e.id).filter(|id| !id.contains('@'));
    own.map(str::to_owned).collect()
}

/// What the methods need, names checked.
///
/// # Errors
/// For a name in no registry, with the nearest.
pub fn needs(methods: &[String]) -> Result<BTreeSet<StatKind>> {
    for id in methods {
        find(calibench_calibrators::ALL, "calibrator", id)?;
    }
    calibench_calibrators::needs(methods).context("cannot tell what to gather")
}
