//! The outcome as text.

use std::path::Path;

use super::Outcome;
use super::decide::Contender;
use crate::commands::aligned;

const MISSING: &str = "–";

/// The contenders, what was chosen, and how to go on.
pub(super) fn table(outcome: &Outcome, out: &Path) -> String {
    let scores = outcome.fp32_scores.map(|s| s.map_or(MISSING.to_owned(), |s| format!("{s:.4}")));
    let mut text = format!(
        "{}: {} within a drop of {} of {}\nsearched on {} samples (fp32: {}), decided on {} others (fp32: {})\n\n",
        outcome.model,
        outcome.objective,
        percent(outcome.max_drop),
        outcome.metric,
        outcome.samples[0],
        scores[0],
        outcome.samples[1],
        scores[1]
    );
    text.push_str("Front: what nothing beats in both estimated cost and drop on the search half\n");
    let mut rows = vec![strings(&["format", "kept", "cost x fp32", "drop", "SQNR dB"])];
    rows.extend(outcome.front.iter().map(|p| {
        vec![
            p.dtype.clone(),
            match p.keep.len() {
                0 => "0".to_owned(),
                kept => format!("{kept} in {}", p.kept_as),
            },
            format!("{:.3}", p.cost),
            p.drop.map_or(MISSING.to_owned(), percent),
            p.sqnr_db.map_or(MISSING.to_owned(), |db| format!("{db:.1}")),
        ]
    }));
    text.push_str(&aligned(&rows, 0..1));
    text.push_str("\nContenders: the cheapest within the budget, on the held-out half, and as measured\n");
    let measured = format!("{} x fp32", outcome.objective);
    let mut rows =
        vec![strings(&[" ", "format", "kept", "drop", "95 % interval", "p", &measured, "95 % interval"])];
    rows.extend(outcome.contenders.iter().enumerate().map(|(i, c)| row(c, i == outcome.chosen)));
    text.push_str(&aligned(&rows, 0..2));
    text.push_str(&chosen(outcome, out));
    text
}

fn strings(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|c| (*c).to_owned()).collect()
}

fn percent(share: f64) -> String {
    // Not "-0.00 %".
    format!("{:.2} %", (1e4 * share).round() / 1e2 + 0.0)
}

fn row(c: &Contender, chosen: bool) -> Vec<String> {
    let interval = |ends: Option<[f64; 2]>, format: fn(f64) -> String| {
        ends.map_or(MISSING.to_owned(), |[low, high]| format!("{} to {}", format(low), format(high)))
    };
    let kept = match (c.sites, c.point.keep.len()) {
        (0, _) => "all".to_owned(),
        (all, 0) => format!("0 of {all}"),
        (all, kept) => format!("{kept} of {all} in {}", c.point.kept_as),
    };
    vec![
        if chosen { "*" } else { "" }.to_owned(),
        c.point.dtype.clone(),
        kept,
        c.held_out_drop.map_or(MISSING.to_owned(), percent),
        interval(c.drop_interval, percent),
        c.p.map_or(MISSING.to_owned(), |p| format!("{p:.3}")),
        match c.measured {
            Some(ratio) => format!("{ratio:.3}"),
            None if c.confirmed => MISSING.to_owned(),
            None => "over budget".to_owned(),
        },
        interval(c.measured_interval, |v| format!("{v:.3}")),
    ]
}

fn chosen(outcome: &Outcome, out: &Path) -> String {
    let c = &outcome.contenders[outcome.chosen];
    let [screened, searched, held_out] = outcome.evaluations;
    let what = match (c.sites, c.point.keep.len()) {
        (0, _) => "fp32: nothing else within the budget costs less".to_owned(),
        (all, 0) => format!("{} for all {all} sites", c.point.dtype),
        (all, kept) => format!("{} with {kept} of {all} sites kept in {}", c.point.dtype, c.point.kept_as),
    };
    let mut text = format!("\nChosen: {what}.\n");
    if !c.point.keep.is_empty() {
        text.push_str(&format!("  --keep-float {}\n", c.point.patterns().join(",")));
    }
    let unsure = c.drop_interval.is_some_and(|[_, high]| high > outcome.max_drop);
    if unsure {
        text.push_str(
            "The interval of its drop reaches beyond the budget: more test samples would tell more surely.\n",
        );
    }
    text.push_str(&format!(
        "Evaluations: {screened} on the screened samples, {searched} on the search half, {held_out} on the held-out half.\n"
    ));
    if !outcome.complete {
        text.push_str("Interrupted: this is the best so far. The same command with --out goes on.\n");
    }
    text.push_str(&format!(
        "Measure it fully: calibench sweep --config {} --model … with the options of your data; then `calibench export`.\n",
        out.join("tuned.toml").display()
    ));
    text
}
