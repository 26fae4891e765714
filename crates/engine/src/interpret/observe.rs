//! Observation: statistics of every quantized activation.

use std::collections::BTreeMap;

use calibench_graph::{Padding, Placement, ValueId};
use calibench_quant::{Batch, Observer, QuantError, Stats};
use candle_core::{Result, Tensor};

use super::{Tap, to_vec};

/// Shows the placement's activation sites to observers; changes nothing.
///
/// One pass over the data serves every calibrator. Passes over other parts of the data, on other
/// threads or machines, merge through [`Stats::absorb`]. Padded positions are left out: what a model computes there
/// answers to nothing, and would widen ranges ([`Placement::padding`]).
///
/// # Example
/// ```
/// # use calibench_engine::interpret::{Interpreter, ObserveTap};
/// # use calibench_graph::{Graph, placement};
/// # use calibench_quant::Observer;
/// # fn example(graph: &Graph, batch: &[f32], observers: impl Fn() -> Vec<Box<dyn Observer>>)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// let mut tap = ObserveTap::new(&placement(graph), observers);
/// tap.begin_batch(0, 1);
/// Interpreter::new(graph)?.run_slice(1, &[batch], &mut tap)?;
/// for (site, stats) in tap.finish()? {
///     println!("{}: {} samples", graph.value(site).name, stats.samples);
/// }
/// # Ok(())
/// # }
/// ```
pub struct ObserveTap {
    sites: BTreeMap<ValueId, Vec<Box<dyn Observer>>>,
    padding: Option<Padding>,
    /// The mask of the batch that runs, row-major `[batch, positions]`.
    mask: Vec<f32>,
    index: u64,
    samples: u64,
}

impl ObserveTap {
    /// A tap with fresh observers for every activation site.
    #[must_use]
    pub fn new(placement: &Placement, mut observers: impl FnMut() -> Vec<Box<dyn Observer>>) -> Self {
        let sites = placement.activations.iter().map(|id| (*id, observers())).collect();
        Self { sites, padding: placement.padding.clone(), mask: Vec::new(), index: 0, samples: 0 }
    }

    /// Names the batch that runs next: its place in the calibration order and its number of samples.
    pub fn begin_batch(&mut self, index: u64, samples: u64) {
        (self.index, self.samples) = (index, samples);
    }

    /// The statistics of each site, all observers' parts joined.
    ///
    /// # Errors
    /// [`QuantError::Merge`] when observers of one site do not agree on what they saw.
    pub fn finish(self) -> std::result::Result<BTreeMap<ValueId, Stats>, QuantError> {
        self.sites
            .into_iter()
            .map(|(id, observers)| {
                let mut parts = observers.iter().map(|o| o.stats());
                let first = parts.next().unwrap_or_default();
                Ok((id, parts.try_fold(first, Stats::join)?))
            })
            .collect()
    }
}

impl std::fmt::Debug for ObserveTap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sites: Vec<_> = self.sites.keys().collect();
        f.debug_struct("ObserveTap").field("sites", &sites).field("index", &self.index).finish()
    }
}

impl Tap for ObserveTap {
    fn value(&mut self, id: ValueId, value: Tensor) -> Result<Tensor> {
        if self.padding.as_ref().is_some_and(|p| p.mask == id) {
            self.mask = to_vec(&value)?;
        }
        if let Some(observers) = self.sites.get_mut(&id) {
            let mut values = to_vec(&value)?;
            let axes = self.padding.as_ref().and_then(|p| p.axes.get(&id));
            let ends = axes.map(|axes| leave_padding_out(&mut values, value.dims(), axes, &self.mask));
            let batch = Batch { index: self.index, samples: self.samples, values: &values };
            for observer in observers {
                match &ends {
                    Some(ends) => observer.observe_uneven(&batch, ends),
                    None => observer.observe(&batch),
                }
            }
        }
        Ok(value)
    }
}

/// Keeps the elements whose positions along all of `axes` are none of the padding in `mask`, `[batch, positions]`; gives where
/// each sample then ends. The outermost axis is the batch, alone or joined with axes inside it.
fn leave_padding_out(values: &mut Vec<f32>, dims: &[usize], axes: &[usize], mask: &[f32]) -> Vec<usize> {
    let Some(&last) = axes.last() else { return Vec::new() };
    let positions = dims[last];
    // Everything inside the last of the axes is kept or left out together.
    let inner: usize = dims[last + 1..].iter().product();
    let steps: Vec<usize> = axes.iter().map(|axis| dims[axis + 1..=last].iter().product()).collect();
    let sample = values.len() / (mask.len() / positions.max(1)).max(1);
    let (mut kept, mut ends) = (Vec::with_capacity(values.len()), Vec::new());
    for (values, mask) in values.chunks_exact(sample.max(1)).zip(mask.chunks_exact(positions.max(1))) {
        for (block, values) in values.chunks_exact(inner.max(1)).enumerate() {
            if steps.iter().all(|step| mask[block / step % positions] != 0.0) {
                kept.extend_from_slice(values);
            }
        }
        ends.push(kept.len());
    }
    *values = kept;
    ends
}

#[cfg(test)]
#[path = "observe_tests.rs"]
mod tests;
