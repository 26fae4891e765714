//! The files that a report consists of.

mod common;
#[path = "common/xml.rs"]
mod xml;

use std::fs;

use calibench_report::{ReportPaths, SiteHistogram, Threshold, terminal_summary, write_report};
use calibench_store::{Manifest, RunFolder, Tables};

struct Written {
    paths: ReportPaths,
    html: String,
    summary: String,
    _folder: tempfile::TempDir,
}

fn write(manifest: &Manifest, tables: &Tables, histograms: &[SiteHistogram]) -> Written {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = RunFolder::create(temporary.path().join("run")).expect("a run");
    let paths = write_report(&folder, manifest, tables, histograms).expect("a report");
    for plot in &paths.plots {
        let svg = fs::read_to_string(plot).expect("a plot");
        let name = plot.display().to_string();
        xml::assert_well_formed(&svg, &name);
        for bad in ["NaN", "inf\"", "\"inf", "-2147483648", "2147483647"] {
            assert!(!svg.contains(bad), "{name} contains {bad}");
        }
    }
    let html = fs::read_to_string(&paths.html).expect("a page");
    let summary = fs::read_to_string(&paths.summary).expect("a summary");
    Written { paths, html, summary, _folder: temporary }
}

fn names(written: &Written) -> Vec<String> {
    let name = |p: &std::path::PathBuf| p.file_name().expect("a name").to_string_lossy().into_owned();
    written.paths.plots.iter().map(name).collect()
}

#[test]
fn every_plot_is_written() {
    let written = write(&common::manifest(&[1]), &common::run(&[1]), &common::histograms());
    let names = names(&written);
    assert!(names.contains(&"memory.svg".to_owned()));
    for model in common::MODELS {
        for kind in ["score-latency", "score-calibrators", "site-sqnr"] {
            assert!(names.contains(&format!("{kind}-{model}.svg")), "{kind} of {model}");
        }
        assert!(names.contains(&format!("histogram-{model}-head_logits.svg")));
    }
    assert_eq!(names.len(), 1 + 3 * 3 + 9);
}

#[test]
fn output_depends_on_input_only() {
    let one = write(&common::manifest(&[1]), &common::run(&[1]), &common::histograms());
    let two = write(&common::manifest(&[1]), &common::run(&[1]), &common::histograms());
    assert_eq!(one.html, two.html);
    assert_eq!(one.summary, two.summary);
}

#[test]
fn the_page_needs_nothing_from_outside() {
    let page = write(&common::manifest(&[1]), &common::run(&[1]), &common::histograms()).html;
    for outside in ["http:", "https:", "src=", "<script", "<link", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    let mut ids: Vec<&str> =
        page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().expect("an id")).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "ids repeat");
}

#[test]
fn every_cell_and_every_failure_is_in_the_page() {
    let tables = common::run(&[1, 2]);
    let written = write(&common::manifest(&[1, 2]), &tables, &[]);
    let cells = written.html.split("<section id=\"cells\">").nth(1).expect("a section of cells");
    let table = cells.split("<tbody>").nth(1).and_then(|t| t.split("</tbody>").next()).expect("a table");
    assert_eq!(table.matches("<tr").count(), tables.rows.len());
    let failed = tables.rows.iter().filter(|r| r.status == "failed").count();
    assert!(failed > 0);
    assert_eq!(table.matches("killed by signal 9").count(), failed);
    assert_eq!(written.summary.matches("killed by signal 9").count(), failed);
    assert!(written.html.contains("a float reference has no ranges to calibrate"));
}

#[test]
fn models_of_different_metrics_stand_beside_each_other() {
    let written = write(&common::manifest(&[1]), &common::mixed(&[1]), &[]);
    let svg = |model: &str| {
        let path = written.paths.plots.iter().find(|p| p.ends_with(format!("score-latency-{model}.svg")));
        fs::read_to_string(path.expect("a plot")).expect("it reads")
    };
    for (model, axis, better) in [
        ("digits-mlp", "top-1 (%)", "up and left is better"),
        ("digits-cnn", "Spearman", "up and left is better"),
        ("digits-vit", "MSE", "down and left is better"),
    ] {
        let svg = svg(model);
        assert!(svg.contains(axis) && svg.contains(better), "{model}");
    }
    // The far outlier of the model of which lower is better lies above the others.
    assert!(svg("digits-vit").contains("↑") && svg("digits-vit").contains("above the axis"));
    let rule = "its top-1 is at most 1.0 points below that of fp32, or its Spearman is at most 1.0 % below that of \
                fp32, or its MSE is at most 1.0 % above that of fp32";
    for text in [&written.html, &written.summary] {
        assert!(text.contains(rule) && text.contains("Percent are of the fp32 score."));
    }
    for cell in ["<td>top-1 98.", "<td>Spearman 0.8", "<td>MSE 0.00"] {
        assert!(written.html.contains(cell), "{cell}");
    }
    for heading in ["| top-1 | drop, points |", "| Spearman | drop, % |", "| cosine to fp32 | SQNR |"] {
        assert!(written.summary.contains(heading), "{heading}");
    }
}

