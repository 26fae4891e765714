//! The hook on every value of a run.

use calibench_graph::{Node, ValueId};
use candle_core::{Result, Tensor};

/// Sees every activation and parameter of a run, and may replace it.
pub trait Tap {
    /// An activation that was just computed (or the graph's input); what is returned replaces it for all
    /// of its readers.
    ///
    /// # Errors
    /// Whatever stops the run.
    fn value(&mut self, id: ValueId, value: Tensor) -> Result<Tensor> {
        let _ = id;
        Ok(value)
    }

    /// Parameter `index` of a node, just before the node runs; what is returned replaces it for this
    /// node.
    ///
    /// # Errors
    /// Whatever stops the run.
    fn param(&mut self, node: &Node, index: usize, param: Tensor) -> Result<Tensor> {
        let _ = (node, index);
        Ok(param)
    }
}

/// Changes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTap;

impl Tap for NoTap {}
