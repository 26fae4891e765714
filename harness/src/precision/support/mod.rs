//! `calibench support`: what becomes of a number format in each operator on this machine, found by running it.
//!
//! A graph of one operator runs under each format, and its result is compared with those of fp32 with more and more of it
//! rounded or quantized ([`verdict`]). Sums that only a wide accumulator gets right tell what products accumulate in
//! ([`sums`]). What it costs is timed against fp32 of the same backend.

mod execution;
mod hardware;
mod print;
mod specimen;
mod sums;
mod verdict;

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use calibench_engine::interpret::CaptureTap;
use calibench_graph::{Graph, Op, placement};
use calibench_kernels::{KernelSet, Kernels};
use calibench_quant::{Dtype, Range, Symmetry, Timing};
use clap::Args;
use serde::Serialize;

use self::execution::{Machine, interpreted, references, simulated, spec};
use self::specimen::{Specimen, followed, specimens};
use self::sums::Sum;
use self::verdict::{IntegerResults, References, Rounded, Verdict};
use super::half::Half;
use super::sensitivity::bar;
use crate::backend::{self, CUDA, NATIVE};
use crate::cli::{Format, kernel_names, names};
use crate::{EXIT_INTERRUPTED, EXIT_OK, cell, console, interrupt, plan};

/// Options of `support`.
#[derive(Debug, Args)]
pub struct Support {
    /// What executes: `native` is our own engine
    #[arg(long, value_delimiter = ',', value_name = "NAME", default_value = NATIVE, value_parser = names(backend::names()))]
    pub backend: Vec<String>,
    /// Formats to look at [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAME", value_parser = names(Dtype::ALL.iter().filter(|d| **d != Dtype::Fp32).map(|d| d.id())))]
    pub dtype: Vec<String>,
    /// Operators to look at [default: every one that does arithmetic]
    #[arg(long = "op", value_delimiter = ',', value_name = "NAME")]
    pub operators: Vec<String>,
    /// Kernels of `native`, as for `sweep`; `best` is the best of this machine
    #[arg(long, value_name = "NAME", default_value = "best", value_parser = kernel_names())]
    pub kernel: String,
    /// Worker threads
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threads: usize,
    /// Seconds of timing for each operator and format
    #[arg(long, value_name = "SECONDS", default_value_t = 0.05)]
    pub latency_seconds: f64,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// A number format and when ranges are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mode {
    dtype: Dtype,
    timing: Timing,
}

/// What is looked at, in the order of columns.
const MODES: [Mode; 8] = [
    Mode { dtype: Dtype::Fp16Storage, timing: Timing::None },
    Mode { dtype: Dtype::Fp16Compute, timing: Timing::None },
    Mode { dtype: Dtype::Bf16Storage, timing: Timing::None },
    Mode { dtype: Dtype::Bf16Compute, timing: Timing::None },
    Mode { dtype: Dtype::Int8, timing: Timing::Static },
    Mode { dtype: Dtype::Int8, timing: Timing::Dynamic },
    Mode { dtype: Dtype::Int8, timing: Timing::WeightOnly },
    Mode { dtype: Dtype::Int16, timing: Timing::Static },
];

/// What was found of one operator under one format.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    backend: String,
    operator: String,
    dtype: &'static str,
    timing: &'static str,
    verdict: Verdict,
    /// Where rounding to a half shows.
    rounded: Option<Rounded>,
    /// What sums are taken in; none for an operator without sums.
    sums: Option<&'static str>,
    /// Whether pairs of int8 products saturate at 16 bits.
    saturates: Option<bool>,
    /// Time over that of fp32 on the same backend, and its interval.
    ratio: Option<f64>,
    ratio_low: Option<f64>,
    ratio_high: Option<f64>,
    /// Microseconds of fp32.
    fp32_us: Option<f64>,
    /// Why there is nothing else to say.
    note: Option<String>,
}

/// All that was found.
#[derive(Debug, Serialize)]
struct Findings {
    features: Vec<hardware::Feature>,
    kernel: &'static str,
    threads: usize,
    findings: Vec<Finding>,
    /// Whether everything asked for was looked at.
    complete: bool,
}

