//! A comparison in every form.

#[path = "common/comparison.rs"]
#[allow(dead_code, reason = "histories have tests of their own")]
mod synthetic;
#[path = "common/xml.rs"]
mod xml;

use calibench_compare::{Change, Comparison, Quantity, Verdict};
use calibench_report::{comparison_annotations, comparison_junit, comparison_markdown, comparison_text};
use synthetic::{cell, empty, every_verdict, exact, only};

const HOSTILE: &str = "<b>|x% a`b\r\n::error::y,z\u{7}";

/// The table under a heading, up to the next empty line.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, rest) = text.split_once(heading).unwrap_or_else(|| panic!("{heading} is in {text}"));
    rest.split("\n\n").next().unwrap_or(rest)
}

/// Many cells, each worse in everything.
fn large(cells: usize) -> Comparison {
    let mut comparison = empty();
    for i in 0..cells {
        let id = cell("digits-cnn", &format!("int8/static/method-{i}/per-channel/affine"));
        for (j, quantity) in Quantity::ALL.iter().enumerate() {
            let effect = if j % 2 == 0 { 0.2 } else { 0.0 };
            comparison.changes.push(exact(
                &id,
                *quantity,
                "bytes",
                (Some(100.0), 100.0 + effect * 100.0),
                effect,
            ));
        }
        comparison.added.push(format!("{id}?"));
        comparison
            .notes
            .push("a note of some length that is repeated many times, once for each cell of the run".into());
    }
    comparison
}

fn hostile() -> Comparison {
    let mut comparison = every_verdict();
    for change in &mut comparison.changes {
        change.cell = change.cell.replace("digits-cnn", HOSTILE);
        change.reason.push_str(HOSTILE);
        if change.quantity == Quantity::Accuracy {
            change.unit = HOSTILE.to_owned();
        }
    }
    for absent in &mut comparison.absent {
        absent.cell = HOSTILE.to_owned();
        absent.reason = HOSTILE.to_owned();
    }
    comparison.added = vec![HOSTILE.to_owned()];
    comparison.before.name = HOSTILE.to_owned();
    comparison.after.commit = Some(HOSTILE.to_owned());
    comparison.machine_differences = vec![HOSTILE.to_owned()];
    comparison.notes = vec![HOSTILE.to_owned()];
    comparison
}

