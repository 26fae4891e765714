//! The main flow: plan → train → calibrate → cells → rows → report.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use calibench_models::Progress;
use calibench_quant::Timing;
use calibench_report::terminal_summary;
use calibench_store::{CellRecord, Machine, Manifest, ModelInfo, RunFolder, rfc3339, run_name, write_atomic};
use indicatif::{ProgressBar, ProgressStyle};

use crate::axes::Cell;
use crate::config::{Config, SimulateOn};
use crate::machine::reference;
use crate::plan::{Plan, plan};
use crate::provenance::{commit, packages};
use crate::sources::Sources;
use crate::subject::Subject;
use crate::worker::{self, Ending};
use crate::{
    EXIT_CELLS_FAILED, EXIT_INTERRUPTED, EXIT_OK, backend, cell, clock, commands, console, interrupt, prepare,
};

/// A swing of the fixed workload from which a warning is due.
const NOISY: f64 = 0.10;

/// Where a sweep writes and what it goes on from.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// A new run folder; the default is named by time, host and commit below `reports/runs`.
    pub out: Option<PathBuf>,
    /// A run folder to go on with.
    pub resume: Option<PathBuf>,
    /// Whether the table of results is not printed.
    pub quiet: bool,
    /// Processes that measure each cell, where the plan of the run to go on with says another number.
    pub repeats: Option<usize>,
}

/// Runs a sweep and gives the exit status.
///
/// # Errors
/// Whatever stops the whole sweep; a single cell's failure becomes a row.
pub fn sweep(config: &Config, sources: Sources, target: &Target) -> Result<u8> {
    Ok(measure(config, sources, target)?.1)
}

/// The same, with the folder of the run.
///
/// # Errors
/// As [`sweep`].
pub fn measure(config: &Config, sources: Sources, target: &Target) -> Result<(RunFolder, u8)> {
    let (folder, mut plan, mut manifest) = match &target.resume {
        Some(dir) => resume(dir)?,
        None => begin(config, sources, target.out.as_deref())?,
    };
    if let Some(repeats) = target.repeats {
        plan.measure.repeats = repeats;
        plan.write(&folder)?;
    }
    interrupt::listen()?;
    let prepared = prepare_models(&folder, &plan, &mut manifest)?;
    if prepared.is_continue() {
        watch_noise(&folder, &plan, &mut manifest)?;
        let absent = find_backends(&plan, &mut manifest);
        folder.write_manifest(&manifest)?;
        run_cells(&folder, &plan, &absent)?;
    }
    let status = finish(&folder, &plan, manifest, target.quiet)?;
    Ok((folder, status))
}

/// Prepares the models of a plan in a new folder `out` as a sweep does, and measures nothing. `None` when it was interrupted.
///
/// # Errors
/// As [`sweep`].
pub fn prepare(
    config: &Config,
    sources: Sources,
    out: &std::path::Path,
) -> Result<Option<(RunFolder, Plan)>> {
    interrupt::listen()?;
    let (folder, plan, mut manifest) = start(config, sources, Some(out))?;
    let prepared = prepare_models(&folder, &plan, &mut manifest)?;
    Ok(prepared.is_continue().then_some((folder, plan)))
}

