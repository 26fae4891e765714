//! `entropy@ppq`: the threshold of least Kullback–Leibler divergence, as PPQ finds it.

use calibench_quant::{
    Calibrator, Entry, Histogram, IntFormat, Job, QParams, QuantError, Range, StatKind, Symmetry,
};

use super::{ends, per_tensor, supported};
use crate::inputs;

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Calibrator> = Entry {
    id: "entropy@ppq",
    summary: "PPQ's KL observer: 32 thresholds of |x| for 8 bits, on 4096 bins; symmetric signed only",
    source: "ppq.quantization.observer.range.TorchHistObserver, PPQ 0.6.6",
    construct: || Box::new(Entropy),
};

const BINS: usize = 4096;
/// Bins at zero that PPQ empties, and the next one it fills with one element.
const NEAR_ZERO: usize = 8;
const LEAST_SCALE: f64 = 1e-8;

/// `[−T, T]` for the multiple of 2^(bits − 1) bins of |x| that diverges least from its own merging.
///
/// ```text
/// m = 1 … 4096 / L, L = 2^(bits − 1) levels of m bins each:
///   P: the first m · L bins, the last with all that lies beyond
///   Q: a level's elements over its bins that are not empty
///   KL(P ‖ Q); the smallest m of the least wins; S = m · absmax / 4096
/// ```
///
/// The bins at zero are emptied first, 0.2 % of them, and the next holds one element. Codes are all of the
/// format, int8 `[−128, 127]`, and S is at least 1e-8.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`], [`QuantError::Invalid`] for affine, unsigned and
/// reduced formats and for more than 13 bits.
///
/// Limits: PPQ gathers its bins in a second pass, between 0 and the largest magnitude. Here they come from
/// this library's histogram of one pass, whose bins are up to eight times as wide as PPQ's at the upper end:
/// elements of a bin are placed in PPQ's bins as whole elements, evenly apart. The divergence is computed
/// in fp64, PPQ's distributions are fp32. Of thresholds that nearly tie another can win than in PPQ.
struct Entropy;

impl Calibrator for Entropy {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Range, StatKind::Histogram]
    }

    fn unsupported(&self, format: IntFormat, symmetry: Symmetry) -> Option<&'static str> {
        match format {
            _ if symmetry == Symmetry::Affine => Some("PPQ's KL observer is for symmetric quantization"),
            IntFormat { signed: false, .. } => Some("PPQ's symmetric codes are signed"),
            IntFormat { reduce_range: true, .. } => Some("PPQ has no reduced ranges"),
            IntFormat { bits: 14.., .. } => Some("PPQ's histogram has 4,096 bins, fewer than such codes"),
            _ => None,
        }
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        supported(self, job)?;
        let observed = inputs::range(job)?;
        let counts = whole_elements(inputs::histogram(job)?, observed);
        let levels = 1 << (job.format.bits - 1);
        let share = kept(counts, levels) as f64 / BINS as f64;
        let threshold = (share * f64::from(observed.bound())) as f32;
        Ok(Range { low: -threshold, high: threshold })
    }

    fn calibrate(&self, job: &Job<'_>) -> Result<QParams, QuantError> {
        let (_, high) = ends(job.site, self.range(job)?)?;
        let codes = job.format.range(Symmetry::Affine);
        let scale = (f64::from(high) / f64::from(1 << (job.format.bits - 1))).max(LEAST_SCALE);
        Ok(per_tensor(job.format, job.symmetry, codes, scale as f32, 0))
    }
}

/// The histogram of |x| as 4,096 equal bins up to the largest magnitude.
fn whole_elements(histogram: &Histogram, observed: Range) -> Vec<f64> {
    let bound = f64::from(observed.bound());
    let least = observed.low.max(-observed.high).max(0.0);
    let mut counts = vec![0.0; BINS];
    if bound == 0.0 {
        return counts;
    }
    let folded = histogram.folded();
    for cell in folded.cells(Range { low: least, high: observed.bound() }) {
        let (from, to) = (cell.low / bound * BINS as f64, cell.high / bound * BINS as f64);
        let (first, last) = (from as usize, (to.ceil() as usize).min(BINS).max(from as usize + 1) - 1);
        let (first, last) = (first.min(BINS - 1), last.min(BINS - 1));
        // Elements below each end of a bin, rounded: what lies between is a whole number of them.
        let below = |bin: usize| match bin {
            _ if bin <= first => 0.0,
            _ if bin > last => cell.count,
            _ => (cell.count * (bin as f64 - from) / (to - from)).round(),
        };
        for (bin, count) in (first..).zip(&mut counts[first..=last]) {
            *count += below(bin + 1) - below(bin);
        }
    }
    counts
}

/// Bins to keep.
fn kept(mut counts: Vec<f64>, levels: usize) -> usize {
    counts[..NEAR_ZERO].fill(0.0);
    counts[NEAR_ZERO] = 1.0;
    let total: f64 = counts.iter().sum();
    let mut best = (f64::INFINITY, BINS);
    for bins in (levels..=BINS).step_by(levels) {
        let found = divergence(&counts, total, bins, bins / levels);
        if found < best.0 {
            best = (found, bins);
        }
    }
    best.1
}

/// KL(P ‖ Q) in decimal digits, with PPQ's 1e-30 in place of nothing.
fn divergence(counts: &[f64], total: f64, bins: usize, merged: usize) -> f64 {
    let beyond: f64 = counts[bins..].iter().sum();
    let kept = total - beyond;
    if kept == 0.0 {
        return f64::INFINITY;
    }
    let mut sum = 0.0;
    for (k, level) in counts[..bins].chunks_exact(merged).enumerate() {
        let filled = level.iter().filter(|n| **n > 0.0).count();
        let mean = level.iter().sum::<f64>() / filled.max(1) as f64 / kept;
        for (i, n) in level.iter().enumerate() {
            let p = (n + if k * merged + i == bins - 1 { beyond } else { 0.0 }) / total;
            let q = if *n > 0.0 { mean } else { 0.0 };
            if p > 0.0 {
                sum += p * ((p + 1e-30).log10() - (q + 1e-30).log10());
            }
        }
    }
    sum
}
