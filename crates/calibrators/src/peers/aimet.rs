//! `tf-enhanced@aimet`: the scale and offset of least weighted error, as AIMET finds them.

use calibench_quant::{
    Calibrator, Entry, IntFormat, Job, PeerHistogram, PeerStat, QParams, QuantError, Range, StatKind,
    Symmetry,
};

use super::{ends, per_tensor, supported};
use crate::inputs;

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Calibrator> = Entry {
    id: "tf-enhanced@aimet",
    summary: "AIMET's tf_enhanced: 17 scales by 21 offsets, or 101 scales, on 512 buckets; clipping weighs triple",
    source: "quic/aimet, ModelOptimizations/DlQuantization/src/TfEnhancedEncodingAnalyzer.cpp",
    construct: || Box::new(TfEnhanced),
};

/// Weight of clipping against rounding.
const GAMMA: f32 = 3.0;
/// Least width of the range.
const LEAST_RANGE: f64 = 0.01;

/// The scale S and offset O, of `x = S (q + O)` with `q = 0 … 2^bits − 1`, of least
///
/// ```text
/// cost = Σ p (x − quantized)² + 3 Σ p (x − last bucket in range)²
/// ```
///
/// over the middles of the buckets in range, and of those beyond it on either side; p are the mean shares.
/// Replayed in AIMET's fp32; the first of the least wins.
///
/// Affine: 17 scales from 1/16 to 17/16 of the observed range's, each with 21 offsets from `1 − 2^bits` to 0,
/// and the observed range itself. A candidate that reaches beyond the observed range on one side is cut to
/// it, and the narrower scale stays for the offsets that follow. Symmetric: 101 scales from 1/100 to 101/100
/// of the largest magnitude's, with the offset `−2^(bits − 1)`, or 0 for unsigned formats without negative
/// values.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`], [`QuantError::Invalid`] for reduced ranges.
///
/// Limits: buckets are 3/512 of the first batch's range apart, and the observed range is known to a bucket; a
/// range below 0.01 is widened to it. The bucket at the upper end counts as clipped, at no cost. Over zeros
/// alone AIMET has no answer; here the scale is the least there is. Where rounding to 16 bits is finer than
/// fp32 the cost is noise.
struct TfEnhanced;

impl Calibrator for TfEnhanced {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Peer(PeerStat::PdfAimet)]
    }

    fn unsupported(&self, format: IntFormat, _symmetry: Symmetry) -> Option<&'static str> {
        format.reduce_range.then_some("AIMET has no reduced ranges")
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        supported(self, job)?;
        let held = inputs::peer(job, PeerStat::PdfAimet)?;
        let best = Buckets::of(held).and_then(|buckets| buckets.best(job.format, job.symmetry));
        Ok(best.map_or(held.observed, |encoding| encoding.range()))
    }

    fn calibrate(&self, job: &Job<'_>) -> Result<QParams, QuantError> {
        supported(self, job)?;
        let held = inputs::peer(job, PeerStat::PdfAimet)?;
        let codes = job.format.range(Symmetry::Affine);
        let best = Buckets::of(held).and_then(|buckets| buckets.best(job.format, job.symmetry));
        let Some(Encoding { scale, offset, .. }) = best else {
            ends(job.site, held.observed)?;
            return QParams::from_range(job.site, held.observed, job.format, job.symmetry);
        };
        Ok(per_tensor(job.format, job.symmetry, codes, scale, codes.0 - offset))
    }
}

/// A candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Encoding {
    scale: f32,
    offset: i32,
    /// Codes less one.
    steps: f32,
}

impl Encoding {
    fn range(self) -> Range {
        let low = self.scale * self.offset as f32;
        Range { low, high: self.scale * self.steps + low }
    }
}

/// The buckets, with the observed range to their nearest.
struct Buckets<'a> {
    shares: &'a [f64],
    first: f32,
    width: f32,
    /// Middle of each bucket.
    middles: Vec<f32>,
    low: f32,
    high: f32,
}

