//! What can be wrong with the description of a histogram or of a quantizer.

use thiserror::Error;

/// Errors of [`crate::Density`] and [`crate::UniformQuantizer`].
#[derive(Debug, Clone, PartialEq, Error)]
pub enum MetricsError {
    /// A histogram whose edges and bins do not match.
    #[error("a histogram of {bins} bins has {} edges, not {edges}; give one more edge than masses", bins + 1)]
    EdgeCount {
        /// Edges given.
        edges: usize,
        /// Masses given.
        bins: usize,
    },
    /// A histogram whose edges are not finite or go down.
    #[error("histogram edge {index} is {edge}; edges must be finite and must not descend")]
    Edge {
        /// The first edge that breaks the rule.
        index: usize,
        /// Its value.
        edge: f64,
    },
    /// A mass that is no amount.
    #[error("histogram bin {bin} has mass {mass}; masses must be finite and not negative")]
    Mass {
        /// The first bin that breaks the rule.
        bin: usize,
        /// Its mass.
        mass: f64,
    },
    /// A histogram of nothing, or of more than `f64` can hold.
    #[error("the masses of the histogram sum to {total}; a distribution needs a positive, finite sum")]
    Total {
        /// The sum of all masses.
        total: f64,
    },
    /// A scale that no quantizer can have.
    #[error(
        "scale {scale} cannot quantize; it must be positive and finite, and so must be the value of every code"
    )]
    Scale {
        /// The scale given.
        scale: f32,
    },
    /// Codes that no quantizer can have.
    #[error(
        "codes {q_min}..={q_max} with zero point {zero_point} cannot quantize; the lowest must not exceed the \
         highest, and none may exceed ±{most}"
    )]
    Codes {
        /// Lowest code.
        q_min: i32,
        /// Highest code.
        q_max: i32,
        /// Code of 0.0.
        zero_point: i32,
        /// Largest magnitude allowed.
        most: i32,
    },
}
