//! `histogram-l2@pytorch`: the range that PyTorch's `HistogramObserver` finds.

use calibench_quant::{
    Calibrator, Entry, IntFormat, Job, PeerHistogram, PeerStat, QParams, QuantError, Range, StatKind,
    Symmetry,
};

use super::{pytorch, supported};
use crate::inputs;

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Calibrator> = Entry {
    id: "histogram-l2@pytorch",
    summary: "PyTorch's HistogramObserver: cuts quantiles while its own L2 error falls; ignores the codes in use",
    source: "torch.ao.quantization.observer.HistogramObserver, PyTorch 2.15.0",
    construct: || Box::new(HistogramL2),
};

/// Share of the elements by which a step moves one end.
const STEP: f64 = 1e-5;

/// PyTorch's search for the least L2 error, replayed in its fp32.
///
/// Each step cuts 10⁻⁵ of the elements from whichever end then gives up more bins. Whenever that moves an
/// end to another bin, the error of spreading the kept bins over 2^bits codes is computed; the search stops
/// at the first that is larger than the one before.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`], [`QuantError::Invalid`] for formats that PyTorch
/// does not know.
///
/// Limits: the error is that of an affine format with all codes of the storage type, whatever the codes in
/// use, reduced or symmetric, and takes each code to stand for the middle of its interval, so that it is not
/// the error of the quantization that follows. The first increase need not be the least. Sums are those of
/// PyTorch's AVX2 build; builds of other widths add in another order and may stop elsewhere in close cases.
struct HistogramL2;

impl Calibrator for HistogramL2 {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Peer(PeerStat::HistogramPytorch)]
    }

    fn unsupported(&self, format: IntFormat, symmetry: Symmetry) -> Option<&'static str> {
        pytorch::unsupported(format, symmetry)
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        supported(self, job)?;
        let held = inputs::peer(job, PeerStat::HistogramPytorch)?;
        // Formats below 8 bits are custom codes of an 8-bit type.
        let codes = if job.format.bits > 8 { 1 << 16 } else { 1 << 8 };
        Ok(search(held, codes))
    }

    fn calibrate(&self, job: &Job<'_>) -> Result<QParams, QuantError> {
        pytorch::qparams(job.site, self.range(job)?, job.format, job.symmetry)
    }
}

/// The range that the search ends with.
fn search(held: &PeerHistogram, codes: u32) -> Range {
    let histogram: Vec<f32> = held.counts.iter().map(|n| *n as f32).collect();
    let bins = histogram.len();
    let Range { low, high } = held.observed;
    let mut below = 0.0_f64;
    let cumulative: Vec<f32> = histogram
        .iter()
        .map(|n| {
            below += f64::from(*n);
            below as f32
        })
        .collect();
    let total = f64::from(sum(&histogram));
    let mut error = ErrorOfKept::of(&histogram, f64::from(high) - f64::from(low), codes);

    let (mut alpha, mut beta) = (0.0_f64, 1.0_f64);
    let (mut start, mut end) = (0, bins - 1);
    // The scans for the bins of both quantiles go on from where they were: the quantiles only move inward.
    let (mut left, mut right) = (start, end);
    let mut least = f64::INFINITY;
    while alpha < beta {
        let (next_alpha, next_beta) = (alpha + STEP, beta - STEP);
        let (lower, upper) = ((next_alpha * total) as f32, (next_beta * total) as f32);
        left = left.clamp(start, end);
        while left < end && cumulative[left] < lower {
            left += 1;
        }
        right = right.clamp(start, end);
        while right > start && cumulative[right] > upper {
            right -= 1;
        }
        let (mut next_start, mut next_end) = (start, end);
        if left - start > end - right {
            next_start = left;
            alpha = next_alpha;
        } else {
            next_end = right;
            beta = next_beta;
        }
        if (next_start, next_end) == (start, end) {
            continue;
        }
        let norm = error.of_bins(next_start, next_end);
        if norm > least {
            break;
        }
        (least, start, end) = (norm, next_start, next_end);
    }
    let width = (high - low) / bins as f32;
    let found = Range { low: low + width * start as f32, high: low + width * (end + 1) as f32 };
    // The arithmetic overflows only where the ends are beyond half of fp32's largest number.
    if found.low.is_finite() && found.high.is_finite() { found } else { held.observed }
}