#[test]
fn the_verdict_comes_first_and_says_what_it_rests_on() {
    let text = comparison_text(&every_verdict(), 400, false);
    let first = text.lines().next().expect("a line");
    assert_eq!(
        first,
        "5 regressions in 4 cells: int8 dynamic of digits-mlp fails now; int8 static percentile-99.99 of digits-vit loses \
         2.50 points of accuracy [1.50, 3.50], budget 0.5 points; int8 static mse of digits-cnn is 9.8 % slower \
         [8.2, 11.4] at batch 32, budget 5 %; and 2 more."
    );
    let headline = |comparison: &Comparison| {
        comparison_text(comparison, 400, false).lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(
        headline(&only(|v| matches!(v, Verdict::Unclear | Verdict::Identical))),
        "No regression seen in 2 cells, but 2 values cannot be told from noise: int8 static mse of digits-cnn loses 0.28 \
         points of accuracy [−0.32, 0.88], budget 0.5 points; int8 static percentile-99.99 of digits-vit is 2.1 % slower \
         [−2.7, 6.9] at batch 32, budget 5 %."
    );
    let clean = only(|v| matches!(v, Verdict::Improved | Verdict::Within));
    assert_eq!(headline(&clean), "No regression in 3 cells: every budget is kept, and 2 values improved.");
    assert_eq!(
        headline(&only(|v| v == Verdict::Identical)),
        "No regression in 2 cells: every budget is kept."
    );
    assert_eq!(headline(&empty()), "Nothing could be compared: the runs have no cell in common.");
    let mut absent = every_verdict();
    absent.changes.retain(|c| c.verdict == Verdict::Identical);
    absent.absent.retain(|a| !a.failed);
    assert_eq!(
        headline(&absent),
        "1 cell of the earlier run could not be compared; no regression in the other 2 cells: int16 static entropy of \
         digits-mlp."
    );
}

#[test]
fn a_wide_table_has_a_line_for_each_change_with_its_reason() {
    let text = comparison_text(&every_verdict(), 200, false);
    let regressed = section(&text, "Regressed (4)");
    let latency = regressed.lines().find(|l| l.contains("latency, batch 32")).expect("a line");
    for part in ["digits-cnn int8 static mse", "0.71× → 0.78×", "9.8 % [8.2, 11.4]", "5 %", "< 0.001"] {
        assert!(latency.contains(part), "{part} in {latency}");
    }
    let accuracy = regressed.lines().find(|l| l.contains("accuracy")).expect("a line");
    assert!(accuracy.contains("95.0 % → 92.5 %") && accuracy.contains("paired on 360 test samples"));
    assert!(section(&text, "Improved (2)").contains("96.0 KiB → 64.0 KiB"));
    assert!(section(&text, "Improved (2)").contains("better by"));
    assert!(text.contains("The other 5 values: 3 changed within budget, 2 identical."));
    assert!(!text.contains("Within budget ("));
    assert!(text.contains("Before: baseline/digits (commit 0123456, 2026-11-20 14:03 UTC)"));
    assert!(text.contains("Machines differ: compiler: rustc 1.95.0 before, rustc 1.96.0 now"));
    assert!(
        text.contains("- digits-mlp int8 dynamic: it was measured before and fails now: killed by signal 9")
    );
    assert!(section(&text, "New, with nothing to compare to (1)").contains("digits-cnn int8 static isotone"));
}

#[test]
fn a_narrow_table_folds_and_has_its_reasons_below() {
    let text = comparison_text(&every_verdict(), 80, false);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(
        section(&text, "Unclear (2)").contains("- digits-cnn int8 static mse, accuracy: too few samples")
    );
    assert!(text.contains("(--repeats 14)"));
}

#[test]
fn all_shows_what_is_within_and_identical() {
    let text = comparison_text(&every_verdict(), 200, true);
    assert!(section(&text, "Within budget (3)").contains("12.35 M → 12.40 M"));
    assert!(section(&text, "Identical (2)").contains("weights"));
    assert!(!text.contains("The other"));
}

#[test]
fn one_reason_of_many_changes_is_told_once() {
    let mut comparison = only(|v| v == Verdict::Regressed);
    comparison.changes.iter_mut().for_each(|c| c.reason = "the same reason".to_owned());
    let text = comparison_text(&comparison, 80, false);
    assert_eq!(text.matches("the same reason").count(), 1);
    assert!(text.contains("percentile-99.99, accuracy and 3 more: the same reason"));
}

#[test]
fn markdown_starts_with_its_marker_and_folds_the_rest() {
    let text = comparison_markdown(&every_verdict());
    assert!(text.starts_with("<!-- calibench-check -->\n### calibench: 5 regressions in 4 cells\n"));
    let row = "| digits-cnn int8 static mse | latency, batch 32 | 0.71× → 0.78× | 9.8 % \\[8.2, 11.4\\] | 5 % | &lt; 0.001 |  |";
    assert!(text.contains(row));
    let (open, folded) = text.split_once("<details>").expect("details");
    assert!(open.contains("**machines differ**: compiler: rustc 1.95.0 before") && !open.contains("heap"));
    assert!(
        folded
            .contains("| digits-vit int8 static percentile-99.99 | instructions, batch 32 0.4 % | weights |")
    );
    assert!(folded.contains("New, with nothing to compare to: digits-cnn int8 static isotone"));
    assert!(folded.ends_with("</details>\n"));
    let alike = comparison_markdown(&Comparison { machine_differences: Vec::new(), ..every_verdict() });
    assert!(alike.contains("; same machine\n"));
}

#[test]
fn a_large_comparison_fits_a_comment() {
    let comparison = large(300);
    let text = comparison_markdown(&comparison);
    assert!(text.len() < 65_536, "{} bytes", text.len());
    let regressed = comparison.count(Verdict::Regressed);
    let (open, folded) = text.split_once("<details>").expect("details");
    assert_eq!(open.lines().filter(|l| l.starts_with("| digits")).count(), 50);
    assert!(open.contains(&format!("{} more.", regressed - 50)));
    assert!(
        folded.contains("more cells")
            && folded.contains("; and 285 more")
            && folded.contains("and 285 more notes")
    );
}

#[test]
fn annotations_are_commands_of_three_kinds() {
    let text = comparison_annotations(&every_verdict());
    let of =
        |kind: &str| text.lines().filter(|l| l.starts_with(&format!("::{kind} title=calibench%3A "))).count();
    assert_eq!([of("error"), of("warning"), of("notice")], [6, 2, 3]);
    assert_eq!(text.lines().count(), 11);
    let latency = "::error title=calibench%3A latency%2C batch 32 regressed::int8 static mse of digits-cnn is 9.8 %25 slower \
                   [8.2, 11.4] at batch 32, budget 5 %25";
    assert!(text.lines().any(|l| l == latency));
    let clean = Comparison { machine_differences: Vec::new(), ..only(|v| v == Verdict::Within) };
    assert_eq!(comparison_annotations(&clean), "");
    let many = comparison_annotations(&large(30));
    assert_eq!(many.lines().count(), 10);
    let rest = large(30).count(Verdict::Regressed) - 9;
    assert!(many.lines().last().expect("a line").contains(&format!("::{rest} more are in the summary")));
}

#[test]
fn junit_has_a_suite_for_each_model_and_a_case_for_each_value() {
    let comparison = every_verdict();
    let text = comparison_junit(&comparison);
    xml::assert_well_formed(&text, "JUnit");
    assert!(text.contains(
        "<testsuites name=\"calibench check\" tests=\"15\" failures=\"4\" errors=\"2\" skipped=\"2\">"
    ));
    let suite = "<testsuite name=\"digits-cnn\" tests=\"9\" failures=\"3\" errors=\"0\" skipped=\"1\">";
    assert!(text.contains(suite));
    assert_eq!(text.matches("<testcase ").count(), comparison.changes.len() + comparison.absent.len());
    assert_eq!(text.matches("<failure ").count(), 4);
    assert_eq!(text.matches("<error ").count(), 2);
    assert_eq!(text.matches("<skipped ").count(), 2);
    assert!(text.contains("<testcase classname=\"digits-cnn int8 static mse\" name=\"latency, batch 32\">"));
    assert!(text.contains("within budget: 50.0 KiB → 50.5 KiB, worse by 1.0 %"));
}

#[test]
fn a_comparison_of_nothing_is_no_success() {
    let junit = comparison_junit(&empty());
    xml::assert_well_formed(&junit, "JUnit");
    assert!(junit.contains("tests=\"1\" failures=\"0\" errors=\"1\""));
    assert!(comparison_annotations(&empty()).starts_with("::error "));
    assert!(comparison_markdown(&empty()).contains("Nothing could be compared"));
}

#[test]
fn hostile_text_stays_text() {
    let comparison = hostile();
    let junit = comparison_junit(&comparison);
    xml::assert_well_formed(&junit, "JUnit");
    assert!(!junit.contains("<b>") && !junit.contains('\u{7}'));
    let markdown = comparison_markdown(&comparison);
    assert!(!markdown.contains("<b>") && !markdown.contains('\u{7}') && !markdown.contains('\r'));
    for row in markdown.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| Cell")) {
        let bars = row.replace("\\|", "").matches('|').count();
        assert!(bars == 8 || bars == 4, "{row}");
    }
    let annotations = comparison_annotations(&comparison);
    for line in annotations.lines() {
        assert!(
            ["::error title=", "::warning title=", "::notice title="].iter().any(|k| line.starts_with(k))
        );
        let (property, _) = line[2..].split_once("::").expect("a message");
        assert!(!property[property.find('=').expect("a title")..].contains([':', ',']), "{line}");
        for (at, _) in line.match_indices('%') {
            assert!(["%25", "%0A", "%0D", "%3A", "%2C"].iter().any(|e| line[at..].starts_with(e)), "{line}");
        }
    }
    let text = comparison_text(&comparison, 120, true);
    assert!(!text.contains('\r') && !text.contains('\u{7}'));
}

