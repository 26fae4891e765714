//! Statistics of each channel of a tensor.

use std::collections::BTreeSet;

use calibench_quant::{Batch, Observer, QuantError, Range, StatKind, Stats};

/// Columns handled together where channels are fewer: whole vectors on any instruction set.
const COLUMNS: usize = 64;

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
    let mut low = vec![f32::INFINITY; wide];
    let mut high = vec![f32::NEG_INFINITY; wide];
    let nan = pulp::Arch::new().dispatch(|| extremes(batch.values, &mut low, &mut high));
    // A column that saw nothing still has its ends the wrong way round.
    let finite = nan == 0 && low.iter().zip(&high).all(|(l, h)| l > h || (l.is_finite() && h.is_finite()));
    let elements = (batch.values.len() / channels) as u64;
    for (channel, stats) in stats.iter_mut().enumerate() {
        let mut scanned = Stats { samples: batch.samples, elements, ..Stats::default() };
        if finite {
            let ends = (channel..wide).step_by(channels).filter(|c| low[*c] <= high[*c]);
            let ranges = ends.map(|c| Range { low: low[c] + 0.0, high: high[c] + 0.0 });
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

/// Column extremes; gives the number of NaN. A comparison with NaN is false, so none becomes an extreme.
#[inline(always)]
fn extremes(values: &[f32], low: &mut [f32], high: &mut [f32]) -> u64 {
    let mut nan = 0_u64;
    for row in values.chunks(low.len()) {
        let mut row_nan = 0_u32;
        for ((v, low), high) in row.iter().zip(&mut *low).zip(&mut *high) {
            *low = if *v < *low { *v } else { *low };
            *high = if *v > *high { *v } else { *high };
            row_nan += u32::from(v.is_nan());
        }
        nan += u64::from(row_nan);
    }
    nan
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