/// PyTorch's estimate of the error when some of the bins are kept.
struct ErrorOfKept {
    /// Elements per unit of x in each bin.
    density: Vec<f32>,
    width: f64,
    codes: u32,
    /// Scratch: each bin's error.
    errors: Vec<f32>,
}

impl ErrorOfKept {
    fn of(histogram: &[f32], span: f64, codes: u32) -> Self {
        let bins = histogram.len();
        let width = span / bins as f64;
        let density = histogram.iter().map(|n| n / width as f32).collect();
        Self { density, width, codes, errors: vec![0.0; bins] }
    }

    /// The error when bins `first..=last` are spread over the codes.
    fn of_bins(&mut self, first: usize, last: usize) -> f64 {
        let code_width = self.width * (last - first + 1) as f64 / f64::from(self.codes);
        if code_width == 0.0 {
            return 0.0;
        }
        let most = (self.codes - 1) as f32;
        let (bin_width, code, half) = (self.width as f32, code_width as f32, (code_width / 2.0) as f32);
        let third = |from: f32, to: f32| (to * to * to - from * from * from) / 3.0;
        let whole = third(-half, half);
        // The floor of an fp32 quotient is exact in fp64, and so what PyTorch's remainder gives.
        let code_of = |x: f32| ((f64::from(x) / f64::from(code)).floor() as f32).clamp(0.0, most);
        let (density, errors) = (&self.density, &mut self.errors);
        pulp::Arch::new().dispatch(|| {
            for (bin, (error, density)) in errors.iter_mut().zip(density).enumerate() {
                let begin = (bin as i32 - first as i32) as f32 * bin_width;
                let end = begin + bin_width;
                let (code_begin, code_end) = (code_of(begin), code_of(end));
                let centre = (code_begin + 0.5) * code;
                let mut sum = 0.0 + density * third(begin - centre, half);
                sum += (code_end - code_begin - 1.0) * (density * whole);
                let centre = code_end * code + half;
                sum += density * third(-half, end - centre);
                *error = sum;
            }
        });
        f64::from(sum(errors))
    }
}

/// `torch.sum` of a whole number of 32-element rows in fp32, in the order of its AVX2 build: 32 running sums,
/// emptied after every 16 rows into sums that are emptied likewise, and then added pairwise by lane.
fn sum(values: &[f32]) -> f32 {
    const LANES: usize = 32;
    let mut levels = [[0.0_f32; LANES]; 4];
    let rows = values.chunks_exact(LANES);
    let count = rows.len();
    for (row, values) in rows.enumerate() {
        for (sum, v) in levels[0].iter_mut().zip(values) {
            *sum += v;
        }
        let mut full = row + 1;
        for level in 1..4 {
            if full % 16 != 0 || (row + 1) > count / 16 * 16 {
                break;
            }
            let emptied = std::mem::replace(&mut levels[level - 1], [0.0; LANES]);
            for (sum, v) in levels[level].iter_mut().zip(emptied) {
                *sum += v;
            }
            full /= 16;
        }
    }
    let mut lanes = levels[0];
    for level in &levels[1..] {
        for (sum, v) in lanes.iter_mut().zip(level) {
            *sum += v;
        }
    }
    let (first, rest) = lanes.split_at(8);
    let mut eight = [0.0_f32; 8];
    eight.copy_from_slice(first);
    for part in rest.chunks_exact(8) {
        for (sum, v) in eight.iter_mut().zip(part) {
            *sum += v;
        }
    }
    eight.iter().fold(0.0, |sum, v| sum + v)
}
