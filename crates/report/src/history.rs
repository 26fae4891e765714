//! One measurement over many commits: what it is made of, and how it looks as text.

use std::fmt::Write as _;

use calibench_metrics::{Direction, median};

use crate::ReportError;
use crate::measure::{Unit, arrow, decimals};
use crate::plots;
use crate::table::{natural_width, table};
use crate::terminal::wrap;
use crate::text::{self, MISSING, markdown};

/// Points that a sparkline shows.
const SPARK: usize = 16;
/// Columns that a table has at least.
const LEAST: usize = 3;

/// One measurement of one cell over commits.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// What is measured of which cell: `digits-cnn int8 static mse: latency, batch 32`.
    pub title: String,
    /// The unit of its values, as in `reports/schema.md`; `×` is a ratio.
    pub unit: String,
    /// Which values are better: it decides whether a step is called worse.
    pub direction: Direction,
    /// How much worse than the median of its segment a value may be: 0.05 is 5 %, or 5 percentage points of a share.
    pub budget: Option<f64>,
    /// The measurements, oldest first.
    pub points: Vec<HistoryPoint>,
    /// Where its level changed, in the order of the points.
    pub changes: Vec<HistoryChange>,
}

/// One measurement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryPoint {
    /// Which commit; a long hash is shown by its first seven digits.
    pub label: String,
    /// When, RFC 3339 in UTC or a date.
    pub date: String,
    /// What was measured; a value that is not finite is not shown.
    pub value: f64,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end of it.
    pub high: Option<f64>,
}

impl HistoryPoint {
    /// What the commit is called: at most nine characters.
    pub(crate) fn short(&self) -> String {
        let is_hash = self.label.len() > 9 && self.label.bytes().all(|b| b.is_ascii_hexdigit());
        if is_hash { self.label.chars().take(7).collect() } else { text::shorten(&self.label, 9) }
    }
}

/// A step of the level.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HistoryChange {
    /// Index of the first point at the new level.
    pub index: usize,
    /// Level of the segment before it.
    pub before: f64,
    /// Level of the segment that it begins.
    pub after: f64,
}

/// Whether a step is for the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Better,
    Worse,
    Other,
}

impl History {
    pub(crate) fn unit(&self) -> Unit<'_> {
        Unit::named(&self.unit)
    }

    /// The changes that begin at a point other than the first, in order.
    pub(crate) fn steps(&self) -> Vec<HistoryChange> {
        let inside = |c: &&HistoryChange| c.index > 0 && c.index < self.points.len();
        let mut steps: Vec<HistoryChange> = self.changes.iter().filter(inside).copied().collect();
        steps.sort_by_key(|c| c.index);
        steps.dedup_by_key(|c| c.index);
        steps
    }

    /// The segments between changes, as ranges of points, each with the median of its values.
    pub(crate) fn segments(&self) -> Vec<(std::ops::Range<usize>, f64)> {
        let starts = std::iter::once(0).chain(self.steps().into_iter().map(|c| c.index));
        let starts: Vec<usize> = starts.collect();
        let ends = starts.iter().skip(1).copied().chain([self.points.len()]);
        let segment = |(start, end): (&usize, usize)| {
            let values: Vec<f64> =
                self.points[*start..end].iter().map(|p| p.value).filter(|v| v.is_finite()).collect();
            Some((*start..end, median(&values)?))
        };
        starts.iter().zip(ends).filter_map(segment).collect()
    }

    /// How large a step is: `+9.8 %`, `−1.2 points`; the two levels where the first is zero.
    pub(crate) fn size(&self, step: HistoryChange) -> String {
        let (difference, unit) = match self.unit() {
            Unit::Share => (step.after - step.before, "points"),
            _ => ((step.after - step.before) / step.before.abs(), "%"),
        };
        if !difference.is_finite() {
            return arrow(self.unit(), Some(step.before), Some(step.after));
        }
        let places = if difference.abs() < 0.001 { 2 } else { 1 };
        let sign = if difference > 0.0 { "+" } else { "" };
        format!("{sign}{} {unit}", decimals(difference * 100.0, places))
    }

    pub(crate) fn step(&self, step: HistoryChange) -> Step {
        match (self.direction, step.after > step.before) {
            (Direction::Neither, _) => Step::Other,
            (Direction::Higher, true) | (Direction::Lower, false) => Step::Better,
            (Direction::Higher, false) | (Direction::Lower, true) => Step::Worse,
        }
    }

    /// `+9.8 % (worse)`.
    pub(crate) fn described(&self, step: HistoryChange) -> String {
        match self.step(step) {
            Step::Better => format!("{} (better)", self.size(step)),
            Step::Worse => format!("{} (worse)", self.size(step)),
            Step::Other => self.size(step),
        }
    }

    /// The value up to which the budget is kept beside values of that median.
    pub(crate) fn limit(&self, median: f64) -> Option<f64> {
        let allowed = match self.unit() {
            Unit::Share => self.budget?,
            _ => self.budget? * median.abs(),
        };
        match self.direction {
            Direction::Lower => Some(median + allowed),
            Direction::Higher => Some(median - allowed),
            Direction::Neither => None,
        }
    }
}

