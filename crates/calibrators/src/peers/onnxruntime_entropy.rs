//! `entropy-N@onnxruntime`: the threshold of least Kullback–Leibler divergence, as ONNX Runtime finds it.

use calibench_quant::{
    Calibrator, Entry, IntFormat, Job, PeerHistogram, PeerStat, QParams, QuantError, Range, StatKind,
    Symmetry,
};

use super::{onnxruntime, pairwise, supported};
use crate::inputs;

const SOURCE: &str = "onnxruntime.quantization.calibrate.EntropyCalibrater, ONNX Runtime 1.32.0, NumPy 2.4.6";

/// Registry entry for the peer's default of 128 bins.
pub(crate) const ENTRY_128: Entry<dyn Calibrator> = Entry {
    id: "entropy@onnxruntime",
    summary: "ONNX Runtime's entropy with its default of 128 bins: degenerate, one candidate unless batches widen it",
    source: SOURCE,
    construct: || Box::new(Entropy { stat: PeerStat::Histogram128OnnxRuntime }),
};

/// Registry entry for 512 bins.
pub(crate) const ENTRY_512: Entry<dyn Calibrator> = Entry {
    id: "entropy-512@onnxruntime",
    summary: "ONNX Runtime's entropy with 512 bins and 128 levels over ±threshold",
    source: SOURCE,
    construct: || Box::new(Entropy { stat: PeerStat::Histogram512OnnxRuntime }),
};

/// Registry entry for 2,048 bins.
pub(crate) const ENTRY_2048: Entry<dyn Calibrator> = Entry {
    id: "entropy-2048@onnxruntime",
    summary: "ONNX Runtime's entropy with 2048 bins and 128 levels over ±threshold",
    source: SOURCE,
    construct: || Box::new(Entropy { stat: PeerStat::Histogram2048OnnxRuntime }),
};

/// Levels into which the kept bins are merged, whatever the format.
const LEVELS: usize = 128;
/// What an empty bin is given.
const EPSILON: f64 = 1e-4;
/// Bins that all candidates may visit together; beyond, candidates are passed over.
const MOST_VISITS: usize = 1 << 26;

/// The symmetric threshold whose 128 merged levels diverge least from the distribution cut there.
///
/// ```text
/// i = 64 … bins / 2 bins on each side of the middle:
///   P: the kept bins, the outermost with all that lies beyond
///   Q: 128 levels of len / 128 bins; a level's elements over its bins that are not empty, cut to an integer
///   both: 1e-4 in each empty bin, taken from the others in equal parts
///   KL(P ‖ Q) in fp32; the smallest i of the least wins
/// ```
///
/// The same for affine and symmetric formats, and for any width: the levels are 128.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`], [`QuantError::Invalid`] for widths that ONNX
/// Runtime does not know.
///
/// Limits: with 128 bins, the default, the only candidate is the whole histogram, so that the answer is the
/// largest magnitude of the first batch unless later batches reach further; more candidates come from
/// growth alone. Truncation and fp32 make close candidates differ by noise: roundings are replayed, but for
/// NumPy's fp32 logarithm, which differs between machines by a unit or more in the last place and is
/// rounded correctly here. A candidate with more than 10,000 empty bins for each other one, where the peer
/// stops with an error, is passed over, and past 16,384 bins only every so many candidates are judged.
struct Entropy {
    stat: PeerStat,
}

impl Calibrator for Entropy {
    fn needs(&self) -> &'static [StatKind] {
        match self.stat {
            PeerStat::Histogram512OnnxRuntime => &[StatKind::Peer(PeerStat::Histogram512OnnxRuntime)],
            PeerStat::Histogram2048OnnxRuntime => &[StatKind::Peer(PeerStat::Histogram2048OnnxRuntime)],
            _ => &[StatKind::Peer(PeerStat::Histogram128OnnxRuntime)],
        }
    }

    fn unsupported(&self, format: IntFormat, symmetry: Symmetry) -> Option<&'static str> {
        onnxruntime::unsupported(format, symmetry)
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        supported(self, job)?;
        let held = inputs::peer(job, self.stat)?;
        let (first, last) = kept(held);
        Ok(onnxruntime::held_to(held.observed, held.edges[first], held.edges[last]))
    }

    fn calibrate(&self, job: &Job<'_>) -> Result<QParams, QuantError> {
        onnxruntime::qparams(job.site, self.range(job)?, job.format, job.symmetry)
    }
}

