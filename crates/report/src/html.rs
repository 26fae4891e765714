//! `report.html`: one self-contained page without scripts or outside resources.

use std::fmt::Write as _;

use crate::aggregates;
use crate::html_tables;
use crate::markdown::percent_of_fp32;
use crate::peers;
use crate::recommend::{Choice, DEFAULT_MAX_DROP, Recommendation};
use crate::score::{Metric, allowed};
use crate::text::{self, escape};
use crate::write::{Plot, PlotKind, Report};

const STYLE: &str = include_str!("report.css");

/// The whole page.
pub(crate) fn page(report: &Report<'_>) -> String {
    let mut out = String::with_capacity(1 << 20);
    let title = format!("calibench run {}", report.manifest.created_utc);
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escape(&title)
    );
    header(&mut out, report, &title);
    out.push_str("<main>\n");
    recommendations(&mut out, report);
    for (i, view) in report.views.iter().enumerate() {
        let _ = writeln!(out, "<section id=\"model-{i}\">\n<h2>{}</h2>", escape(view.name));
        for kind in [PlotKind::ScoreLatency, PlotKind::ScoreCalibrators, PlotKind::SiteSqnr] {
            for plot in report.plots.iter().filter(|p| p.model == view.name && p.kind == kind) {
                figure(&mut out, plot);
            }
        }
        histograms(&mut out, report, view.name);
        out.push_str("</section>\n");
    }
    if let Some(plot) = report.plots.iter().find(|p| p.kind == PlotKind::Memory) {
        out.push_str("<section id=\"memory\">\n<h2>Memory</h2>\n");
        figure(&mut out, plot);
        out.push_str("</section>\n");
    }
    out.push_str(&aggregates::section(&report.views).html());
    out.push_str(&peers::section(&report.tables.rows, &report.tables.latency, &report.names).html());
    html_tables::cells(&mut out, report);
    html_tables::excluded(&mut out, report);
    html_tables::run(&mut out, report);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn header(out: &mut String, report: &Report<'_>, title: &str) {
    let _ = write!(out, "<header>\n<h1>{}</h1>\n<p class=\"facts\">", escape(title));
    let m = report.manifest;
    let ok = report.tables.rows.iter().filter(|r| crate::select::is_ok(r)).count();
    let failed = report.tables.rows.len() - ok;
    let commit = m.commit.as_ref().map(|c| format!("commit {}", text::shorten(c, 12)));
    let cells = format!("{} finished, {failed} failed", text::count_of(ok, "cell"));
    let facts: Vec<String> = [Some(m.machine.cpu_model.clone()), Some(m.isa.clone()), commit, Some(cells)]
        .into_iter()
        .flatten()
        .filter(|fact| !fact.is_empty())
        .map(|fact| escape(&fact))
        .collect();
    let _ = writeln!(out, "{}</p>", facts.join(" · "));
    if m.interrupted {
        out.push_str(
            "<p class=\"warning\">This run was interrupted: cells are missing. \
             <code>calibench sweep --resume</code> continues it.</p>\n",
        );
    }
    out.push_str("<nav>");
    for (i, view) in report.views.iter().enumerate() {
        let _ = write!(out, "<a href=\"#model-{i}\">{}</a> ", escape(view.name));
    }
    if report.plots.iter().any(|p| p.kind == PlotKind::Memory) {
        out.push_str("<a href=\"#memory\">Memory</a> ");
    }
    out.push_str("<a href=\"#cells\">All cells</a> <a href=\"#run\">The run</a></nav>\n</header>\n");
}

fn recommendations(out: &mut String, report: &Report<'_>) {
    out.push_str("<section id=\"recommendation\">\n<h2>Recommendation</h2>\n");
    if report.recommendations.is_empty() {
        out.push_str("<p>No cell has finished.</p>\n");
    }
    out.push_str("<div class=\"cards\">\n");
    for (recommendation, view) in report.recommendations.iter().zip(&report.views) {
        card(out, recommendation, view.metric);
    }
    let allowed = allowed(report.views.iter().map(|v| v.metric), DEFAULT_MAX_DROP);
    let _ = writeln!(
        out,
        "</div>\n<p class=\"note\">A configuration is recommended if {} (same seed) and its 95 % latency interval \
         lies entirely below fp32’s, measured interleaved with it.{} The fastest of those decides dtype and timing; \
         of the cells of that kind that are as fast within the noise, the one is taken whose outputs are closest to \
         fp32’s. Noise is how far cells differ that run the same code. The winner is picked among many noisy \
         estimates, so its advantage is optimistic.</p>\n</section>",
        escape(&allowed),
        percent_of_fp32(report)
    );
}

