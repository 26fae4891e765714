//! The distribution of a tensor and of its quantized self, over bins that are the same share of a code for
//! every threshold: what the methods of information theory compare.

use std::marker::PhantomData;

use calibench_quant::{Histogram, Job, QuantError, Range, Symmetry};

use crate::inputs;
use crate::search::{self, Steps};
use crate::side::Side;

/// Bins in each code. Their number is the same for every candidate, so the noise of a sample's histogram,
/// which grows with the number of bins, weighs on all of them alike.
const BINS_PER_CODE: usize = 4;

/// Formats with more codes have bins narrower than the histogram's: nothing can be learnt from it.
const MOST_CODES: i32 = 1 << 11;

/// What a tensor's values are compared in, exact zeros left out.
///
/// Exact zeros (half of what leaves a ReLU) are exact in every scheme, and as a spike they would pull the
/// thresholds in until their code had few other values.
#[derive(Debug)]
enum Levels {
    /// Magnitudes, from zero to the threshold: of all values, or of the positive ones for unsigned codes.
    Magnitudes(Side<f64>),
    /// Values, from the low threshold to the high: those above zero, and the magnitudes of those below.
    Values(Side<f64>, Side<f64>),
}

/// Bins of one candidate, `BINS_PER_CODE` for each code, the outermost codes having half.
#[derive(Debug, Default)]
struct Candidate {
    /// Elements in each bin.
    kept: Vec<f64>,
    /// Elements clipped below and above.
    clipped: (f64, f64),
    /// First bin of each code, and the end.
    codes: Vec<usize>,
}

impl Levels {
    /// `None` where the job's format has too many codes, or nothing but zeros was seen.
    fn of(job: &Job<'_>, histogram: &Histogram, observed: Range) -> Option<Self> {
        let (q_min, q_max) = job.format.range(job.symmetry);
        if q_max - q_min > MOST_CODES {
            return None;
        }
        let rest = Histogram::from_counts(histogram.iter().filter(|(bin, _)| !(-1..=0).contains(bin)))?;
        Some(match (job.symmetry, job.format.signed) {
            (Symmetry::Symmetric, true) => Self::Magnitudes(Side::folded(&rest, observed)),
            (Symmetry::Symmetric, false) => Self::Magnitudes(Side::positive(&rest, observed)),
            (Symmetry::Affine, _) => {
                Self::Values(Side::positive(&rest, observed), Side::negative(&rest, observed))
            }
        })
    }

    /// Elements that are compared.
    fn total(&self) -> f64 {
        match self {
            Self::Magnitudes(all) => all.all(),
            Self::Values(positive, negative) => positive.all() + negative.all(),
        }
    }

    /// Whether the range `[−low, high]` clips more than half of what lies on a side of zero.
    fn clips_half(&self, low: f64, high: f64) -> bool {
        let half = |side: &Side<f64>, threshold| side.below(threshold) < side.all() / 2.0;
        match self {
            Self::Magnitudes(all) => half(all, low.max(high)),
            Self::Values(positive, negative) => half(positive, high) || half(negative, low),
        }
    }

    /// The bins of the range `[−low, high]`.
    fn candidate(&self, job: &Job<'_>, low: f64, high: f64, into: &mut Candidate) {
        let (q_min, q_max) = job.format.range(job.symmetry);
        match self {
            Self::Magnitudes(all) => {
                let threshold = low.max(high);
                bins(q_max as usize, into, |share| all.below(share * threshold));
                into.clipped = (0.0, all.all() - all.below(threshold));
            }
            Self::Values(positive, negative) => {
                let below_zero = negative.all();
                let below = |x: f64| match x {
                    x if x < 0.0 => below_zero - negative.below(-x),
                    x if x > 0.0 => below_zero + positive.below(x),
                    _ => below_zero,
                };
                bins((q_max - q_min) as usize, into, |share| below(share * (low + high) - low));
                into.clipped = (below_zero - negative.below(low), positive.all() - positive.below(high));
            }
        }
    }
}

