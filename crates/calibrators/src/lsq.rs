//! `lsq-init`: the step size that LSQ training starts from.

use calibench_quant::{Calibrator, Entry, Job, QuantError, Range, StatKind, Symmetry};

use crate::inputs;
use crate::side::{Moments, Side};

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Calibrator> = Entry {
    id: "lsq-init",
    summary: "the start of learned step size quantization: S = 2 E|x| / sqrt(q_max)",
    source: "Esser et al. 2019, arXiv 1902.08153, §2.1 (LSQ)",
    construct: || Box::new(LsqInit),
};

/// The range of the step size `S = 2 E|x| / √q_max`, in units of x per code:
///
/// ```text
/// [q_min S, q_max S]    with q_min, q_max of the format, symmetric or unsigned
/// ```
///
/// An affine signed format is read as LSQ's signed one over two-sided data, with half of its codes on each
/// side, and as the unsigned one with all codes over one-sided data. The range is held to what was observed.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`].
///
/// Source: Esser et al. 2019. Limits: a start for training, not an optimum: with 8 bits it keeps 22.5 E|x|
/// (18 σ of a normal distribution), which clips nothing and wastes codes on data with light tails.
struct LsqInit;

impl Calibrator for LsqInit {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Range, StatKind::Histogram]
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        let observed = inputs::range(job)?;
        let all: Moments = Side::folded(inputs::histogram(job)?, observed).all();
        let (q_min, q_max) = job.format.range(job.symmetry);
        let two_sided = observed.low < 0.0 && observed.high > 0.0;
        let (codes, below) = match job.symmetry {
            Symmetry::Symmetric => (f64::from(q_max), f64::from(-q_min)),
            Symmetry::Affine if two_sided => (f64::from(q_max - q_min) / 2.0, f64::from(q_max - q_min) / 2.0),
            Symmetry::Affine => (f64::from(q_max - q_min), f64::from(q_max - q_min)),
        };
        let step = 2.0 * all.sum / all.count / codes.sqrt();
        Ok(inputs::clip(observed, -below * step, codes * step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::{Histogram, IntFormat, Stats};

    fn answer(values: &[f32], format: IntFormat, symmetry: Symmetry) -> Range {
        let stats = Stats {
            elements: values.len() as u64,
            range: Range::of(values),
            histogram: Histogram::of(values),
            ..Stats::default()
        };
        LsqInit.range(&Job { site: "t", stats: &stats, format, symmetry }).unwrap()
    }

    #[test]
    fn the_step_by_hand() {
        // E|x| = 1 but for one value in a thousand: S = 2 / √7, and [−7 S, 7 S] = ±5.29.
        let mut values = vec![1.0_f32; 999];
        values.push(-1000.0);
        let mean = (999.0 + 1000.0) / 1000.0;
        let range = answer(&values, IntFormat::INT4, Symmetry::Symmetric);
        let expected = 7.0 * 2.0 * mean / 7.0_f64.sqrt();
        assert!((f64::from(range.low) + expected).abs() < 0.02 * expected, "{range:?} {expected}");
        // One-sided data has all codes of the affine format: S = 2 E|x| / √15.
        let positive: Vec<f32> = values.iter().map(|v| v.abs()).collect();
        let range = answer(&positive, IntFormat::INT4, Symmetry::Affine);
        let expected = 15.0 * 2.0 * mean / 15.0_f64.sqrt();
        assert!((f64::from(range.high) - expected).abs() < 0.02 * expected, "{range:?} {expected}");
    }
}
