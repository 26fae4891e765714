//! Tensor to statistics: one file per observer.
//!
//! An [`Observer`] sees batches of one site and keeps [`Stats`]: plain data
//! that can be saved, merged and replayed through any calibrator. Own observers are order-free: any split
//! of the batches over threads or machines, merged in any order, gives the same bytes. Those named
//! `what@peer` replay the collector of another library, which depends on the order of the batches, and
//! refuse to be merged.
//!
//! # Adding one
//! One new file with an `ENTRY`, and its two lines here: the `mod` and the place in [`ALL`]. An observer
//! that gathers a new [`StatKind`] also answers for it in [`provider`].
//!
//! # Example
//! ```
//! use calibench_quant::{Batch, StatKind};
//!
//! let mut observers = calibench_observers::for_stats([StatKind::Range]);
//! for observer in &mut observers {
//!     observer.observe(&Batch { index: 0, samples: 1, values: &[1.0, -2.0, f32::NAN] });
//! }
//! let stats = calibench_observers::joined(&observers)?;
//! assert_eq!(stats.range.map(|r| (r.low, r.high)), Some((-2.0, 1.0)));
//! assert_eq!(stats.nan, 1);
//! # Ok::<(), calibench_quant::QuantError>(())
//! ```

mod batch_histogram;
mod batch_minmax;
mod channels;
mod histogram;
mod minmax;
mod peers;
mod prefix_table;
mod scan;
mod top_two;

use std::collections::BTreeSet;

use calibench_quant::{Entry, Observer, PeerStat, QuantError, StatKind, Stats};

pub use channels::{ChannelLayout, ChannelObserver};

/// Every observer, in the order of help texts and reports.
pub const ALL: &[Entry<dyn Observer>] = &[
    minmax::ENTRY,
    batch_minmax::ENTRY,
    histogram::ENTRY,
    batch_histogram::ENTRY,
    top_two::ENTRY,
    peers::pytorch::ENTRY,
    peers::onnxruntime::ENTRY_128,
    peers::onnxruntime::ENTRY_512,
    peers::onnxruntime::ENTRY_2048,
    peers::onnxruntime_absolute::ENTRY,
    peers::nvidia::ENTRY,
    peers::aimet::ENTRY,
];

/// The observer that gathers a statistic.
#[must_use]
pub fn provider(kind: StatKind) -> &'static Entry<dyn Observer> {
    match kind {
        StatKind::Range => &minmax::ENTRY,
        StatKind::BatchRanges => &batch_minmax::ENTRY,
        StatKind::Histogram => &histogram::ENTRY,
        StatKind::BatchHistograms => &batch_histogram::ENTRY,
        StatKind::TopTwo => &top_two::ENTRY,
        StatKind::Peer(stat) => match stat {
            PeerStat::HistogramPytorch => &peers::pytorch::ENTRY,
            PeerStat::Histogram128OnnxRuntime => &peers::onnxruntime::ENTRY_128,
            PeerStat::Histogram512OnnxRuntime => &peers::onnxruntime::ENTRY_512,
            PeerStat::Histogram2048OnnxRuntime => &peers::onnxruntime::ENTRY_2048,
            PeerStat::AbsoluteHistogram2048OnnxRuntime => &peers::onnxruntime_absolute::ENTRY,
            PeerStat::AbsoluteHistogram2048Nvidia => &peers::nvidia::ENTRY,
            PeerStat::PdfAimet => &peers::aimet::ENTRY,
        },
    }
}

/// What an observer gathers besides the statistic that it is the provider of.
fn also(kind: StatKind) -> &'static [StatKind] {
    match kind {
        StatKind::Range | StatKind::Peer(_) => &[],
        StatKind::BatchRanges | StatKind::TopTwo => &[StatKind::Range],
        StatKind::Histogram => &[StatKind::Range, StatKind::BatchRanges],
        StatKind::BatchHistograms => &[StatKind::Range, StatKind::BatchRanges, StatKind::Histogram],
    }
}

/// Fresh observers that together gather these statistics, as few as will do: one `histogram` observer
/// serves every method that reads ranges and histograms.
#[must_use]
pub fn for_stats(kinds: impl IntoIterator<Item = StatKind>) -> Vec<Box<dyn Observer>> {
    let kinds: BTreeSet<StatKind> = kinds.into_iter().collect();
    let free = |kind: &StatKind| kinds.iter().any(|other| also(*other).contains(kind));
    kinds.iter().filter(|kind| !free(kind)).map(|kind| (provider(*kind).construct)()).collect()
}

/// What several observers gathered over the same data, as one [`Stats`].
///
/// # Errors
/// [`QuantError::Merge`] when they did not see the same data.
pub fn joined(observers: &[Box<dyn Observer>]) -> Result<Stats, QuantError> {
    let mut parts = observers.iter().map(|o| o.stats());
    let first = parts.next().unwrap_or_default();
    parts.try_fold(first, Stats::join)
}
