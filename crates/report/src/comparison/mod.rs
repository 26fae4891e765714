//! How a comparison of two runs looks: in the terminal, as Markdown, as annotations of a workflow, and as JUnit XML.

use std::collections::{BTreeMap, BTreeSet};

use calibench_compare::{Change, Comparison, Quantity, RunName, Verdict};

use crate::names::{CellName, name_cells, one_line};
use crate::text;

mod annotations;
mod junit;
mod markdown;
mod terminal;
mod words;

pub use annotations::comparison_annotations;
pub use junit::comparison_junit;
pub use markdown::comparison_markdown;
pub use terminal::comparison_text;

/// A comparison with its cells named as shortly as tells them apart.
pub(crate) struct View<'a> {
    pub comparison: &'a Comparison,
    names: BTreeMap<&'a str, CellName>,
}

impl<'a> View<'a> {
    pub(crate) fn new(comparison: &'a Comparison) -> Self {
        let changed = comparison.changes.iter().map(|c| &c.cell);
        let ids: BTreeSet<&str> = changed
            .chain(comparison.absent.iter().map(|a| &a.cell))
            .chain(&comparison.added)
            .map(String::as_str)
            .collect();
        Self { comparison, names: name_cells(&ids) }
    }

    /// What a cell is called.
    pub(crate) fn name(&self, id: &str) -> CellName {
        let unknown = || CellName { model: String::new(), configuration: id.to_owned() };
        self.names.get(id).cloned().unwrap_or_else(unknown)
    }

    /// The changes of that verdict: by quantity, what is felt by users before the answers and ranges that explain it, and of a
    /// quantity the largest first.
    pub(crate) fn of(&self, verdict: Verdict) -> Vec<&'a Change> {
        let mut changes: Vec<&Change> =
            self.comparison.changes.iter().filter(|c| c.verdict == verdict).collect();
        let explains = |c: &Change| matches!(c.quantity, Quantity::Answers | Quantity::Ranges);
        let size = |c: &Change| c.effect.map_or(f64::NEG_INFINITY, f64::abs);
        changes.sort_by(|a, b| size(b).total_cmp(&size(a)));
        changes.sort_by_key(|c| (explains(c), c.quantity));
        changes
    }

    /// How many cells were compared, those that fail now included.
    pub(crate) fn cells(&self) -> usize {
        let compared: BTreeSet<&str> = self.comparison.changes.iter().map(|c| c.cell.as_str()).collect();
        compared.len() + self.failed()
    }

    /// How many cells were measured before and fail now.
    pub(crate) fn failed(&self) -> usize {
        self.comparison.absent.iter().filter(|a| a.failed).count()
    }

    /// How many regressions there are: budgets that are exceeded and cells that fail now.
    pub(crate) fn regressions(&self) -> usize {
        self.comparison.count(Verdict::Regressed) + self.failed()
    }
}

/// A run in a line: `20261120T140300Z-host-abc1234 (commit abc1234, 2026-11-20 14:03 UTC)`.
fn run_line(run: &RunName) -> String {
    let commit = run.commit.as_ref().map(|c| format!("commit {}", c.chars().take(7).collect::<String>()));
    let facts: Vec<String> = commit.into_iter().chain(date(&run.date)).collect();
    match (one_line(&run.name).as_str(), one_line(&facts.join(", "))) {
        ("", facts) => facts,
        (name, facts) if facts.is_empty() => name.to_owned(),
        (name, facts) => format!("{name} ({facts})"),
    }
}

/// `2026-11-20 14:03 UTC` of an RFC 3339 time in UTC; other text as it is; nothing of nothing.
fn date(time: &str) -> Option<String> {
    let minutes = time.get(..16).filter(|_| time.ends_with('Z'));
    let short = minutes.map(|m| format!("{} UTC", m.replacen('T', " ", 1)));
    (!time.is_empty()).then(|| short.unwrap_or_else(|| time.to_owned()))
}

/// `latency, batch 32`.
fn measured(change: &Change) -> String {
    let batch = change.batch.map_or_else(String::new, |b| format!(", batch {b}"));
    format!("{}{batch}", change.quantity.name())
}

/// What is within its budget and what is identical, in a line; nothing where there is neither.
fn kept(comparison: &Comparison) -> Option<String> {
    let (within, identical) = (comparison.count(Verdict::Within), comparison.count(Verdict::Identical));
    let all = comparison.changes.len();
    let rest = if within + identical < all { "The other " } else { "" };
    let values = text::count_of(within + identical, "value");
    (within + identical > 0)
        .then(|| format!("{rest}{values}: {within} changed within budget, {identical} identical."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_to_the_minute() {
        assert_eq!(date("2026-11-20T14:03:59Z").as_deref(), Some("2026-11-20 14:03 UTC"));
        assert_eq!(date("yesterday").as_deref(), Some("yesterday"));
        assert_eq!(date(""), None);
        let run = RunName {
            name: "base".into(),
            commit: Some("0123456789".into()),
            date: "2026-11-20T14:03:59Z".into(),
        };
        assert_eq!(run_line(&run), "base (commit 0123456, 2026-11-20 14:03 UTC)");
        assert_eq!(run_line(&RunName { name: "base".into(), ..RunName::default() }), "base");
    }
}