impl<'a> Buckets<'a> {
    /// `None` when nothing but zeros was seen.
    fn of(held: &'a PeerHistogram) -> Option<Self> {
        let (first, width) = (*held.edges.first()?, held.edges.get(1)? - held.edges.first()?);
        let used = |n: &f64| *n > 0.0;
        let lowest = held.counts.iter().position(used).unwrap_or(0);
        let highest = held.counts.iter().rposition(used).filter(|i| *i > 0).unwrap_or(held.counts.len() - 1);
        let (low, high) = (held.edges[lowest].min(0.0), held.edges[highest].max(0.0));
        let high = high.max(low + LEAST_RANGE as f32);
        let middles = (0..held.counts.len()).map(|i| first + i as f32 * width + width / 2.0).collect();
        Some(Self { shares: &held.counts, first, width, middles, low, high })
    }

    fn best(&self, format: IntFormat, symmetry: Symmetry) -> Option<Encoding> {
        let steps = ((1_u32 << format.bits) - 1) as f32;
        let candidates = match symmetry {
            Symmetry::Affine => self.affine(steps),
            Symmetry::Symmetric => self.symmetric(steps, !format.signed),
        };
        let mut best = (f32::MAX, None);
        for candidate in candidates.into_iter().filter(|c| c.scale > 0.0 && c.range().bound().is_finite()) {
            let cost = self.cost(candidate);
            if cost < best.0 {
                best = (cost, Some(candidate));
            }
        }
        best.1
    }

    fn affine(&self, steps: f32) -> Vec<Encoding> {
        let whole = (self.high - self.low) / steps;
        let offset = (self.low / whole).round() as i32;
        let low = whole * offset as f32;
        let high = low + whole * steps;
        let mut candidates = Vec::new();
        for sixteenths in 1..=17_u8 {
            let mut scale = f32::from(sixteenths) / 16.0 * whole;
            for i in 0..=20_u8 {
                let mut offset = (f64::from(-steps) + f64::from(steps) / 20.0 * f64::from(i)) as i32;
                let (mut from, mut to) = (scale * offset as f32, scale * offset as f32 + scale * steps);
                if from < low && to > high {
                    continue;
                }
                (from, to) = (from.max(low), to.min(high));
                scale = (to - from) / steps;
                offset = (from / scale).round() as i32;
                candidates.push(Encoding { scale, offset, steps });
            }
        }
        candidates.push(Encoding { scale: whole, offset, steps });
        candidates
    }

    fn symmetric(&self, steps: f32, unsigned: bool) -> Vec<Encoding> {
        let (whole, offset) = if self.low == 0.0 && unsigned {
            (self.high / steps, 0)
        } else {
            (2.0 * self.high.max(-self.low) / steps, (-steps / 2.0).floor() as i32)
        };
        let step = 0.01_f64;
        let mut candidates = Vec::new();
        let mut factor = step as f32;
        while f64::from(factor) <= 1.0 + step {
            candidates.push(Encoding { scale: factor * whole, offset, steps });
            factor = (f64::from(factor) + step) as f32;
        }
        candidates
    }

    /// The bucket that a value lies in, held to those there are.
    fn bucket(&self, x: f32) -> usize {
        let bucket = ((x - self.first) / self.width).floor();
        (bucket.max(0.0) as usize).min(self.shares.len() - 1)
    }

    fn cost(&self, candidate: Encoding) -> f32 {
        let Encoding { scale, offset, .. } = candidate;
        let range = candidate.range();
        let (from, to) = (self.bucket(range.low), self.bucket(range.high));
        // Each sum is kept in fp32 while its terms are fp64.
        let add = |sum: f32, share: f64, error: f32| {
            (f64::from(sum) + share * (f64::from(error) * f64::from(error))) as f32
        };
        let clipped = |buckets: std::ops::Range<usize>, at: usize| {
            let end = self.middles[at];
            buckets.fold(0.0, |sum, i| add(sum, self.shares[i], self.middles[i] - end))
        };
        let (below, above) = (clipped(0..from, from), clipped(to..self.shares.len(), to));
        let mut rounded = 0.0;
        for i in from..to {
            let middle = self.middles[i];
            let code = (middle / scale - offset as f32).round() as i32;
            let quantized = scale * code.saturating_add(offset) as f32;
            rounded = add(rounded, self.shares[i], middle - quantized);
        }
        GAMMA * (below + above) + rounded
    }
}
