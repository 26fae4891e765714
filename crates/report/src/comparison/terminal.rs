//! A comparison in the terminal.

use std::fmt::Write as _;

use calibench_compare::{Absent, Change, Comparison, Verdict};

use super::words::{self, headline};
use super::{View, kept, measured, run_line};
use crate::names::{CellName, one_line};
use crate::table::{natural_width, table};
use crate::terminal::wrap;

/// Columns that a reason needs to stand in the table and not below it.
const REASON: usize = 28;
/// Characters of `before → after` that stay on one line; the heading takes nearly as many.
const FIGURES: usize = 15;
/// Lines of a list that are shown before the rest is counted.
const LISTED: usize = 10;

/// What a comparison says, for a terminal of `width` columns: the verdict in a sentence, what was compared, a table for each
/// verdict that asks for attention (regressed, unclear, improved; with `all` the others too), and the cells that only one of
/// the runs has.
///
/// In tables *worse by* is the effect, positive is worse, with its 95 % interval; p-values are after Holm's correction. A table
/// that is too wide puts what belongs together on two lines, and reasons below itself. The text has no colours and ends in a
/// line break.
#[must_use]
pub fn comparison_text(comparison: &Comparison, width: u16, all: bool) -> String {
    let view = View::new(comparison);
    let mut out = format!("{}\n\n", wrap(&headline(&view), width));
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(out, "{}", wrap(&format!("{name}: {}", one_line(value)), width));
    };
    fact("Before", &run_line(&comparison.before));
    fact("After", &run_line(&comparison.after));
    comparison.machine_differences.iter().for_each(|line| fact("Machines differ", line));
    comparison.notes.iter().for_each(|line| fact("Note", line));
    let shown: &[Verdict] = match all {
        true => {
            &[Verdict::Regressed, Verdict::Unclear, Verdict::Improved, Verdict::Within, Verdict::Identical]
        }
        false => &[Verdict::Regressed, Verdict::Unclear, Verdict::Improved],
    };
    let mut has_table = false;
    for verdict in shown {
        let changes = view.of(*verdict);
        if !changes.is_empty() {
            has_table = true;
            out.push_str(&section(&view, *verdict, &changes, width));
        }
    }
    if has_table {
        let legend = "Effects are with their 95 % interval, p-values after Holm's correction over the comparison; points \
                      are percentage points.";
        let _ = writeln!(out, "\n{}", wrap(legend, width));
    }
    if let (Some(kept), false) = (kept(comparison), all) {
        let _ = writeln!(out, "\n{kept}");
    }
    only_in_one(&mut out, &view, width, all);
    out
}

/// What a table has of one change.
struct Line {
    name: CellName,
    measured: String,
    figures: String,
    effect: String,
    budget: String,
    p: Option<f64>,
    reason: String,
}

impl Line {
    fn new(view: &View<'_>, change: &Change, is_better: bool) -> Self {
        Self {
            name: view.name(&change.cell),
            measured: measured(change),
            figures: words::figures(change),
            effect: if is_better { words::better_by(change) } else { words::worse_by(change) },
            budget: words::budget(change),
            p: change.p,
            reason: one_line(&change.reason),
        }
    }

    /// On one line.
    fn flat(&self) -> [String; 5] {
        [
            self.name.line(),
            self.measured.clone(),
            self.figures.clone(),
            self.effect.clone(),
            self.budget.clone(),
        ]
    }

    /// On two lines.
    fn folded(&self) -> [String; 5] {
        let fold = |first: &str, second: &str| format!("{first}\n{second}").trim().to_owned();
        let (quantity, batch) = self.measured.split_once(", ").unwrap_or((&self.measured, ""));
        let (effect, interval) = self.effect.split_at(self.effect.find(" [").unwrap_or(self.effect.len()));
        let arrow = self.figures.find(" → ").filter(|_| self.figures.chars().count() > FIGURES);
        let (before, after) = self.figures.split_at(arrow.map_or(0, |at| at + " →".len()));
        [
            fold(&self.name.model, &self.name.configuration),
            fold(quantity, batch),
            fold(before, after.trim_start()),
            fold(effect, interval.trim_start()),
            self.budget.clone(),
        ]
    }
}

