//! `calibench sensitivity`: every site of a model, ranked by what its conversion does to the output.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use calibench_engine::interpret::Processor;
use calibench_graph::Graph;
use calibench_kernels::Kernels;
use calibench_quant::Dtype;
use calibench_report::{PrecisionPlot, PrecisionSite, precision_plots};
use calibench_store::write_atomic;
use calibench_tasks::Samples;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::half::Half;
use super::keep::{Proposal, propose};
use super::site::Site;
use super::trials::{Effect, Trials};
use super::{FORMATS, constants, effects, print, site, statistics};
use crate::cell::Bench;
use crate::cli::{Format, names};
use crate::commands::choice::Choice;
use crate::own::ModelName;
use crate::sources::spaced;
use crate::subject::FIDELITY;
use crate::{EXIT_INTERRUPTED, EXIT_OK, console, interrupt, sites};

/// Options of `sensitivity`.
#[derive(Debug, Args)]
pub struct Sensitivity {
    /// The model: a built-in name, or a file, which needs --data
    #[arg(value_name = "MODEL", value_parser = ModelName)]
    pub model: String,
    /// The format that sites are converted to; halves round every operation, as hardware of that type does
    #[arg(long, value_name = "NAME", default_value = "fp16", value_parser = names(FORMATS.iter().copied()))]
    pub dtype: String,
    /// Samples of the test data that are run
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub samples: usize,
    /// The SQNR that the output is to reach with the proposed list [default: 40 dB in fp16, 25 in bf16, 20 in integers]
    #[arg(long, value_name = "DB")]
    pub target_sqnr: Option<f64>,
    /// Sites that are printed; 0 for all
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
    /// A folder for the findings: sensitivity.json, plots, and keep.toml for `sweep --config`
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// How to print them
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// How the model is quantized; last, because its headings hold for what follows
    #[command(flatten)]
    pub choice: Choice,
}

/// Everything that was found.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    pub model: String,
    pub dtype: String,
    #[serde(skip)]
    pub format: Dtype,
    pub samples: usize,
    pub metric: String,
    /// Score of fp32 on the same samples; none where the metric compares with fp32.
    pub fp32_score: Option<f64>,
    /// The output with every site converted.
    pub everything: Option<Effect>,
    /// Sites, the most harmful first.
    pub sites: Vec<Site>,
    pub proposal: Option<Proposal>,
    /// Executions of the model over all samples.
    pub evaluations: usize,
    /// Whether it was not interrupted.
    pub complete: bool,
}

impl Findings {
    pub(super) fn is_half(&self) -> bool {
        !self.format.is_integer()
    }
}

/// Looks at every site of a model and prints what it finds.
///
/// # Errors
/// When the model or its data cannot be read, or it does not run.
pub fn run(options: &Sensitivity) -> Result<u8> {
    if options.samples == 0 {
        bail!("--samples 0 leaves nothing to run; give 1 or more");
    }
    let format = computed(&options.dtype)?;
    let scratch = tempfile::tempdir().context("cannot make a folder for the calibration")?;
    let (folder, plan) = options.choice.prepare(&options.model, format, &scratch.path().join("run"))?;
    if let Some(out) = &options.out {
        std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    }
    let cell = &plan.cells[0];
    let bench = Bench::new(cell, &plan, &folder)?;
    let (subject, ready) = bench.into_parts();
    let samples = spread(&subject.test, options.samples);
    let kernels = Kernels::of(cell.kernel.parse()?)?;
    let processor = plan.measure.simulate_on.processor()?;
    let sites = match Half::of(format) {
        Some(half) => half_sites(&ready.graph, half, &samples, &processor)?,
        None => {
            let batch = samples.len();
            let rows =
                sites::compare("", &ready.graph, &ready.spec, &processor, batch, &samples.batch(0..batch))?;
            site::of_integers(&ready.graph, &rows)
        }
    };
    if sites.is_empty() {
        bail!("{} has no operation that {} would change", cell.model, options.dtype);
    }
    let evaluated = (samples, subject.metric.as_str(), plan.measure.evaluation_batch);
    let mut trials = Trials::new(ready.graph, evaluated, kernels)?;
    trials.convert_to(ready.spec, None);
    let target_db = options.target_sqnr.unwrap_or(match format {
        Dtype::Fp16Storage | Dtype::Fp16Compute => 40.0,
        Dtype::Bf16Storage | Dtype::Bf16Compute => 25.0,
        _ => 20.0,
    });
    let findings = look(options, (&cell.model, format), &mut trials, sites, &subject.metric, target_db)?;
    if let Some(out) = &options.out {
        write(&findings, out)?;
        console::note(&format!("findings: {}", out.display()));
    }
    console::result(&match options.format {
        Format::Table => print::table(&findings, options.top),
        Format::Json => serde_json::to_string_pretty(&findings)?,
    });
    Ok(if findings.complete { EXIT_OK } else { EXIT_INTERRUPTED })
}

