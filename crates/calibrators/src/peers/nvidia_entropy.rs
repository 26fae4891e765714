//! `entropy@nvidia`: the threshold of least Kullback–Leibler divergence, as Model Optimizer finds it.

use calibench_quant::{Calibrator, Entry, IntFormat, Job, PeerStat, QuantError, Range, StatKind, Symmetry};

use super::{nvidia, pairwise, supported};
use crate::inputs;

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Calibrator> = Entry {
    id: "entropy@nvidia",
    summary: "Model Optimizer's entropy of |x|, 2048 bins, from bin 128 on; symmetric only",
    source: "modelopt.torch.quantization.calib.HistogramCalibrator, method entropy, \
             NVIDIA Model Optimizer 0.47.0, SciPy 1.17",
    construct: || Box::new(Entropy),
};

/// Bins of the first candidate.
const START: usize = 128;
/// Divergences closer than this to the least are computed again in the peer's order: ties go to the largest.
const CLOSE: f64 = 1e-10;
/// Bins that may be visited for close cases; beyond, the largest candidates are compared.
const MOST_VISITS: usize = 1 << 26;

/// `[−amax, amax]` for the number of bins i whose levels diverge least from the distribution cut there.
///
/// ```text
/// i = 128 … bins:
///   P: the first i bins of |x|, the last with all that lies beyond
///   Q: 2^(bits − 1) levels (2^bits unsigned) over them, a level's elements over its bins that are not empty
///   KL(P ‖ Q) in fp64; the largest i of the least wins
/// ```
///
/// The bin at zero counts as much as its neighbour. `S = amax / q_max`.
///
/// A candidate costs one logarithm a level: with running sums of n and of n ln n over the bins,
///
/// ```text
/// KL = (Σ P ln P − Σ_levels n ln(n / filled)) / total + ln(kept / total)
/// ```
///
/// and those close to the least are then computed as the peer does, rounding by rounding.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`], [`QuantError::Invalid`] for affine formats and
/// reduced ranges.
///
/// Limits: what is cut is added to the last kept bin, so a candidate whose last bin is empty is never chosen
/// while anything lies beyond.
struct Entropy;

impl Calibrator for Entropy {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Peer(PeerStat::AbsoluteHistogram2048Nvidia)]
    }

    fn unsupported(&self, format: IntFormat, symmetry: Symmetry) -> Option<&'static str> {
        nvidia::unsupported(format, symmetry)
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        supported(self, job)?;
        let held = inputs::peer(job, PeerStat::AbsoluteHistogram2048Nvidia)?;
        let levels = 1_usize << (job.format.bits - u8::from(job.format.signed));
        let mut counts = held.counts.clone();
        if counts.len() > 1 {
            counts[0] = counts[1];
        }
        Ok(nvidia::at_edge(held, kept(&counts, levels)))
    }
}

/// Number of bins to keep.
fn kept(counts: &[f64], levels: usize) -> usize {
    let bins = counts.len();
    let sums = Sums::of(counts);
    if sums.elements[bins] == 0.0 {
        // Nothing but zeros.
        return bins;
    }
    let divergences: Vec<f64> = (START..=bins).map(|i| sums.divergence(i, levels)).collect();
    let least = divergences.iter().copied().fold(f64::INFINITY, f64::min);
    if least == f64::INFINITY {
        return bins;
    }
    let close = (START..=bins).rev().filter(|i| divergences[i - START] <= least + CLOSE);
    let mut visits = 0;
    let compared = close.take_while(|i| {
        visits += i;
        visits <= MOST_VISITS.max(*i)
    });
    let mut best = (f64::INFINITY, bins);
    for i in compared {
        let exact = in_the_peers_order(counts, i, levels);
        if exact < best.0 {
            best = (exact, i);
        }
    }
    best.1
}

