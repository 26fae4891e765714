//! `summary.md`: the run in a page of Markdown.

use std::fmt::Write as _;

use calibench_store::{LatencyRow, Row};

use crate::aggregates;
use crate::peers;
use crate::recommend::DEFAULT_MAX_DROP;
use crate::score::{Metric, allowed};
use crate::select::{ModelView, reason};
use crate::terminal::ranked;
use crate::text::{self, MISSING, markdown};
use crate::write::{PlotKind, Report};

/// The whole file.
pub(crate) fn summary(report: &Report<'_>) -> String {
    let mut out = String::new();
    let manifest = report.manifest;
    let _ = writeln!(out, "# calibench run {}\n", markdown(&manifest.created_utc));
    if manifest.interrupted {
        out.push_str(
            "> **Interrupted.** Cells are missing; `calibench sweep --resume` continues the run.\n\n",
        );
    }
    out.push_str("## Recommendation\n\n");
    if report.recommendations.is_empty() {
        out.push_str("No cell has finished.\n");
    }
    for recommendation in &report.recommendations {
        let _ = writeln!(out, "- {}", markdown(&recommendation.sentence));
    }
    let allowed = allowed(report.views.iter().map(|v| v.metric), DEFAULT_MAX_DROP);
    let _ = writeln!(
        out,
        "\nA configuration is recommended if {allowed} and its latency interval lies below fp32's.{} The fastest of \
         those decides dtype and timing; of the cells of that kind that are as fast within the noise, the one is \
         taken whose outputs are closest to fp32's. The winner is picked among many noisy estimates, so its \
         advantage is optimistic.\n",
        percent_of_fp32(report)
    );
    for view in &report.views {
        model(&mut out, report, view);
    }
    out.push_str(&aggregates::section(&report.views).markdown());
    out.push_str(&peers::section(&report.tables.rows, &report.tables.latency, &report.names).markdown());
    memory(&mut out, report);
    failed(&mut out, report);
    excluded(&mut out, report);
    out.push_str("## Run\n\n| Fact | Value |\n|---|---|\n");
    for (name, value) in facts(report) {
        let _ = writeln!(out, "| {} | {} |", markdown(&name), markdown(&value));
    }
    out
}

fn model(out: &mut String, report: &Report<'_>, view: &ModelView<'_>) {
    let _ = writeln!(out, "## {}\n", markdown(view.name));
    for plot in report.plots.iter().filter(|p| p.model == view.name) {
        let alt = match plot.kind {
            PlotKind::ScoreLatency => "against latency",
            PlotKind::ScoreCalibrators => "per calibration method",
            _ => continue,
        };
        let (name, metric) = (markdown(view.name), view.metric.name());
        let _ = writeln!(out, "![{name}: {metric} {alt}](plots/{})\n", plot.file);
    }
    let batch = view.batch.map_or_else(|| "latency".to_owned(), |b| format!("latency, batch {b}"));
    let classes = view.has_classes();
    let same = if classes { "same as fp32" } else { "cosine to fp32" };
    let _ = writeln!(
        out,
        "| Configuration | {} | drop, {} | {batch} | weights | peak activations | {same} | SQNR |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|",
        view.metric.name(),
        view.metric.drop_unit()
    );
    for row in view.references().chain(ranked(view)) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            markdown(&report.names.name(row)),
            view.metric.with_interval(row),
            view.metric.show_drop(view.drop(row)),
            view.latency(row).map_or(MISSING.to_owned(), latency),
            text::bytes(row.weight_bytes),
            text::planned_bytes(row.peak_activation_bytes),
            if classes { text::or_missing(row.agreement_fp32, text::percent) } else { cosine(row) },
            text::or_missing(row.sqnr_db, |v| format!("{v:.1} dB")),
        );
    }
    out.push('\n');
}

