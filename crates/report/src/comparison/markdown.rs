//! A comparison as Markdown, for a comment on a pull request and for the summary of a workflow.

use std::fmt::Write as _;

use calibench_compare::{Change, Comparison, Verdict};

use super::words;
use super::{View, kept, measured, run_line};
use crate::text::{count_of, markdown, shorten};

/// The first line, by which a workflow finds the comment that it wrote before.
const MARKER: &str = "<!-- calibench-check -->";
/// Changes in the tables before the rest is counted.
const LINES: usize = 50;
/// Lines of a list before the rest is counted.
const LISTED: usize = 15;
/// Characters of a reason or a note.
const SENTENCE: usize = 240;
/// Bytes after which the details count what is left: GitHub refuses comments of more than 65 536 characters.
const LENGTH: usize = 48_000;

/// What a comparison says, as GitHub's Markdown: the marker `<!-- calibench-check -->`, the verdict, tables of what regressed,
/// is unclear and improved (at most 50 lines, then a count), and the rest folded away.
///
/// *Worse by* is the effect, positive is worse, with its 95 % interval; p-values are after Holm's correction. Known limit:
/// lists are cut so that the text stays below the 65 536 characters of a comment; JSON and JUnit have everything.
#[must_use]
pub fn comparison_markdown(comparison: &Comparison) -> String {
    let view = View::new(comparison);
    let mut out = format!("{MARKER}\n### calibench: {}\n\n", markdown(&words::verdict(&view)));
    let grounds = words::grounds(&view);
    if !grounds.is_empty() {
        let _ = writeln!(out, "{}\n", markdown(&format!("{grounds}.")));
    }
    let machine = match comparison.machine_differences.as_slice() {
        [] => "same machine".to_owned(),
        lines => format!("**machines differ**: {}", markdown(&shorten(&lines.join("; "), SENTENCE))),
    };
    let runs = [&comparison.before, &comparison.after].map(|run| markdown(&run_line(run)));
    let _ = writeln!(out, "{} → {}; {machine}\n", runs[0], runs[1]);
    let absent = |failed: bool| {
        let absent = comparison.absent.iter().filter(move |a| a.failed == failed);
        absent.map(|a| (view.name(&a.cell).line(), a.reason.clone())).collect::<Vec<_>>()
    };
    list(&mut out, "Fails now", &absent(true));
    list(&mut out, "Could not be compared", &absent(false));
    let mut left = LINES;
    for verdict in [Verdict::Regressed, Verdict::Unclear, Verdict::Improved] {
        table(&mut out, &view, verdict, &mut left);
    }
    details(&mut out, &view);
    out
}

fn list(out: &mut String, title: &str, lines: &[(String, String)]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "**{title}**\n");
    for (cell, reason) in lines.iter().take(LISTED) {
        let _ = writeln!(out, "- {}: {}", markdown(cell), markdown(&shorten(reason, SENTENCE)));
    }
    if lines.len() > LISTED {
        let _ = writeln!(out, "- and {} more", lines.len() - LISTED);
    }
    out.push('\n');
}

fn table(out: &mut String, view: &View<'_>, verdict: Verdict, left: &mut usize) {
    let changes = view.of(verdict);
    if changes.is_empty() {
        return;
    }
    let (title, effect) = match verdict {
        Verdict::Regressed => ("Regressed", "worse by"),
        Verdict::Improved => ("Improved", "better by"),
        _ => ("Unclear", "worse by"),
    };
    let _ = writeln!(out, "**{title}** ({})\n", changes.len());
    let shown = changes.len().min(*left);
    *left -= shown;
    if shown > 0 {
        let _ = writeln!(
            out,
            "| Cell | Quantity | Before → after | {effect} | allowed | p | why |\n|---|---|---:|---:|---:|---:|---|"
        );
    }
    for change in &changes[..shown] {
        let effect = match verdict {
            Verdict::Improved => words::better_by(change),
            _ => words::worse_by(change),
        };
        let cells = [
            view.name(&change.cell).line(),
            measured(change),
            words::figures(change),
            effect,
            words::budget(change),
            words::p_value(change.p),
            shorten(&change.reason, SENTENCE),
        ];
        let _ = writeln!(out, "| {} |", cells.map(|cell| markdown(&cell)).join(" | "));
    }
    if shown < changes.len() {
        let _ = writeln!(out, "\n{} more.", changes.len() - shown);
    }
    out.push('\n');
}

/// What asks for no attention: what was within its budget by cell, what is new, notes.
fn details(out: &mut String, view: &View<'_>) {
    let comparison = view.comparison;
    let summary = kept(comparison).unwrap_or_else(|| "Details".to_owned());
    let _ = writeln!(out, "<details>\n<summary>{}</summary>\n", markdown(&summary));
    for note in comparison.notes.iter().take(LISTED) {
        let _ = writeln!(out, "- {}", markdown(&shorten(note, SENTENCE)));
    }
    if comparison.notes.len() > LISTED {
        let _ = writeln!(out, "- and {}", count_of(comparison.notes.len() - LISTED, "more note"));
    }
    out.push('\n');
    by_cell(out, view);
    if !comparison.added.is_empty() {
        let names = comparison.added.iter().take(LISTED).map(|id| markdown(&view.name(id).line()));
        let names = names.collect::<Vec<_>>().join("; ");
        let more = comparison.added.len().saturating_sub(LISTED);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let _ = writeln!(out, "New, with nothing to compare to: {names}{more}\n");
    }
    out.push_str(
        "Effects are with their 95 % interval, p-values after Holm's correction over the comparison; points are percentage \
         points.\n\n</details>\n",
    );
}

/// A line for each cell that has something within its budget or identical.
fn by_cell(out: &mut String, view: &View<'_>) {
    let of = |change: &Change, verdict| change.verdict == verdict;
    let quiet = |c: &&Change| of(c, Verdict::Within) || of(c, Verdict::Identical);
    let mut cells: Vec<&str> = Vec::new();
    for change in view.comparison.changes.iter().filter(quiet) {
        if cells.last() != Some(&change.cell.as_str()) {
            cells.push(&change.cell);
        }
    }
    if cells.is_empty() {
        return;
    }
    out.push_str("| Cell | Within budget, worse by | Identical |\n|---|---|---|\n");
    for (i, cell) in cells.iter().enumerate() {
        if out.len() > LENGTH {
            let _ = writeln!(out, "\nand {}", count_of(cells.len() - i, "more cell"));
            break;
        }
        let of_cell = || view.comparison.changes.iter().filter(|c| c.cell == *cell);
        let within = of_cell().filter(|c| of(c, Verdict::Within));
        let within: Vec<String> = within.map(|c| format!("{} {}", measured(c), words::worse_by(c))).collect();
        let identical: Vec<String> = of_cell().filter(|c| of(c, Verdict::Identical)).map(measured).collect();
        let columns = [view.name(cell).line(), within.join("; "), identical.join("; ")];
        let _ = writeln!(out, "| {} |", columns.map(|column| markdown(&column)).join(" | "));
    }
    out.push('\n');
}
