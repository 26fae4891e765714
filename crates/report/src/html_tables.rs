//! The tables of `report.html`.

use std::fmt::Write as _;

use calibench_store::{LatencyRow, Row};

use crate::markdown::{cosine, facts, latency};
use crate::score::Metric;
use crate::select::{ModelView, is_ok, reason};
use crate::text::{self, MISSING, escape};
use crate::write::Report;

/// A column: its heading, what it means, and a cell's text.
type Column<'a> = (&'a str, &'a str, Box<dyn Fn(&ModelView<'_>, &Row) -> String + 'a>);

/// The metric of all models, where they have one in common.
fn common_metric(report: &Report<'_>) -> Option<Metric> {
    let first = report.views.first()?.metric;
    report.views.iter().all(|view| view.metric == first).then_some(first)
}

/// All cells in three tables: result, fidelity and cost, latency.
pub(crate) fn cells(out: &mut String, report: &Report<'_>) {
    let total = report.tables.rows.len();
    let _ = writeln!(out, "<section id=\"cells\">\n<h2>All cells ({total})</h2>");
    let failed: usize = report.views.iter().map(|v| v.failed().count()).sum();
    if failed > 0 {
        let _ = writeln!(
            out,
            "<p class=\"warning\">{} failed; the tables give the reasons.</p>",
            text::count_of(failed, "cell")
        );
    }
    details(out, "Score, latency and memory of every cell", true, |out| {
        row_table(out, report, &result_columns(report));
    });
    details(out, "Fidelity to fp32, integer against fake-quant, cost", false, |out| {
        row_table(out, report, &fidelity_columns(report));
    });
    if !report.tables.latency.is_empty() {
        details(out, "Latency at every batch size", false, |out| latency_table(out, report));
    }
    out.push_str("</section>\n");
}

fn details(out: &mut String, summary: &str, open: bool, body: impl FnOnce(&mut String)) {
    let open = if open { " open" } else { "" };
    let _ = writeln!(out, "<details{open}>\n<summary>{}</summary>\n<div class=\"scroll\">", escape(summary));
    body(out);
    out.push_str("</div>\n</details>\n");
}

fn result_columns<'a>(report: &'a Report<'_>) -> Vec<Column<'a>> {
    let metric = common_metric(report);
    vec![
        (
            "configuration",
            "dtype, timing, calibrator, granularity, symmetry",
            Box::new(|_, r| report.names.name(r)),
        ),
        (
            metric.map_or("score", Metric::name),
            metric.map_or("score on the test samples, with its 95 % interval", Metric::summary),
            Box::new(move |v, r| {
                let score = v.metric.with_interval(r);
                // Where models differ in their metric, every score says which it is.
                if metric.is_some() { score } else { format!("{} {score}", v.metric.name()) }
            }),
        ),
        (
            "drop",
            "how much worse than fp32's the score is: points of a percentage, else percent of the fp32 score",
            Box::new(drop),
        ),
        (
            "latency",
            "median over that of fp32, interleaved, smallest batch, with its 95 % interval",
            Box::new(|v, r| v.latency(r).map_or(MISSING.to_owned(), latency)),
        ),
        (
            "weights",
            "bytes of all weights as stored for execution",
            Box::new(|_, r| text::bytes(r.weight_bytes)),
        ),
        (
            "of fp32",
            "weight bytes over those of fp32",
            Box::new(|v, r| text::or_missing(v.weight_ratio(r), text::ratio)),
        ),
        (
            "activations",
            "largest sum of live activation bytes, at the largest batch size",
            Box::new(|_, r| text::planned_bytes(r.peak_activation_bytes)),
        ),
        (
            "resident",
            "peak resident memory of the cell's process",
            Box::new(|_, r| r.peak_resident_bytes.map_or(MISSING.to_owned(), text::bytes)),
        ),
    ]
}

fn fidelity_columns<'a>(report: &'a Report<'_>) -> Vec<Column<'a>> {
    vec![
        (
            "configuration",
            "dtype, timing, calibrator, granularity, symmetry",
            Box::new(|_, r| report.names.name(r)),
        ),
        (
            "same as fp32",
            "share of samples with the class that fp32 predicts",
            Box::new(|_, r| text::or_missing(r.agreement_fp32, text::percent)),
        ),
        ("cosine", "cosine similarity of the outputs to those of fp32", Box::new(|_, r| cosine(r))),
        (
            "SQNR",
            "signal to quantization noise of the outputs, dB",
            Box::new(|_, r| text::or_missing(r.sqnr_db, |v| format!("{v:.1} dB"))),
        ),
        (
            "KL",
            "mean KL divergence of the softmax from fp32, nats",
            Box::new(|_, r| text::or_missing(r.kl_fp32, |v| text::significant(v, 3))),
        ),
        (
            "fake-quant",
            "score of the fake-quant execution",
            Box::new(|v, r| text::or_missing(r.score_fake_quant, |score| v.metric.show(score))),
        ),
        (
            "int ≠ fake",
            "share of samples that integer and fake-quant execution classify differently",
            Box::new(|_, r| text::or_missing(r.integer_vs_fake_disagreement, text::percent)),
        ),
        (
            "max |int − fake|",
            "largest absolute difference of outputs",
            Box::new(|_, r| text::or_missing(r.integer_vs_fake_max_abs, |v| text::significant(v, 3))),
        ),
        ("calibration", "samples and seconds of the calibration pass", Box::new(|_, r| calibration(r))),
        (
            "solve",
            "from statistics to scales and zero points",
            Box::new(|_, r| text::or_missing(r.solve_seconds, text::seconds)),
        ),
        (
            "load",
            "building the executable model",
            Box::new(|_, r| text::or_missing(r.load_seconds, text::seconds)),
        ),
        ("in float", "operators left in float", Box::new(|_, r| r.float_ops.replace(',', ", "))),
    ]
}