#[test]
fn hostile_text_stays_text() {
    let hostile = "<script>alert('x')</script> & \"q\" | `y`\u{7}\n";
    let mut manifest = common::manifest(&[1]);
    manifest.machine.cpu_model = hostile.to_owned();
    manifest.excluded[0].reason = hostile.to_owned();
    manifest.commit = Some(hostile.to_owned());
    let mut tables = common::run(&[1]);
    let other = format!("{}?", hostile);
    for row in &mut tables.rows {
        match row.model.as_str() {
            "digits-mlp" => row.model = hostile.to_owned(),
            "digits-cnn" => row.model.clone_from(&other),
            _ => {}
        }
        row.calibrator.push_str(hostile);
        if row.failure.is_some() {
            row.failure = Some(hostile.to_owned());
        }
    }
    for site in &mut tables.sites {
        site.site.push_str(hostile);
    }
    let mut histograms = common::histograms();
    histograms[0].model = hostile.to_owned();
    histograms[0].site = hostile.to_owned();
    histograms[0].thresholds[0].calibrator = hostile.to_owned();
    let written = write(&manifest, &tables, &histograms);
    assert!(!written.html.contains("<script"));
    assert!(!written.summary.contains("<script"));
    assert!(!written.html.contains('\u{7}'));
    let mut names = names(&written);
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "two models share a file");
}

#[test]
fn a_run_with_fp32_only() {
    let mut tables = common::run(&[1]);
    tables.rows.retain(|r| r.dtype == "fp32");
    let written = write(&common::manifest(&[1]), &tables, &[]);
    assert!(written.summary.contains("keep fp32"));
    assert_eq!(names(&written).iter().filter(|n| n.starts_with("score-latency")).count(), 3);
    assert!(!names(&written).iter().any(|n| n.starts_with("score-calibrators")));
}

#[test]
fn an_interrupted_run_says_so_and_reports_what_is_there() {
    let mut manifest = common::manifest(&[1]);
    manifest.interrupted = true;
    manifest.finished_utc = None;
    let mut tables = common::run(&[1]);
    tables.rows.truncate(40);
    let written = write(&manifest, &tables, &[]);
    assert!(written.html.contains("interrupted"));
    assert!(written.summary.contains("Interrupted"));
    assert!(terminal_summary(&manifest, &tables, 100).contains("interrupted"));
}

#[test]
fn a_run_without_any_cell() {
    let written = write(&Manifest::default(), &Tables::default(), &[]);
    assert!(written.paths.plots.is_empty());
    assert!(written.html.contains("No cell has finished"));
    assert!(terminal_summary(&Manifest::default(), &Tables::default(), 80).contains("No cell"));
}

#[test]
fn values_that_are_not_numbers_reach_no_plot() {
    let mut tables = common::run(&[1]);
    for (i, row) in tables.rows.iter_mut().enumerate() {
        match i % 7 {
            0 => row.score = Some(f64::NAN),
            1 => row.score_low = Some(f64::INFINITY),
            2 => (row.score, row.score_low, row.score_high) = (None, None, None),
            3 => row.sqnr_db = Some(f64::NEG_INFINITY),
            _ => {}
        }
    }
    for (i, l) in tables.latency.iter_mut().enumerate() {
        match i % 11 {
            0 => l.ratio = f64::NAN,
            1 => l.ratio_high = f64::INFINITY,
            2 => l.ratio_low = 0.0,
            3 => l.p50_us = f64::NAN,
            _ => {}
        }
    }
    for site in tables.sites.iter_mut().step_by(5) {
        site.sqnr_db = Some(f64::NAN);
    }
    let mut histograms = common::histograms();
    histograms[0].bin_width = f64::NAN;
    histograms[1].bin_width = 0.0;
    histograms[2].thresholds = vec![Threshold {
        calibrator: "mse".to_owned(),
        low: f32::NAN,
        high: f32::INFINITY,
        clipped_share: 0.0,
    }];
    let written = write(&common::manifest(&[1]), &tables, &histograms);
    assert!(!written.html.contains("NaN"));
    assert!(!written.summary.contains("NaN"));
}

#[test]
fn a_second_report_removes_plots_that_are_gone() {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = RunFolder::create(temporary.path().join("run")).expect("a run");
    let (manifest, tables) = (common::manifest(&[1]), common::run(&[1]));
    write_report(&folder, &manifest, &tables, &common::histograms()).expect("a report");
    let paths = write_report(&folder, &manifest, &tables, &[]).expect("a report");
    let left = fs::read_dir(folder.plots_dir()).expect("plots").count();
    assert_eq!(left, paths.plots.len());
}
