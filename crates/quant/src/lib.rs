//! The vocabulary of calibration: number formats, the affine scheme, statistics and the plug-in traits.
//!
//! Everything a plug-in crate needs to know about its neighbours is here, and nothing else: no tensor
//! library, no data frames. Observers turn tensors into [`Stats`]; calibrators turn [`Stats`] into
//! [`QParams`]; neither ever sees a model.
//!
//! The affine scheme (Jacob et al. 2017, arXiv 1712.05877) is
//!
//! ```text
//! x   = S · (q − Z)
//! q   = clamp(round(x / S) + Z, q_min, q_max)      round: ties to even
//! ```

mod axes;
mod error;
mod float;
mod format;
mod fp8;
mod histogram;
mod peer;
mod plugin;
mod qparams;
mod stats;

pub use axes::{Dtype, Timing, nearest};
pub use error::QuantError;
pub use float::{FloatFormat, Overflow};
pub use format::IntFormat;
pub use fp8::Fp8Format;
pub use histogram::{Cell, Histogram, MANTISSA_BITS};
pub use peer::{PeerHistogram, PeerStat};
pub use plugin::{Batch, Calibrator, Entry, Fp8Calibrator, Job, Observer, WeightCalibrator, find};
pub use qparams::{Granularity, MIN_SCALE, QParams, Symmetry};
pub use stats::{Range, STATS_SCHEMA, StatKind, Stats, TopTwo};