/// What a percentage in the rule of recommendation is of, where it names one.
pub(crate) fn percent_of_fp32(report: &Report<'_>) -> &'static str {
    let relative = report.views.iter().any(|v| v.metric.is_known() && !v.metric.is_share());
    if relative { " Percent are of the fp32 score." } else { "" }
}

/// Cosine similarity to fp32.
pub(crate) fn cosine(row: &Row) -> String {
    text::or_missing(row.cosine_fp32, |v| format!("{v:.5}"))
}

/// `0.52× [0.50, 0.54]`.
pub(crate) fn latency(l: &LatencyRow) -> String {
    let ends = [l.ratio_low, l.ratio_high].map(text::ratio_bare);
    format!("{} [{}, {}]", text::ratio(l.ratio), ends[0], ends[1])
}

fn memory(out: &mut String, report: &Report<'_>) {
    if let Some(plot) = report.plots.iter().find(|p| p.kind == PlotKind::Memory) {
        let _ = writeln!(out, "## Memory\n\n![Memory per dtype and timing](plots/{})\n", plot.file);
    }
}

fn failed(out: &mut String, report: &Report<'_>) {
    let rows: Vec<&Row> = report.views.iter().flat_map(ModelView::failed).collect();
    if rows.is_empty() {
        return;
    }
    out.push_str("## Failed cells\n\n| Model | Configuration | Reason |\n|---|---|---|\n");
    for row in rows {
        let name = report.names.name(row);
        let cells = [&row.model, &name, reason(row)].map(markdown);
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out.push('\n');
}

fn excluded(out: &mut String, report: &Report<'_>) {
    if report.manifest.excluded.is_empty() {
        return;
    }
    out.push_str("## Left out of the plan\n\n| Combinations | Count | Reason |\n|---|---:|---|\n");
    for e in &report.manifest.excluded {
        let _ = writeln!(out, "| {} | {} | {} |", markdown(&e.what), e.count, markdown(&e.reason));
    }
    out.push('\n');
}

/// What the run was, as pairs of name and value; facts that are not known are left out.
pub(crate) fn facts(report: &Report<'_>) -> Vec<(String, String)> {
    let m = report.manifest;
    let machine = &m.machine;
    let count = |ok: bool| report.tables.rows.iter().filter(|r| crate::select::is_ok(r) == ok).count();
    let cells = format!("{} finished, {} failed", count(true), count(false));
    let finished = match (&m.finished_utc, m.interrupted) {
        (Some(time), _) => time.clone(),
        (None, true) => "interrupted".to_owned(),
        (None, false) => String::new(),
    };
    let memory = match machine.memory_bytes {
        0 => String::new(),
        bytes => text::bytes(bytes),
    };
    let cores = match machine.logical_cores {
        0 => String::new(),
        cores => cores.to_string(),
    };
    let seeds: Vec<String> = m.seeds.iter().map(u64::to_string).collect();
    let packages: Vec<String> = m.packages.iter().map(|(name, v)| format!("{name} {v}")).collect();
    let mut facts = vec![
        ("Cells", cells),
        ("Started", m.created_utc.clone()),
        ("Finished", finished),
        ("calibench", m.calibench_version.clone()),
        ("Commit", m.commit.clone().unwrap_or_default()),
        ("Command", m.command.join(" ")),
        ("Host", machine.host.clone()),
        ("Operating system", format!("{} {}", machine.os, machine.kernel).trim().to_owned()),
        ("CPU", machine.cpu_model.clone()),
        ("Logical cores", cores),
        ("Memory", memory),
        ("CPU features", machine.cpu_features.join(" ")),
        ("Frequency governor", machine.governor.clone()),
        ("Noise before the first cell", m.noise.map_or(String::new(), text::percent)),
        ("Kernels", m.isa.clone()),
        ("Seeds", seeds.join(", ")),
        ("Compiler", m.rustc.clone().unwrap_or_default()),
        ("Packages", packages.join(", ")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect::<Vec<_>>();
    facts.extend(m.backends.iter().map(|(name, version)| (format!("Backend {name}"), version.clone())));
    for (name, model) in &m.models {
        let metric = Metric::named(&model.metric);
        let fp32 = text::or_missing(model.fp32_score, |v| metric.show(v));
        let parameters = text::grouped(model.parameters);
        let value = format!("{parameters} parameters, fp32 {} {fp32}, hash {}", metric.name(), model.hash);
        facts.push((format!("Model {name}"), value));
    }
    for (name, data) in &m.datasets {
        let splits: Vec<String> = data.splits.iter().map(|(split, n)| format!("{split} {n}")).collect();
        let value = format!(
            "version {}, {}, {}, sha256 {}",
            data.version,
            splits.join(" / "),
            data.licence,
            data.sha256
        );
        facts.push((format!("Dataset {name}"), value));
    }
    for (name, passes) in &m.calibration_passes {
        facts.push((format!("Calibration passes {name}"), passes.to_string()));
    }
    facts.retain(|(_, value)| !value.is_empty());
    facts
}