fn card(out: &mut String, r: &Recommendation, metric: Metric) {
    let (class, verdict) = match r.choice {
        Choice::Faster => ("faster", r.configuration.as_deref().unwrap_or_default()),
        Choice::Smaller => ("smaller", r.configuration.as_deref().unwrap_or_default()),
        Choice::KeepFp32 => ("keep", "keep fp32"),
        Choice::NoReference => ("none", "no recommendation"),
    };
    let _ = write!(
        out,
        "<article class=\"card {class}\"><h3>{}</h3><p class=\"verdict\">{}</p>",
        escape(&r.model),
        escape(verdict)
    );
    if matches!(r.choice, Choice::Faster | Choice::Smaller) {
        out.push_str("<dl>");
        let mut fact = |name: &str, value: String| {
            let _ = write!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(&value));
        };
        fact("latency", text::or_missing(r.ratio.map(|(ratio, _, _)| ratio), text::ratio));
        let change = text::or_missing(r.drop, |d| metric.show_change(d));
        fact(&format!("{}, {}", metric.name(), metric.drop_unit()), change);
        fact("weights", text::or_missing(r.weight_ratio, text::ratio));
        out.push_str("</dl>");
    }
    let prefix = format!("{}: ", r.model);
    let sentence = r.sentence.strip_prefix(&prefix).unwrap_or(&r.sentence);
    let _ = writeln!(out, "<p>{}</p></article>", escape(&capitalised(sentence)));
}

fn capitalised(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn histograms(out: &mut String, report: &Report<'_>, model: &str) {
    let plots: Vec<&Plot> = report
        .plots
        .iter()
        .filter(|p| p.model == model && matches!(p.kind, PlotKind::Histogram(_)))
        .collect();
    if plots.is_empty() {
        return;
    }
    let sites = text::count_of(plots.len(), "site");
    let _ = writeln!(
        out,
        "<details>\n<summary>Histograms of activations with each method’s range ({sites})</summary>"
    );
    for plot in plots {
        figure(out, plot);
    }
    out.push_str("</details>\n");
}

fn figure(out: &mut String, plot: &Plot) {
    let file = escape(&plot.file);
    let id = escape(plot.file.trim_end_matches(".svg"));
    let _ = writeln!(
        out,
        "<figure id=\"plot-{id}\">\n{}\n<figcaption><a href=\"plots/{file}\">{file}</a></figcaption>\n</figure>",
        inline(&plot.svg).trim_end()
    );
}

/// SVG inside HTML needs no namespace and no fixed size: it fits its figure by its view box.
fn inline(svg: &str) -> String {
    let end = svg.find('>').unwrap_or(0);
    let (tag, rest) = svg.split_at(end);
    let size = format!("width=\"{}\" ", crate::chart::WIDTH);
    let tag = tag.replace(" xmlns=\"http://www.w3.org/2000/svg\"", "").replace(&size, "");
    format!("{}{rest}", without_height(&tag))
}

fn without_height(tag: &str) -> String {
    match tag.split_once(" height=\"") {
        Some((before, after)) => {
            let rest = after.split_once('"').map_or("", |(_, rest)| rest);
            format!("{before}{rest}")
        }
        None => tag.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::inline;

    #[test]
    fn inlined_pictures_have_no_namespace_and_no_size() {
        let svg = crate::chart::picture(40, "x", |_, _| Ok(())).expect("draws");
        let inlined = inline(&svg);
        let tag = &inlined[..inlined.find('>').expect("a tag")];
        assert!(!tag.contains("http"), "{tag}");
        assert!(!tag.contains(" width=") && !tag.contains(" height="), "{tag}");
        assert!(tag.contains("viewBox=\"0 0 900 40\""), "{tag}");
    }
}
