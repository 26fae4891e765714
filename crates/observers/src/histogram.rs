//! `histogram`: counts on the zero-anchored grid with power-of-two bin width.

use calibench_quant::{Batch, Entry, GRID_BINS_PER_SIDE, Histogram, Observer, QuantError, Stats};

use crate::scan::Scan;

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Observer> = Entry {
    id: "histogram",
    summary: "counts on a zero-anchored grid of power-of-two bins, up to 2048 on each side of zero",
    source: "exactly mergeable variant of torch.ao.quantization.HistogramObserver and \
             onnxruntime.quantization.calibrate.HistogramCollector",
    construct: || Box::new(HistogramObserver::default()),
};

/// Grid bins on both sides of zero; a power of two, so that a mask proves an index in bounds.
const BINS: usize = 2 * GRID_BINS_PER_SIDE as usize;
/// Elements whose bins are found together: the vectorised half of the loop.
const BLOCK: usize = 64;
/// Sub-histograms: runs of equal values (zeros after ReLU) would otherwise wait for each other's store.
const LANES: usize = 4;
/// Batches below this are not worth clearing more than one sub-histogram for.
const SMALL: usize = 1 << 13;
/// Elements after which 32-bit counters are emptied.
const FLUSH: usize = 1 << 30;
/// The coarsest grid whose inverse bin width an fp32 number cannot hold.
const SUBNORMAL_EXPONENT: i32 = -127;

/// Keeps [`Stats::histogram`] (see [`Histogram`] for the grid).
///
/// Each batch is scanned for its largest magnitude, which fixes the batch's grid, counted into a dense
/// array at that grid, and merged into the running histogram at the wider grid of the two. Widening
/// joins whole bins, so the result is what counting everything at the final grid would have given, and
/// depends on neither order nor batch size.
///
/// Bin `i` holds `[i·w, (i+1)·w)`, `w = 2^exponent` in units of the tensor; between 1024 and 2048 bins
/// are in use on the side that reaches furthest.
///
/// Limits: one outlier fixes `w` for all values. A value's place within its bin is lost, so exact
/// zeros are not told apart from other values in `[0, w)`.
#[derive(Debug, Default)]
struct HistogramObserver {
    stats: Stats,
}

impl Observer for HistogramObserver {
    fn observe(&mut self, batch: &Batch<'_>) {
        let scan = Scan::of(batch.values);
        scan.count_into(&mut self.stats, batch);
        let Some(range) = scan.range else { return };
        let exponent = Histogram::exponent_for(range.bound());
        let counted = if scan.all_finite() {
            count(batch.values, exponent)
        } else {
            let finite: Vec<f32> = batch.values.iter().copied().filter(|v| v.is_finite()).collect();
            count(&finite, exponent)
        };
        if let Some(new) = counted {
            add(&mut self.stats.histogram, new);
        }
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }

    fn absorb(&mut self, other: &Stats) -> Result<(), QuantError> {
        self.stats.absorb(other)
    }
}

/// Adds a batch's histogram, in place when it lies within the bins in use.
fn add(histogram: &mut Option<Histogram>, new: Histogram) {
    let Some(seen) = histogram else {
        *histogram = Some(new);
        return;
    };
    let new = if new.exponent < seen.exponent { new.widened(seen.exponent) } else { new };
    let end = |h: &Histogram| h.first + h.counts.len() as i64;
    if new.exponent == seen.exponent && new.first >= seen.first && end(&new) <= end(seen) {
        let offset = (new.first - seen.first) as usize;
        for (total, count) in seen.counts[offset..].iter_mut().zip(&new.counts) {
            *total += count;
        }
    } else {
        *seen = seen.merged(&new);
    }
}