/// A history as SVG: each commit's value with its interval, the median of each segment as a line, the limit that its budget
/// sets as a dashed one, and each step with its size. Commits are named as far as there is room, those that begin a step first.
/// `None` for a history without a finite value.
///
/// # Errors
/// When the plot cannot be drawn.
pub fn history_plot(history: &History) -> Result<Option<String>, ReportError> {
    plots::history::draw(history)
        .map_err(|source| ReportError::Draw { plot: history.title.clone(), source: Box::new(source) })
}

/// What a summary has of one history.
struct Summary {
    title: String,
    commits: usize,
    latest: String,
    median: String,
    step: String,
    since: String,
    spark: String,
}

impl Summary {
    const HEADINGS: [&str; 7] = ["measurement", "latest", "last step", "since", "trend", "median", "commits"];
    const IS_TEXT: [bool; 7] = [true, false, false, true, true, false, false];

    fn new(history: &History) -> Self {
        let unit = history.unit();
        let level = history.segments().last().map(|(_, median)| *median);
        let step = history.steps().last().copied();
        let since = step.and_then(|s| history.points.get(s.index)).map(place);
        Self {
            title: history.title.clone(),
            commits: history.points.len(),
            latest: history
                .points
                .last()
                .map_or(MISSING.to_owned(), |p| unit.with_interval(p.value, p.low, p.high)),
            median: unit.show(level),
            step: step.map_or("none".to_owned(), |s| history.described(s)),
            since: since.unwrap_or_else(|| MISSING.to_owned()),
            spark: spark(history),
        }
    }

    fn cells(self) -> [String; 7] {
        [self.title, self.latest, self.step, self.since, self.spark, self.median, self.commits.to_string()]
    }
}

/// `abc1234 2026-11-20`.
fn place(point: &HistoryPoint) -> String {
    let day: String = point.date.chars().take(10).collect();
    format!("{} {day}", point.short()).trim().to_owned()
}

/// The latest values as bars, from the least to the largest of them.
fn spark(history: &History) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let latest = &history.points[history.points.len().saturating_sub(SPARK)..];
    let values = || latest.iter().map(|p| p.value).filter(|v| v.is_finite());
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let bar = |value: f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        BARS[(share * 7.0).round() as usize]
    };
    latest.iter().map(|p| if p.value.is_finite() { bar(p.value) } else { ' ' }).collect()
}

/// Histories for a terminal of `width` columns: a line each with the latest value and its interval, the last step and the commit
/// that began it, a sparkline of the last 16 values (from their least to their largest) and the median of the segment that the
/// latest is in; then every step. Columns that do not fit are left out, the last first. No colours; ends in a line break.
#[must_use]
pub fn history_table(histories: &[History], width: u16) -> String {
    if histories.is_empty() {
        return "No history: nothing has been measured twice.\n".to_owned();
    }
    let rows: Vec<Vec<String>> = histories.iter().map(|h| Summary::new(h).cells().to_vec()).collect();
    let headings = &Summary::HEADINGS;
    let fits = |columns: &usize| natural_width(&headings[..*columns], &rows) <= usize::from(width);
    let columns = (LEAST..=headings.len()).rev().find(fits).unwrap_or(LEAST);
    let table = table(&headings[..columns], &rows, |i| !Summary::IS_TEXT[i], 0, width);
    let mut out = format!("{table}\n");
    let steps: Vec<String> = histories.iter().flat_map(step_lines).collect();
    if !steps.is_empty() {
        let _ = writeln!(out, "\nSteps, oldest first");
        for line in steps {
            let _ = writeln!(out, "{}", wrap(&format!("- {line}"), width));
        }
    }
    out
}