/// The edges between which the bins are kept.
fn kept(held: &PeerHistogram) -> (usize, usize) {
    let bins = held.counts.len();
    let middle = bins / 2;
    let ends = |i: usize| (middle.saturating_sub(i), (middle + i + 1).min(bins));
    let every = (middle.saturating_mul(middle) / MOST_VISITS).max(1);
    let mut divergence = Divergence::of(&held.counts);
    let mut best = (f32::INFINITY, ends(LEVELS / 2));
    for i in (LEVELS / 2..=middle).filter(|i| (middle - i).is_multiple_of(every)) {
        let (start, end) = ends(i);
        let found = divergence.of_kept(start, end);
        if found < best.0 {
            best = (found, (start, end));
        }
    }
    best.1
}

/// Running sums over the bins, and scratch for one candidate's distributions.
struct Divergence<'a> {
    counts: &'a [f64],
    /// Elements below each bin.
    elements: Vec<f64>,
    /// Bins below each bin that are not empty.
    filled: Vec<u32>,
    p: Vec<f32>,
    q: Vec<f32>,
    terms: Vec<f32>,
}

impl<'a> Divergence<'a> {
    fn of(counts: &'a [f64]) -> Self {
        let running = |(elements, filled): &mut (f64, u32), count: &f64| {
            *elements += count;
            *filled += u32::from(*count > 0.0);
            Some((*elements, *filled))
        };
        let sums = counts.iter().scan((0.0, 0), running);
        let (elements, filled) = std::iter::once((0.0, 0)).chain(sums).unzip();
        Self { counts, elements, filled, p: Vec::new(), q: Vec::new(), terms: Vec::new() }
    }

    /// KL(P ‖ Q) when bins `start..end` are kept.
    fn of_kept(&mut self, start: usize, end: usize) -> f32 {
        let bins = end - start;
        let merged = bins / LEVELS;
        if merged == 0 {
            return f32::INFINITY;
        }
        // Only the outermost bins of P differ from the histogram.
        let first = self.elements[start + 1];
        let last = self.elements[self.counts.len()] - self.elements[end - 1];
        let filled_only_by_outliers =
            |outermost: f64, bin: usize| u32::from(outermost > 0.0 && self.counts[bin] == 0.0);
        let (extra_first, extra_last) =
            (filled_only_by_outliers(first, start), filled_only_by_outliers(last, end - 1));
        let filled = self.filled[end] - self.filled[start] + extra_first + extra_last;
        let Some((p_filled, p_empty)) = smoothing(bins, filled as usize) else { return f32::INFINITY };
        self.p.clear();
        self.p.extend(self.counts[start..end].iter().map(|n| *n as f32));
        (self.p[0], self.p[bins - 1]) = (first as f32, last as f32);

        // Each level's value, and how many bins have one.
        let mut levels = [0.0_f64; LEVELS];
        let mut q_bins = 0;
        for (k, level) in levels.iter_mut().enumerate() {
            let (from, mut to) = (start + k * merged, start + (k + 1) * merged);
            let mut filled = self.filled[to] - self.filled[from];
            filled += if k == 0 { extra_first } else { 0 };
            if k == LEVELS - 1 {
                filled += if to == end { extra_last } else { 0 };
                to = end;
            }
            if filled > 0 {
                *level = ((self.elements[to] - self.elements[from]) / f64::from(filled)).trunc();
                q_bins += if *level > 0.0 { merged } else { 0 };
            }
        }
        let Some((q_filled, q_empty)) = smoothing(bins, q_bins) else { return f32::INFINITY };
        self.q.clear();
        for level in levels {
            let value = if level > 0.0 { level as f32 + q_filled } else { q_empty };
            self.q.resize(self.q.len() + merged, value);
        }
        self.q.resize(bins, q_empty);
        for p in &mut self.p {
            *p = if *p > 0.0 { *p + p_filled } else { p_empty };
        }
        self.sum_of_terms()
    }

    fn sum_of_terms(&mut self) -> f32 {
        let (p_sum, q_sum) = (pairwise::sum(&self.p), pairwise::sum(&self.q));
        self.terms.clear();
        // Empty bins of one level have the same term.
        let mut last = (f32::NAN, f32::NAN, 0.0);
        for (p, q) in self.p.iter().zip(&self.q) {
            if (*p, *q) != (last.0, last.1) {
                let share = p / p_sum;
                last = (*p, *q, share * ln(share / (q / q_sum)));
            }
            self.terms.push(last.2);
        }
        pairwise::sum(&self.terms)
    }
}

/// What is added to a bin that is not empty, and what an empty one is given; `None` where the peer has no
/// distribution, or stops because more would be taken from a bin than it may hold.
fn smoothing(bins: usize, filled: usize) -> Option<(f32, f32)> {
    let taken = EPSILON * (bins - filled) as f64 / filled as f64;
    (filled > 0 && taken < 1.0).then_some((-taken as f32, EPSILON as f32))
}

fn ln(x: f32) -> f32 {
    f64::from(x).ln() as f32
}
