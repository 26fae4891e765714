//! Statistics of each channel of a tensor.

use std::collections::BTreeSet;

use calibench_quant::{Batch, Observer, QuantError, Range, StatKind, Stats};

use crate::scan::{between, key};

/// Columns handled together where channels are fewer: whole vectors on any instruction set.
const COLUMNS: usize = 256;

/// Where the channels of a row-major tensor lie: `[outer, channels, inner]`.
///
/// Shape example: axis 1 of `[64, 32, 8, 8]` is `outer` 64, `channels` 32, `inner` 64; the last axis of
/// `[4096, 512]` has `inner` 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelLayout {
    /// Size of the axis.
    pub channels: usize,
    /// Elements of one channel that lie next to each other: the product of the axes behind.
    pub inner: usize,
}

impl ChannelLayout {
    /// The layout of an axis; `None` when the shape has no such axis.
    #[must_use]
    pub fn of(shape: &[usize], axis: usize) -> Option<Self> {
        let channels = *shape.get(axis)?;
        Some(Self { channels, inner: shape[axis + 1..].iter().product() })
    }

    /// The values of each channel, in order.
    #[must_use]
    pub fn split(self, values: &[f32]) -> Vec<Vec<f32>> {
        let mut channels = vec![Vec::with_capacity(values.len() / self.channels.max(1)); self.channels];
        for (i, run) in values.chunks(self.inner.max(1)).enumerate() {
            channels[i % self.channels.max(1)].extend_from_slice(run);
        }
        channels
    }
}

/// Gathers the same statistics for every channel of the tensors it sees.
pub struct ChannelObserver {
    layout: ChannelLayout,
    gather: Gather,
}

enum Gather {
    /// Ranges alone of a last axis: one pass over the tensor as it lies.
    Columns(Vec<Stats>),
    /// Anything else: observers for each channel.
    Each(Vec<Vec<Box<dyn Observer>>>),
}

impl ChannelObserver {
    /// For these statistics of each channel.
    #[must_use]
    pub fn new(kinds: &BTreeSet<StatKind>, layout: ChannelLayout) -> Self {
        let gather = if layout.inner == 1 && kinds.iter().all(|k| *k == StatKind::Range) {
            Gather::Columns(vec![Stats::default(); layout.channels])
        } else {
            Gather::Each((0..layout.channels).map(|_| crate::for_stats(kinds.iter().copied())).collect())
        };
        Self { layout, gather }
    }

    /// Sees one batch, whose layout must be the one given first but for the outermost axis.
    pub fn observe(&mut self, batch: &Batch<'_>) {
        match &mut self.gather {
            Gather::Columns(stats) => columns(batch, stats),
            Gather::Each(channels) => {
                for (observers, values) in channels.iter_mut().zip(self.layout.split(batch.values)) {
                    let part = Batch { values: &values, ..*batch };
                    observers.iter_mut().for_each(|o| o.observe(&part));
                }
            }
        }
    }

    /// The statistics of each channel in turn.
    ///
    /// # Errors
    /// [`QuantError::Merge`] when the observers of a channel disagree on what they saw.
    pub fn stats(self) -> Result<Vec<Stats>, QuantError> {
        match self.gather {
            Gather::Columns(stats) => Ok(stats),
            Gather::Each(channels) => channels.iter().map(|observers| crate::joined(observers)).collect(),
        }
    }
}

impl std::fmt::Debug for ChannelObserver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelObserver").field("layout", &self.layout).finish_non_exhaustive()
    }
}

/// Adds the columns of a matrix to their statistics.
fn columns(batch: &Batch<'_>, stats: &mut [Stats]) {
    let channels = stats.len().max(1);
    // Rows of several narrow ones: their columns are joined again at the end.
    let rows = COLUMNS.div_ceil(channels);
    let wide = rows * channels;
    // As keys of the floating-point order; a column that saw nothing keeps its ends the wrong way round.
    let mut low = vec![i32::MAX; wide];
    let mut high = vec![i32::MIN; wide];
    pulp::Arch::new().dispatch(Columns { values: batch.values, low: &mut low, high: &mut high });
    let finite = low.iter().zip(&high).all(|(low, high)| low > high || between(*low, *high).is_some());
    let elements = (batch.values.len() / channels) as u64;
    for (channel, stats) in stats.iter_mut().enumerate() {
        let mut scanned = Stats { samples: batch.samples, elements, ..Stats::default() };
        if finite {
            let ranges = (channel..wide).step_by(channels).filter_map(|c| {
                let seen = low[c] <= high[c];
                if seen { between(low[c], high[c]) } else { None }
            });
            scanned.range = ranges.reduce(Range::union);
        } else {
            // Rare: count what is no number, column by column.
            let values: Vec<f32> = batch.values.iter().skip(channel).step_by(channels).copied().collect();
            scanned = Stats { range: Range::of(&values), ..Stats::default() };
            scanned.count(batch.samples, &values);
        }
        stats.samples += scanned.samples;
        stats.elements += scanned.elements;
        stats.nan += scanned.nan;
        stats.infinite += scanned.infinite;
        stats.range = match (stats.range, scanned.range) {
            (Some(a), Some(b)) => Some(a.union(b)),
            (a, b) => a.or(b),
        };
    }
}

/// Column extremes.
struct Columns<'a> {
    values: &'a [f32],
    low: &'a mut [i32],
    high: &'a mut [i32],
}

impl pulp::NullaryFnOnce for Columns<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { values, low, high } = self;
        for row in values.chunks(low.len()) {
            // The last of several narrow rows may be shorter.
            let (low, high) = (&mut low[..row.len()], &mut high[..row.len()]);
            for ((v, low), high) in row.iter().zip(low).zip(high) {
                let key = key(*v);
                *low = (*low).min(key);
                *high = (*high).max(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_testkit::hostile;
    use proptest::prelude::*;

    fn expected(values: &[f32], layout: ChannelLayout) -> Vec<Stats> {
        let of = |values: Vec<f32>| {
            let mut stats = Stats { range: Range::of(&values), ..Stats::default() };
            stats.count(2, &values);
            stats
        };
        layout.split(values).into_iter().map(of).collect()
    }

    #[test]
    fn axes_of_a_shape() {
        let shape = [2, 3, 4];
        assert_eq!(ChannelLayout::of(&shape, 1), Some(ChannelLayout { channels: 3, inner: 4 }));
        assert_eq!(ChannelLayout::of(&shape, 2), Some(ChannelLayout { channels: 4, inner: 1 }));
        assert_eq!(ChannelLayout::of(&shape, 3), None);
        let values: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let split = ChannelLayout::of(&shape, 1).unwrap().split(&values);
        assert_eq!(split[1], [4.0, 5.0, 6.0, 7.0, 16.0, 17.0, 18.0, 19.0]);
    }

    proptest! {
        #[test]
        fn each_channel_is_as_if_observed_alone(values in hostile::tensor(), channels in 1..90_usize) {
            let whole = values.len() / channels * channels;
            let batch = Batch { index: 0, samples: 2, values: &values[..whole] };
            for inner in [1, 2] {
                let layout = ChannelLayout { channels, inner };
                if whole % (channels * inner) != 0 {
                    continue;
                }
                let mut observer = ChannelObserver::new(&BTreeSet::from([StatKind::Range]), layout);
                observer.observe(&batch);
                prop_assert_eq!(observer.stats().unwrap(), expected(batch.values, layout));
            }
        }
    }
}
