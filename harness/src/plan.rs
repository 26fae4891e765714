//! From axes to cells: the product of each group, less what has no meaning.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use calibench_kernels::{KernelSet, Kernels, Products};
use calibench_quant::{Dtype, Granularity, Symmetry, Timing, find};
use calibench_store::{Exclusion, RunFolder, write_atomic};
use serde::{Deserialize, Serialize};

use crate::axes::{Axes, Cell, calibrator, ids, parse_one};
use crate::backend::{self, CUDA, NATIVE};
use crate::config::{Config, Measure};
use crate::sources::{Sources, is_file};

/// Everything a sweep will do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// How each cell is measured.
    pub measure: Measure,
    /// Where models and data come from.
    pub sources: Sources,
    /// Cells in the order in which they run.
    pub cells: Vec<Cell>,
    /// What was left out, and why.
    pub excluded: Vec<Exclusion>,
}

impl Plan {
    /// Keeps the plan in the run folder, for the cells' processes and for resuming.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, folder: &RunFolder) -> Result<()> {
        Ok(write_atomic(&folder.plan_path(), &serde_json::to_vec_pretty(self)?)?)
    }

    /// The plan of a run folder.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn read(folder: &RunFolder) -> Result<Self> {
        let path = folder.plan_path();
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is damaged; start a new sweep", path.display()))
    }

    /// The models and seeds of the plan, in order.
    #[must_use]
    pub fn models(&self) -> Vec<(String, u64)> {
        let set: BTreeSet<_> = self.cells.iter().map(|c| (c.model.clone(), c.seed)).collect();
        set.into_iter().collect()
    }

    /// The calibration sets that static cells of a model use, in order.
    #[must_use]
    pub fn draws(&self, model: &str, seed: u64) -> BTreeSet<u32> {
        let fixed = self.cells.iter().filter(|c| c.timing == Timing::Static);
        fixed.filter(|c| c.model == model && c.seed == seed).map(|c| c.draw).collect()
    }

    /// The calibrators that static cells use.
    #[must_use]
    pub fn calibrators(&self) -> BTreeSet<String> {
        let fixed = self.cells.iter().filter(|c| c.timing == Timing::Static);
        fixed.filter_map(|c| c.calibrator.clone()).collect()
    }
}

/// Expands the configuration.
///
/// # Errors
/// An unknown name (with the nearest), an instruction set this machine lacks, or a plan without a cell.
pub fn plan(config: &Config, mut sources: Sources) -> Result<Plan> {
    config.check()?;
    let mut cells = Vec::new();
    let mut seen = BTreeSet::new();
    let mut excluded: BTreeMap<(String, String), u32> = BTreeMap::new();
    for group in &config.group {
        for candidate in product(&group.clone().or(&config.defaults), &mut sources)? {
            match meaning(candidate, &sources) {
                Ok(cell) => {
                    if seen.insert(cell.id()) {
                        cells.push(cell);
                    }
                }
                Err(reason) => *excluded.entry(reason).or_default() += 1,
            }
        }
    }
    let excluded: Vec<Exclusion> =
        excluded.into_iter().map(|((what, reason), count)| Exclusion { what, reason, count }).collect();
    if cells.is_empty() {
        let reasons: Vec<String> = excluded.iter().map(|e| format!("\n  {}: {}", e.what, e.reason)).collect();
        bail!("no cell is left to run; every combination was excluded:{}", reasons.concat());
    }
    // All cells of a model together, in the order of the configuration.
    cells.sort_by(|a, b| (&a.model, a.seed).cmp(&(&b.model, b.seed)));
    Ok(Plan { measure: config.measure.clone(), sources, cells, excluded })
}

