//! What can go wrong before a kernel runs.

use crate::Isa;

/// Errors of this crate. Kernels themselves do not fail: a slice that is too short is a bug in the
/// caller and panics with the sizes in the message.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// The machine lacks an instruction set that was asked for by name.
    #[error(
        "this machine cannot run the `{isa}` kernels: they need {needs}, and it lacks {lacks}; \
         use one of: {available}"
    )]
    MissingIsa {
        /// The instruction set that was asked for.
        isa: Isa,
        /// CPU features that it needs, comma separated.
        needs: String,
        /// The ones that are not there, comma separated.
        lacks: String,
        /// Ids of the instruction sets that this machine can run, comma separated.
        available: String,
    },
    /// A weight that 7-bit products do not take.
    #[error("a weight has the code {weight}, but kernels for 7-bit weights take -64 to 64")]
    WideWeight {
        /// The code.
        weight: i8,
    },
    /// A name that is no set of kernels.
    #[error("no kernels are called `{name}`; use one of: {known}")]
    UnknownIsa {
        /// What was given.
        name: String,
        /// Every id there is, comma separated.
        known: String,
    },
}
