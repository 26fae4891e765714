//! Copies of chosen values, for comparing two executions site by site.

use std::collections::BTreeMap;

use calibench_graph::ValueId;
use candle_core::{Result, Tensor};

use super::{Tap, to_vec};

/// One value as it flowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Captured {
    /// Its shape, batch included.
    pub shape: Vec<usize>,
    /// Its elements in fp32, row-major.
    pub data: Vec<f32>,
}

/// Copies chosen values out of a run; another tap may change them first.
///
/// A value keeps its last run only. Over a [`super::FakeQuantTap`] it copies the fake-quantized value.
pub struct CaptureTap<'t> {
    sites: Vec<ValueId>,
    inner: Option<&'t mut dyn Tap>,
    captured: BTreeMap<ValueId, Captured>,
}

impl<'t> CaptureTap<'t> {
    /// Copies the values `sites`.
    #[must_use]
    pub fn new(sites: impl IntoIterator<Item = ValueId>) -> Self {
        Self { sites: sites.into_iter().collect(), inner: None, captured: BTreeMap::new() }
    }

    /// Copies the values `sites` as `inner` leaves them.
    #[must_use]
    pub fn over(sites: impl IntoIterator<Item = ValueId>, inner: &'t mut dyn Tap) -> Self {
        Self { sites: sites.into_iter().collect(), inner: Some(inner), captured: BTreeMap::new() }
    }

    /// What was copied.
    #[must_use]
    pub fn finish(self) -> BTreeMap<ValueId, Captured> {
        self.captured
    }
}

impl std::fmt::Debug for CaptureTap<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaptureTap").field("sites", &self.sites).finish_non_exhaustive()
    }
}

impl Tap for CaptureTap<'_> {
    fn value(&mut self, id: ValueId, value: Tensor) -> Result<Tensor> {
        let value = match &mut self.inner {
            Some(inner) => inner.value(id, value)?,
            None => value,
        };
        if self.sites.contains(&id) {
            let captured = Captured { shape: value.dims().to_vec(), data: to_vec(&value)? };
            self.captured.insert(id, captured);
        }
        Ok(value)
    }

    fn param(&mut self, node: &calibench_graph::Node, index: usize, param: Tensor) -> Result<Tensor> {
        match &mut self.inner {
            Some(inner) => inner.param(node, index, param),
            None => Ok(param),
        }
    }
}
