//! The table at the end of a sweep.

use std::cmp::Ordering;
use std::fmt::Write as _;

use calibench_store::{Manifest, Row, Tables};
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use crate::markdown;
use crate::recommend::{DEFAULT_MAX_DROP, Recommendation, qualifying, recommend_for};
use crate::select::{CellNames, ModelView, models, reason};
use crate::text::{self, MISSING};

/// Cells shown per model, the reference aside.
const BEST: usize = 8;
/// Horizontal rules only: columns are told apart by space.
const RULE: LineStyle = LineStyle::new('─', '─', '─', '─');
pub(crate) const STYLE: TableStyle =
    TableStyle::new().top_border(RULE).header_separator(RULE).bottom_border(RULE);
/// Failed cells named before the rest is only counted.
const FAILED: usize = 10;

/// What the terminal shows at the end of a sweep: per model the fp32 reference, the best cells and
/// the recommendation; then the failed cells with their reasons.
///
/// `width` is the terminal's, in columns. The text has no colours and ends in a line break.
#[must_use]
pub fn terminal_summary(manifest: &Manifest, tables: &Tables, width: u16) -> String {
    let mut out = String::new();
    let names = CellNames::new(&tables.rows);
    let views = models(tables);
    if views.is_empty() {
        out.push_str("No cell has finished.\n");
    }
    for view in &views {
        let recommendation = recommend_for(view, &names, DEFAULT_MAX_DROP);
        let _ = writeln!(out, "{}", heading(view));
        if view.finished().next().is_some() {
            let _ = writeln!(out, "{}", table(view, &names, &recommendation, width));
        }
        let _ = writeln!(out, "{}\n", wrap(&recommendation.sentence, width));
    }
    failures(&mut out, &views, &names, width);
    if manifest.interrupted {
        let note = "The sweep was interrupted: cells are missing. Continue it with --resume.";
        let _ = writeln!(out, "{}", wrap(note, width));
    }
    out
}

fn heading(view: &ModelView<'_>) -> String {
    let failed = view.failed().count();
    let failed = if failed == 0 { String::new() } else { format!(", {failed} failed") };
    let samples = view.finished().map(|r| r.samples).max().unwrap_or(0);
    let cells = text::count_of(view.rows.len(), "cell");
    let direction = match view.metric.lower_is_better() {
        true => format!("; lower {} is better", view.metric.name()),
        false => String::new(),
    };
    format!("{}  ({cells}{failed}; {samples} test samples{direction})", view.name)
}

/// A column of the table: its heading, then a cell per row.
type Column = Vec<String>;

