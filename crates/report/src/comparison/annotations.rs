//! A comparison as annotations of a GitHub workflow.

use std::fmt::Write as _;

use calibench_compare::{Absent, Change, Comparison, Verdict};

use super::words::{explained, sentence};
use super::{View, measured};
use crate::names::one_line;

/// Annotations of one kind that GitHub shows of a step.
const MOST: usize = 10;

/// What a comparison says, as workflow commands, a line each: `error` for what regressed, fails now or could not be compared,
/// `warning` for what is unclear, `notice` for machines that differ and for what improved. Of each kind there are at most ten,
/// which is what GitHub shows of a step; the last one then counts the rest.
///
/// Source: GitHub, "Workflow commands for GitHub Actions"; the escapes are those of `@actions/core`.
#[must_use]
pub fn comparison_annotations(comparison: &Comparison) -> String {
    let view = View::new(comparison);
    let of = |verdict| view.of(verdict).into_iter();
    let absent = |a: &Absent| {
        let title = if a.failed { "fails now" } else { "could not be compared" };
        (title.to_owned(), format!("{}: {}", view.name(&a.cell).sentence(), one_line(&a.reason)))
    };
    let told = |c: &Change| (format!("{} {}", measured(c), c.verdict.id()), explained(&view, c));
    let mut errors: Vec<(String, String)> =
        comparison.absent.iter().filter(|a| a.failed).map(absent).collect();
    errors.extend(of(Verdict::Regressed).map(told));
    errors.extend(comparison.absent.iter().filter(|a| !a.failed).map(absent));
    if comparison.changes.is_empty() && comparison.absent.is_empty() {
        errors.push(("nothing compared".to_owned(), "the runs have no cell in common".to_owned()));
    }
    let differences = comparison.machine_differences.iter();
    let warnings = of(Verdict::Unclear).map(told).collect();
    let mut notices: Vec<(String, String)> =
        differences.map(|line| ("machines differ".to_owned(), one_line(line))).collect();
    let improved = |c: &Change| (format!("{} improved", measured(c)), sentence(&view, c));
    notices.extend(of(Verdict::Improved).map(improved));
    let mut out = String::new();
    for (kind, annotations) in [("error", errors), ("warning", warnings), ("notice", notices)] {
        write_kind(&mut out, kind, annotations);
    }
    out
}

fn write_kind(out: &mut String, kind: &str, mut annotations: Vec<(String, String)>) {
    if annotations.len() > MOST {
        let rest = annotations.len() - (MOST - 1);
        annotations.truncate(MOST - 1);
        let message = format!("{rest} more are in the summary and the JUnit file");
        annotations.push((format!("{rest} more"), message));
    }
    for (title, message) in annotations {
        let _ =
            writeln!(out, "::{kind} title={}::{}", property(&format!("calibench: {title}")), data(&message));
    }
}

/// Escapes the message of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_escaped_as_the_toolkit_does() {
        assert_eq!(data("5 % of a:b,c\r\n"), "5 %25 of a:b,c%0D%0A");
        assert_eq!(property("5 % of a:b,c\n"), "5 %25 of a%3Ab%2Cc%0A");
    }

    #[test]
    fn the_tenth_annotation_counts_the_rest() {
        let many = |n: usize| (0..n).map(|i| (i.to_string(), "m".to_owned())).collect::<Vec<_>>();
        let written = |n| {
            let mut out = String::new();
            write_kind(&mut out, "error", many(n));
            out
        };
        assert_eq!(written(10).lines().last(), Some("::error title=calibench%3A 9::m"));
        assert_eq!(written(13).lines().count(), 10);
        let last = "::error title=calibench%3A 4 more::4 more are in the summary and the JUnit file";
        assert_eq!(written(13).lines().last(), Some(last));
    }
}
