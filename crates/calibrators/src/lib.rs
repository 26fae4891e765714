//! Statistics to quantization parameters: one file per calibration method.
//!
//! A [`Calibrator`] reads the [`Stats`](calibench_quant::Stats) of one site and chooses the range of
//! values that the codes represent; what lies outside is clipped. It never sees a model or a tensor, so
//! statistics gathered once serve every method, here or on another machine. Every method is pure: the
//! same job gives the same bytes.
//!
//! # Adding one
//! One new file with an `ENTRY`, and its two lines here: the `mod` and the place in [`ALL`]. The laws in
//! `tests/laws.rs`, the help texts and the documentation tables walk [`ALL`].
//!
//! # Example
//! ```
//! use calibench_quant::{IntFormat, Job, Range, Stats, Symmetry, find};
//!
//! let stats = Stats { elements: 2, range: Some(Range { low: -1.0, high: 1.27 }), ..Stats::default() };
//! let job = Job { site: "relu", stats: &stats, format: IntFormat::INT8, symmetry: Symmetry::Symmetric };
//! let method = (find(calibench_calibrators::ALL, "calibrator", "minmax")?.construct)();
//! assert_eq!(method.calibrate(&job)?.scale, vec![0.01]);
//! # Ok::<(), calibench_quant::QuantError>(())
//! ```

mod aciq;
mod entropy;
pub mod fp8;
mod inputs;
mod isotone;
mod jensen_shannon;
mod levels;
mod lp;
mod lsq;
mod minmax;
mod moving_average;
mod mse;
pub mod peers;
mod per_channel;
mod percentile;
mod quantile;
mod search;
mod side;
mod squared_error;
pub mod weights;

use std::collections::BTreeSet;

use calibench_quant::{Calibrator, Entry, QuantError, StatKind, find};

/// Every calibration method, in the order of help texts and reports: own ones, then dialects by peer.
pub const ALL: &[Entry<dyn Calibrator>] = &[
    minmax::ENTRY,
    moving_average::ENTRY,
    percentile::ENTRY_99_9,
    percentile::ENTRY_99_99,
    percentile::ENTRY_99_999,
    mse::ENTRY,
    entropy::ENTRY,
    jensen_shannon::ENTRY,
    lp::ENTRY_1,
    lp::ENTRY_2_4,
    lp::ENTRY_4,
    aciq::ENTRY_GAUSS,
    aciq::ENTRY_LAPLACE,
    lsq::ENTRY,
    isotone::ENTRY,
    peers::pytorch::ENTRY_MINMAX,
    peers::pytorch::ENTRY_MOVING_AVERAGE,
    peers::pytorch_histogram::ENTRY,
    peers::onnxruntime::ENTRY_MINMAX,
    peers::onnxruntime::ENTRY_99_9,
    peers::onnxruntime::ENTRY_99_99,
    peers::onnxruntime::ENTRY_99_999,
    peers::onnxruntime_entropy::ENTRY_128,
    peers::onnxruntime_entropy::ENTRY_512,
    peers::onnxruntime_entropy::ENTRY_2048,
    peers::nvidia::ENTRY_99_9,
    peers::nvidia::ENTRY_99_99,
    peers::nvidia::ENTRY_99_999,
    peers::nvidia_entropy::ENTRY,
    peers::mqbench::ENTRY,
    peers::ppq::ENTRY,
    peers::aimet::ENTRY,
];

pub use per_channel::per_channel;

/// The statistics that a set of methods reads: what one calibration pass must gather to serve them all.
///
/// # Errors
/// [`QuantError::Unknown`] for a name that is not in [`ALL`].
pub fn needs(ids: impl IntoIterator<Item = impl AsRef<str>>) -> Result<BTreeSet<StatKind>, QuantError> {
    let mut kinds = BTreeSet::new();
    for id in ids {
        let calibrator = (find(ALL, "calibrator", id.as_ref())?.construct)();
        kinds.extend(calibrator.needs());
    }
    Ok(kinds)
}
