//! Latency: ratios to the fp32 twin, and the twin against the fixed reference workload.

use std::collections::BTreeMap;

use calibench_metrics::{Interval, LogMean, ProcessRounds, t_repeats};
use calibench_store::{LatencyRow, RoundRow, Row};

use crate::decide::Evidence;
use crate::matching::is_kernel;
use crate::quantity::Quantity;
use crate::side::Index;

/// Power that numbers of repeats are reckoned for.
const POWER: f64 = 0.8;
/// Half the width of a 95 % interval in standard errors, and the degrees of freedom of the eight rounds behind it: what is
/// known of a run that kept no rounds.
const SUMMARY: (f64, f64) = (2.364_624, 7.0);

/// A change of latency before it is judged.
#[derive(Clone, Debug)]
pub(crate) struct LatencyChange {
    /// The cell's id in the later run.
    pub cell: String,
    pub batch: u32,
    pub quantity: Quantity,
    pub before: f64,
    pub after: f64,
    pub evidence: Evidence,
    before_mean: LogMean,
    after_mean: LogMean,
    processes: (usize, usize),
}

/// A figure of the rounds of each process.
#[must_use]
pub fn by_process<'a>(
    rounds: impl IntoIterator<Item = &'a RoundRow>,
    pick: fn(&RoundRow) -> f64,
) -> ProcessRounds {
    let mut processes: BTreeMap<(&str, u32), Vec<f64>> = BTreeMap::new();
    for round in rounds {
        processes.entry((&round.cell, round.process)).or_default().push(pick(round));
    }
    processes.into_values().collect()
}

/// The changes of latency of all pairs. On one machine, also those of the fp32 twins: once for each model and batch size.
pub(crate) fn latency_changes(
    pairs: &[(&Row, &Row)],
    before: &Index<'_>,
    after: &Index<'_>,
    same_machine: bool,
) -> Vec<LatencyChange> {
    let mut changes = Vec::new();
    for (old, new) in pairs {
        // A cell that is its own twin has a ratio of one, whatever happens to it; its change is the twin's.
        if new.dtype == "fp32" && new.timing == "none" && old.isa == new.isa && is_kernel(&new.isa) {
            continue;
        }
        for row in after.latency(&new.cell) {
            let earlier = before.latency(&old.cell).iter().find(|r| r.batch == row.batch);
            let Some(earlier) = earlier else { continue };
            let a = estimate(before.rounds(&old.cell, row.batch), earlier);
            let b = estimate(after.rounds(&new.cell, row.batch), row);
            changes.extend(change(new, row.batch, Quantity::Latency, a, b));
        }
    }
    if same_machine {
        changes.extend(twin_changes(pairs, before, after));
    }
    changes
}

/// Mean of the logarithms of ratios, and from how many processes.
type Estimate = Option<(LogMean, usize)>;

fn estimate<'a>(rounds: impl Iterator<Item = &'a RoundRow>, row: &LatencyRow) -> Estimate {
    let processes = by_process(rounds, |r| r.ratio);
    if !processes.is_empty() {
        return Some((LogMean::of(&processes)?, processes.len()));
    }
    let (width, df) = SUMMARY;
    let deviation = (row.ratio_high.ln() - row.ratio_low.ln()) / (2.0 * width);
    let mean = LogMean { mean: row.ratio.ln(), variance: deviation.powi(2), df };
    (mean.mean.is_finite() && mean.variance.is_finite()).then_some((mean, 1))
}

/// What cells share whose fp32 twins are the same: model, threads, seed and batch size.
type TwinKey<'a> = (&'a str, u32, u64, u32);

/// The fp32 twins of all cells of a model, against the reference workload beside them.
fn twin_changes(pairs: &[(&Row, &Row)], before: &Index<'_>, after: &Index<'_>) -> Vec<LatencyChange> {
    let mut groups: BTreeMap<TwinKey<'_>, Vec<(&Row, &Row)>> = BTreeMap::new();
    for (old, new) in pairs.iter().filter(|(_, new)| is_kernel(&new.isa)) {
        for row in after.latency(&new.cell) {
            groups.entry((&new.model, new.threads, new.seed, row.batch)).or_default().push((*old, *new));
        }
    }
    let mut changes = Vec::new();
    for ((.., batch), pairs) in groups {
        let rounds = |index: &Index<'_>, pick: fn(&(&Row, &Row)) -> String| -> Estimate {
            let cells: Vec<String> = pairs.iter().map(pick).collect();
            let rounds = cells.iter().flat_map(|cell| index.rounds(cell, batch));
            let processes = by_process(rounds, |r| r.twin_us / r.reference_us);
            Some((LogMean::of(&processes)?, processes.len()))
        };
        let a = rounds(before, |(old, _)| old.cell.clone());
        let b = rounds(after, |(_, new)| new.cell.clone());
        let named = pairs.iter().find(|(_, new)| new.dtype == "fp32").unwrap_or(&pairs[0]);
        changes.extend(change(named.1, batch, Quantity::Fp32Latency, a, b));
    }
    changes
}

fn change(
    row: &Row,
    batch: u32,
    quantity: Quantity,
    before: Estimate,
    after: Estimate,
) -> Option<LatencyChange> {
    let ((a, processes_a), (b, processes_b)) = (before?, after?);
    let welch = a.change_to(&b)?;
    let Interval { low, high } = welch.interval(0.95)?;
    Some(LatencyChange {
        cell: row.cell.clone(),
        batch,
        quantity,
        before: a.mean.exp(),
        after: b.mean.exp(),
        evidence: Evidence {
            effect: welch.difference.exp_m1(),
            interval: Interval { low: low.exp_m1(), high: high.exp_m1() },
            p: welch.p,
        },
        before_mean: a,
        after_mean: b,
        processes: (processes_a, processes_b),
    })
}

impl LatencyChange {
    /// What would make an unclear change clear, in words.
    pub(crate) fn repeats_that_would_do(&self, budget: f64, alpha: f64) -> String {
        let (a, b) = self.processes;
        let margin = (budget - self.evidence.effect).abs().ln_1p();
        // The spread of one process, from the variance of their mean.
        let spread = |mean: &LogMean, n: usize| mean.variance * n as f64;
        let sd = f64::midpoint(spread(&self.before_mean, a), spread(&self.after_mean, b)).sqrt();
        let needed = t_repeats(margin, sd, alpha, POWER).map(|n| n.max(3));
        let have = if a == b { format!("{a}") } else { format!("{a} and {b}") };
        match needed {
            Some(needed) if needed < 1_000 && needed > a.min(b) as u64 => format!(
                "too noisy to tell from {have} processes a cell; about {needed} would do (--repeats {needed})"
            ),
            _ => format!("too noisy to tell from {have} processes a cell; the change lies on the budget"),
        }
    }
}