fn table(view: &ModelView<'_>, names: &CellNames, recommendation: &Recommendation, width: u16) -> Table {
    let rows: Vec<&Row> = view.references().chain(best(view, recommendation)).collect();
    let column = |heading: &str, cell: &dyn Fn(&Row) -> String| -> Column {
        std::iter::once(heading.to_owned()).chain(rows.iter().map(|row| cell(row))).collect()
    };
    let mark = |row: &Row| if recommendation.cell.as_deref() == Some(row.cell.as_str()) { "→" } else { "" };
    let batch = view.batch.map_or_else(|| "latency".to_owned(), |b| format!("latency, batch {b}"));
    let ratio = |row: &Row| view.latency(row).map_or(MISSING.to_owned(), |l| text::ratio(l.ratio));
    let mut columns = vec![
        column("", &|row| mark(row).to_owned()),
        column("configuration", &|row| names.name(row)),
        column(&format!("{} ±", view.metric.name()), &|row| view.metric.with_half_width(row)),
        column(&batch, &|row| view.latency(row).map_or(MISSING.to_owned(), markdown::latency)),
        column("weights", &|row| text::or_missing(view.weight_ratio(row), text::ratio)),
        column(&format!("drop, {}", view.metric.drop_mark()), &|row| view.metric.show_drop(view.drop(row))),
        if view.has_classes() {
            column("agree", &|row| text::or_missing(row.agreement_fp32, text::percent))
        } else {
            column("SQNR", &|row| text::or_missing(row.sqnr_db, |v| format!("{v:.1} dB")))
        },
    ];
    // A narrow terminal gets fewer columns rather than broken ones; the report has them all.
    if natural_width(&columns) > width {
        columns[3] = column("latency", &ratio);
    }
    while columns.len() > 4 && natural_width(&columns) > width {
        columns.pop();
    }
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic).set_width(width.max(40));
    let line = |i: usize| columns.iter().map(move |column| column[i].clone());
    table.set_header(line(0));
    for i in 1..=rows.len() {
        table.add_row(line(i));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What the columns take side by side without breaking a cell.
fn natural_width(columns: &[Column]) -> u16 {
    let widest = |column: &Column| column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    // One space of padding and one of separation.
    let total: usize = columns.iter().map(|column| widest(column) + 2).sum();
    u16::try_from(total).unwrap_or(u16::MAX)
}

/// The best cells, and the recommended one whatever its place.
fn best<'a>(view: &ModelView<'a>, recommendation: &Recommendation) -> Vec<&'a Row> {
    let order = ranked(view);
    let is_chosen = |row: &&Row| recommendation.cell.as_deref() == Some(row.cell.as_str());
    let mut best: Vec<&Row> = order.iter().copied().take(BEST).collect();
    if let Some(chosen) = order.iter().skip(BEST).copied().find(is_chosen) {
        best.truncate(BEST - 1);
        best.push(chosen);
    }
    best
}

/// All candidates: those within the allowed drop by latency, then the others by score.
pub(crate) fn ranked<'a>(view: &ModelView<'a>) -> Vec<&'a Row> {
    let within = qualifying(view, DEFAULT_MAX_DROP);
    let is_within = |row: &Row| within.iter().any(|r| r.cell == row.cell);
    let ratio = |row: &Row| view.latency(row).map_or(f64::INFINITY, |l| l.ratio);
    let mut rows: Vec<&Row> = view.candidates().collect();
    rows.sort_by(|a, b| match (is_within(a), is_within(b)) {
        (true, true) => ratio(a).total_cmp(&ratio(b)),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => view.metric.better_first(a, b),
    });
    rows
}

fn failures(out: &mut String, views: &[ModelView<'_>], names: &CellNames, width: u16) {
    let failed: Vec<&Row> = views.iter().flat_map(ModelView::failed).collect();
    if failed.is_empty() {
        return;
    }
    let _ = writeln!(out, "{} failed:", text::count_of(failed.len(), "cell"));
    for row in failed.iter().take(FAILED) {
        let reason = reason(row).split_whitespace().collect::<Vec<_>>().join(" ");
        let line = format!("  {} {}: {reason}", row.model, names.name(row));
        let _ = writeln!(out, "{}", wrap(&line, width));
    }
    if failed.len() > FAILED {
        let _ = writeln!(out, "  and {} more; report.html lists them all", failed.len() - FAILED);
    }
    out.push('\n');
}

/// Breaks text at spaces; following lines are indented by two.
#[must_use]
pub fn wrap(text: &str, width: u16) -> String {
    let width = usize::from(width.max(40));
    let mut out = String::new();
    let indent = text.chars().take_while(|c| *c == ' ').count();
    out.push_str(&text[..indent]);
    let mut column = indent;
    for (i, word) in text.split_whitespace().enumerate() {
        let letters = word.chars().count();
        if i > 0 && column + 1 + letters > width {
            out.push('\n');
            out.push_str("  ");
            column = 2;
        } else if i > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += letters;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn wrapping_keeps_words_and_width() {
        let text = "a sentence of several words that is clearly longer than forty columns";
        let wrapped = wrap(text, 10);
        assert!(wrapped.lines().all(|line| line.chars().count() <= 40));
        assert_eq!(wrapped.split_whitespace().collect::<Vec<_>>().join(" "), text);
    }
}