/// All combinations of a group.
fn product(axes: &Axes, sources: &mut Sources) -> Result<Vec<Cell>> {
    axes.check()?;
    let names = |axis: &Option<Vec<String>>, all: Vec<String>| axis.clone().unwrap_or(all);
    let model_ids: Vec<String> = calibench_models::ALL.iter().map(|m| m.id.to_owned()).collect();
    let calibrator_ids = calibench_calibrators::ALL.iter().map(|c| c.id.to_owned()).collect();
    let mut models = names(&axes.model, model_ids);
    for model in &mut models {
        if is_file(model) {
            *model = sources.add_file(model)?;
        } else {
            calibench_models::find(model)?;
        }
    }
    let calibrators = names(&axes.calibrator, calibrator_ids);
    for name in &calibrators {
        calibrator(name)?;
    }
    let mut dtypes: Vec<Dtype> = Vec::new();
    for name in names(&axes.dtype, ids(Dtype::ALL, Dtype::id)) {
        dtypes.push(name.parse()?);
    }
    let mut timings: Vec<Timing> = Vec::new();
    for name in names(&axes.timing, ids(Timing::ALL, Timing::id)) {
        timings.push(name.parse()?);
    }
    let mut granularities = Vec::new();
    for name in names(&axes.granularity, ids(Granularity::ALL, Granularity::id)) {
        granularities.push(parse_one("granularity", Granularity::ALL, Granularity::id, &name)?);
    }
    let mut symmetries = Vec::new();
    for name in names(&axes.symmetry, ids(Symmetry::ALL, Symmetry::id)) {
        symmetries.push(parse_one("symmetry", Symmetry::ALL, Symmetry::id, &name)?);
    }
    let mut kernels = Vec::new();
    for name in names(&axes.kernel, vec!["best".to_owned()]) {
        kernels.push(kernel(&name)?);
    }
    let mut executors: Vec<(String, Option<String>)> = Vec::new();
    for name in names(&axes.backend, vec![NATIVE.to_owned()]) {
        if name == NATIVE {
            executors.extend(kernels.iter().map(|k| (k.clone(), None)));
        } else {
            if name != CUDA {
                find(calibench_runtimes::ALL, "backend", &name)?;
            }
            // Its fp32 twin is ours, on the best kernels of the axis.
            executors.extend(kernels.first().map(|k| (k.clone(), Some(name))));
        }
    }
    // Ours first: others are compared with it.
    executors.sort_by_key(|(_, backend)| backend.is_some());
    let threads = axes.threads.clone().unwrap_or_else(|| vec![1]);
    let seeds = axes.seed.clone().unwrap_or_else(|| vec![0]);
    let draws = axes.draw.clone().unwrap_or_else(|| vec![0]);

    let mut cells = Vec::new();
    for model in &models {
        for &seed in &seeds {
            for &dtype in &dtypes {
                for &timing in &timings {
                    for name in &calibrators {
                        for &granularity in &granularities {
                            for &symmetry in &symmetries {
                                for (kernel, backend) in &executors {
                                    for &threads in &threads {
                                        cells.extend(draws.iter().map(|&draw| Cell {
                                            model: model.clone(),
                                            dtype,
                                            timing,
                                            calibrator: Some(name.clone()),
                                            granularity: Some(granularity),
                                            symmetry: Some(symmetry),
                                            kernel: kernel.clone(),
                                            backend: backend.clone(),
                                            threads,
                                            seed,
                                            draw,
                                        }));
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    Ok(cells)
}

/// The set of kernels that a name means on this machine.
pub(crate) fn kernel(name: &str) -> Result<String> {
    if name == "best" {
        return Ok(Kernels::best().set().id().to_owned());
    }
    let set = parse_one("kernel", KernelSet::ALL, KernelSet::id, name)?;
    Kernels::of(set)?;
    Ok(set.id().to_owned())
}

/// Why a cell would do nothing that the exact kernels of its instruction set do not.
fn same_as_exact(cell: &Cell) -> Option<&'static str> {
    let products = cell.kernel.parse::<KernelSet>().map_or(Products::Exact, |set| set.products);
    if products != Products::Exact && cell.backend.is_some() {
        return Some("another runtime multiplies with kernels of its own");
    }
    match (products, cell.dtype, cell.timing) {
        (Products::Exact, ..) => None,
        (Products::SevenBit, Dtype::Int8, Timing::Qat) => {
            Some("fine-tuning is for weights of 8 bits; 7-bit kernels take none")
        }
        (_, Dtype::Int8, Timing::Static | Timing::Dynamic | Timing::Qat) => None,
        _ => Some("it multiplies no bytes, so that it would be the same as with kernel avx2"),
    }
}

/// The cell with the axes that mean nothing to it removed, or what is excluded and why.
fn meaning(mut cell: Cell, sources: &Sources) -> Result<Cell, (String, String)> {
    let excluded = |what: String, reason: &str| Err((what, reason.to_owned()));
    let what = format!("{} with timing {}", cell.dtype, cell.timing);
    if let Some(backend) = &cell.backend
        && let Some(reason) = backend::unsupported(backend, cell.dtype, cell.timing, cell.symmetry)
    {
        return Err((format!("{what} on {backend}"), reason.to_owned()));
    }
    if let Some(reason) = same_as_exact(&cell) {
        return excluded(format!("{what} with kernel {}", cell.kernel), reason);
    }
    if cell.timing != Timing::Static {
        // Nothing of it is calibrated: all draws are one cell.
        cell.draw = 0;
    }
    match (cell.dtype.is_integer(), cell.timing) {
        (false, Timing::None) => {
            (cell.calibrator, cell.granularity, cell.symmetry) = (None, None, None);
            Ok(cell)
        }
        (false, _) => excluded(what, "floating point has no ranges to find; its timing is `none`"),
        (true, Timing::None) => {
            excluded(what, "integers need ranges; choose dynamic, static, qat or weight-only")
        }
        (true, Timing::WeightOnly) if cell.dtype == Dtype::Int16 => {
            excluded(what, "int16 has 8-bit weights (W8A16), so its weight-only form is int8's")
        }
        (true, Timing::WeightOnly) => {
            (cell.calibrator, cell.symmetry) = (None, None);
            Ok(cell)
        }
        (true, Timing::Dynamic) => {
            only(cell, "minmax", "a range found at run time is the tensor's own min-max")
        }
        (true, Timing::Qat) if sources.files.contains_key(&cell.model) => {
            excluded(what, "fine-tuning needs the data and the recipe of a built-in model")
        }
        (true, Timing::Qat) => {
            let reason = "QAT's observers follow the weights while they change: a moving average of min-max";
            only(cell, "moving-average-minmax", reason)
        }
        (true, Timing::Static) => match unsupported(&cell) {
            None => Ok(cell),
            Some(reason) => {
                let name = cell.calibrator.as_deref().unwrap_or_default();
                let symmetry = cell.symmetry.map_or("", Symmetry::id);
                excluded(format!("{} {symmetry} with calibrator {name}", cell.dtype), reason)
            }
        },
    }
}

/// Why the cell's method has no answer for its format and symmetry.
fn unsupported(cell: &Cell) -> Option<&'static str> {
    let method = (calibrator(cell.calibrator.as_deref()?).ok()?.construct)();
    method.unsupported(cell.dtype.activation_format()?, cell.symmetry?)
}

fn only(cell: Cell, calibrator: &str, reason: &str) -> Result<Cell, (String, String)> {
    match cell.calibrator.as_deref() {
        Some(name) if name == calibrator => Ok(cell),
        _ => Err((
            format!("timing {} with a calibrator other than {calibrator}", cell.timing),
            reason.to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use calibench_kernels::Isa;

    use super::*;

    fn strings(values: &[&str]) -> Option<Vec<String>> {
        Some(values.iter().map(|v| (*v).to_owned()).collect())
    }

    fn with(axes: Axes) -> Result<Plan> {
        plan(&Config::embedded().with_axes(&axes), Sources::default())
    }

    #[test]
    fn the_default_plan_has_at_least_sixty_different_cells() {
        let plan = plan(&Config::embedded(), Sources::default()).unwrap();
        let ids: BTreeSet<String> = plan.cells.iter().map(Cell::id).collect();
        assert_eq!(ids.len(), plan.cells.len());
        assert!(plan.cells.len() >= 60, "{}", plan.cells.len());
    }

    #[test]
    fn four_flags_name_one_cell() {
        let axes = Axes {
            model: strings(&["digits-cnn"]),
            dtype: strings(&["int8"]),
            timing: strings(&["static"]),
            calibrator: strings(&["entropy"]),
            ..Axes::default()
        };
        let cells = with(axes).unwrap().cells;
        assert_eq!(cells.len(), 1);
        let prefix = "digits-cnn/int8/static/entropy/per-channel/affine/";
        assert!(cells[0].id().starts_with(prefix), "{}", cells[0].id());
    }

    #[test]
    fn combinations_without_meaning_are_excluded_with_a_reason() {
        let axes = Axes { dtype: strings(&["fp32", "int8", "int16"]), ..Axes::default() };
        let plan = with(axes).unwrap();
        assert!(plan.excluded.iter().all(|e| !e.reason.is_empty() && e.count > 0));
        let what: Vec<&str> = plan.excluded.iter().map(|e| e.what.as_str()).collect();
        for expected in [
            "fp32 with timing static",
            "int8 with timing none",
            "int16 with timing weight-only",
            "timing dynamic with a calibrator other than minmax",
        ] {
            assert!(what.contains(&expected), "{what:?}");
        }
        for cell in &plan.cells {
            assert_eq!(cell.dtype.is_integer(), cell.timing != Timing::None);
        }
    }

    #[test]
    fn other_runtimes_have_no_part_in_ways_to_multiply_bytes() {
        if Kernels::of(KernelSet { isa: Isa::Avx2, products: Products::SevenBit }).is_err() {
            println!("skipped: this machine lacks AVX2");
            return;
        }
        let axes = Axes {
            model: strings(&["digits-cnn"]),
            dtype: strings(&["int8"]),
            timing: strings(&["static"]),
            calibrator: strings(&["minmax"]),
            kernel: strings(&["avx2-7bit"]),
            backend: strings(&["native", "onnxruntime"]),
            ..Axes::default()
        };
        let plan = with(axes).unwrap();
        assert_eq!(plan.cells.len(), 1);
        assert!(plan.excluded.iter().any(|e| e.reason.contains("kernels of its own")), "{:?}", plan.excluded);
    }

    #[test]
    fn a_plan_without_a_cell_says_why() {
        let axes = Axes { dtype: strings(&["fp32"]), timing: strings(&["static"]), ..Axes::default() };
        let error = with(axes).unwrap_err().to_string();
        assert!(error.contains("no ranges to find"), "{error}");
    }

    #[test]
    fn unknown_names_on_every_axis_name_the_nearest() {
        let cases = [
            (Axes { model: strings(&["digits-cn"]), ..Axes::default() }, "digits-cnn"),
            (Axes { dtype: strings(&["int9"]), ..Axes::default() }, "int8"),
            (Axes { timing: strings(&["statik"]), ..Axes::default() }, "static"),
            (Axes { calibrator: strings(&["entrop"]), ..Axes::default() }, "entropy"),
            (Axes { granularity: strings(&["per-chanel"]), ..Axes::default() }, "per-channel"),
            (Axes { symmetry: strings(&["afine"]), ..Axes::default() }, "affine"),
            (Axes { kernel: strings(&["generik"]), ..Axes::default() }, "generic"),
        ];
        for (axes, hint) in cases {
            let error = with(axes).unwrap_err().to_string();
            assert!(error.contains(&format!("did you mean `{hint}`?")), "{error}");
        }
    }
}
