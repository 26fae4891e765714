//! A comparison as JUnit XML.

use std::fmt::Write as _;

use calibench_compare::{Change, Comparison, Verdict};

use super::words::{explained, figures, worse_by};
use super::{View, measured, run_line};
use crate::names::one_line;
use crate::text::escape;

/// What one test case came to.
enum Status {
    Passed,
    Failed,
    Skipped,
    Errored,
}

/// One test case.
struct Case {
    model: String,
    class: String,
    name: String,
    status: Status,
    message: String,
}

/// What a comparison says, as JUnit XML that test reporters read: a suite for each model, a test case for each cell and
/// quantity.
///
/// What regressed is a failure. What is unclear is skipped, with what would make it clear as its message: a failure would say
/// that a budget is exceeded, which is not known, and make every noisy machine red; a pass would say that it is kept. A cell
/// that fails now or could not be compared is an error, and so is a comparison of runs that have no cell in common.
///
/// Source: the schema that Jenkins' xUnit plug-in publishes, as far as GitLab, Jenkins and reporters for GitHub read it.
/// Control characters, which XML forbids, are left out.
#[must_use]
pub fn comparison_junit(comparison: &Comparison) -> String {
    let view = View::new(comparison);
    let cases = cases(&view);
    let mut models: Vec<&str> = Vec::new();
    for case in &cases {
        if !models.contains(&case.model.as_str()) {
            models.push(&case.model);
        }
    }
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(out, "<testsuites name=\"calibench check\"{}>", counts(cases.iter()));
    for model in models {
        let of_model = || cases.iter().filter(|c| c.model == model);
        let _ = writeln!(out, "  <testsuite name=\"{}\"{}>", escape(model), counts(of_model()));
        properties(&mut out, comparison);
        of_model().for_each(|case| write_case(&mut out, case));
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn cases(view: &View<'_>) -> Vec<Case> {
    let case = |cell: &str, name: &str, status: Status, message: String| {
        let cell = view.name(cell);
        let model = if cell.model.is_empty() { "calibench".to_owned() } else { cell.model.clone() };
        Case { model, class: cell.line(), name: name.to_owned(), status, message }
    };
    let of_change = |c: &Change| {
        let status = match c.verdict {
            Verdict::Regressed => Status::Failed,
            Verdict::Unclear => Status::Skipped,
            Verdict::Improved | Verdict::Within | Verdict::Identical => Status::Passed,
        };
        let message = match status {
            Status::Passed => format!("{}: {}, worse by {}", c.verdict.id(), figures(c), worse_by(c)),
            _ => explained(view, c),
        };
        case(&c.cell, &measured(c), status, message)
    };
    let mut cases: Vec<Case> = view.comparison.changes.iter().map(of_change).collect();
    let absent = view.comparison.absent.iter();
    cases.extend(absent.map(|a| case(&a.cell, "comparison", Status::Errored, one_line(&a.reason))));
    if cases.is_empty() {
        cases.push(case("runs", "comparison", Status::Errored, "the runs have no cell in common".to_owned()));
    }
    cases
}

/// The attributes that count test cases.
fn counts<'a>(cases: impl Iterator<Item = &'a Case>) -> String {
    let (mut all, mut failures, mut errors, mut skipped) = (0, 0, 0, 0);
    for case in cases {
        all += 1;
        match case.status {
            Status::Passed => {}
            Status::Failed => failures += 1,
            Status::Errored => errors += 1,
            Status::Skipped => skipped += 1,
        }
    }
    format!(" tests=\"{all}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"")
}

/// What was compared, and in what the machines differ.
fn properties(out: &mut String, comparison: &Comparison) {
    out.push_str("    <properties>\n");
    let mut property = |name: &str, value: &str| {
        let _ = writeln!(out, "      <property name=\"{name}\" value=\"{}\"/>", escape(value));
    };
    property("before", &run_line(&comparison.before));
    property("after", &run_line(&comparison.after));
    comparison.machine_differences.iter().for_each(|line| property("machines differ", line));
    comparison.notes.iter().for_each(|line| property("note", line));
    out.push_str("    </properties>\n");
}

fn write_case(out: &mut String, case: &Case) {
    let [class, name, message] = [&case.class, &case.name, &case.message].map(|text| escape(text));
    let _ = writeln!(out, "    <testcase classname=\"{class}\" name=\"{name}\">");
    let _ = match case.status {
        Status::Passed => writeln!(out, "      <system-out>{message}</system-out>"),
        Status::Failed => {
            writeln!(out, "      <failure type=\"regressed\" message=\"{message}\">{message}</failure>")
        }
        Status::Errored => {
            writeln!(out, "      <error type=\"absent\" message=\"{message}\">{message}</error>")
        }
        Status::Skipped => writeln!(out, "      <skipped message=\"{message}\"/>"),
    };
    out.push_str("    </testcase>\n");
}