fn drop(view: &ModelView<'_>, row: &Row) -> String {
    let drop = view.drop(row);
    let shown = view.metric.show_drop(drop);
    if drop.is_none() { shown } else { format!("{shown} {}", view.metric.drop_mark()) }
}

fn calibration(row: &Row) -> String {
    match (row.calibration_samples, row.calibration_seconds) {
        (0, None) => MISSING.to_owned(),
        (n, seconds) => {
            let seconds = text::or_missing(seconds, text::seconds);
            format!("{}, {seconds}", text::count_of(n as usize, "sample"))
        }
    }
}

fn row_table(out: &mut String, report: &Report<'_>, columns: &[Column<'_>]) {
    out.push_str("<table>\n<thead><tr><th>model</th>");
    for (name, meaning, _) in columns {
        let _ = write!(out, "<th title=\"{}\">{}</th>", escape(meaning), escape(name));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for view in &report.views {
        let chosen =
            report.recommendations.iter().find(|r| r.model == view.name).and_then(|r| r.cell.as_deref());
        for row in &view.rows {
            let class = match (is_ok(row), chosen == Some(row.cell.as_str())) {
                (false, _) => " class=\"failed\"",
                (true, true) => " class=\"chosen\"",
                (true, false) => "",
            };
            let _ = write!(out, "<tr{class}><td>{}</td>", escape(&row.model));
            if is_ok(row) {
                for (_, _, value) in columns {
                    let _ = write!(out, "<td>{}</td>", escape(&value(view, row)));
                }
            } else {
                let _ = write!(
                    out,
                    "<td>{}</td><td colspan=\"{}\">{}: {}</td>",
                    escape(&report.names.name(row)),
                    columns.len() - 1,
                    escape(&row.status),
                    escape(reason(row))
                );
            }
            out.push_str("</tr>\n");
        }
    }
    out.push_str("</tbody>\n</table>\n");
}

fn latency_table(out: &mut String, report: &Report<'_>) {
    out.push_str(
        "<table>\n<thead><tr><th>model</th><th>configuration</th><th>batch</th><th>p50</th><th>p90</th>\
         <th>p99</th><th>fp32 p50</th><th>ratio</th><th>calls</th></tr></thead>\n<tbody>\n",
    );
    for row in &report.tables.rows {
        let of_cell = report.tables.latency.iter().filter(|l| l.cell == row.cell);
        for l in of_cell {
            let _ = write!(
                out,
                "<tr><td>{}</td><td>{}</td>",
                escape(&row.model),
                escape(&report.names.name(row))
            );
            for value in latency_cells(l) {
                let _ = write!(out, "<td>{}</td>", escape(&value));
            }
            out.push_str("</tr>\n");
        }
    }
    out.push_str("</tbody>\n</table>\n");
}

fn latency_cells(l: &LatencyRow) -> [String; 7] {
    let micros = |v: f64| text::or_missing(Some(v), |v| format!("{} µs", text::significant(v, 3)));
    [
        l.batch.to_string(),
        micros(l.p50_us),
        micros(l.p90_us),
        micros(l.p99_us),
        micros(l.twin_p50_us),
        if l.ratio.is_finite() { latency(l) } else { MISSING.to_owned() },
        l.iterations.to_string(),
    ]
}

/// Combinations that the plan left out.
pub(crate) fn excluded(out: &mut String, report: &Report<'_>) {
    let list = &report.manifest.excluded;
    if list.is_empty() {
        return;
    }
    out.push_str("<section id=\"excluded\">\n<h2>Left out of the plan</h2>\n<div class=\"scroll\">\n");
    out.push_str("<table class=\"text\">\n<thead><tr><th>combinations</th><th>count</th><th>reason</th></tr></thead>\n<tbody>\n");
    for e in list {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&e.what),
            e.count,
            escape(&e.reason)
        );
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}

/// What the run was, and how to repeat and cite it.
pub(crate) fn run(out: &mut String, report: &Report<'_>) {
    out.push_str(
        "<section id=\"run\">\n<h2>The run</h2>\n<div class=\"scroll\">\n<table class=\"text\">\n<tbody>\n",
    );
    for (name, value) in facts(report) {
        let _ = writeln!(out, "<tr><th>{}</th><td>{}</td></tr>", escape(&name), escape(&value));
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    let m = report.manifest;
    let mut steps = String::new();
    if let Some(commit) = &m.commit {
        let _ = writeln!(steps, "git checkout {commit}");
    }
    let command = if m.command.is_empty() { "calibench sweep".to_owned() } else { m.command.join(" ") };
    let _ = writeln!(steps, "{command}");
    let _ = writeln!(
        out,
        "<h3>Reproduce</h3>\n<pre>{}</pre>\n<p class=\"note\">The same commit, seeds and instruction set give \
         byte-identical scores and fidelity; latency and resident memory vary with the machine and its load. \
         <code>manifest.json</code> beside this page holds the whole configuration.</p>",
        preformatted(&steps)
    );
    let commit = m.commit.as_deref().map_or(String::new(), |c| format!(", commit {c}"));
    let citation = format!(
        "calibench {}{commit}: quantization run of {} on {}.",
        m.calibench_version, m.created_utc, m.machine.cpu_model
    );
    let _ = writeln!(out, "<h3>Cite</h3>\n<p>{}</p>", escape(&citation));
    if !m.config.is_null() {
        let config = format!("{:#}", m.config);
        details(out, "Configuration", false, |out| {
            let _ = writeln!(out, "<pre>{}</pre>", preformatted(&config));
        });
    }
    out.push_str("</section>\n");
}

/// Escapes line by line: `escape` makes spaces of line breaks.
fn preformatted(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}
