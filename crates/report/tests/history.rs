//! A history as a plot and as tables.

#[path = "common/comparison.rs"]
#[allow(dead_code, reason = "comparisons have tests of their own")]
mod synthetic;
#[path = "common/xml.rs"]
mod xml;

use calibench_report::{History, HistoryChange, history_markdown, history_plot, history_table};
use synthetic::{history, steady};

fn plot(history: &History) -> String {
    let svg = history_plot(history).expect("it draws").expect("a plot");
    xml::assert_well_formed(&svg, &history.title);
    for bad in ["NaN", "inf\"", "\"inf", "-2147483648", "2147483647"] {
        assert!(!svg.contains(bad), "{bad}");
    }
    svg
}

/// The horizontal positions of the texts that `is_label` picks.
fn positions(svg: &str, is_label: impl Fn(&str) -> bool) -> Vec<i32> {
    let texts = svg.split("<text ").skip(1).filter(|text| {
        let body = text
            .split_once('>')
            .and_then(|(_, rest)| rest.split_once("</text>"))
            .map(|(body, _)| body.trim());
        body.is_some_and(&is_label)
    });
    let x = |text: &str| text.split_once("x=\"")?.1.split_once('"')?.0.parse::<i32>().ok();
    let mut all: Vec<i32> = texts.filter_map(x).collect();
    all.sort_unstable();
    all
}

#[test]
fn every_commit_has_a_point_and_every_step_a_label() {
    let history = history(60);
    let svg = plot(&history);
    assert_eq!(svg.matches("<title>").count(), 60);
    assert!(svg.contains("+9.8 % (worse)") && svg.contains("−4.0 % (better)"));
    assert!(svg.contains(
        "60 commits; bars: 95 % intervals; line: median between steps; dashed: its budget, 5 % worse"
    ));
    for step in &history.changes {
        assert!(svg.contains(&history.points[step.index].label), "the commit of a step is named");
    }
}

#[test]
fn names_of_commits_do_not_overlap() {
    for commits in [1, 2, 12, 30, 60, 400] {
        let history = history(commits.max(6));
        let svg = plot(&history);
        let is_commit = |text: &str| history.points.iter().any(|p| p.label == text);
        let at = positions(&svg, is_commit);
        assert!(at.len() >= 6, "{commits}: {at:?}");
        assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= 70), "{commits}: {at:?}");
    }
}

#[test]
fn a_history_without_a_value_has_no_plot() {
    let mut none = steady();
    none.points.clear();
    assert_eq!(history_plot(&none).expect("no error"), None);
    let mut undefined = steady();
    undefined
        .points
        .iter_mut()
        .for_each(|p| (p.value, p.low, p.high) = (f64::NAN, None, Some(f64::INFINITY)));
    assert_eq!(history_plot(&undefined).expect("no error"), None);
}

#[test]
fn a_plot_of_one_point_of_zero_and_of_hostile_text() {
    let mut one = steady();
    one.points.truncate(1);
    plot(&one);
    one.points[0].value = 0.0;
    (one.points[0].low, one.points[0].high) = (None, None);
    one.points[0].label = "<a&b>\u{7}".to_owned();
    one.title = "<script>|\n".to_owned();
    one.unit = "bytes".to_owned();
    one.changes = vec![HistoryChange { index: 7, before: 0.0, after: f64::NAN }];
    let svg = plot(&one);
    assert!(!svg.contains("<script") && !svg.contains('\u{7}'));
    let markdown = history_markdown(&[one]);
    assert!(markdown.contains("| &lt;script&gt;\\|  | 0 B | none | – |"), "{markdown}");
}

#[test]
fn the_table_tells_the_latest_value_the_last_step_and_all_steps() {
    let histories = [history(60), steady()];
    let table = history_table(&histories, 160);
    let line = table.lines().find(|l| l.contains("latency, batch 32")).expect("a line");
    let commit = format!("{} 2026-10-23", histories[0].points[50].label);
    for part in ["0.74× [0.73, 0.76]", "−4.0 % (better)", commit.as_str(), "0.75×", "60"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let line = table.lines().find(|l| l.contains("accuracy")).expect("a line");
    assert!(line.contains("97.2 % [95.7, 98.2]") && line.contains("none"));
    assert!(table.contains(": +9.8 % (worse), 0.71× → 0.78×, at "));
    assert!(history_table(&histories, 80).lines().all(|l| l.chars().count() <= 80));
    assert!(history_table(&[], 80).starts_with("No history"));
}

#[test]
fn markdown_has_what_the_table_has() {
    let text = history_markdown(&[history(12), steady()]);
    assert!(
        text.starts_with(
            "| measurement | latest | last step | since | trend | median | commits |\n|---|---:|"
        )
    );
    assert!(text.contains(
        "| digits-vit int8 static entropy: accuracy | 97.2 % \\[95.7, 98.2\\] | none | – | ██▁█ |"
    ));
    assert_eq!(text.lines().filter(|l| l.starts_with("- ")).count(), 2);
}