fn section(view: &View<'_>, verdict: Verdict, changes: &[&Change], width: u16) -> String {
    let title = match verdict {
        Verdict::Regressed => "Regressed",
        Verdict::Unclear => "Unclear",
        Verdict::Improved => "Improved",
        Verdict::Within => "Within budget",
        Verdict::Identical => "Identical",
    };
    let is_better = verdict == Verdict::Improved;
    let lines: Vec<Line> = changes.iter().map(|c| Line::new(view, c, is_better)).collect();
    let effect = if is_better { "better by" } else { "worse by" };
    let mut columns = vec!["cell", "quantity", "before → after", effect, "allowed"];
    let has_p = lines.iter().any(|line| line.p.is_some());
    if has_p {
        columns.push("p");
    }
    let rows = |cells: fn(&Line) -> [String; 5]| -> Vec<Vec<String>> {
        let p = |line: &Line| has_p.then(|| words::p_value(line.p));
        lines.iter().map(|line| cells(line).into_iter().chain(p(line)).collect()).collect()
    };
    let mut body = rows(Line::flat);
    let natural = natural_width(&columns, &body);
    let has_reasons = lines.iter().any(|line| !line.reason.is_empty());
    let inside = has_reasons && natural + REASON <= usize::from(width);
    if inside {
        columns.push("why");
        body.iter_mut().zip(&lines).for_each(|(row, line)| row.push(line.reason.clone()));
    } else if natural > usize::from(width) {
        body = rows(Line::folded);
    }
    // What may be broken is the reason, or without one the cell's name.
    let breakable = if inside { columns.len() - 1 } else { 0 };
    let is_number = |i| i >= 2 && !(inside && i == breakable);
    let table = table(&columns, &body, is_number, breakable, width);
    let mut out = format!("\n{title} ({})\n{table}\n", lines.len());
    if has_reasons && !inside {
        out.push_str(&reasons(&lines, width));
    }
    out
}

/// Why, below a table: each reason once, with the change that it is about and how many others.
fn reasons(lines: &[Line], width: u16) -> String {
    let mut distinct: Vec<(&str, &Line, usize)> = Vec::new();
    for line in lines.iter().filter(|line| !line.reason.is_empty()) {
        match distinct.iter_mut().find(|(reason, ..)| *reason == line.reason) {
            Some((_, _, count)) => *count += 1,
            None => distinct.push((&line.reason, line, 1)),
        }
    }
    let mut out = String::new();
    for (reason, line, count) in distinct {
        let [cell, quantity, ..] = line.flat();
        let others = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        let _ = writeln!(out, "{}", wrap(&format!("- {cell}, {quantity}{others}: {reason}"), width));
    }
    out
}

/// Cells that only one of the runs has.
fn only_in_one(out: &mut String, view: &View<'_>, width: u16, all: bool) {
    let limit = if all { usize::MAX } else { LISTED };
    let mut list = |title: &str, lines: Vec<String>| {
        if lines.is_empty() {
            return;
        }
        let _ = writeln!(out, "\n{title} ({})", lines.len());
        for line in lines.iter().take(limit) {
            let _ = writeln!(out, "{}", wrap(&format!("- {line}"), width));
        }
        if lines.len() > limit {
            let _ = writeln!(out, "- and {} more; all of them with --all", lines.len() - limit);
        }
    };
    let absent = |failed: bool| -> Vec<String> {
        let line = |a: &Absent| format!("{}: {}", view.name(&a.cell).line(), one_line(&a.reason));
        view.comparison.absent.iter().filter(|a| a.failed == failed).map(line).collect()
    };
    list("Fail now", absent(true));
    list("Could not be compared", absent(false));
    list(
        "New, with nothing to compare to",
        view.comparison.added.iter().map(|id| view.name(id).line()).collect(),
    );
}