/// The dtype that computes in a format of the lab.
fn computed(name: &str) -> Result<Dtype> {
    Ok(match name {
        "fp16" => Dtype::Fp16Compute,
        "bf16" => Dtype::Bf16Compute,
        other => other.parse()?,
    })
}

/// Some of the samples, spread over all of them; pairs stay together.
pub(super) fn spread(test: &Samples, asked: usize) -> Samples {
    let wanted = asked.div_ceil(test.unit()).min(test.units());
    test.select_units(&spaced(wanted, test.units()))
}

fn half_sites(graph: &Graph, half: Half, samples: &Samples, processor: &Processor) -> Result<Vec<Site>> {
    let bar = bar(samples.len(), "values of every site");
    let gathered = statistics::gather(graph, half, samples, processor, |done| {
        bar.set_position(done as u64);
        if interrupt::interrupted() { bail!("interrupted") } else { Ok(()) }
    });
    bar.finish_and_clear();
    Ok(site::of_half(graph, half, &gathered?, &constants::losses(graph, half)))
}

/// A bar on stderr, silent where that is no terminal.
pub(super) fn bar(steps: usize, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(steps as u64).with_style(style).with_message(what)
}

fn look(
    options: &Sensitivity,
    (model, format): (&str, Dtype),
    trials: &mut Trials,
    mut sites: Vec<Site>,
    metric: &str,
    target_db: f64,
) -> Result<Findings> {
    let bar = bar(2 * sites.len() + 1, "effects on the output");
    let everything = trials.effect(&BTreeSet::new())?;
    effects::measure(trials, &mut sites, |done| {
        bar.set_position(done as u64 + 1);
        !interrupt::interrupted()
    })?;
    effects::rank(&mut sites);
    bar.set_message("list of sites to keep");
    let proposal = if interrupt::interrupted() {
        None
    } else {
        propose(trials, &sites, everything, target_db, || {
            bar.inc(1);
            !interrupt::interrupted()
        })?
    };
    bar.finish_and_clear();
    let fp32_score = match metric {
        FIDELITY => None,
        _ => trials.effect_of(trials.reference())?.score,
    };
    Ok(Findings {
        model: model.to_owned(),
        dtype: options.dtype.clone(),
        format,
        samples: trials.len(),
        metric: metric.to_owned(),
        fp32_score,
        everything: Some(everything),
        sites,
        proposal,
        evaluations: trials.evaluations,
        complete: !interrupt::interrupted(),
    })
}

/// The findings as files.
fn write(findings: &Findings, out: &Path) -> Result<()> {
    write_atomic(&out.join("sensitivity.json"), &serde_json::to_vec_pretty(findings)?)?;
    if let Some(proposal) = &findings.proposal {
        let config = crate::config::keeping(&proposal.keep, &[])?;
        write_atomic(&out.join("keep.toml"), config.as_bytes())?;
    }
    for (name, svg) in precision_plots(&plotted(findings))? {
        write_atomic(&out.join(name), svg.as_bytes())?;
    }
    Ok(())
}

/// What the plots show, in execution order.
fn plotted(findings: &Findings) -> PrecisionPlot {
    let mut sites: Vec<&Site> = findings.sites.iter().collect();
    sites.sort_by_key(|s| s.depth);
    let site = |site: &&Site| PrecisionSite {
        name: site.name.clone(),
        alone_db: site.alone.and_then(|e| e.sqnr_db),
        own_db: site.own_sqnr_db,
        run_db: site.run_sqnr_db,
        magnitudes: site.statistics.as_ref().map(|s| (f64::from(s.min_abs), f64::from(s.max_abs))),
    };
    let limits = Half::of(findings.format)
        .map(|half| half.format())
        .map(|format| [format.smallest_subnormal(), format.smallest_normal(), format.largest]);
    PrecisionPlot {
        model: findings.model.clone(),
        format: findings.dtype.clone(),
        samples: findings.samples,
        limits,
        sites: sites.iter().map(site).collect(),
    }
}
