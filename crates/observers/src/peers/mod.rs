//! Observers that reproduce the collectors of other libraries, batch by batch and rounding by rounding.
//!
//! Each replays in the peer's own order and precision what the peer does with a batch, so its state after
//! the same batches is the peer's. That makes them depend on the order of the batches: every call of
//! [`Observer::observe`] is one forward call of the peer, and two observers that both saw data cannot be
//! merged.
//!
//! Three deviations, in cases where a peer fails, are the same for all: NaN and ±Inf are counted and left
//! out; a batch without a finite value is passed over; and a histogram that would grow past [`MOST_BINS`]
//! bins, or whose bins have no width, starts anew over the wider range, with what was counted so far in
//! the bin at zero. Arithmetic that would overflow fp32 is done in fp64.

pub(crate) mod aimet;
mod numpy;
pub(crate) mod nvidia;
pub(crate) mod onnxruntime;
pub(crate) mod onnxruntime_absolute;
pub(crate) mod pytorch;
mod torch;

use std::borrow::Cow;

use calibench_quant::{Batch, Observer, PeerHistogram, PeerStat, QuantError, Range, Stats};

use crate::scan::Scan;

/// Bins to which a growing histogram may grow: 128 times the peers' 2,048.
const MOST_BINS: usize = 1 << 18;

/// What a peer does with the finite values of one batch (never none), whose range is given, after `held`.
type Collect = fn(held: Option<PeerHistogram>, values: &[f32], range: Range) -> PeerHistogram;

/// Keeps one entry of [`Stats::peers`].
#[derive(Debug)]
struct Collector {
    stat: PeerStat,
    collect: Collect,
    stats: Stats,
}

impl Collector {
    fn boxed(stat: PeerStat, collect: Collect) -> Box<dyn Observer> {
        Box::new(Self { stat, collect, stats: Stats::default() })
    }
}

impl Observer for Collector {
    fn observe(&mut self, batch: &Batch<'_>) {
        let scan = Scan::of(batch.values);
        scan.count_into(&mut self.stats, batch);
        let Some(range) = scan.range else { return };
        let finite = if scan.all_finite() {
            Cow::Borrowed(batch.values)
        } else {
            batch.values.iter().copied().filter(|v| v.is_finite()).collect()
        };
        let held = self.stats.peers.remove(&self.stat);
        self.stats.peers.insert(self.stat, (self.collect)(held, &finite, range));
    }

    fn stats(&self) -> Stats {
        self.stats.clone()
    }

    fn order_free(&self) -> bool {
        false
    }

    fn absorb(&mut self, other: &Stats) -> Result<(), QuantError> {
        self.stats.absorb(other)
    }
}

/// Counts of one more batch added to those held, bin by bin from `offset`, in fp32 or exactly.
fn add(held: &[f64], to: &mut [f64], offset: usize, round: fn(f64) -> f64) {
    for (sum, count) in to.iter_mut().skip(offset).zip(held) {
        *sum = round(*sum + count);
    }
}

/// As PyTorch keeps counts: exact up to 2²⁴.
fn to_f32(count: f64) -> f64 {
    f64::from(count as f32)
}

/// As NumPy keeps counts.
fn exact(count: f64) -> f64 {
    count
}
