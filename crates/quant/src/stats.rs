//! What observers gather: plain data that can be saved, merged and replayed without the model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Histogram, PeerHistogram, PeerStat, QuantError};

/// Version of the serialised form of [`Stats`].
pub const STATS_SCHEMA: u32 = 2;

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
    /// Counts by floating-point prefix.
    Histogram,
    /// The histogram of each batch, by its place in the calibration order.
    BatchHistograms,
    /// The two largest values of each sample.
    TopTwo,
    /// What a peer's collector holds; depends on the order of the batches.
    Peer(PeerStat),
}

impl StatKind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Range,
        Self::BatchRanges,
        Self::Histogram,
        Self::BatchHistograms,
        Self::TopTwo,
        Self::Peer(PeerStat::HistogramPytorch),
        Self::Peer(PeerStat::Histogram128OnnxRuntime),
        Self::Peer(PeerStat::Histogram512OnnxRuntime),
        Self::Peer(PeerStat::Histogram2048OnnxRuntime),
        Self::Peer(PeerStat::AbsoluteHistogram2048OnnxRuntime),
        Self::Peer(PeerStat::AbsoluteHistogram2048Nvidia),
        Self::Peer(PeerStat::PdfAimet),
    ];

    /// Whether the statistic is the same however the data was split over batches and machines.
    #[must_use]
    pub fn order_free(self) -> bool {
        !matches!(self, Self::Peer(_))
    }
}

impl std::fmt::Display for StatKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Range => "range",
            Self::BatchRanges => "batch-ranges",
            Self::Histogram => "histogram",
            Self::BatchHistograms => "batch-histograms",
            Self::TopTwo => "top-two",
            Self::Peer(stat) => stat.id(),
        })
    }
}

/// The two largest finite values of one sample, the larger first.
///
/// −Inf stands for a value that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[Option<f32>; 2]", into = "[Option<f32>; 2]")]
pub struct TopTwo {
    /// The largest.
    pub first: f32,
    /// The second largest, which may be as large.
    pub second: f32,
}

impl TopTwo {
    /// Of no value.
    pub const NONE: Self = Self { first: f32::NEG_INFINITY, second: f32::NEG_INFINITY };

    /// With one more finite value.
    #[must_use]
    pub fn with(self, v: f32) -> Self {
        // −0.0 as 0.0, so that which of the two came first leaves no trace.
        let v = v + 0.0;
        if v > self.first {
            Self { first: v, second: self.first }
        } else {
            Self { second: self.second.max(v), ..self }
        }
    }

    /// Of the values of both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let larger = |v: f32, into: Self| if v == f32::NEG_INFINITY { into } else { into.with(v) };
        larger(other.second, larger(other.first, self))
    }
}

// JSON has no infinities: a missing value is null.
impl From<[Option<f32>; 2]> for TopTwo {
    fn from([first, second]: [Option<f32>; 2]) -> Self {
        let or_none = |v: Option<f32>| v.unwrap_or(f32::NEG_INFINITY);
        Self { first: or_none(first), second: or_none(second) }
    }
}

impl From<TopTwo> for [Option<f32>; 2] {
    fn from(top: TopTwo) -> Self {
        [top.first, top.second].map(|v| (v > f32::NEG_INFINITY).then_some(v))
    }
}

/// Everything gathered about one site.
///
/// All parts but [`Stats::peers`] merge exactly and in any order: [`Stats::absorb`] joins the statistics of
/// disjoint data, [`Stats::join`] the parts that different observers gathered over the same data.
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
    /// Present when a batch-histogram observer ran: batch index → its histogram.
    pub batch_histograms: Option<BTreeMap<u64, Histogram>>,
    /// Present when a top-two observer ran: batch index → its samples, in order.
    pub top_two: Option<BTreeMap<u64, Vec<TopTwo>>>,
    /// What the collectors of peers hold, of those that ran and saw a finite value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peers: BTreeMap<PeerStat, PeerHistogram>,
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
            batch_histograms: None,
            top_two: None,
            peers: BTreeMap::new(),
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
    /// [`QuantError::Merge`] when the schema versions differ, both saw the same batch index, or both hold
    /// what the same collector of a peer saw.
    pub fn absorb(&mut self, other: &Self) -> Result<(), QuantError> {
        self.same_schema(other)?;
        apart(&self.batch_ranges, &other.batch_ranges)?;
        apart(&self.batch_histograms, &other.batch_histograms)?;
        apart(&self.top_two, &other.top_two)?;
        if let Some(stat) = other.peers.keys().find(|stat| self.peers.contains_key(stat)) {
            return Err(stat.unmergeable());
        }
        self.samples += other.samples;
        self.elements += other.elements;
        self.nan += other.nan;
        self.infinite += other.infinite;
        self.range = merge(self.range, other.range, Range::union);
        self.batch_ranges = both(self.batch_ranges.take(), &other.batch_ranges);
        self.histogram = merge(self.histogram.take(), other.histogram.clone(), |a, b| a.merged(&b));
        self.batch_histograms = both(self.batch_histograms.take(), &other.batch_histograms);
        self.top_two = both(self.top_two.take(), &other.top_two);
        self.peers.extend(other.peers.clone());
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
        self.batch_histograms = self.batch_histograms.or(other.batch_histograms);
        self.top_two = self.top_two.or(other.top_two);
        for (stat, histogram) in other.peers {
            self.peers.entry(stat).or_insert(histogram);
        }
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

/// Refuses two parts that hold the same batch.
fn apart<T>(mine: &Option<BTreeMap<u64, T>>, theirs: &Option<BTreeMap<u64, T>>) -> Result<(), QuantError> {
    let (Some(mine), Some(theirs)) = (mine, theirs) else { return Ok(()) };
    match theirs.keys().find(|k| mine.contains_key(k)) {
        None => Ok(()),
        Some(index) => Err(QuantError::Merge {
            reason: format!("both hold batch {index}; number the batches of each part apart"),
        }),
    }
}

fn both<T: Clone>(
    mine: Option<BTreeMap<u64, T>>,
    theirs: &Option<BTreeMap<u64, T>>,
) -> Option<BTreeMap<u64, T>> {
    merge(mine, theirs.clone(), |mut a, b| {
        a.extend(b);
        a
    })
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

    #[test]
    fn the_two_largest_of_any_pieces_are_those_of_the_whole() {
        let of = |values: &[f32]| values.iter().fold(TopTwo::NONE, |top, v| top.with(*v));
        let values = [1.0, -3.0, 7.0, 7.0, 0.5, -0.0];
        for cut in 0..=values.len() {
            let (a, b) = values.split_at(cut);
            assert_eq!(of(a).union(of(b)), TopTwo { first: 7.0, second: 7.0 }, "{cut}");
        }
        assert_eq!(of(&[2.0]), TopTwo { first: 2.0, second: f32::NEG_INFINITY });
        let one = serde_json::to_string(&of(&[2.0])).unwrap();
        assert_eq!(one, "[2.0,null]");
        assert_eq!(serde_json::from_str::<TopTwo>(&one).unwrap(), of(&[2.0]));
    }
}
