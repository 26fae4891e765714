//! Runtimes against each other: the latency of each cell as a ratio to each runtime's own fp32.

use std::fmt::Write as _;

use calibench_store::{LatencyRow, Row};

use crate::select::{CellNames, FP32, is_ok, is_usable};
use crate::text::{self, escape, markdown};

/// Executors that are other people's, with the names that people know them by.
const RUNTIMES: [(&str, &str); 2] = [("onnxruntime", "ONNX Runtime"), ("openvino", "OpenVINO")];

const EXPLANATION: &str = "Each cell was timed in turn with the same fp32 plan of calibench, in the same process and on the \
    same inputs; a ratio here is the quotient of two such ratios, its 95 % interval from theirs. Below 1 is faster. Whether \
    outputs agree is in the column of the cells that compares them with fp32.";

/// One line: the cell's name, batch, time, and ratios to each runtime's fp32.
struct Line {
    cells: Vec<String>,
}

/// The runtimes that executed an fp32 cell, and the lines; no lines where there is none.
fn lines(rows: &[Row], latency: &[LatencyRow], names: &CellNames) -> (Vec<&'static str>, Vec<Line>) {
    let executed = |id: &str| rows.iter().any(|r| is_ok(r) && r.isa == id && r.dtype == FP32);
    let there: Vec<(&str, &'static str)> = RUNTIMES.into_iter().filter(|(id, _)| executed(id)).collect();
    let mut lines = Vec::new();
    if there.is_empty() {
        return (Vec::new(), lines);
    }
    let of = |row: &Row, batch: u32| {
        latency.iter().find(|l| l.cell == row.cell && l.batch == batch && is_usable(l))
    };
    for row in rows.iter().filter(|row| is_ok(row)) {
        for l in latency.iter().filter(|l| l.cell == row.cell && is_usable(l)) {
            let mut cells = vec![
                row.model.clone(),
                names.name(row),
                l.batch.to_string(),
                row.threads.to_string(),
                text::significant(l.p50_us / 1000.0, 3),
            ];
            for (id, _) in &there {
                let same_setting = |r: &&Row| {
                    is_ok(r)
                        && (&r.model, r.dtype.as_str(), r.isa.as_str()) == (&row.model, FP32, *id)
                        && (r.threads, r.seed) == (row.threads, row.seed)
                };
                let reference = rows.iter().find(same_setting).and_then(|r| of(r, l.batch));
                cells.push(reference.map_or_else(|| text::MISSING.to_owned(), |r| quotient(l, r)));
            }
            lines.push(Line { cells });
        }
    }
    (there.into_iter().map(|(_, name)| name).collect(), lines)
}

/// `a / b` of two ratios to the same twin, with the interval of independent estimates on the logarithmic scale.
fn quotient(a: &LatencyRow, b: &LatencyRow) -> String {
    let half = |l: &LatencyRow| (l.ratio_high / l.ratio_low).ln() / 2.0;
    let ratio = a.ratio / b.ratio;
    let half = half(a).hypot(half(b));
    let shown = |value: f64| text::significant(value, 3);
    format!("{}× ({} to {})", shown(ratio), shown(ratio * (-half).exp()), shown(ratio * half.exp()))
}

fn headings(runtimes: &[&str]) -> Vec<String> {
    let fixed = ["Model", "Configuration", "Batch", "Threads", "ms"].map(str::to_owned);
    fixed.into_iter().chain(runtimes.iter().map(|name| format!("of {name} fp32"))).collect()
}

pub(crate) fn markdown_section(rows: &[Row], latency: &[LatencyRow], names: &CellNames) -> String {
    let (runtimes, lines) = lines(rows, latency, names);
    if lines.is_empty() {
        return String::new();
    }
    let headings = headings(&runtimes);
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut out = "## Against other runtimes\n\n".to_owned();
    out.push_str(&line(&headings));
    out.push_str(&format!("|---|---|{}\n", "---:|".repeat(headings.len() - 2)));
    for Line { cells } in &lines {
        out.push_str(&line(&cells.iter().map(|cell| markdown(cell)).collect::<Vec<_>>()));
    }
    let _ = writeln!(out, "\n{EXPLANATION}\n");
    out
}

pub(crate) fn html_section(rows: &[Row], latency: &[LatencyRow], names: &CellNames) -> String {
    let (runtimes, lines) = lines(rows, latency, names);
    if lines.is_empty() {
        return String::new();
    }
    let line = |tag: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|c| format!("<{tag}>{}</{tag}>", escape(c))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let mut out = "<section id=\"peers\">\n<h2>Against other runtimes</h2>\n<div class=\"scroll\">\n<table class=\"text\">\n<thead>"
        .to_owned();
    out.push_str(&line("th", &headings(&runtimes)));
    out.push_str("</thead>\n<tbody>\n");
    for Line { cells } in &lines {
        out.push_str(&line("td", cells));
    }
    let _ = writeln!(
        out,
        "</tbody>\n</table>\n</div>\n<p class=\"note\">{}</p>\n</section>",
        escape(EXPLANATION)
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cell: &str, dtype: &str, isa: &str) -> Row {
        Row {
            cell: cell.to_owned(),
            model: "m".to_owned(),
            dtype: dtype.to_owned(),
            isa: isa.to_owned(),
            status: "ok".to_owned(),
            threads: 1,
            ..Row::default()
        }
    }

    fn latency(cell: &str, ratio: f64) -> LatencyRow {
        LatencyRow {
            cell: cell.to_owned(),
            batch: 1,
            p50_us: 1000.0 * ratio,
            ratio,
            ratio_low: ratio / 1.03,
            ratio_high: ratio * 1.03,
            ..LatencyRow::default()
        }
    }

    #[test]
    fn ratios_to_the_same_twin_are_divided_and_their_intervals_joined() {
        let rows = [row("a", "int8", "avx2"), row("b", FP32, "onnxruntime"), row("c", "int8", "onnxruntime")];
        let latency = [latency("a", 0.4), latency("b", 0.8), latency("c", 0.6)];
        let text = markdown_section(&rows, &latency, &CellNames::new(&rows));
        // 1.03^√2 either way.
        assert!(text.contains("| 0.400 | 0.500× (0.480 to 0.521) |"), "{text}");
        assert!(text.contains("of ONNX Runtime fp32") && !text.contains("OpenVINO"), "{text}");
        assert!(html_section(&rows, &latency, &CellNames::new(&rows)).contains("0.500× (0.480 to 0.521)"));
    }

    #[test]
    fn a_run_without_other_runtimes_has_no_such_section() {
        let rows = [row("a", FP32, "avx2")];
        assert_eq!(markdown_section(&rows, &[latency("a", 1.0)], &CellNames::new(&rows)), "");
    }
}
