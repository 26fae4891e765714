//! Everything a quantized execution needs beside the graph.

use std::collections::BTreeMap;

use calibench_graph::ValueId;
use calibench_quant::{Dtype, Granularity, QParams, Symmetry, Timing};

/// Number format, timing mode and quantization parameters of one execution of a graph.
///
/// The interpreter simulates it (fake quantization) and the compiler executes it (integers); both read
/// the same parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantSpec {
    /// The number format.
    pub dtype: Dtype,
    /// When ranges are found.
    pub timing: Timing,
    /// Granularity of weights.
    pub granularity: Granularity,
    /// Symmetry of activations.
    pub symmetry: Symmetry,
    /// Weight parameters by parameter name; empty for floating-point cells.
    pub weights: BTreeMap<String, QParams>,
    /// Activation parameters by value; empty unless ranges are frozen (static and QAT).
    pub activations: BTreeMap<ValueId, QParams>,
}

impl QuantSpec {
    /// A floating-point execution.
    #[must_use]
    pub fn float(dtype: Dtype) -> Self {
        Self {
            dtype,
            timing: Timing::None,
            granularity: Granularity::PerTensor,
            symmetry: Symmetry::Symmetric,
            weights: BTreeMap::new(),
            activations: BTreeMap::new(),
        }
    }
}