/// Runs every operator under every format and prints what became of it.
///
/// # Errors
/// When a name is unknown, the machine lacks the kernels, or fp32 itself does not run.
pub fn run(options: &Support) -> Result<u8> {
    if options.threads == 0 {
        bail!("--threads 0: at least one is needed");
    }
    if !(options.latency_seconds > 0.0 && options.latency_seconds.is_finite()) {
        bail!("--latency-seconds {} must be a positive number", options.latency_seconds);
    }
    interrupt::listen()?;
    let set: KernelSet = plan::kernel(&options.kernel)?.parse()?;
    let specimens = specimens(&options.operators)?;
    let asked = |mode: &Mode| options.dtype.is_empty() || options.dtype.iter().any(|d| d == mode.dtype.id());
    let modes: Vec<Mode> = MODES.into_iter().filter(asked).collect();
    let mut findings = Findings {
        features: hardware::features(),
        kernel: set.id(),
        threads: options.threads,
        findings: Vec::new(),
        complete: true,
    };
    let _ = crate::machine::cpus::pin(options.threads);
    let bar = bar(options.backend.len() * specimens.len() * modes.len(), "operators");
    'all: for name in &options.backend {
        if name != NATIVE
            && let Err(error) = backend::find(name)
        {
            console::note(&format!("{name} is left out: {error:#}"));
            bar.inc((specimens.len() * modes.len()) as u64);
            continue;
        }
        let machine = Machine {
            backend: name,
            kernels: Kernels::of(set)?,
            weights: cell::weight_format(set.id())?,
            threads: options.threads,
            seconds: options.latency_seconds,
        };
        for specimen in &specimens {
            for mode in &modes {
                if interrupt::interrupted() {
                    findings.complete = false;
                    break 'all;
                }
                findings.findings.push(look(&machine, specimen, *mode)?);
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    console::result(&match options.format {
        Format::Table => print::tables(&findings, &modes),
        Format::Json => serde_json::to_string_pretty(&findings)?,
    });
    Ok(if findings.complete { EXIT_OK } else { EXIT_INTERRUPTED })
}

/// What becomes of a format in an operator. That an execution does not exist is a finding; that the reference fails is an error.
fn look(machine: &Machine<'_>, specimen: &Specimen, mode: Mode) -> Result<Finding> {
    let finding = Finding {
        backend: machine.backend.to_owned(),
        operator: specimen.name.clone(),
        dtype: mode.dtype.id(),
        timing: mode.timing.id(),
        verdict: Verdict::Refused,
        rounded: None,
        sums: None,
        saturates: None,
        ratio: None,
        ratio_low: None,
        ratio_high: None,
        fp32_us: None,
        note: None,
    };
    if machine.backend != NATIVE
        && let Some(reason) =
            backend::unsupported(machine.backend, mode.dtype, mode.timing, Some(Symmetry::Affine))
    {
        return Ok(Finding { note: Some(reason.to_owned()), ..finding });
    }
    let found = match Half::of(mode.dtype) {
        Some(half) => half_precision(machine, specimen, mode, half, finding.clone()),
        None => integers(machine, specimen, mode, finding.clone()),
    };
    found.or_else(|error| Ok(Finding { note: Some(format!("{error:#}")), ..finding }))
}

fn half_precision(
    machine: &Machine<'_>,
    specimen: &Specimen,
    mode: Mode,
    half: Half,
    mut finding: Finding,
) -> Result<Finding> {
    let Specimen { graph, inputs, .. } = specimen;
    let spec = calibench_engine::QuantSpec::float(mode.dtype);
    let output = machine.output(graph, &spec, inputs)?;
    let rounded = references(graph, half, inputs)?.rounded(&output);
    if rounded != Rounded::Nowhere {
        timed(&mut finding, machine, (graph, &spec), inputs)?;
    }
    finding.verdict = match rounded {
        // Time tells nothing there: at these sizes it is that of launches and copies. What rounds within has the format's arithmetic.
        Rounded::Within if machine.backend == CUDA => Verdict::Computed,
        _ => verdict::of_half(rounded, hardware::computes(half), finding.ratio),
    };
    finding.rounded = Some(rounded);
    if let Some(Sum { graph, inputs, exact }) = sums::of_half(&graph.nodes[0].op, half.format())? {
        let output = machine.output(&graph, &spec, &inputs)?;
        finding.sums = Some(if near(&output, exact) { "fp32" } else { half.id() });
    }
    Ok(finding)
}

fn integers(machine: &Machine<'_>, specimen: &Specimen, mode: Mode, mut finding: Finding) -> Result<Finding> {
    let placed = placement(&specimen.graph);
    if let Some(float) = placed.float_ops.first() {
        (finding.verdict, finding.note) = (Verdict::Fp32, Some(float.reason.to_owned()));
        return Ok(finding);
    }
    // A table is a weight whose codes no product reads.
    let activations = mode.timing != Timing::WeightOnly && specimen.graph.nodes[0].op.is_product();
    let graph = if activations { followed(&specimen.graph)? } else { specimen.graph.clone() };
    let inputs = &specimen.inputs;
    let mut capture = CaptureTap::new(placement(&graph).activations);
    let fp32 = interpreted(&graph, inputs, &mut capture)?;
    let ranges: BTreeMap<_, _> =
        capture.finish().into_iter().filter_map(|(id, c)| Some((id, Range::of(&c.data)?))).collect();
    let spec = spec(&graph, mode, machine.weights, Symmetry::Affine, |id| ranges[&id])?;
    let output = machine.output(&graph, &spec, inputs)?;
    let op = &specimen.graph.nodes[0].op;
    let saturates =
        if activations && mode.dtype == Dtype::Int8 { saturates(machine, op, mode)? } else { None };
    // Sums whose terms are wrong tell nothing of what they are taken in.
    let sums = activations && saturates != Some(true);
    let exact_sums = if sums { exact_sums(machine, op, mode)? } else { None };
    let simulated = simulated(&graph, &spec, inputs)?;
    let results =
        IntegerResults { output: &output, fp32: &fp32, simulated: &simulated, activations, exact_sums };
    finding.verdict = results.verdict();
    finding.sums = exact_sums.map(|exact| if exact { "integers" } else { "fp32" });
    finding.saturates = saturates.filter(|_| finding.verdict != Verdict::Fp32);
    if finding.verdict != Verdict::Fp32 {
        timed(&mut finding, machine, (&graph, &spec), inputs)?;
    }
    Ok(finding)
}

/// Whether sums of products come out that only integers hold.
fn exact_sums(machine: &Machine<'_>, op: &Op, mode: Mode) -> Result<Option<bool>> {
    // Whole numbers are codes: a weight's scale is 1, as an activation's. Given ranges reach to the last code, so that no
    // runtime has to clip; those found at run time give whole codes from 0 up, or where both sides are symmetric.
    let weight = machine.weights.range(Symmetry::Symmetric).1 as f32;
    let found = mode.timing == Timing::Dynamic;
    let unsigned = found && !matches!(op, Op::MatMul { .. });
    let symmetry = if found && !unsigned { Symmetry::Symmetric } else { Symmetry::Affine };
    if machine.backend != NATIVE && found && !unsigned {
        return Ok(None);
    }
    let Some(Sum { graph, inputs, exact }) = sums::of_integers(op, weight, unsigned)? else {
        return Ok(None);
    };
    let read = graph.nodes[0].output;
    let range = |id| {
        let step = if id == read { exact / sums::CODE } else { 1.0 };
        Range { low: -(sums::CODE + 1.0) * step, high: sums::CODE * step }
    };
    let spec = spec(&graph, mode, machine.weights, symmetry, range)?;
    Ok(Some(near(&machine.output(&graph, &spec, &inputs)?, exact)))
}

/// Whether sums of the largest products fall short.
fn saturates(machine: &Machine<'_>, op: &Op, mode: Mode) -> Result<Option<bool>> {
    let Some(Sum { graph, inputs, exact }) = sums::of_pairs(op)? else { return Ok(None) };
    let read = graph.nodes[0].output;
    let range = |id| Range { low: 0.0, high: if id == read { exact } else { sums::CODE } };
    let spec = spec(&graph, mode, machine.weights, Symmetry::Affine, range)?;
    Ok(Some(!near(&machine.output(&graph, &spec, &inputs)?, exact)))
}

fn timed(
    finding: &mut Finding,
    machine: &Machine<'_>,
    (graph, spec): (&Graph, &calibench_engine::QuantSpec),
    inputs: &[Vec<f32>],
) -> Result<()> {
    let row = machine.latency(graph, spec, inputs)?;
    (finding.ratio, finding.fp32_us) = (Some(row.ratio), Some(row.twin_p50_us));
    (finding.ratio_low, finding.ratio_high) = (Some(row.ratio_low), Some(row.ratio_high));
    Ok(())
}

/// Within what 8-bit codes of the operands and of the result leave.
fn near(output: &[f32], exact: f32) -> bool {
    !output.is_empty() && output.iter().all(|x| (x / exact - 1.0).abs() < 0.02)
}
