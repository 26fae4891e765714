//! `mse@mqbench`: the union over batches of the range of least squared error.

use calibench_quant::{
    Calibrator, Entry, Histogram, IntFormat, Job, QParams, QuantError, Range, StatKind, Symmetry,
};

use super::{pytorch, supported};
use crate::inputs;
use crate::squared_error::SquaredError;

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Calibrator> = Entry {
    id: "mse@mqbench",
    summary: "MQBench's MSEObserver: each batch's range shrunk by 0 to 94 %, the best of each, then their union",
    source: "mqbench.observer.MSEObserver, MQBench 0.0.7",
    construct: || Box::new(Mse),
};

/// Ranges tried for each batch, each a hundredth narrower.
const STEPS: u32 = 95;
/// Mean squared error from which MQBench starts: a batch that never does better keeps its whole range.
const WORST: f64 = 1e10;

/// For each batch the range `(1 − i / 100) [min, max]`, i = 0 … 94, of least squared quantization error,
/// and the union of these ranges.
///
/// Both ends shrink alike. The smallest i of the least error wins. Scale and zero point are PyTorch's, as in
/// [`pytorch::qparams`], with all codes.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`], [`QuantError::Invalid`] for symmetric unsigned
/// formats and more than 8 bits.
///
/// Limits: the error is evaluated on this library's histogram of each batch, values spread evenly within
/// bins of 2⁻⁹ of their value, not on the values: neighbouring steps can be swapped where their errors nearly
/// tie. Affine signed formats have the same scale as the unsigned ones that MQBench uses, with the codes
/// moved. The union makes one batch's outlier everybody's.
struct Mse;

impl Calibrator for Mse {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::BatchRanges, StatKind::BatchHistograms]
    }

    fn unsupported(&self, format: IntFormat, symmetry: Symmetry) -> Option<&'static str> {
        match format {
            IntFormat { bits: 9.., .. } => Some("MQBench's observers know at most 256 codes"),
            IntFormat { signed: false, .. } if symmetry == Symmetry::Symmetric => {
                Some("MQBench's symmetric codes are signed")
            }
            _ => None,
        }
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        supported(self, job)?;
        let ranges = inputs::batch_ranges(job)?;
        let histograms = inputs::batch_histograms(job)?;
        let mut union: Option<Range> = None;
        for (index, observed) in ranges {
            let Some(histogram) = histograms.get(index) else {
                let reason = format!("batch {index} has a range but no histogram; gather both again");
                return Err(QuantError::Invalid { site: job.site.to_owned(), reason });
            };
            let best = of_batch(job, *observed, histogram)?;
            union = Some(union.map_or(best, |range| range.union(best)));
        }
        union.ok_or_else(|| job.stats.no_sample(job.site))
    }

    fn calibrate(&self, job: &Job<'_>) -> Result<QParams, QuantError> {
        pytorch::qparams(job.site, self.range(job)?, job.format, job.symmetry)
    }
}

/// The shrunk range of least error.
fn of_batch(job: &Job<'_>, observed: Range, histogram: &Histogram) -> Result<Range, QuantError> {
    // Its symmetric codes reach one further below zero than above: each side for itself, as if affine.
    let model = SquaredError::of(histogram, observed, job.format, Symmetry::Affine);
    let elements = histogram.total() as f64;
    let mut best = (WORST, observed);
    for i in 0..STEPS {
        let factor = (1.0 - f64::from(i) * 0.01) as f32;
        let range = Range { low: observed.low * factor, high: observed.high * factor };
        let error = model.total(&pytorch::qparams(job.site, range, job.format, job.symmetry)?) / elements;
        if error < best.0 {
            best = (error, range);
        }
    }
    Ok(best.1)
}
