//! What each command does.

pub(crate) mod choice;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod formats;
mod list;

use std::path::Path;

use anyhow::{Context, Result, bail};
use calibench_graph::placement;
use calibench_quant::{Dtype, IntFormat, Job, Range, Symmetry, Timing};
use calibench_report::{SiteHistogram, Threshold};
use calibench_store::{Manifest, RunFolder, Tables};
use clap::CommandFactory;

use crate::axes::{Cell, answerable, calibrator};
use crate::cli::{Cli, Command, Sweep};
use crate::config::{Config, DEFAULT};
use crate::plan::{Plan, plan};
use crate::sources::Sources;
use crate::subject::Subject;
use crate::sweep::{Target, sweep};
use crate::{EXIT_OK, cell, console, lab, precision, prepare, regress, worker};

/// Runs a command and gives the exit status.
///
/// # Errors
/// Whatever stopped it.
pub fn run(cli: Cli) -> Result<u8> {
    match cli.command {
        Command::Sweep(options) => return run_sweep(&options),
        Command::List { what, format } => console::result(&list::list(what, format)?),
        Command::Report { run } => report(&run)?,
        Command::Explain(options) => explain::run(&options)?,
        Command::Export(options) => export::run(&options)?,
        Command::Formats(options) => formats::run(&options)?,
        Command::Support(options) => return precision::support(&options),
        Command::Sensitivity(options) => return precision::sensitivity(&options),
        Command::Tune(options) => return precision::tune(&options),
        Command::Calibrate(options) => return lab::calibrate(&options),
        Command::Observe(options) => lab::observe(&options)?,
        Command::Merge(options) => lab::merge(&options)?,
        Command::Compare(options) => regress::compare_runs(&options)?,
        Command::Baseline(command) => regress::baseline(&command)?,
        Command::Check(options) => return Ok(regress::check(&options)),
        Command::History(options) => regress::history(&options)?,
        Command::Config => console::result(DEFAULT),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "calibench", &mut script);
            console::result(&String::from_utf8_lossy(&script));
        }
        Command::Cell { run, id, process } => {
            worker::end_with_parent();
            one_cell(&run, &id, process)?;
        }
    }
    Ok(EXIT_OK)
}

fn run_sweep(options: &Sweep) -> Result<u8> {
    let (config, sources) = configuration(options, None)?;
    if options.dry_run {
        console::result(&dry_run(&plan(&config, sources)?)?);
        return Ok(EXIT_OK);
    }
    let (out, resume) = (options.out.clone(), options.resume.clone());
    sweep(&config, sources, &Target { out, resume, ..Target::default() })
}

/// What the options of a sweep ask for: their configuration file, else `base`, else the embedded configuration, with the axes
/// and measurements that they name.
///
/// # Errors
/// When a file cannot be read, or the options contradict each other.
pub(crate) fn configuration(options: &Sweep, base: Option<Config>) -> Result<(Config, Sources)> {
    let mut config = match &options.config {
        Some(path) => Config::load(path)?,
        None => base.unwrap_or_else(Config::embedded),
    }
    .with_axes(&options.axes());
    if !options.batch.is_empty() {
        config.measure.batch.clone_from(&options.batch);
    }
    if let Some(seconds) = options.latency_seconds {
        config.measure.latency_seconds = seconds;
    }
    if let Some(repeats) = options.repeats {
        config.measure.repeats = repeats;
    }
    if options.no_pin {
        config.measure.pin = false;
    }
    if options.max_noise.is_some() {
        config.measure.max_noise = options.max_noise;
    }
    if let Some(simulate_on) = options.simulate_on {
        config.measure.simulate_on = simulate_on;
    }
    if let Some(samples) = options.calibration_samples {
        config.measure.calibration_samples = samples;
    }
    // Absolute, so that the run can be resumed from another folder.
    let dataset_dir = options.dataset.as_ref().map(std::path::absolute).transpose();
    let dataset_dir = dataset_dir.context("--dataset names no folder")?;
    if !options.keep_float.is_empty() {
        config.keep_float.clone_from(&options.keep_float);
    }
    let keep_float = config.keep_float.clone();
    Ok((config, Sources { dataset_dir, keep_float, ..options.own.sources()? }))
}

/// The plan in words.
pub(crate) fn dry_run(plan: &Plan) -> Result<String> {
    let mut text = format!("{} cells:\n", plan.cells.len());
    for cell in &plan.cells {
        text.push_str(&format!("  {}\n", cell.id()));
    }
    let mut models: Vec<String> = plan.models().into_iter().map(|(model, _)| model).collect();
    models.dedup();
    for model in models {
        let graph = Subject::structure(&model, &plan.sources, &plan.measure)?;
        let placement = placement(&graph);
        text.push_str(&format!(
            "\n{model}: {} activations and {} weights are quantized in integer cells; in floating point stay:\n",
            placement.activations.len(),
            placement.weights.len()
        ));
        for op in placement.float_ops {
            text.push_str(&format!("  {:<28} {:<14} {}\n", op.node, op.op, op.reason));
        }
        let of_model = |c: &&Cell| c.model == model;
        if plan.cells.iter().filter(of_model).any(|c| c.dtype == Dtype::Int16) {
            for node in graph.nodes.iter().filter(|n| cell::widened(n)) {
                let reason = "int16 cells only: no kernel multiplies two int16 activations; widened to fp32";
                text.push_str(&format!("  {:<28} {:<14} {reason}\n", node.name, node.op.name()));
            }
        }
        if plan.cells.iter().filter(of_model).any(|c| c.timing == Timing::WeightOnly) {
            text.push_str("  (weight-only cells: everything; weights are widened to fp32)\n");
        }
    }
    if !plan.excluded.is_empty() {
        text.push_str("\nleft out:\n");
        for e in &plan.excluded {
            text.push_str(&format!("  {:<58} {:>4} combinations: {}\n", e.what, e.count, e.reason));
        }
    }
    Ok(text)
}

