//! `calibench explain`: the plan of a cell, step by step, with what each step costs.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use calibench_engine::compile::{PlanLine, Profile};
use calibench_metrics::median;
use calibench_quant::Dtype;
use clap::Args;
use serde::Serialize;

use super::choice::Choice;
use crate::backend::Runner;
use crate::cell::Bench;
use crate::cli::{Format, names};
use crate::console;
use crate::own::ModelName;
use crate::plan::Plan;

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// The model: a built-in name, or a file, which needs --data
    #[arg(value_name = "MODEL", value_parser = ModelName, required_unless_present = "run")]
    pub model: Option<String>,
    /// Number format
    #[arg(long, value_name = "NAME", default_value = "int8", value_parser = names(Dtype::ALL.iter().map(|d| d.id())))]
    pub dtype: String,
    /// A cell of this run instead of a model
    #[arg(long, value_name = "DIR", requires = "cell", conflicts_with_all = ["model", "dtype", "timing", "calibrator", "granularity", "symmetry", "kernel", "threads", "keep_float", "data"])]
    pub run: Option<PathBuf>,
    /// The cell's id, or parts of it that fit one cell only, joined by /
    #[arg(long, value_name = "ID", requires = "run")]
    pub cell: Option<String>,
    /// Samples per call
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub batch: usize,
    /// Seconds of timing
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub seconds: f64,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// How the model is quantized; last, because its headings hold for what follows
    #[command(flatten)]
    pub choice: Choice,
}

/// Compiles a cell, times its steps and prints them.
///
/// # Errors
/// When the model, its data or the run cannot be read, or the cell is not executed by our plan.
pub fn run(options: &Explain) -> Result<()> {
    if options.batch == 0 {
        bail!("--batch 0 has nothing to run; give 1 or more");
    }
    let budget =
        Duration::try_from_secs_f64(options.seconds).context("--seconds must be a positive number")?;
    let scratch = tempfile::tempdir().context("cannot make a folder for the calibration")?;
    let (folder, plan) = match &options.run {
        Some(run) => {
            let folder = calibench_store::RunFolder::open(run)?;
            let plan = Plan::read(&folder)?;
            (folder, plan)
        }
        None => {
            let model = options.model.as_deref().unwrap_or_default();
            options.choice.prepare(model, options.dtype.parse()?, &scratch.path().join("run"))?
        }
    };
    let cell = match &options.cell {
        Some(id) => super::find_cell(&plan, id)?,
        None => &plan.cells[0],
    };
    let bench = Bench::new(cell, &plan, &folder)?;
    let Runner::Native(mut executable) = bench.candidate(options.batch)? else {
        bail!("`{}` is executed by another runtime, whose plan is its own", cell.id());
    };
    let input = bench.inputs(options.batch);
    let views: Vec<&[f32]> = input.iter().map(Vec::as_slice).collect();
    crate::cell::pin(cell, &plan);
    let profile = executable.profile(options.batch, &views, budget)?;
    let account = Account::of(&cell.id(), options.batch, &profile);
    console::result(&match options.format {
        Format::Table => account.table(),
        Format::Json => serde_json::to_string_pretty(&account)?,
    });
    Ok(())
}

/// The plan with its times, as printed.
#[derive(Debug, Serialize)]
struct Account {
    cell: String,
    batch: usize,
    /// Median time of a call without a clock between its steps.
    call_us: f64,
    /// What all steps together take of it.
    accounted_share: f64,
    calls: usize,
    steps: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    name: String,
    op: String,
    kernel: String,
    shape: String,
    conversion: bool,
    operations: u64,
    traffic_bytes: u64,
    microseconds: f64,
    share: f64,
}

impl Account {
    fn of(cell: &str, batch: usize, profile: &Profile) -> Self {
        let middle = |times: &[f64]| median(times).unwrap_or(f64::NAN) * 1e6;
        let call_us = middle(&profile.calls);
        let line = |(line, times): &(PlanLine, Vec<f64>)| {
            let microseconds = middle(times);
            Line {
                name: line.name.clone(),
                op: line.op.clone(),
                kernel: line.kernel.clone(),
                shape: line.shape.clone(),
                conversion: line.conversion,
                operations: line.work.operations,
                traffic_bytes: line.work.traffic_bytes,
                microseconds,
                share: microseconds / call_us,
            }
        };
        let steps: Vec<Line> = profile.steps.iter().map(line).collect();
        Self {
            cell: cell.to_owned(),
            batch,
            call_us,
            accounted_share: steps.iter().map(|s| s.share).sum(),
            calls: profile.calls.len(),
            steps,
        }
    }

    fn table(&self) -> String {
        let mut rows = vec![
            ["step", "operation", "types", "shape", "Mmul-add", "KiB", "us", "share", "GMAC/s"]
                .map(str::to_owned)
                .to_vec(),
        ];
        for s in &self.steps {
            let rate = if s.operations == 0 {
                String::new()
            } else {
                format!("{:.1}", s.operations as f64 / s.microseconds / 1e3)
            };
            let million =
                if s.operations == 0 { String::new() } else { format!("{:.2}", s.operations as f64 / 1e6) };
            rows.push(vec![
                s.name.clone(),
                s.op.clone(),
                s.kernel.clone(),
                s.shape.clone(),
                million,
                format!("{:.1}", s.traffic_bytes as f64 / 1024.0),
                format!("{:.1}", s.microseconds),
                format!("{:.1} %", 100.0 * s.share),
                rate,
            ]);
        }
        let conversions: Vec<&Line> = self.steps.iter().filter(|s| s.conversion).collect();
        let mut text = format!("{}, batch {}\n\n{}\n", self.cell, self.batch, super::aligned(&rows, 0..4));
        text.push_str(&by_operation(&self.steps));
        text.push_str(&format!(
            "\nA call takes {:.1} us (median of {}); the steps account for {:.1} % of it.\n",
            self.call_us,
            self.calls,
            100.0 * self.accounted_share
        ));
        text.push_str(&format!(
            "{} conversions (types and places of numbers) cost {:.1} us, {:.1} % of it.",
            conversions.len(),
            conversions.iter().map(|s| s.microseconds).sum::<f64>(),
            100.0 * conversions.iter().map(|s| s.share).sum::<f64>()
        ));
        text
    }
}

/// Times summed over steps of one operation and one kernel, the dearest first.
fn by_operation(steps: &[Line]) -> String {
    let mut sums: Vec<(String, usize, f64, f64)> = Vec::new();
    for step in steps {
        let what = format!("{}, {}", step.op, step.kernel);
        match sums.iter_mut().find(|(known, ..)| *known == what) {
            Some((_, count, time, share)) => {
                (*count, *time, *share) = (*count + 1, *time + step.microseconds, *share + step.share);
            }
            None => sums.push((what, 1, step.microseconds, step.share)),
        }
    }
    sums.sort_by(|a, b| b.2.total_cmp(&a.2));
    let mut rows = vec![["operation", "steps", "us", "share"].map(str::to_owned).to_vec()];
    rows.extend(sums.into_iter().map(|(what, count, time, share)| {
        vec![what, count.to_string(), format!("{time:.1}"), format!("{:.1} %", 100.0 * share)]
    }));
    super::aligned(&rows, 0..1)
}
