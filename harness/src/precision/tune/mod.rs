//! `calibench tune`: which sites of a model to convert, for the least latency or memory within a budget of accuracy.
//!
//! The test data are divided: one half is searched on, the other decides. What is chosen is the fastest (or smallest), as
//! measured, of the configurations that the other half confirms, among which are fp32 and every format for all sites: so it
//! is never worse than the best uniform one.

mod decide;
mod journal;
mod options;
mod print;
mod savings;
mod search;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use calibench_engine::QuantSpec;
use calibench_engine::compile::CompileOptions;
use calibench_graph::HalfType;
use calibench_kernels::Kernels;
use calibench_metrics::{MetricSpec, spec};
use calibench_quant::Dtype;
use calibench_report::{FrontPlot, FrontPoint, front_plot};
use calibench_store::{Machine, run_name, write_atomic};
use calibench_tasks::Samples;
use serde::Serialize;

use self::decide::{Contender, Decider, decide};
use self::journal::{Journal, Set};
pub use self::options::Tune;
use self::savings::Savings;
use self::search::{Point, Search, front};
use super::half::Half;
use super::sensitivity::{bar, spread};
use super::site::chooses;
use super::trials::Trials;
use crate::axes::{Axes, Cell};
use crate::cell::Bench;
use crate::cli::Format;
use crate::subject::Subject;
use crate::{EXIT_INTERRUPTED, EXIT_OK, config, console, interrupt, provenance};

/// What came of it.
#[derive(Debug, Serialize)]
struct Outcome {
    model: String,
    metric: String,
    objective: &'static str,
    max_drop: f64,
    /// Score of fp32 on the search half and on the held-out half.
    fp32_scores: [Option<f64>; 2],
    /// Samples of the halves.
    samples: [usize; 2],
    /// Sites of each format.
    sites: Vec<(String, usize)>,
    /// Everything that was evaluated on the search half.
    points: Vec<Point>,
    /// What no other point beats, by estimated cost and drop on the search half.
    front: Vec<Point>,
    /// What was confirmed on the held-out half, or was not, the cheapest by estimate first.
    contenders: Vec<Contender>,
    /// The place of the chosen one among them.
    chosen: usize,
    /// Executions over the few samples that single sites were looked at on, over the search half, and over the held-out half.
    evaluations: [usize; 3],
    /// Whether it was not interrupted.
    complete: bool,
}

/// A format with the model made ready for it.
#[derive(Clone)]
struct Candidate {
    /// Its name among the others.
    label: String,
    dtype: Dtype,
    /// What the parameters of sites that are kept are held as, if not fp32.
    kept_as: Option<HalfType>,
    cell: Cell,
    spec: QuantSpec,
    sites: Vec<String>,
}

