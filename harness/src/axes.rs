//! The axes of a sweep: what may vary from cell to cell, and how names are checked.

use anyhow::{Result, bail};
use calibench_quant::{Dtype, Entry, Granularity, QuantError, Symmetry, Timing, find, nearest};
use serde::{Deserialize, Serialize};

/// Values per axis; `None` means that the axis was not mentioned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axes {
    /// Built-in model names.
    pub model: Option<Vec<String>>,
    /// Number formats.
    pub dtype: Option<Vec<String>>,
    /// When ranges are found.
    pub timing: Option<Vec<String>>,
    /// Calibration methods.
    pub calibrator: Option<Vec<String>>,
    /// Granularity of weights.
    pub granularity: Option<Vec<String>>,
    /// Symmetry of activations.
    pub symmetry: Option<Vec<String>>,
    /// Instruction sets, or `best`.
    pub kernel: Option<Vec<String>>,
    /// What executes: `native`, or another runtime.
    pub backend: Option<Vec<String>>,
    /// Worker threads.
    pub threads: Option<Vec<usize>>,
    /// Seeds of training.
    pub seed: Option<Vec<u64>>,
    /// Calibration sets: 0 is the one taken without drawing.
    pub draw: Option<Vec<u32>>,
}

impl Axes {
    /// These values, and those of `fallback` where an axis is not mentioned.
    #[must_use]
    pub fn or(self, fallback: &Self) -> Self {
        Self {
            model: self.model.or_else(|| fallback.model.clone()),
            dtype: self.dtype.or_else(|| fallback.dtype.clone()),
            timing: self.timing.or_else(|| fallback.timing.clone()),
            calibrator: self.calibrator.or_else(|| fallback.calibrator.clone()),
            granularity: self.granularity.or_else(|| fallback.granularity.clone()),
            symmetry: self.symmetry.or_else(|| fallback.symmetry.clone()),
            kernel: self.kernel.or_else(|| fallback.kernel.clone()),
            backend: self.backend.or_else(|| fallback.backend.clone()),
            threads: self.threads.or_else(|| fallback.threads.clone()),
            seed: self.seed.or_else(|| fallback.seed.clone()),
            draw: self.draw.or_else(|| fallback.draw.clone()),
        }
    }

    /// Checks what the names of the registries do not: that no axis is empty, and that threads make sense.
    ///
    /// # Errors
    /// Naming the axis and what it must be.
    pub fn check(&self) -> Result<()> {
        let empty = |axis: &Option<Vec<String>>| axis.as_ref().is_some_and(Vec::is_empty);
        let axes = [
            ("model", empty(&self.model)),
            ("dtype", empty(&self.dtype)),
            ("timing", empty(&self.timing)),
            ("calibrator", empty(&self.calibrator)),
            ("granularity", empty(&self.granularity)),
            ("symmetry", empty(&self.symmetry)),
            ("kernel", empty(&self.kernel)),
            ("backend", empty(&self.backend)),
            ("threads", self.threads.as_ref().is_some_and(Vec::is_empty)),
            ("seed", self.seed.as_ref().is_some_and(Vec::is_empty)),
            ("draw", self.draw.as_ref().is_some_and(Vec::is_empty)),
        ];
        if let Some((name, _)) = axes.into_iter().find(|(_, empty)| *empty) {
            bail!(
                "axis `{name}` is empty: name at least one value, or leave the axis out to take its default"
            );
        }
        if let Some(bad) = self.threads.iter().flatten().find(|t| !(1..=1024).contains(*t)) {
            bail!("threads must be from 1 to 1024, got {bad}");
        }
        Ok(())
    }

    /// Whether an axis is mentioned that says which cells of a model run, rather than how.
    #[must_use]
    pub fn chooses_cells(&self) -> bool {
        [&self.dtype, &self.timing, &self.calibrator, &self.granularity, &self.symmetry]
            .iter()
            .any(|axis| axis.is_some())
    }
}

/// All names of a closed axis.
pub(crate) fn ids<T: Copy>(all: &[T], id: impl Fn(T) -> &'static str) -> Vec<String> {
    all.iter().map(|v| id(*v).to_owned()).collect()
}

/// The value called `name` of a small closed axis.
///
/// # Errors
/// [`QuantError::Unknown`] with the nearest name.
pub fn parse_one<T: Copy>(
    what: &'static str,
    all: &[T],
    id: impl Fn(T) -> &'static str,
    name: &str,
) -> Result<T, QuantError> {
    all.iter()
        .copied()
        .find(|v| id(*v) == name)
        .ok_or_else(|| unknown(what, name, all.iter().map(|v| id(*v))))
}

/// The error for a name that is not among `known`.
pub(crate) fn unknown<'a>(
    what: &'static str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> QuantError {
    QuantError::Unknown {
        what,
        name: name.to_owned(),
        suggestion: nearest(name, known.clone()).map(str::to_owned),
        known: known.collect::<Vec<_>>().join(", "),
    }
}

/// One point of the axes: everything that identifies a cell, its id included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Built-in model.
    pub model: String,
    /// Number format.
    pub dtype: Dtype,
    /// When ranges are found.
    pub timing: Timing,
    /// Calibration method; `None` where no activation is calibrated.
    pub calibrator: Option<String>,
    /// Granularity of weights; `None` for floating point.
    pub granularity: Option<Granularity>,
    /// Symmetry of activations; `None` where activations stay in floating point.
    pub symmetry: Option<Symmetry>,
    /// Instruction set; of the fp32 twin where another runtime executes the cell.
    pub kernel: String,
    /// The other runtime that executes the cell; `None` for our own plan.
    #[serde(default)]
    pub backend: Option<String>,
    /// Worker threads.
    pub threads: usize,
    /// Seed of training.
    pub seed: u64,
    /// Which calibration set was drawn; 0 where no activation is calibrated.
    #[serde(default)]
    pub draw: u32,
}

impl Cell {
    /// Who executes the cell: the instruction set of our kernels, or another runtime.
    #[must_use]
    pub fn executor(&self) -> &str {
        self.backend.as_deref().unwrap_or(&self.kernel)
    }

    /// The cell's name, unique in a run: its axis values joined by `/`.
    #[must_use]
    pub fn id(&self) -> String {
        // Named only where it was drawn, so that cells without draws keep the ids that they had before there were any.
        let draw = if self.draw == 0 { String::new() } else { format!("/d{}", self.draw) };
        format!(
            "{}/{}/{}/{}/{}/{}/{}/t{}/s{}{draw}",
            self.model,
            self.dtype,
            self.timing,
            self.calibrator.as_deref().unwrap_or("none"),
            self.granularity.map_or("none", Granularity::id),
            self.symmetry.map_or("none", Symmetry::id),
            self.executor(),
            self.threads,
            self.seed
        )
    }
}

/// Checks that a calibrator of that name is registered.
///
/// # Errors
/// [`QuantError::Unknown`] with the nearest name.
pub fn calibrator(name: &str) -> Result<&'static Entry<dyn calibench_quant::Calibrator>, QuantError> {
    find(calibench_calibrators::ALL, "calibrator", name)
}

/// The symmetry asked for, or the symmetric one where a method has only symmetric answers.
#[must_use]
pub fn answerable(
    calibrator: &dyn calibench_quant::Calibrator,
    format: calibench_quant::IntFormat,
    asked: Symmetry,
) -> Symmetry {
    let none = |symmetry| calibrator.unsupported(format, symmetry).is_some();
    if none(asked) && !none(Symmetry::Symmetric) { Symmetry::Symmetric } else { asked }
}
