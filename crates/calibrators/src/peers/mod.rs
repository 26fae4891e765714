//! Dialects: methods that answer what another library answers, from the same data in the same batches.
//!
//! `method@peer` reproduces the release that its `source` names: the same histogram (gathered by the
//! observers of the same name), the same candidates, and the same roundings where they decide. The golden
//! vectors in `tests/goldens` are answers of the peers themselves. [`pytorch::qparams`] and
//! [`onnxruntime::qparams`] are the peers' scale and zero point for any range.
//!
//! Three deviations keep the library's own guarantees: scales below [`MIN_SCALE`] are raised to it, ends
//! beyond half of fp32's largest number are moved there, and a site without a finite value is an error.

pub(crate) mod aimet;
pub(crate) mod mqbench;
pub(crate) mod nvidia;
pub(crate) mod nvidia_entropy;
pub mod onnxruntime;
pub(crate) mod onnxruntime_entropy;
mod pairwise;
pub(crate) mod ppq;
pub mod pytorch;
pub(crate) mod pytorch_histogram;

use calibench_quant::{Calibrator, IntFormat, Job, MIN_SCALE, QParams, QuantError, Range, Symmetry};

/// An error when the method has no answer for the job.
fn supported(calibrator: &dyn Calibrator, job: &Job<'_>) -> Result<(), QuantError> {
    match calibrator.unsupported(job.format, job.symmetry) {
        None => Ok(()),
        Some(why) => Err(refusal(job.site, job.format, job.symmetry, why)),
    }
}

fn refusal(site: &str, format: IntFormat, symmetry: Symmetry, why: &str) -> QuantError {
    let reason = format!("no {} {format} here: {why}; choose another method or format", symmetry.id());
    QuantError::Invalid { site: site.to_owned(), reason }
}

/// The ends of a range with 0.0, far enough from fp32's largest number for every code to have a value.
fn ends(site: &str, range: Range) -> Result<(f32, f32), QuantError> {
    if !(range.low.is_finite() && range.high.is_finite() && range.low <= range.high) {
        let reason = format!("[{}, {}] is not a finite range", range.low, range.high);
        return Err(QuantError::Invalid { site: site.to_owned(), reason });
    }
    Ok((range.low.clamp(f32::MIN / 2.0, 0.0), range.high.clamp(0.0, f32::MAX / 2.0)))
}

/// Per-tensor parameters with these codes.
fn per_tensor(
    format: IntFormat,
    symmetry: Symmetry,
    (q_min, q_max): (i32, i32),
    scale: f32,
    zero_point: i32,
) -> QParams {
    let (scale, zero_point) = (vec![scale.max(MIN_SCALE)], vec![zero_point.clamp(q_min, q_max)]);
    QParams { format, symmetry, q_min, q_max, scale, zero_point }
}

/// `numpy.searchsorted(cumsum(counts / sum), share)`: the first bin at which the running share reaches it.
fn first_bin_at(counts: &[f64], share: f64) -> usize {
    let total: f64 = counts.iter().sum();
    let mut below = 0.0;
    let reached = counts.iter().position(|n| {
        below += n / total;
        below >= share
    });
    reached.unwrap_or(counts.len())
}