fn one_cell(run: &Path, id: &str, process: u32) -> Result<()> {
    let folder = RunFolder::open(run)?;
    let plan = Plan::read(&folder)?;
    let Some(planned) = plan.cells.iter().find(|c| c.id() == id) else {
        bail!("{} plans no cell `{id}`", run.display());
    };
    match process {
        0 => folder.write_cell(&cell::run(planned, &plan, &folder)?)?,
        _ => folder.write_repeat(&cell::repeat(planned, &plan, &folder, process)?, process)?,
    }
    Ok(())
}

fn report(run: &Path) -> Result<()> {
    let folder = RunFolder::open(run)?;
    let manifest = folder.read_manifest()?;
    let tables = folder.load_tables().with_context(|| {
        format!(
            "cannot read the run's tables; `calibench sweep --resume {}` writes them from its cells",
            run.display()
        )
    })?;
    write_report(&folder, &manifest, &tables)?;
    console::result(&calibench_report::terminal_summary(&manifest, &tables, console::width()));
    console::result(&format!("report: {}/report.html", run.display()));
    Ok(())
}

/// The cell of that id, or the only one whose id has these words.
fn find_cell<'p>(plan: &'p Plan, id: &str) -> Result<&'p Cell> {
    if let Some(cell) = plan.cells.iter().find(|c| c.id() == id) {
        return Ok(cell);
    }
    let words = |c: &&Cell| id.split('/').all(|word| c.id().split('/').any(|part| part == word));
    let found: Vec<&Cell> = plan.cells.iter().filter(words).collect();
    match found[..] {
        [cell] => Ok(cell),
        [] => bail!("the run has no cell `{id}`; its rows, and `calibench sweep --dry-run`, list the ids"),
        _ => {
            let ids: Vec<String> = found.iter().map(|c| format!("\n  {}", c.id())).collect();
            bail!("`{id}` fits {} cells; say which:{}", found.len(), ids.concat())
        }
    }
}

/// Rows of text under each other; the columns `left` begin at the left, the others end at the right.
pub(crate) fn aligned(rows: &[Vec<String>], left: std::ops::Range<usize>) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if left.contains(&column) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Writes plots, summary and page of a run.
///
/// # Errors
/// When a file cannot be written or the kept statistics cannot be read.
pub fn write_report(folder: &RunFolder, manifest: &Manifest, tables: &Tables) -> Result<()> {
    let histograms = histograms(folder, tables)?;
    calibench_report::write_report(folder, manifest, tables, &histograms)
        .context("cannot write the report")?;
    Ok(())
}

/// The activation histograms of each model's calibration pass, with the int8 thresholds of every method that
/// the run used: affine, or symmetric where the method has no others.
fn histograms(folder: &RunFolder, tables: &Tables) -> Result<Vec<SiteHistogram>> {
    let mut histograms = Vec::new();
    let fixed = || tables.rows.iter().filter(|r| r.timing == Timing::Static.id());
    let models: std::collections::BTreeSet<_> = fixed().map(|r| (r.model.clone(), r.seed)).collect();
    for (model, seed) in models {
        let path = prepare::calibration_file(&folder.stats_dir(), &model, seed, 0);
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let calibration: prepare::Calibration = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is damaged; delete it and resume the run", path.display()))?;
        let mut used: Vec<String> =
            fixed().filter(|r| r.model == model && r.seed == seed).map(|r| r.calibrator.clone()).collect();
        used.sort_unstable();
        used.dedup();
        for (site, stats) in &calibration.sites {
            let (Some(histogram), Some(observed)) = (&stats.histogram, stats.range) else { continue };
            let mut thresholds = Vec::new();
            for id in &used {
                let method = (calibrator(id)?.construct)();
                let format = IntFormat::INT8;
                let symmetry = answerable(method.as_ref(), format, Symmetry::Affine);
                let q = method.calibrate(&Job { site, stats, format, symmetry })?;
                let Range { low, high } = q.thresholds(0);
                let half = f64::from(q.scale_of(0)) / 2.0;
                let clipped_share =
                    histogram.share_outside(observed, f64::from(low) - half, f64::from(high) + half);
                thresholds.push(Threshold { calibrator: id.clone(), low, high, clipped_share });
            }
            let (first_bin, bin_width, counts) = lab::linear(histogram, observed);
            histograms.push(SiteHistogram {
                model: model.clone(),
                site: site.clone(),
                bin_width,
                first_bin,
                counts,
                thresholds,
            });
        }
    }
    Ok(histograms)
}
