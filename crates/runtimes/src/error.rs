//! Errors of other runtimes.

use std::path::PathBuf;

use thiserror::Error;

/// What can go wrong with a runtime that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RuntimeError {
    /// A runtime that is not installed where we look.
    #[error(
        "{runtime} was not found; looked at {}. Run `pip install {package}` in the active environment, or set {variable} to the path of {file}",
        looked.join(", ")
    )]
    NotFound {
        /// The runtime.
        runtime: &'static str,
        /// Each place, with what was found there instead.
        looked: Vec<String>,
        /// The Python package that brings it.
        package: &'static str,
        /// The variable that names it.
        variable: &'static str,
        /// The name of the library.
        file: String,
    },
    /// A variable that is set, and leads nowhere.
    #[error(
        "{variable} is {}, where there is no {file}; set it to the library of {runtime}, or unset it",
        path.display()
    )]
    Variable {
        /// The runtime.
        runtime: &'static str,
        /// The variable.
        variable: &'static str,
        /// Its value.
        path: PathBuf,
        /// The name of the library.
        file: String,
    },
    /// A library with which we cannot speak.
    #[error("{runtime} {version} at {} does not fit, which must be {fitting}; install `{package}` of such a version", path.display())]
    Version {
        /// The runtime.
        runtime: &'static str,
        /// The library.
        path: PathBuf,
        /// Its version.
        version: String,
        /// The versions that fit.
        fitting: &'static str,
        /// The Python package that brings it.
        package: &'static str,
    },
    /// A library that the system cannot open, or that is not what its name says.
    #[error("cannot open {runtime} at {}: {reason}; install it again", path.display())]
    Open {
        /// The runtime.
        runtime: &'static str,
        /// The library.
        path: PathBuf,
        /// What the system or the library says.
        reason: String,
    },
    /// A second library of the same runtime.
    #[error(
        "this process has opened {runtime} at {} and cannot open {} as well; use another process",
        opened.display(), path.display()
    )]
    Another {
        /// The runtime.
        runtime: &'static str,
        /// The library that is open.
        opened: PathBuf,
        /// The library that was asked for.
        path: PathBuf,
    },
    /// A model that the runtime does not take.
    #[error("{runtime} does not take the model: {reason}")]
    Model {
        /// The runtime.
        runtime: &'static str,
        /// What it says.
        reason: String,
    },
    /// Inputs that are not what the model takes.
    #[error("input `{input}`: {problem}")]
    Input {
        /// The input.
        input: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A run that failed.
    #[error("{runtime} could not run the model: {reason}")]
    Run {
        /// The runtime.
        runtime: &'static str,
        /// What it says.
        reason: String,
    },
}

impl RuntimeError {
    /// Whether the runtime is not there to be used: a reason to skip a measurement, not a failure of it.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. } | Self::Variable { .. } | Self::Version { .. } | Self::Open { .. }
        )
    }
}