/// The first bin of each level over the first `bins`, and the end of the last: `digitize` over `linspace`.
fn level_starts(bins: usize, levels: usize) -> impl Iterator<Item = usize> {
    let step = bins as f64 / levels as f64;
    (0..levels).map(move |k| (k as f64 * step).ceil() as usize).chain(std::iter::once(bins))
}

/// Running sums over the bins.
struct Sums<'a> {
    counts: &'a [f64],
    /// Elements below each bin.
    elements: Vec<f64>,
    /// Bins below each bin that are not empty.
    filled: Vec<f64>,
    /// Sum of n ln n below each bin.
    n_ln_n: Vec<f64>,
}

impl<'a> Sums<'a> {
    fn of(counts: &'a [f64]) -> Self {
        let running = |value: fn(f64) -> f64| {
            let sums = counts.iter().scan(0.0, move |sum, n| {
                *sum += value(*n);
                Some(*sum)
            });
            std::iter::once(0.0).chain(sums).collect()
        };
        Self {
            counts,
            elements: running(|n| n),
            filled: running(|n| f64::from(u8::from(n > 0.0))),
            n_ln_n: running(n_ln_n),
        }
    }

    /// KL(P ‖ Q) when `bins` bins are kept.
    fn divergence(&self, bins: usize, levels: usize) -> f64 {
        let (kept, total) = (self.elements[bins], self.elements[self.counts.len()]);
        let (last, cut) = (self.counts[bins - 1], total - kept);
        if kept == 0.0 || (cut > 0.0 && last == 0.0) {
            return f64::INFINITY;
        }
        let p_ln_p = self.n_ln_n[bins - 1] + n_ln_n(last + cut);
        let (mut p_ln_q, mut ln_last) = (0.0, 0.0);
        if levels >= bins {
            // A level for every bin.
            p_ln_q = self.n_ln_n[bins];
            ln_last = if last > 0.0 { last.ln() } else { 0.0 };
        } else {
            let mut from = 0;
            for to in level_starts(bins, levels).skip(1) {
                let elements = self.elements[to] - self.elements[from];
                if elements > 0.0 {
                    ln_last = (elements / (self.filled[to] - self.filled[from])).ln();
                    p_ln_q += elements * ln_last;
                }
                from = to;
            }
        }
        // What is cut lies in the last bin, and so in the last level.
        (p_ln_p - p_ln_q - cut * ln_last) / total + (kept / total).ln()
    }
}

fn n_ln_n(n: f64) -> f64 {
    if n > 0.0 { n * n.ln() } else { 0.0 }
}

/// `scipy.stats.entropy` of P and Q, in the order and with the roundings of the peer.
fn in_the_peers_order(counts: &[f64], bins: usize, levels: usize) -> f64 {
    let mut p = counts[..bins].to_vec();
    p[bins - 1] += counts[bins..].iter().sum::<f64>();
    let mut q = vec![0.0; bins];
    let mut from = 0;
    for to in level_starts(bins, levels).skip(1) {
        let level = &counts[from..to];
        let filled = level.iter().filter(|n| **n > 0.0).count();
        let mean = level.iter().sum::<f64>() / filled.max(1) as f64;
        for (q, n) in q[from..to].iter_mut().zip(level) {
            *q = if *n > 0.0 { mean } else { 0.0 };
        }
        from = to;
    }
    // P holds whole numbers, whose sum is exact in any order.
    let (p_sum, q_sum) = (p.iter().sum::<f64>(), pairwise::sum(&q));
    let terms: Vec<f64> = p.iter().zip(&q).map(|(p, q)| relative_entropy(p / p_sum, q / q_sum)).collect();
    pairwise::sum(&terms)
}

/// `scipy.special.rel_entr`.
fn relative_entropy(p: f64, q: f64) -> f64 {
    match (p > 0.0, q > 0.0) {
        (false, _) => 0.0,
        (true, false) => f64::INFINITY,
        (true, true) => {
            let ratio = p / q;
            if 0.5 < ratio && ratio < 2.0 { p * ((p - q) / q).ln_1p() } else { p * ratio.ln() }
        }
    }
}
