//! Two runs compared, quantity by quantity.

use std::collections::BTreeSet;

use calibench_metrics::holm;
use calibench_store::Row;

use crate::accuracy::{ScoreChange, samples_that_would_do, score_change};
use crate::decide::{Evidence, decide, decide_exact};
use crate::exact::{ExactChange, exact_changes};
use crate::latency::{LatencyChange, latency_changes};
use crate::machines::{build_differences, machine_differences};
use crate::matching::matched;
use crate::quantity::{Budgets, Quantity};
use crate::side::{Index, Side};
use crate::verdict::{Change, Comparison, Verdict};

/// What is known of one change before the p-values are corrected together.
enum Found {
    Score { before: Option<f64>, after: Option<f64>, unit: String, change: ScoreChange },
    Latency(LatencyChange),
    Exact(ExactChange),
}

struct Finding {
    cell: String,
    found: Found,
}

/// Compares two runs: every quantity of `only` (all of them when empty) of every cell that both measured.
///
/// p-values of accuracy and latency are corrected together by Holm's method, so `budgets.false_alarm_rate` bounds the chance
/// that two runs without any difference are said to differ anywhere. On different machines latency is compared by the ratio
/// to the fp32 twin only, and a ratio beyond the budget is unclear: another CPU changes it by itself. Accuracy of other test
/// data is not compared.
#[must_use]
pub fn compare(before: &Side, after: &Side, budgets: Budgets, only: &[Quantity]) -> Comparison {
    let (a, b) = (Index::new(before), Index::new(after));
    let machine_differences = machine_differences(a.manifest, b.manifest);
    let same_machine = machine_differences.is_empty();
    let matched = matched(&a, &b);
    let mut notes = matched.notes;
    notes.extend(build_differences(a.manifest, b.manifest));
    notes.extend(model_differences(&matched.pairs, &a, &b));
    if !same_machine {
        notes.push(
            "the machines differ: latency is compared by its ratio to the fp32 twin of each run only, and resident memory \
             not at all"
                .to_owned(),
        );
    }

    let mut findings = Vec::new();
    let latency = latency_changes(&matched.pairs, &a, &b, same_machine);
    for (old, new) in &matched.pairs {
        let mut add = |found| findings.push(Finding { cell: new.cell.clone(), found });
        let change = if a.data_hash(old) == b.data_hash(new) {
            score_change(old, new, &a.answers(&old.cell), &b.answers(&new.cell))
        } else {
            ScoreChange::Incomparable("the test data are others (their SHA-256 differ)".to_owned())
        };
        let unit = calibench_metrics::spec::find(&new.metric).map_or("1", |m| m.unit).to_owned();
        add(Found::Score { before: old.score, after: new.score, unit, change });
        latency.iter().filter(|l| l.cell == new.cell).for_each(|l| add(Found::Latency(l.clone())));
        exact_changes((*old, *new), &a, &b, same_machine).into_iter().for_each(|e| add(Found::Exact(e)));
    }
    findings.retain(|finding| only.is_empty() || only.contains(&finding.found.quantity()));

    let raw: Vec<f64> = findings.iter().filter_map(|f| f.found.evidence()).map(|e| e.p).collect();
    let mut corrected = holm(&raw).into_iter();
    let changes = findings
        .into_iter()
        .map(|Finding { cell, found }| {
            let p = found.evidence().and_then(|_| corrected.next());
            judged(cell, found, p, &budgets, same_machine)
        })
        .collect();
    Comparison {
        before: before.name.clone(),
        after: after.name.clone(),
        budgets,
        machine_differences,
        notes,
        changes,
        absent: matched.absent,
        added: matched.added,
    }
}

impl Found {
    fn quantity(&self) -> Quantity {
        match self {
            Self::Score { .. } => Quantity::Accuracy,
            Self::Latency(change) => change.quantity,
            Self::Exact(change) => change.quantity,
        }
    }

    /// Of what chance takes part in.
    fn evidence(&self) -> Option<Evidence> {
        match self {
            Self::Score { change: ScoreChange::Measured { evidence, .. }, .. } => Some(*evidence),
            Self::Latency(change) => Some(change.evidence),
            _ => None,
        }
    }
}