/// Looks how steady the machine is before anything is timed on it, notes it, and warns; refuses where the plan sets a limit.
fn watch_noise(folder: &RunFolder, plan: &Plan, manifest: &mut Manifest) -> Result<()> {
    let Some(noise) = reference::noise() else { return Ok(()) };
    manifest.noise = Some(noise);
    folder.write_manifest(manifest)?;
    let swings = format!("a fixed workload swings by {:.0} % on this machine", 100.0 * noise);
    match plan.measure.max_noise {
        Some(limit) if noise > limit => bail!(
            "{swings}, and measure.max_noise allows {:.0} %; stop what else is running and go on with: calibench sweep \
             --resume {}",
            100.0 * limit,
            folder.root().display()
        ),
        None if noise > NOISY => {
            console::note(&format!(
                "warning: {swings}; stop what else is running, or expect wide latency intervals"
            ));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Makes a new run folder to measure into, and says so.
fn begin(
    config: &Config,
    sources: Sources,
    out: Option<&std::path::Path>,
) -> Result<(RunFolder, Plan, Manifest)> {
    let (folder, plan, manifest) = start(config, sources, out)?;
    let cells = plan.cells.len();
    let noun = if cells == 1 { "cell" } else { "cells" };
    console::note(&format!("measuring {cells} {noun} into {}", folder.root().display()));
    Ok((folder, plan, manifest))
}

/// Makes a new run folder with its plan and manifest.
fn start(
    config: &Config,
    sources: Sources,
    out: Option<&std::path::Path>,
) -> Result<(RunFolder, Plan, Manifest)> {
    let plan = plan(config, sources)?;
    plan.measure.simulate_on.processor()?;
    // What is damaged, missing or does not fit is found before a folder is made for its results.
    let mut models: Vec<String> = plan.models().into_iter().map(|(model, _)| model).collect();
    models.dedup();
    for model in models {
        for note in Subject::check(&model, &plan.sources, &plan.measure)? {
            console::note(&format!("{model}: {note}"));
        }
    }
    let machine = Machine::detect();
    let commit = commit();
    let path = out.map_or_else(
        || PathBuf::from("reports/runs").join(run_name(SystemTime::now(), &machine.host, commit.as_deref())),
        std::path::Path::to_path_buf,
    );
    let folder = RunFolder::create(&path)?;
    let manifest = Manifest {
        created_utc: rfc3339(SystemTime::now()),
        calibench_version: env!("CARGO_PKG_VERSION").to_owned(),
        commit,
        command: std::env::args().collect(),
        machine,
        rustc: Some(env!("CALIBENCH_RUSTC").to_owned()),
        packages: packages(),
        isa: calibench_kernels::Isa::best().id().to_owned(),
        seeds: plan
            .models()
            .iter()
            .map(|(_, seed)| *seed)
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect(),
        config: serde_json::to_value(config)?,
        excluded: plan.excluded.clone(),
        ..Manifest::default()
    };
    plan.write(&folder)?;
    folder.write_manifest(&manifest)?;
    Ok((folder, plan, manifest))
}

/// Opens a run folder to go on with.
fn resume(dir: &std::path::Path) -> Result<(RunFolder, Plan, Manifest)> {
    let folder = RunFolder::open(dir)?;
    let manifest = folder.read_manifest()?;
    let plan = Plan::read(&folder)?;
    let here = Machine::detect();
    if (&here.host, &here.cpu_model) != (&manifest.machine.host, &manifest.machine.cpu_model) {
        console::note(&format!(
            "warning: this run was begun on {} ({}); rows from both machines will stand side by side",
            manifest.machine.host, manifest.machine.cpu_model
        ));
    }
    let commit = commit();
    if commit != manifest.commit {
        let name = |c: &Option<String>| c.clone().unwrap_or_else(|| "an unknown commit".to_owned());
        console::note(&format!(
            "warning: this run was begun by calibench at {}, and this is {}; their rows may differ",
            name(&manifest.commit),
            name(&commit)
        ));
    }
    Ok((folder, plan, manifest))
}

/// Trains or loads each model, observes it once for all calibrators, and fine-tunes it for its QAT cells.
fn prepare_models(folder: &RunFolder, plan: &Plan, manifest: &mut Manifest) -> Result<ControlFlow<()>> {
    let calibrators = plan.calibrators();
    for (model, seed) in plan.models() {
        let what = format!("{model}, seed {seed}");
        let subject = with_progress(&format!("training {what}"), |progress| {
            Subject::load(&model, seed, &plan.sources, &plan.measure, progress)
                .with_context(|| format!("cannot prepare model {what}"))
        })?;
        let Some(mut subject) = subject else { return Ok(ControlFlow::Break(())) };
        if let Some(seconds) = subject.trained_seconds {
            console::note(&format!("trained {what} in {seconds:.0} s; later sweeps find it in the cache"));
        }
        if subject.fp32_score.is_none() {
            subject.fp32_score = cell::fp32_score(&subject, &plan.measure)?;
        }
        let key = format!("{model}/{seed}");
        record(manifest, &key, seed, &subject)?;
        for draw in plan.draws(&model, seed) {
            let path = prepare::calibration_file(&folder.stats_dir(), &model, seed, draw);
            let calibration = match prepare::read_calibration(&path, &subject.graph) {
                Some(calibration) => calibration,
                None => {
                    let samples = prepare::drawn(&subject.calibration, draw);
                    let batch = plan.measure.calibration_batch;
                    let processor = plan.measure.simulate_on.processor()?;
                    let fresh =
                        prepare::calibrate(&subject.graph, &samples, batch, &calibrators, &processor)?;
                    write_atomic(&path, &serde_json::to_vec(&fresh)?)?;
                    fresh
                }
            };
            let key = if draw == 0 { key.clone() } else { format!("{key}/d{draw}") };
            manifest.calibration_passes.insert(key, calibration.passes);
        }
        let Some(dataset) = &subject.built_in else { continue };
        let of_model = plan.cells.iter().filter(|c| c.timing == Timing::Qat);
        for cell in of_model.filter(|c| c.model == model && c.seed == seed) {
            let tuned = with_progress(&format!("fine-tuning {what} for {} QAT", cell.dtype), |progress| {
                prepare::fine_tuned(cell, &subject.graph, dataset, progress)
            });
            match tuned {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(ControlFlow::Break(())),
                // The cell will fail for the same reason, alone.
                Err(error) => console::note(&format!("warning: {}: {error:#}", cell.id())),
            }
        }
    }
    folder.write_manifest(manifest)?;
    Ok(ControlFlow::Continue(()))
}

/// Runs training `work` under a bar that appears after the first epoch; `None` when it was interrupted.
fn with_progress<T>(
    what: &str,
    work: impl FnOnce(&mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<T>,
) -> Result<Option<T>> {
    let bar = bar(0, "{msg} {bar:30} epoch {pos}/{len}, {eta} left");
    let result = work(&mut |p| {
        bar.set_message(what.to_owned());
        bar.set_length(p.epochs as u64);
        bar.set_position(p.epoch as u64);
        if interrupt::interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    if interrupt::interrupted() { Ok(None) } else { result.map(Some) }
}

/// Notes in the manifest what a model and its data are.
///
/// # Errors
/// When a resumed run was begun on other data or other weights: its rows could not be compared.
fn record(manifest: &mut Manifest, key: &str, seed: u64, subject: &Subject) -> Result<()> {
    let known = manifest.datasets.insert(subject.dataset.clone(), subject.info.clone());
    if let Some(known) = known.filter(|known| known.sha256 != subject.info.sha256) {
        bail!(
            "this run was begun on dataset `{}` with SHA-256 {}, which is now {}; restore it or start a new sweep",
            subject.dataset,
            known.sha256,
            subject.info.sha256
        );
    }
    let known = manifest.models.remove(key);
    if let Some(known) = known.as_ref().filter(|known| known.hash != subject.hash) {
        bail!(
            "this run was begun on model {key} with hash {}, which is {} now; start a new sweep",
            known.hash,
            subject.hash
        );
    }
    let info = ModelInfo {
        hash: subject.hash.clone(),
        parameters: subject.graph.parameter_count() as u64,
        metric: subject.metric.clone(),
        fp32_score: subject.fp32_score,
        seed,
        trained_seconds: subject.trained_seconds.or(known.and_then(|known| known.trained_seconds)),
    };
    manifest.models.insert(key.to_owned(), info);
    Ok(())
}

/// Runs every cell that has no record yet, each in its own process; then, as often as the plan says, the latency of each
/// once more. Repeats of a cell lie a pass of the sweep apart, so that what slows the machine for a while slows one of them.
fn run_cells(folder: &RunFolder, plan: &Plan, absent: &BTreeMap<String, String>) -> Result<()> {
    let repeats = plan.measure.repeats;
    let bar = bar((plan.cells.len() * repeats) as u64, "{bar:30} {pos}/{len} cells, {eta} left  {wide_msg}");
    let timeout = Duration::from_secs(plan.measure.cell_timeout_seconds);
    let ids: Vec<String> = plan.cells.iter().map(Cell::id).collect();
    let (done, warnings) = folder.read_cells(&ids);
    warnings.iter().for_each(|w| console::note(&format!("warning: {w}")));
    let done: BTreeSet<String> = done.into_iter().map(|r| r.row.cell).collect();
    for (planned, id) in plan.cells.iter().zip(&ids) {
        let absence = planned.backend.as_ref().and_then(|b| absent.get(b));
        if let (Some(reason), false) = (absence, done.contains(id)) {
            folder.write_cell(&unmeasured(folder, planned, plan, "skipped", reason.clone())?)?;
        } else if !done.contains(id) {
            bar.set_message(id.clone());
            match worker::run(folder.root(), id, 0, timeout)? {
                Ending::Done => {}
                Ending::Interrupted => return Ok(()),
                Ending::Failed(reason) => {
                    bar.suspend(|| console::note(&format!("failed: {id}: {reason}")));
                    folder.write_cell(&unmeasured(folder, planned, plan, "failed", reason)?)?;
                }
            }
        }
        bar.inc(1);
    }
    for process in 1..repeats as u32 {
        for id in &ids {
            let measured = folder.read_cell(id)?.is_some_and(|r| r.row.status == "ok");
            if measured && folder.read_repeat(id, process).is_none() {
                bar.set_message(format!("{id}, once more"));
                match worker::run(folder.root(), id, process, timeout)? {
                    Ending::Done => {}
                    Ending::Interrupted => return Ok(()),
                    Ending::Failed(reason) => {
                        let what =
                            format!("warning: {id} was not timed once more (process {process}): {reason}");
                        bar.suspend(|| console::note(&what));
                    }
                }
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Joins the repeats of a cell's latency to its record.
fn with_repeats(folder: &RunFolder, mut record: CellRecord, repeats: usize) -> CellRecord {
    let more: Vec<CellRecord> =
        (1..repeats as u32).filter_map(|process| folder.read_repeat(&record.row.cell, process)).collect();
    for row in &mut record.latency {
        let of_batch = |r: &&calibench_store::LatencyRow| r.batch == row.batch;
        let mut processes = vec![row.clone()];
        processes.extend(more.iter().flat_map(|r| &r.latency).filter(of_batch).cloned());
        let rounds: Vec<_> = (record.rounds.iter())
            .chain(more.iter().flat_map(|r| &r.rounds))
            .filter(|r| r.batch == row.batch)
            .cloned()
            .collect();
        if processes.len() > 1 {
            *row = clock::merge(&processes, &rounds);
        }
    }
    record.rounds.extend(more.into_iter().flat_map(|r| r.rounds));
    record
}

/// Looks for the backends other than our own that the plan names: notes the versions of those that are there, and gives those
/// that are not, with the reason, which is also said.
fn find_backends(plan: &Plan, manifest: &mut Manifest) -> BTreeMap<String, String> {
    let names: BTreeSet<&str> = plan.cells.iter().filter_map(|c| c.backend.as_deref()).collect();
    let mut absent = BTreeMap::new();
    for &name in &names {
        match backend::find(name) {
            Ok(found) => {
                let library = found.library.map_or_else(String::new, |path| format!(": {}", path.display()));
                console::note(&format!("{name} {}{library}", found.version));
                manifest.backends.insert(name.to_owned(), found.version);
            }
            Err(error) if backend::is_absence(&error) => {
                console::note(&format!("skipped: every cell of backend {name}: {error:#}"));
                absent.insert(name.to_owned(), format!("{error:#}"));
            }
            // Its cells will fail for the same reason, each by name.
            Err(_) => {}
        }
    }
    if plan.measure.simulate_on == SimulateOn::Cuda
        && !names.contains(backend::CUDA)
        && let Ok(found) = backend::find(backend::CUDA)
    {
        manifest.backends.insert(backend::CUDA.to_owned(), found.version);
    }
    absent
}

/// The record of a cell that has no measurement.
fn unmeasured(
    folder: &RunFolder,
    planned: &Cell,
    plan: &Plan,
    status: &str,
    reason: String,
) -> Result<CellRecord> {
    // Nothing is loaded again: the manifest has what the row needs to stand beside the others.
    let manifest = folder.read_manifest()?;
    let model = manifest.models.get(&format!("{}/{}", planned.model, planned.seed));
    let metric = model.map(|m| m.metric.clone()).unwrap_or_default();
    let mut row = cell::keys(planned, &plan.sources.dataset_of(&planned.model)?, &metric);
    row.status = status.to_owned();
    row.failure = Some(reason);
    Ok(CellRecord { row, ..CellRecord::default() })
}

/// Gathers the records into tables, writes the report and says what came out.
fn finish(folder: &RunFolder, plan: &Plan, mut manifest: Manifest, quiet: bool) -> Result<u8> {
    let ids: Vec<String> = plan.cells.iter().map(Cell::id).collect();
    let (records, _) = folder.read_cells(&ids);
    let records: Vec<CellRecord> =
        records.into_iter().map(|record| with_repeats(folder, record, plan.measure.repeats)).collect();
    manifest.interrupted = interrupt::interrupted();
    manifest.finished_utc = (records.len() == ids.len()).then(|| rfc3339(SystemTime::now()));
    folder.write_manifest(&manifest)?;
    let path = folder.root().display();
    let go_on = format!("go on with: calibench sweep --resume {path}");
    if records.is_empty() && manifest.interrupted {
        console::note(&format!("interrupted before a cell was measured; {go_on}"));
        return Ok(EXIT_INTERRUPTED);
    }
    if records.is_empty() {
        bail!("no cell was measured; {go_on}");
    }
    folder.assemble(&records)?;
    let tables = folder.load_tables()?;
    commands::write_report(folder, &manifest, &tables)?;
    if !quiet {
        console::result(&terminal_summary(&manifest, &tables, console::width()));
    }
    let count = |status: &str| tables.rows.iter().filter(|r| r.status == status).count();
    let (failed, skipped) = (count("failed"), count("skipped"));
    let also = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    let counted = format!("{} of {} cells measured, {failed} failed{also}", count("ok"), ids.len());
    let report = format!("report: {path}/report.html");
    if quiet {
        console::note(&format!("{counted}; {report}"));
    } else {
        console::result(&format!("\n{counted}\n{report}"));
    }
    if manifest.interrupted {
        console::note(&format!("interrupted; {go_on}"));
        return Ok(EXIT_INTERRUPTED);
    }
    Ok(if failed > 0 { EXIT_CELLS_FAILED } else { EXIT_OK })
}

/// A progress bar on stderr; nothing when stderr is not a terminal.
fn bar(len: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(len);
    bar.set_style(
        ProgressStyle::with_template(template).expect("templates are literals, tested by every sweep"),
    );
    bar
}