/// Searches, decides and writes.
///
/// # Errors
/// When the model or its data cannot be read, it does not run, or a file cannot be written.
pub fn run(options: &Tune) -> Result<u8> {
    for (flag, value) in
        [("--evaluations", options.evaluations), ("--screen", options.screen), ("--batch", options.batch)]
    {
        if value == 0 {
            bail!("{flag} 0 leaves nothing to do; give 1 or more");
        }
    }
    let out = folder(options)?;
    let scratch = tempfile::tempdir().context("cannot make a folder for the calibration")?;
    let mut subject = None;
    let mut candidates = Vec::new();
    for name in &options.dtype {
        let dtype = executed(name)?;
        let (run, plan) = options.choice.prepare(&options.model, dtype, &scratch.path().join(name))?;
        let cell = plan.cells[0].clone();
        let (of, ready) = Bench::new(&cell, &plan, &run)?.into_parts();
        let half = Half::of(dtype).is_some();
        // Stored halves change nothing but weights.
        let nodes = ready.graph.nodes.iter();
        let nodes = nodes.filter(|n| chooses(&ready.graph, n, half) && (!half || !n.params.is_empty()));
        let sites = nodes.map(|n| n.name.clone()).collect();
        let label = dtype.id().to_owned();
        candidates.push(Candidate {
            label,
            dtype,
            kept_as: None,
            cell: cell.clone(),
            spec: ready.spec,
            sites,
        });
        subject = Some((of, plan.measure.evaluation_batch));
    }
    let Some((subject, evaluation_batch)) = subject else { bail!("--dtype names no format") };
    // Integers, with halves for what they are too coarse for.
    let halves = HalfType::ALL.into_iter().filter(|half| options.dtype.iter().any(|name| name == half.id()));
    let integers = candidates.iter().filter(|c| c.dtype.is_integer());
    let mixed = integers.flat_map(|candidate| {
        halves.clone().map(|half| Candidate {
            label: format!("{}+{}", candidate.dtype.id(), half.id()),
            kept_as: Some(half),
            ..candidate.clone()
        })
    });
    let mixed: Vec<Candidate> = mixed.collect();
    candidates.extend(mixed);
    let outcome = search_all(options, &subject, &candidates, evaluation_batch, &out)?;
    write(&outcome, &candidates, &out)?;
    console::note(&format!("result: {}", out.display()));
    console::result(&match options.format {
        Format::Table => print::table(&outcome, &out),
        Format::Json => serde_json::to_string_pretty(&outcome)?,
    });
    Ok(if outcome.complete { EXIT_OK } else { EXIT_INTERRUPTED })
}

/// The dtype that executes a format: halves are stored.
fn executed(name: &str) -> Result<Dtype> {
    Ok(match name {
        "fp16" => Dtype::Fp16Storage,
        "bf16" => Dtype::Bf16Storage,
        other => other.parse()?,
    })
}

fn folder(options: &Tune) -> Result<PathBuf> {
    let name = || run_name(SystemTime::now(), &Machine::detect().host, provenance::commit().as_deref());
    let out = options.out.clone().unwrap_or_else(|| Path::new("reports/tune").join(name()));
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    Ok(out)
}

/// The test data in two halves, sample by sample; pairs stay together.
fn halves(test: &Samples) -> Result<[Samples; 2]> {
    if test.units() < 4 {
        bail!("{} samples are too few to search on one half and decide on the other", test.len());
    }
    let half = |which: usize| (which..test.units()).step_by(2).collect::<Vec<_>>();
    Ok([0, 1].map(|which| test.select_units(&half(which))))
}