/// Models whose weights are others, a line each: what is calibrated and answered is then not expected to be the same.
fn model_differences(pairs: &[(&Row, &Row)], a: &Index<'_>, b: &Index<'_>) -> BTreeSet<String> {
    let differs = |(old, new): &&(&Row, &Row)| a.model_hash(old) != b.model_hash(new);
    let line = |(_, new): &(&Row, &Row)| {
        format!(
            "model `{}`, seed {}, has other weights than before: its answers and ranges are not compared one by one",
            new.model, new.seed
        )
    };
    pairs.iter().filter(differs).map(line).collect()
}

fn judged(cell: String, found: Found, p: Option<f64>, budgets: &Budgets, same_machine: bool) -> Change {
    let quantity = found.quantity();
    let (budget, alpha) = (budgets.of(quantity), budgets.false_alarm_rate);
    let evidence = found.evidence().map(|e| Evidence { p: p.unwrap_or(e.p), ..e });
    let mut change = Change {
        cell,
        batch: None,
        quantity,
        unit: unit(quantity).to_owned(),
        before: None,
        after: None,
        effect: evidence.map(|e| e.effect),
        interval: evidence.map(|e| e.interval),
        p: evidence.map(|e| e.p),
        budget,
        verdict: evidence.map_or(Verdict::Unclear, |e| decide(e, budget, alpha)),
        reason: String::new(),
    };
    match found {
        Found::Score { before, after, unit, change: score } => {
            (change.before, change.after, change.unit) = (before, after, unit);
            match (score, evidence) {
                (ScoreChange::Identical, _) => {
                    (change.effect, change.verdict) = (Some(0.0), Verdict::Identical);
                    change.reason = "every answer is the same".to_owned();
                }
                (ScoreChange::Measured { samples, discordance, .. }, Some(evidence)) => {
                    change.reason = match change.verdict {
                        Verdict::Unclear => {
                            samples_that_would_do(evidence, budget, alpha, samples, discordance)
                        }
                        _ => format!("paired on {samples} test samples"),
                    };
                }
                (ScoreChange::Incomparable(why), _) => change.reason = why,
                (ScoreChange::Measured { .. }, None) => {}
            }
        }
        Found::Latency(latency) => {
            change.batch = Some(latency.batch);
            (change.before, change.after) = (Some(latency.before), Some(latency.after));
            if change.verdict == Verdict::Regressed && !same_machine {
                change.verdict = Verdict::Unclear;
                change.reason =
                    "the machines differ, which changes the ratio by itself; compare runs of one machine"
                        .to_owned();
            } else if change.verdict == Verdict::Unclear {
                change.reason = latency.repeats_that_would_do(budget, alpha);
            }
        }
        Found::Exact(exact) => {
            (change.batch, change.before, change.after) = (exact.batch, exact.before, exact.after);
            change.effect = Some(exact.effect);
            change.verdict = decide_exact(exact.effect, budget);
            change.reason = exact.detail;
            // Rounding follows the CPU, and what a product library holds follows its caches.
            let of_machine = matches!(
                quantity,
                Quantity::Answers
                    | Quantity::Ranges
                    | Quantity::Instructions
                    | Quantity::Heap
                    | Quantity::HeapLeft
            );
            if change.verdict == Verdict::Regressed && of_machine && !same_machine {
                change.verdict = Verdict::Unclear;
                let detail =
                    if change.reason.is_empty() { String::new() } else { format!("{}; ", change.reason) };
                change.reason = format!("{detail}the machines differ, which can change it by itself");
            }
        }
    }
    change
}

/// The unit of a quantity's figures.
const fn unit(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Accuracy | Quantity::Answers | Quantity::Ranges => "share",
        Quantity::Latency | Quantity::Fp32Latency => "1",
        Quantity::Instructions | Quantity::Operations => "count",
        Quantity::Traffic
        | Quantity::Weights
        | Quantity::Activations
        | Quantity::Heap
        | Quantity::HeapLeft
        | Quantity::Resident => "bytes",
    }
}
