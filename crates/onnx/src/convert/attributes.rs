//! Attributes of the node at hand, checked.

use super::converter::{Converter, Result};
use super::fold::LARGEST;
use crate::Attribute;

impl<'m> Converter<'m> {
    pub(super) fn attribute(&self, name: &str) -> Option<&'m Attribute> {
        self.node.attributes.get(name)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64> {
        match self.attribute(name) {
            None => Ok(default),
            Some(Attribute::Int(value)) => Ok(*value),
            Some(_) => Err(self.unsupported(format!("attribute `{name}` must be an integer"))),
        }
    }

    pub(super) fn float(&self, name: &str, default: f32) -> Result<f32> {
        match self.attribute(name) {
            None => Ok(default),
            Some(Attribute::Float(value)) => Ok(*value),
            Some(_) => Err(self.unsupported(format!("attribute `{name}` must be a float"))),
        }
    }

    pub(super) fn text(&self, name: &str, default: &'static str) -> Result<&'m str> {
        match self.attribute(name) {
            None => Ok(default),
            Some(Attribute::String(value)) => Ok(value),
            Some(_) => Err(self.unsupported(format!("attribute `{name}` must be a text"))),
        }
    }

    pub(super) fn ints_attribute(&self, name: &str) -> Result<Option<&'m [i64]>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Ints(values)) => Ok(Some(values)),
            Some(_) => Err(self.unsupported(format!("attribute `{name}` must be a list of integers"))),
        }
    }

    /// Sizes that must not be negative: strides, pads, kernels.
    pub(super) fn sizes(&self, name: &str, default: &[usize]) -> Result<Vec<usize>> {
        let Some(values) = self.ints_attribute(name)? else { return Ok(default.to_vec()) };
        let size = |v: &i64| usize::try_from(*v).ok().filter(|v| *v <= LARGEST);
        let sizes: Option<Vec<usize>> = values.iter().map(size).collect();
        sizes.filter(|s| default.is_empty() || s.len() == default.len()).ok_or_else(|| {
            self.unsupported(format!("attribute `{name}` is {values:?}, which makes no sense here"))
        })
    }

    /// One size that must not be negative.
    pub(super) fn size_of(&self, name: &str, default: i64) -> Result<usize> {
        let value = self.int(name, default)?;
        usize::try_from(value).map_err(|_| self.unsupported(format!("attribute `{name}` is {value}")))
    }

    /// An axis that may count from the end.
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Result<usize> {
        let counted = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
        counted
            .and_then(|a| usize::try_from(a).ok())
            .filter(|a| *a < rank)
            .ok_or_else(|| self.unsupported(format!("axis {axis} is outside of {rank} axes")))
    }
}
