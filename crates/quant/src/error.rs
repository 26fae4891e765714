//! What can go wrong between a tensor and its quantization parameters.

use thiserror::Error;

/// Errors of statistics, calibrators and quantization parameters.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum QuantError {
    /// A site was never observed, or only with values that are not finite.
    #[error(
        "site `{site}`: no finite value was observed ({elements} elements, {nan} NaN, {infinite} infinite); \
         calibrate with data that reaches this site"
    )]
    NoSample {
        /// The site without data.
        site: String,
        /// Elements seen in all.
        elements: u64,
        /// How many of them were NaN.
        nan: u64,
        /// How many of them were infinite.
        infinite: u64,
    },
    /// A calibrator asked for a statistic that no observer gathered.
    #[error("site `{site}`: statistic `{kind}` was not gathered; add the observer that provides it")]
    MissingStat {
        /// The site whose statistics are incomplete.
        site: String,
        /// The missing kind.
        kind: crate::StatKind,
    },
    /// Statistics that cannot be combined.
    #[error("statistics cannot be merged: {reason}")]
    Merge {
        /// Why not.
        reason: String,
    },
    /// A range, scale or zero point that no integer format can hold.
    #[error("site `{site}`: {reason}")]
    Invalid {
        /// The site concerned.
        site: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A name that is in no registry.
    #[error("unknown {what} `{name}`{}; known: {known}", suggestion.as_ref().map(|s| format!(", did you mean `{s}`?")).unwrap_or_default())]
    Unknown {
        /// What kind of thing was asked for, for example `calibrator`.
        what: &'static str,
        /// The name given.
        name: String,
        /// The nearest known name, when one is near.
        suggestion: Option<String>,
        /// All known names.
        known: String,
    },
}