#[test]
fn values_that_are_not_numbers_are_missing() {
    let mut comparison = every_verdict();
    for (i, change) in comparison.changes.iter_mut().enumerate() {
        match i % 4 {
            0 => change.effect = None,
            1 => (change.effect, change.before) = (Some(f64::NAN), Some(f64::INFINITY)),
            2 => (change.before, change.after) = (None, None),
            _ => (change.p, change.budget) = (Some(f64::NAN), f64::INFINITY),
        }
        if let Some(interval) = &mut change.interval {
            interval.low = f64::NEG_INFINITY;
        }
    }
    for text in [
        comparison_text(&comparison, 120, true),
        comparison_markdown(&comparison),
        comparison_junit(&comparison),
        comparison_annotations(&comparison),
    ] {
        assert!(!text.contains("NaN"), "{text}");
        assert!(!text.contains("inf ") && !text.contains("[−inf"), "{text}");
    }
}

#[test]
fn long_names_keep_a_terminal_table_within_its_width() {
    let mut comparison = every_verdict();
    let long = format!("a-{}-model", "very-long-".repeat(20));
    comparison.changes.iter_mut().for_each(|c: &mut Change| c.cell = c.cell.replace("digits-cnn", &long));
    let text = comparison_text(&comparison, 80, false);
    for line in text.lines().filter(|l| l.starts_with(' ') || l.starts_with('─')) {
        assert!(line.chars().count() <= 80 || line.contains("very-long"), "{line}");
    }
    assert!(comparison_markdown(&comparison).contains(&long));
}