/// A line for each step of a history.
fn step_lines(history: &History) -> Vec<String> {
    let line = |step: HistoryChange| {
        let at = history.points.get(step.index).map(place).unwrap_or_default();
        let levels = arrow(history.unit(), Some(step.before), Some(step.after));
        format!("{}: {}, {levels}, at {at}", history.title, history.described(step))
    };
    history.steps().into_iter().map(line).collect()
}

/// [`history_table`] as Markdown, steps included.
#[must_use]
pub fn history_markdown(histories: &[History]) -> String {
    if histories.is_empty() {
        return "No history: nothing has been measured twice.\n".to_owned();
    }
    let rules = Summary::IS_TEXT.map(|is_text| if is_text { "---" } else { "---:" });
    let mut out = format!("| {} |\n|{}|\n", Summary::HEADINGS.join(" | "), rules.join("|"));
    for history in histories {
        let cells = Summary::new(history).cells();
        let _ = writeln!(out, "| {} |", cells.map(|cell| markdown(&cell)).join(" | "));
    }
    let steps: Vec<String> = histories.iter().flat_map(step_lines).collect();
    if !steps.is_empty() {
        out.push_str("\nSteps, oldest first:\n\n");
        for line in steps {
            let _ = writeln!(out, "- {}", markdown(&line));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(values: &[f64], changes: Vec<HistoryChange>) -> History {
        let point = |(i, value): (usize, &f64)| HistoryPoint {
            label: format!("c{i}"),
            date: "2026-11-20T14:03:00Z".to_owned(),
            value: *value,
            ..HistoryPoint::default()
        };
        History {
            title: "m: latency".to_owned(),
            unit: "×".to_owned(),
            direction: Direction::Lower,
            budget: Some(0.05),
            points: values.iter().enumerate().map(point).collect(),
            changes,
        }
    }

    #[test]
    fn segments_lie_between_changes_and_have_medians() {
        let change = |index| HistoryChange { index, before: 1.0, after: 2.0 };
        let h = history(&[1.0, 3.0, 2.0, 5.0, f64::NAN, 7.0], vec![change(3), change(0), change(99)]);
        assert_eq!(h.segments(), [(0..3, 2.0), (3..6, 6.0)]);
        assert!(history(&[], Vec::new()).segments().is_empty());
        assert!(history(&[f64::NAN], Vec::new()).segments().is_empty());
    }

    #[test]
    fn a_step_has_a_size_and_a_direction() {
        let step = HistoryChange { index: 1, before: 0.5, after: 0.549 };
        let mut h = history(&[0.5, 0.549], vec![step]);
        assert_eq!(h.described(step), "+9.8 % (worse)");
        h.direction = Direction::Higher;
        assert_eq!(h.described(step), "+9.8 % (better)");
        h.unit = "share".to_owned();
        h.direction = Direction::Neither;
        assert_eq!(h.described(step), "+4.9 points");
        h.unit = "bytes".to_owned();
        assert_eq!(h.described(HistoryChange { before: 0.0, after: 10.0, ..step }), "0 B → 10 B");
    }

    #[test]
    fn the_limit_is_on_the_worse_side_of_the_median() {
        let mut h = history(&[1.0], Vec::new());
        assert_eq!(h.limit(2.0), Some(2.1));
        h.direction = Direction::Higher;
        h.unit = "share".to_owned();
        assert_eq!(h.limit(0.75), Some(0.7));
        h.budget = None;
        assert_eq!(h.limit(0.75), None);
    }

    #[test]
    fn a_commit_is_called_by_its_first_digits() {
        let short = |label: &str| HistoryPoint { label: label.to_owned(), ..HistoryPoint::default() }.short();
        let hash = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!([hash, "v0.1", "a-long-release-name"].map(short), ["0123456", "v0.1", "a-lo…name"]);
    }

    #[test]
    fn a_sparkline_spans_its_own_range() {
        assert_eq!(spark(&history(&[1.0, 2.0, f64::NAN, 1.5], Vec::new())), "▁█ ▅");
        assert_eq!(spark(&history(&[1.0, 1.0], Vec::new())), "▅▅");
    }
}
