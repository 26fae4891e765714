//! What can be wrong with the description of a histogram.

use thiserror::Error;

/// Errors of [`crate::Density`].
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
}
