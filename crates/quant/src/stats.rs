//! What observers gather: plain data that can be saved, merged and replayed without the model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Histogram, QuantError};

/// Version of the serialised form of [`Stats`].
pub const STATS_SCHEMA: u32 = 1;

/// A closed interval of real values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Lower end.
    pub low: f32,
    /// Upper end.
    pub high: f32,
}

impl Range {
    /// The smallest range that holds every finite value; `None` when there is none.
    ///
    /// An end at −0.0 is written as 0.0: the two compare equal, so which of them came first would
    /// otherwise show in the serialised bytes.
    #[must_use]
    pub fn of(values: &[f32]) -> Option<Self> {
        let mut range: Option<Self> = None;
        for v in values.iter().copied().filter(|v| v.is_finite()) {
            let point = Self { low: v + 0.0, high: v + 0.0 };
            range = Some(range.map_or(point, |r| r.union(point)));
        }
        range
    }

    /// The smallest range that holds both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self { low: self.low.min(other.low) + 0.0, high: self.high.max(other.high) + 0.0 }
    }

    /// Largest magnitude in the range.
    #[must_use]
    pub fn bound(self) -> f32 {
        self.low.abs().max(self.high.abs())
    }
}

/// The kinds of statistics that calibrators can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StatKind {
    /// Smallest and largest finite value.
    Range,
    /// The range of each batch, by its place in the calibration order.
    BatchRanges,
    /// Counts on the zero-anchored grid.
    Histogram,
}

impl StatKind {
    /// Every kind.
    pub const ALL: &[Self] = &[Self::Range, Self::BatchRanges, Self::Histogram];
}

impl std::fmt::Display for StatKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Range => "range",
            Self::BatchRanges => "batch-ranges",
            Self::Histogram => "histogram",
        })
    }
}

/// Everything gathered about one site.
///
/// All parts merge exactly and in any order: [`Stats::absorb`] joins the statistics of disjoint data,
/// [`Stats::join`] the parts that different observers gathered over the same data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// [`STATS_SCHEMA`] of the writer.
    pub schema: u32,
    /// Samples (rows of the batch axis) seen.
    pub samples: u64,
    /// Elements seen, finite or not.
    pub elements: u64,
    /// Elements that were NaN.
    pub nan: u64,
    /// Elements that were +Inf or −Inf.
    pub infinite: u64,
    /// Present when a range observer ran and saw a finite value.
    pub range: Option<Range>,
    /// Present when a batch-range observer ran: batch index → its range.
    pub batch_ranges: Option<BTreeMap<u64, Range>>,
    /// Present when a histogram observer ran and saw a finite value.
    pub histogram: Option<Histogram>,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            schema: STATS_SCHEMA,
            samples: 0,
            elements: 0,
            nan: 0,
            infinite: 0,
            range: None,
            batch_ranges: None,
            histogram: None,
        }
    }
}

impl Stats {
    /// Counts one batch: samples, elements and what is not finite.
    pub fn count(&mut self, samples: u64, values: &[f32]) {
        self.samples += samples;
        self.elements += values.len() as u64;
        self.nan += values.iter().filter(|v| v.is_nan()).count() as u64;
        self.infinite += values.iter().filter(|v| v.is_infinite()).count() as u64;
    }

    /// Merges the statistics of other data.
    ///
    /// # Errors
    /// [`QuantError::Merge`] when the schema versions differ or both saw the same batch index.
    pub fn absorb(&mut self, other: &Self) -> Result<(), QuantError> {
        self.same_schema(other)?;
        if let (Some(mine), Some(theirs)) = (&self.batch_ranges, &other.batch_ranges)
            && let Some(index) = theirs.keys().find(|k| mine.contains_key(k))
        {
            return Err(QuantError::Merge {
                reason: format!("both hold batch {index}; number the batches of each part apart"),
            });
        }
        self.samples += other.samples;
        self.elements += other.elements;
        self.nan += other.nan;
        self.infinite += other.infinite;
        self.range = merge(self.range, other.range, Range::union);
        self.batch_ranges = merge(self.batch_ranges.take(), other.batch_ranges.clone(), |mut a, b| {
            a.extend(b);
            a
        });
        self.histogram = merge(self.histogram.take(), other.histogram.clone(), |a, b| a.merged(&b));
        Ok(())
    }

    /// Adds the parts that another observer gathered over the same data.
    ///
    /// # Errors
    /// [`QuantError::Merge`] when the counts show that the data was not the same.
    pub fn join(mut self, other: Self) -> Result<Self, QuantError> {
        self.same_schema(&other)?;
        let counts = |s: &Self| (s.samples, s.elements, s.nan, s.infinite);
        if counts(&self) != counts(&other) {
            return Err(QuantError::Merge {
                reason: format!("different data: counts {:?} and {:?}", counts(&self), counts(&other)),
            });
        }
        self.range = self.range.or(other.range);
        self.batch_ranges = self.batch_ranges.or(other.batch_ranges);
        self.histogram = self.histogram.or(other.histogram);
        Ok(self)
    }

    /// The error for a site without a finite value.
    #[must_use]
    pub fn no_sample(&self, site: &str) -> QuantError {
        QuantError::NoSample {
            site: site.to_owned(),
            elements: self.elements,
            nan: self.nan,
            infinite: self.infinite,
        }
    }

    fn same_schema(&self, other: &Self) -> Result<(), QuantError> {
        if self.schema == other.schema {
            return Ok(());
        }
        Err(QuantError::Merge {
            reason: format!("schema {} and {}; gather both with the same version", self.schema, other.schema),
        })
    }
}

fn merge<T>(a: Option<T>, b: Option<T>, join: impl FnOnce(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(join(a, b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_of_zero_leaves_no_trace_in_a_range() {
        for values in [[0.0_f32, -0.0], [-0.0, 0.0], [-0.0, -0.0]] {
            let range = Range::of(&values).unwrap();
            assert!(range.low.is_sign_positive() && range.high.is_sign_positive(), "{values:?}");
        }
    }
}