/// Bins of a range with `codes` + 1 codes; `below(share)` counts the elements below that share of it.
fn bins(codes: usize, into: &mut Candidate, below: impl Fn(f64) -> f64) {
    let bins = codes * BINS_PER_CODE;
    into.kept.clear();
    let mut from = below(0.0);
    into.kept.extend((1..=bins).map(|i| {
        let upto = below(i as f64 / bins as f64);
        let count = (upto - from).max(0.0);
        from = upto;
        // Differences of running sums leave crumbs where there is nothing.
        if count < 1e-9 { 0.0 } else { count }
    }));
    into.codes.clear();
    into.codes.push(0);
    into.codes.extend((0..codes).map(|code| code * BINS_PER_CODE + BINS_PER_CODE / 2));
    into.codes.push(bins);
}

/// Share of Q that is spread evenly over the bins, so that clipped values never cost infinitely much.
const SMOOTHING: f64 = 1e-4;
/// Divergences closer than this (nats) tie: it is rounding noise of sums over some 10⁹ counts.
const TIE: f64 = 1e-12;

/// A divergence of distributions given over the same bins.
pub(crate) trait Divergence {
    /// How much the scatter of N elements adds on average for each bin filled beyond the first of a code, times
    /// N (Miller 1955).
    const BIAS: f64;

    /// In nats.
    fn between(p: &[f64], q: &[f64]) -> f64;
}

/// [`Divergence::between`] as an operation, compiled for the instruction set that runs it.
struct Between<'a, D> {
    p: &'a [f64],
    q: &'a [f64],
    divergence: PhantomData<D>,
}

impl<D: Divergence> pulp::NullaryFnOnce for Between<'_, D> {
    type Output = f64;

    #[inline(always)]
    fn call(self) -> f64 {
        D::between(self.p, self.q)
    }
}

/// The range whose quantized distribution Q is nearest to the original P.
///
/// Ranges that clip more than half of the elements on a side of zero are not considered. See
/// [`Entropy`](crate::entropy) for P and Q.
///
/// A sample of N elements scatters about its own distribution: with n bins filled in a code, the divergence
/// within that code is `BIAS · (n − 1) / N` too large on average. That is taken off, lest wide ranges, most of
/// whose bins are empty, seem nearer.
///
/// # Errors
/// Those of missing statistics.
pub(crate) fn least_divergence<D: Divergence>(job: &Job<'_>) -> Result<Range, QuantError> {
    let observed = inputs::range(job)?;
    let Some(levels) = Levels::of(job, inputs::histogram(job)?, observed) else { return Ok(observed) };
    let clip = |low: f64, high: f64| inputs::clip(observed, -low, high);
    let floor = |low, high| {
        // No divergence is infinite: Q is smoothed. So this dismisses.
        if levels.clips_half(low, high) { f64::INFINITY } else { f64::NEG_INFINITY }
    };
    let total = levels.total();
    let mut candidate = Candidate::default();
    let mut q = Vec::new();
    let cost = |low, high| {
        levels.candidate(job, low, high, &mut candidate);
        let scatter = D::BIAS * candidate.quantized(&mut q) / total;
        candidate.normalise(total);
        let between = Between { p: &candidate.kept, q: &q, divergence: PhantomData::<D> };
        // In units of the tie: a difference below it is none.
        ((pulp::Arch::new().dispatch(between) - scatter) / TIE).round()
    };
    Ok(search::thresholds(job, observed, Steps::ROUGH, clip, floor, cost))
}

impl Candidate {
    /// Q: each code's elements spread over its bins, smoothed. Gives the bins filled beyond one a code.
    fn quantized(&self, q: &mut Vec<f64>) -> f64 {
        let kept: f64 = self.kept.iter().sum();
        let floor = SMOOTHING / self.kept.len() as f64;
        let share = if kept > 0.0 { (1.0 - SMOOTHING) / kept } else { 0.0 };
        q.clear();
        let mut freedom = 0;
        for code in self.codes.windows(2) {
            let bins = &self.kept[code[0]..code[1]];
            let mean = bins.iter().sum::<f64>() / bins.len() as f64;
            q.extend(bins.iter().map(|_| floor + share * mean));
            freedom += bins.iter().filter(|n| **n > 0.0).count().saturating_sub(1);
        }
        freedom as f64
    }

