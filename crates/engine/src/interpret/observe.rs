//! Observation: statistics of every quantized activation.

use std::collections::BTreeMap;

use calibench_graph::{Placement, ValueId};
use calibench_quant::{Batch, Observer, QuantError, Stats};
use candle_core::{Result, Tensor};

use super::{Tap, to_vec};

/// Shows the placement's activation sites to observers; changes nothing.
///
/// One pass over the data serves every calibrator. Passes over other parts of the data, on other
/// threads or machines, merge through [`Stats::absorb`].
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
    index: u64,
    samples: u64,
}

impl ObserveTap {
    /// A tap with fresh observers for every activation site.
    #[must_use]
    pub fn new(placement: &Placement, mut observers: impl FnMut() -> Vec<Box<dyn Observer>>) -> Self {
        let sites = placement.activations.iter().map(|id| (*id, observers())).collect();
        Self { sites, index: 0, samples: 0 }
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
        if let Some(observers) = self.sites.get_mut(&id) {
            let values = to_vec(&value)?;
            let batch = Batch { index: self.index, samples: self.samples, values: &values };
            observers.iter_mut().for_each(|o| o.observe(&batch));
        }
        Ok(value)
    }
}
