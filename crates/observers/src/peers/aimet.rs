//! `pdf@aimet`: what AIMET's tf-enhanced analyser holds.

use calibench_quant::{Entry, Observer, PeerHistogram, PeerStat, Range};

use super::Collector;

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Observer> = Entry {
    id: PeerStat::PdfAimet.id(),
    summary: "AIMET's mean over batches of shares in 512 buckets about the first batch; depends on its order",
    source: "quic/aimet, ModelOptimizations/DlQuantization/src/math_functions.cpp, UpdatePdfSigned",
    construct: || Collector::boxed(PeerStat::PdfAimet, collect),
};

const BUCKETS: usize = 512;
/// Beyond this AIMET's buckets would leave fp32.
const MOST: f32 = f32::MAX / 16.0;

/// 512 buckets over three times the range of the first batch that is not all zero, and in each the mean over
/// batches of the share of the batch's elements nearest to it.
///
/// The buckets never move: what later batches hold outside of them is lost, as in the peer. Batches of
/// zeros before the first other one are passed over. Every batch weighs the same, whatever its size.
fn collect(held: Option<PeerHistogram>, values: &[f32], range: Range) -> PeerHistogram {
    let mut held = held.unwrap_or_else(|| PeerHistogram {
        observed: range,
        batches: 0,
        edges: Vec::new(),
        counts: Vec::new(),
    });
    held.observed = held.observed.union(range);
    if held.edges.is_empty() {
        if range.bound() == 0.0 {
            return held;
        }
        held.edges = buckets(range);
        held.counts = vec![0.0; BUCKETS];
    }
    let width = held.edges[1] - held.edges[0];
    let offset = held.edges[0] / width;
    let mut elements = [0_u32; BUCKETS];
    for v in values {
        let bucket = (v / width - offset).round();
        if (0.0..BUCKETS as f32).contains(&bucket) {
            elements[bucket as usize] += 1;
        }
    }
    let before = held.batches as f64;
    for (mean, n) in held.counts.iter_mut().zip(elements) {
        let share = f64::from(n) / values.len() as f64;
        *mean = (*mean * before + share) / (before + 1.0);
    }
    held.batches += 1;
    held
}

/// Positions of the buckets.
fn buckets(range: Range) -> Vec<f32> {
    let (low, mut high) = (range.low.clamp(-MOST, MOST), range.high.clamp(-MOST, MOST));
    if low == high {
        high = high.max(low + 0.01);
    }
    let centre = (high + low) / 2.0;
    let (low, high) = (centre - 3.0 * (centre - low), centre + 3.0 * (high - centre));
    let width = (high - low) / BUCKETS as f32;
    (0..BUCKETS).map(|i| low + i as f32 * width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(batches: &[&[f32]]) -> PeerHistogram {
        let step = |held, values: &&[f32]| Some(collect(held, values, Range::of(values).unwrap()));
        batches.iter().fold(None, step).unwrap()
    }

    #[test]
    fn shares_are_averaged_over_batches_of_any_size() {
        // Buckets from −3 to 3, 6/512 apart.
        let held = after(&[&[-1.0, 1.0], &[0.0, 0.0, 0.0, 100.0]]);
        assert_eq!((held.edges[0], held.edges.len(), held.batches), (-3.0, 512, 2));
        assert_eq!(held.counts[256], 0.75 / 2.0);
        assert_eq!(held.counts[171], 0.25);
        assert!((held.total() - 0.875).abs() < 1e-12, "100 lies beyond the buckets");
    }

    #[test]
    fn zeros_come_to_nothing_until_something_else_does() {
        let held = after(&[&[0.0; 3]]);
        assert_eq!((held.edges.len(), held.batches), (0, 0));
        let held = after(&[&[0.0; 3], &[2.0]]);
        assert_eq!(held.batches, 1);
    }

    #[test]
    fn the_largest_numbers_have_buckets() {
        let held = after(&[&[f32::MIN, f32::MAX], &[f32::MAX]]);
        assert!(held.edges.iter().all(|e| e.is_finite()));
    }
}