/// Counts finite values whose magnitudes fit the grid of this exponent.
fn count(values: &[f32], exponent: i32) -> Option<Histogram> {
    let inverse = 2.0_f64.powi(-exponent);
    let mut dense = vec![0_u64; BINS];
    for part in values.chunks(FLUSH) {
        if exponent > SUBNORMAL_EXPONENT {
            let inverse = inverse as f32;
            count_part(part, &mut dense, |v| bin(v, inverse));
        } else {
            // The inverse overflows fp32: such a grid holds nothing above 2^-116.
            count_part(part, &mut dense, |v| {
                ((f64::from(v) * inverse).floor() as i64 + GRID_BINS_PER_SIDE) as u32
            });
        }
    }
    Histogram::from_dense(exponent, -GRID_BINS_PER_SIDE, &dense)
}

/// `⌊v / w⌋ + 2048`, from the reciprocal of `w`.
///
/// Exact: scaling by a power of two loses nothing but what underflows, and a negative value that
/// underflows to −0.0 belongs to bin −1, which the comparison with zero restores. Written with a
/// truncation and selects because `floor` is a library call without SSE4.1.
#[inline(always)]
fn bin(v: f32, inverse: f32) -> u32 {
    let scaled = v * inverse;
    let truncated = scaled as i32;
    let below = (v < 0.0) & ((truncated as f32 > scaled) | (scaled == 0.0));
    (truncated - i32::from(below) + GRID_BINS_PER_SIDE as i32) as u32
}

#[inline(always)]
fn count_part(values: &[f32], dense: &mut [u64], bin: impl Fn(f32) -> u32) {
    let mask = BINS - 1;
    let mut lanes = vec![[0_u32; BINS]; if values.len() < SMALL { 1 } else { LANES }];
    let blocks = values.chunks_exact(BLOCK);
    let rest = blocks.remainder();
    if let [a, b, c, d] = &mut lanes[..] {
        for block in blocks {
            let mut bins = [0_u32; BLOCK];
            for (slot, v) in bins.iter_mut().zip(block) {
                *slot = bin(*v);
            }
            for four in bins.chunks_exact(LANES) {
                a[four[0] as usize & mask] += 1;
                b[four[1] as usize & mask] += 1;
                c[four[2] as usize & mask] += 1;
                d[four[3] as usize & mask] += 1;
            }
        }
    } else {
        for v in blocks.flatten() {
            lanes[0][bin(*v) as usize & mask] += 1;
        }
    }
    for v in rest {
        lanes[0][bin(*v) as usize & mask] += 1;
    }
    for lane in &lanes {
        for (total, count) in dense.iter_mut().zip(lane) {
            *total += u64::from(*count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_testkit::hostile;
    use proptest::prelude::*;

    fn observed(values: &[f32]) -> Option<Histogram> {
        let mut observer = HistogramObserver::default();
        observer.observe(&Batch { index: 0, samples: 1, values });
        observer.stats().histogram.clone()
    }

    #[test]
    fn bins_are_those_of_the_definition() {
        let h = observed(&[0.0, 1.0, -1.0, 1023.5, f32::NAN, f32::INFINITY]).unwrap();
        assert_eq!((h.exponent, h.first, h.total()), (-1, -2, 4));
        assert_eq!((h.counts[0], h.counts[2], h.counts[4]), (1, 1, 1));
    }

    #[test]
    fn a_tiny_negative_value_beside_a_huge_one_falls_below_zero() {
        for tiny in [-1e-45_f32, -f32::MIN_POSITIVE] {
            let values = [tiny, f32::MAX];
            assert_eq!(observed(&values), Histogram::of(&values), "{tiny}");
            assert_eq!(observed(&values).unwrap().first, -1, "{tiny}");
        }
    }

    #[test]
    fn grids_at_the_edge_of_the_fast_path() {
        for power in -149..=127 {
            let v = 2.0_f64.powi(power) as f32;
            for values in [[v, -v / 3.0], [-v, v * 0.999]] {
                assert_eq!(observed(&values), Histogram::of(&values), "{values:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_definition(values in hostile::tensor()) {
            prop_assert_eq!(observed(&values), Histogram::of(&values));
        }
    }
}