fn search_all(
    options: &Tune,
    subject: &Subject,
    candidates: &[Candidate],
    evaluation_batch: usize,
    out: &Path,
) -> Result<Outcome> {
    let [searched, held_out] = halves(&subject.test)?;
    let screened = spread(&searched, options.screen);
    let metric: &'static MetricSpec =
        spec::find(&subject.metric).with_context(|| format!("the metric {} is not known", subject.metric))?;
    let kernels = Kernels::of(candidates[0].cell.kernel.parse()?)?;
    let trials = |samples: &Samples| {
        let samples = (samples.clone(), subject.metric.as_str(), evaluation_batch);
        Trials::new(subject.graph.clone(), samples, kernels)
    };
    let choice = &options.choice;
    let mut journal = Journal::open(
        out,
        format!(
            "model {} {}, {} samples of {}, screen {}, {} {} {} {} {:?}, calibration {}",
            candidates[0].cell.model,
            subject.hash,
            subject.test.len(),
            subject.dataset,
            options.screen,
            choice.calibrator,
            choice.granularity,
            choice.symmetry,
            kernels.set(),
            choice.timing,
            choice.calibration_samples
        ),
    )?;
    let mut points: Vec<Point> = Vec::new();
    let (mut screen, mut search_trials) = (trials(&screened)?, trials(&searched)?);
    let fp32 = search_trials.effect_of(search_trials.reference())?.score;
    let fp32_score =
        fp32.with_context(|| format!("{} is undefined for fp32 on the search half", metric.id))?;
    let inputs = crate::cell::input_of(&subject.test, options.batch);
    let views: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    let timed = CompileOptions { kernels, threads: choice.threads, max_batch: options.batch };
    for candidate in candidates {
        let Candidate { label, dtype, kept_as, spec, sites, .. } = candidate;
        let what = (spec, *kept_as);
        let savings = Savings::measure(&subject.graph, what, sites, options.objective, (timed, &views))?;
        screen.convert_to(spec.clone(), None);
        search_trials.convert_to(spec.clone(), *kept_as);
        let bar = bar(sites.len() + options.evaluations, "searching");
        let mut search = Search {
            label,
            dtype: dtype.id(),
            kept_as: kept_as.map_or(Dtype::Fp32.id(), HalfType::id),
            sites,
            savings: &savings,
            screen: &mut screen,
            trials: &mut search_trials,
            journal: &mut journal,
            metric,
            fp32_score,
            max_drop: options.max_drop,
            budget: options.evaluations,
            go_on: &mut || {
                bar.inc(1);
                !interrupt::interrupted()
            },
            points: Vec::new(),
        };
        search.run()?;
        points.append(&mut search.points);
        bar.finish_and_clear();
    }
    let decider = Decider { options, subject, metric, timed, inputs: &views, evaluation_batch };
    let (contenders, chosen, held_out_fp32) = decide(&decider, candidates, &points, &held_out)?;
    let evaluations = [journal.count(Set::Screen), journal.count(Set::Search), contenders.len()];
    Ok(Outcome {
        model: candidates[0].cell.model.clone(),
        metric: metric.id.to_owned(),
        objective: options.objective.id(),
        max_drop: options.max_drop,
        fp32_scores: [fp32, held_out_fp32],
        samples: [searched.len(), held_out.len()],
        sites: candidates.iter().map(|c| (c.label.clone(), c.sites.len())).collect(),
        front: front(&points),
        points,
        contenders,
        chosen,
        evaluations,
        complete: !interrupt::interrupted(),
    })
}

/// The outcome as files.
fn write(outcome: &Outcome, candidates: &[Candidate], out: &Path) -> Result<()> {
    write_atomic(&out.join("tune.json"), &serde_json::to_vec_pretty(outcome)?)?;
    let chosen = &outcome.contenders[outcome.chosen];
    let axes = match candidates.iter().find(|c| c.label == chosen.point.dtype) {
        Some(candidate) => axes_of(&candidate.cell),
        None => Axes {
            dtype: Some(vec!["fp32".to_owned()]),
            timing: Some(vec!["none".to_owned()]),
            ..Axes::default()
        },
    };
    let keep = chosen.point.patterns();
    write_atomic(&out.join("tuned.toml"), config::keeping(&keep, &[axes])?.as_bytes())?;
    // fp32 is none of those that were searched.
    let other = Some(&chosen.point).filter(|p| !outcome.points.contains(p));
    let point = |p: &Point| FrontPoint {
        series: p.dtype.clone(),
        cost: p.cost,
        drop: p.drop,
        kept: p.keep.len(),
        chosen: *p == chosen.point,
    };
    let plot = FrontPlot {
        model: outcome.model.clone(),
        metric: outcome.metric.clone(),
        objective: outcome.objective.to_owned(),
        max_drop: outcome.max_drop,
        samples: outcome.samples[0],
        points: outcome.points.iter().chain(other).map(point).collect(),
    };
    if let Some(svg) = front_plot(&plot)? {
        write_atomic(&out.join("front.svg"), svg.as_bytes())?;
    }
    Ok(())
}

/// The axes that give this cell, where it runs and how it is timed left out.
fn axes_of(cell: &Cell) -> Axes {
    let one = |name: &str| Some(vec![name.to_owned()]);
    Axes {
        dtype: one(cell.dtype.id()),
        timing: one(cell.timing.id()),
        calibrator: cell.calibrator.as_deref().and_then(one),
        granularity: cell.granularity.and_then(|g| one(g.id())),
        symmetry: cell.symmetry.and_then(|s| one(s.id())),
        ..Axes::default()
    }
}
