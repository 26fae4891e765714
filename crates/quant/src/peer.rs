//! What the collectors of other libraries hold: statistics that depend on the order of the batches.

use serde::{Deserialize, Serialize};

use crate::{QuantError, Range};

macro_rules! peer_stats {
    ($($(#[$doc:meta])* $variant:ident = $id:literal),+ $(,)?) => {
        /// The collectors of peers that a dialect can read, by the name of the observer that replays them.
        ///
        /// Their bins depend on the batches seen first, so none of them can be merged: two machines that
        /// each saw a part of the data do not hold what one would have held.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum PeerStat {
            $($(#[$doc])* #[serde(rename = $id)] $variant),+
        }

        impl PeerStat {
            /// Every collector.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name, `what@peer`.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id),+ }
            }
        }
    };
}

peer_stats!(
    /// `HistogramObserver`: 2,048 bins over the range seen so far, spread anew whenever that widens.
    HistogramPytorch = "histogram@pytorch",
    /// `HistogramCollector.collect_value` with 128 bins: equal bins over ±threshold, joined outside as it grows.
    Histogram128OnnxRuntime = "histogram-128@onnxruntime",
    /// The same with 512 bins at first.
    Histogram512OnnxRuntime = "histogram-512@onnxruntime",
    /// The same with 2,048 bins at first.
    Histogram2048OnnxRuntime = "histogram-2048@onnxruntime",
    /// `HistogramCollector.collect_absolute_value` with 2,048 bins of |x| at first.
    AbsoluteHistogram2048OnnxRuntime = "absolute-histogram-2048@onnxruntime",
    /// `HistogramCalibrator.collect` with 2,048 bins of |x| at first.
    AbsoluteHistogram2048Nvidia = "absolute-histogram-2048@nvidia",
    /// `UpdatePdf`: the average over batches of the share of elements in 512 buckets.
    PdfAimet = "pdf@aimet",
);

impl std::fmt::Display for PeerStat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.id())
    }
}

impl PeerStat {
    /// Why two of these cannot be merged.
    pub(crate) fn unmergeable(self) -> QuantError {
        QuantError::Merge {
            reason: format!(
                "`{self}` reproduces a collector whose bins depend on the order of the batches; \
                 let one observer see all of them in order"
            ),
        }
    }
}

/// What a peer's collector holds after some batches, in the peer's own precision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerHistogram {
    /// Smallest and largest finite value seen, before any absolute value is taken.
    pub observed: Range,
    /// Batches that the counts are of: those with a finite value.
    pub batches: u64,
    /// Ends of the bins, in units of the tensor, as the peer holds them: each end, or for PyTorch the
    /// outermost two. For AIMET the positions of its buckets. Empty while AIMET saw zeros only.
    pub edges: Vec<f32>,
    /// Elements in each bin: whole numbers, but for PyTorch, which spreads bins over others, and AIMET,
    /// which keeps shares.
    pub counts: Vec<f64>,
}

impl PeerHistogram {
    /// Elements, or for AIMET shares, in all bins.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// What is wrong with a histogram that came from a file; `None` when nothing is.
    #[must_use]
    pub fn fault(&self, stat: PeerStat) -> Option<String> {
        let Range { low, high } = self.observed;
        if !(low.is_finite() && high.is_finite() && low <= high) {
            return Some(format!("[{low}, {high}], which is not a finite range"));
        }
        let (edges, bins) = (self.edges.len(), self.counts.len());
        let fits = match stat {
            PeerStat::HistogramPytorch => (edges, bins) == (2, 2048),
            // Edges and bins are found apart, and there can be one more or less than bins need.
            PeerStat::AbsoluteHistogram2048Nvidia => bins >= 128 && edges.abs_diff(bins + 1) <= 1,
            PeerStat::PdfAimet => (edges, bins) == (0, 0) || (edges, bins) == (512, 512),
            _ => bins >= 128 && edges == bins + 1,
        };
        if !fits || (self.batches == 0 && bins > 0) {
            return Some(format!("{edges} edges of {bins} bins after {} batches", self.batches));
        }
        if self.edges.iter().any(|e| !e.is_finite()) || self.edges.windows(2).any(|pair| pair[0] > pair[1]) {
            return Some("edges that do not ascend".to_owned());
        }
        let bad = self.counts.iter().find(|n| !(n.is_finite() && **n >= 0.0));
        bad.map(|n| format!("a bin with {n} elements"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stats;

    fn held() -> PeerHistogram {
        let observed = Range { low: -1.0, high: 2.0 };
        PeerHistogram { observed, batches: 1, edges: vec![-2.0, 2.0], counts: vec![1.0; 2048] }
    }

    #[test]
    fn faults_are_found() {
        let stat = PeerStat::HistogramPytorch;
        assert_eq!(held().fault(stat), None);
        assert!(held().fault(PeerStat::Histogram128OnnxRuntime).is_some());
        let with = |change: fn(&mut PeerHistogram)| {
            let mut histogram = held();
            change(&mut histogram);
            histogram.fault(stat)
        };
        assert!(with(|h| h.observed.high = f32::NAN).is_some());
        assert!(with(|h| h.edges[0] = 3.0).is_some());
        assert!(with(|h| h.edges.truncate(1)).is_some());
        assert!(with(|h| h.counts[1] = -1.0).is_some());
        assert!(with(|h| h.batches = 0).is_some());
    }

    #[test]
    fn two_that_saw_data_are_not_merged_and_one_that_did_not_is_neutral() {
        let with = |stat| Stats { peers: [(stat, held())].into(), ..Stats::default() };
        let mut stats = with(PeerStat::HistogramPytorch);
        let error = stats.clone().absorb(&stats).unwrap_err().to_string();
        assert!(error.contains("histogram@pytorch") && error.contains("order"), "{error}");
        stats.absorb(&with(PeerStat::PdfAimet)).unwrap();
        assert_eq!(stats.peers.len(), 2);
    }

    #[test]
    fn names_are_keys_of_the_written_form() {
        let stats = Stats { peers: [(PeerStat::PdfAimet, held())].into(), ..Stats::default() };
        let written = serde_json::to_string(&stats).unwrap();
        assert!(written.contains("\"pdf@aimet\":{"), "{written}");
        assert_eq!(serde_json::from_str::<Stats>(&written).unwrap(), stats);
        assert!(!serde_json::to_string(&Stats::default()).unwrap().contains("peers"));
    }
}