    /// P in place of the counts: what is clipped is added to the outermost bins.
    fn normalise(&mut self, total: f64) {
        if let [first, ..] = &mut self.kept[..] {
            *first += self.clipped.0;
        }
        if let [.., last] = &mut self.kept[..] {
            *last += self.clipped.1;
        }
        self.kept.iter_mut().for_each(|n| *n /= total);
    }
}

/// The sum in eight interleaved parts, so that the additions vectorise.
#[inline(always)]
pub(crate) fn sum(terms: impl ExactSizeIterator<Item = f64>) -> f64 {
    const PARTS: usize = 8;
    let mut parts = [0.0; PARTS];
    for (i, term) in terms.enumerate() {
        parts[i % PARTS] += term;
    }
    parts.iter().sum()
}

/// The natural logarithm of a positive normal number, to 10⁻¹³, as a loop of it vectorises.
///
/// `ln(m · 2^e) = e ln 2 + 2 artanh((m − 1) / (m + 1))`, m in [√½, √2), the series to s¹⁵.
#[inline(always)]
pub(crate) fn fast_ln(x: f64) -> f64 {
    // Bits of √½: subtracting them makes the exponent field that of m in [√½, √2).
    const HALF_ROOT: u64 = 0x3fe6_a09e_667f_3bcd;
    let above = x.to_bits().wrapping_sub(HALF_ROOT);
    // The exponent as a float without an integer conversion, which AVX2 lacks for 64 bits.
    let exponent = (above as i64 >> 52) as i32;
    let m = f64::from_bits((above & 0x000f_ffff_ffff_ffff).wrapping_add(HALF_ROOT));
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let series = 1.0
        + z * (1.0 / 3.0
            + z * (1.0 / 5.0
                + z * (1.0 / 7.0 + z * (1.0 / 9.0 + z * (1.0 / 11.0 + z * (1.0 / 13.0 + z / 15.0))))));
    f64::from(exponent) * std::f64::consts::LN_2 + 2.0 * s * series
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::{IntFormat, Stats};
    use calibench_testkit::Random;

    #[test]
    fn the_logarithm_is_one() {
        let mut random = Random::new(2);
        for _ in 0..10_000 {
            let x = (60.0 * (random.unit() - 0.5)).exp();
            assert!((fast_ln(x) - x.ln()).abs() < 1e-12, "{x}");
        }
        for x in [1.0, 0.5, 2.0, std::f64::consts::SQRT_2, std::f64::consts::FRAC_1_SQRT_2] {
            assert!((fast_ln(x) - x.ln()).abs() < 1e-12, "{x}");
        }
    }

    #[test]
    fn every_element_is_kept_or_clipped() {
        let values = Random::new(1).many(10_000, Random::student_t);
        let (histogram, observed) = (Histogram::of(&values).unwrap(), Range::of(&values).unwrap());
        let stats = Stats::default();
        for format in [IntFormat::INT8, IntFormat::INT4] {
            for symmetry in Symmetry::ALL {
                let job = Job { site: "t", stats: &stats, format, symmetry: *symmetry };
                let levels = Levels::of(&job, &histogram, observed).unwrap();
                let mut candidate = Candidate::default();
                for (low, high) in [(1.0, 2.0), (5.0, 5.0), (0.3, 40.0)] {
                    levels.candidate(&job, low, high, &mut candidate);
                    let kept: f64 = candidate.kept.iter().sum();
                    let clipped = candidate.clipped.0 + candidate.clipped.1;
                    assert!((kept + clipped - 10_000.0).abs() < 1e-6, "{kept} {clipped}");
                    let (q_min, q_max) = format.range(*symmetry);
                    let codes = if *symmetry == Symmetry::Affine { q_max - q_min + 1 } else { q_max + 1 };
                    assert_eq!(candidate.codes.len() as i32, codes + 1);
                }
            }
        }
    }
}
