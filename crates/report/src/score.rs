//! How the scores of a metric read and compare: names, numbers, which is better, and what a drop is.

use std::cmp::Ordering;

use calibench_metrics::{Direction, MetricSpec, spec};
use calibench_store::Row;

use crate::text::{self, MISSING, finite};

/// What stands for a metric that this version does not know: its scores are shown and not compared.
const UNKNOWN: MetricSpec = MetricSpec {
    id: "score",
    name: "score",
    unit: "1",
    direction: Direction::Neither,
    summary: "A score that this version of calibench does not know.",
};

/// The metric that a model's cells are scored by.
///
/// The *drop* of a score is how much worse it is than that of fp32, whichever direction is better: in percentage
/// points for a share, else in percent of the fp32 score. Below zero it is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Metric(&'static MetricSpec);

impl Metric {
    /// The metric of these rows: that of the first which names a known one.
    pub(crate) fn of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        Self(rows.into_iter().find_map(|row| spec::find(&row.metric)).unwrap_or(&UNKNOWN))
    }

    pub(crate) fn named(id: &str) -> Self {
        Self(spec::find(id).unwrap_or(&UNKNOWN))
    }

    /// What headings and sentences call it.
    pub(crate) fn name(self) -> &'static str {
        self.0.name
    }

    /// What one score of it is, in a sentence.
    pub(crate) fn summary(self) -> &'static str {
        self.0.summary
    }

    pub(crate) fn is_share(self) -> bool {
        self.0.unit == "share"
    }

    pub(crate) fn is_known(self) -> bool {
        self.0.direction != Direction::Neither
    }

    pub(crate) fn lower_is_better(self) -> bool {
        self.0.direction == Direction::Lower
    }

    /// The unit as text shows it: nothing for plain numbers and for those in a unit of the task's own.
    fn unit(self) -> &'static str {
        match self.0.unit {
            "share" => "%",
            "1" | "value²" => "",
            unit => unit,
        }
    }

    /// The unit as it follows a number: ` %`, or nothing.
    pub(crate) fn unit_after(self) -> String {
        match self.unit() {
            "" => String::new(),
            unit => format!(" {unit}"),
        }
    }

    /// The title of an axis of these scores: `top-1 (%)`.
    pub(crate) fn axis_title(self) -> String {
        match self.unit() {
            "" => self.name().to_owned(),
            unit => format!("{} ({unit})", self.name()),
        }
    }

    /// Where a score lies on an axis: shares in percent.
    pub(crate) fn on_axis(self, score: f64) -> f64 {
        if self.is_share() { score * 100.0 } else { score }
    }

    /// A score with its unit: `97.8 %`, `0.8532`, `31.24 dB`.
    pub(crate) fn show(self, score: f64) -> String {
        let number = self.bare(score);
        match self.unit() {
            "" => number,
            unit => format!("{number} {unit}"),
        }
    }

    /// A score without its unit: shares in percent to one decimal, others to four significant digits, and to five
    /// just below 1, where correlations differ in the last.
    pub(crate) fn bare(self, score: f64) -> String {
        match score {
            score if self.is_share() => text::percent_bare(score),
            score if (0.99..1.0).contains(&score) => text::significant(score, 5),
            score => text::significant(score, 4),
        }
    }

    /// A row's score with its interval: `97.8 % [96.1, 98.8]`.
    pub(crate) fn with_interval(self, row: &Row) -> String {
        let score = text::or_missing(row.score, |v| self.show(v));
        match (finite(row.score), finite(row.score_low), finite(row.score_high)) {
            (Some(_), Some(low), Some(high)) => format!("{score} [{}, {}]", self.bare(low), self.bare(high)),
            _ => score,
        }
    }

    /// A row's score with half of its interval's width: `97.8 ± 1.5 %`.
    pub(crate) fn with_half_width(self, row: &Row) -> String {
        let (Some(score), Some(low), Some(high)) =
            (finite(row.score), finite(row.score_low), finite(row.score_high))
        else {
            return text::or_missing(row.score, |v| self.show(v));
        };
        let half = (high - low) / 2.0;
        let half = if self.is_share() { text::percent_bare(half) } else { text::significant(half, 2) };
        let unit = self.unit();
        format!("{} ± {half}{}{unit}", self.bare(score), if unit.is_empty() { "" } else { " " })
    }

    /// Larger is better, whatever the direction; missing is worst.
    pub(crate) fn gain(self, score: Option<f64>) -> f64 {
        let gain = finite(score).map(|v| if self.lower_is_better() { -v } else { v });
        gain.unwrap_or(f64::NEG_INFINITY)
    }

    /// Better scores first.
    pub(crate) fn better_first(self, a: &Row, b: &Row) -> Ordering {
        self.gain(b.score).total_cmp(&self.gain(a.score))
    }

    /// How much worse `score` is than `reference`; see [`Metric`]. `None` where a relative drop has no meaning,
    /// because fp32 scores zero and the cell does not, and where it is not known which score is better.
    pub(crate) fn drop(self, reference: f64, score: f64) -> Option<f64> {
        Some(self.0.drop(reference, score)? * 100.0)
    }

    /// The unit of a drop in sentences, `points` or `%`.
    pub(crate) fn drop_unit(self) -> &'static str {
        if self.is_share() { "points" } else { "%" }
    }

    /// The unit of a drop in table headings, `pt` or `%`.
    pub(crate) fn drop_mark(self) -> &'static str {
        if self.is_share() { "pt" } else { "%" }
    }

    /// A drop without its unit: `0.5`, `−1.2`.
    pub(crate) fn show_drop(self, drop: Option<f64>) -> String {
        drop.map_or(MISSING.to_owned(), |d| text::points(d / 100.0).replace('+', ""))
    }

    /// What a drop does to the number: `+4.2`, `−0.5`.
    pub(crate) fn show_change(self, drop: f64) -> String {
        text::points(if self.lower_is_better() { drop } else { -drop } / 100.0)
    }

    /// A drop in words: `0.5 points below`, `4.2 % above`, `equal to`.
    pub(crate) fn compared(self, drop: f64) -> String {
        match drop {
            d if d.abs() < 0.05 => "equal to".to_owned(),
            d => format!("{:.1} {} {}", d.abs(), self.drop_unit(), self.side(d > 0.0)),
        }
    }

    /// On which side of fp32's a worse, or a better, score lies.
    pub(crate) fn side(self, worse: bool) -> &'static str {
        if worse == self.lower_is_better() { "above" } else { "below" }
    }
}

/// Which configurations are recommended, for the metrics of a run's models: `its top-1 is at most 1.0 points below
/// that of fp32`.
pub(crate) fn allowed(metrics: impl Iterator<Item = Metric>, max_drop: f64) -> String {
    let mut distinct: Vec<Metric> = Vec::new();
    for metric in metrics.filter(|m| m.is_known()) {
        if !distinct.contains(&metric) {
            distinct.push(metric);
        }
    }
    let clause = |metric: &Metric| {
        let (name, unit, side) = (metric.name(), metric.drop_unit(), metric.side(true));
        format!("its {name} is at most {max_drop:.1} {unit} {side} that of fp32")
    };
    match distinct.iter().map(clause).collect::<Vec<_>>().as_slice() {
        [] => "its score is close to that of fp32".to_owned(),
        clauses => clauses.join(", or "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_points_of_shares_and_percent_of_other_scores() {
        let drop = |id: &str, reference, score| {
            Metric::named(id).drop(reference, score).map(|d| (d * 1e6).round() / 1e6)
        };
        assert_eq!(drop("top1", 0.98, 0.975), Some(0.5));
        assert_eq!(drop("top1", 0.0, 0.01), Some(-1.0));
        assert_eq!(drop("spearman", 0.8, 0.76), Some(5.0));
        assert_eq!(
            drop("spearman", -0.5, -0.6),
            Some(20.0),
            "a lower correlation is worse, whatever its sign"
        );
        assert_eq!(drop("mse", 0.04, 0.05), Some(25.0));
        assert_eq!(drop("mse", 0.04, 0.03), Some(-25.0));
        assert_eq!(drop("mse", 0.0, 0.0), Some(0.0));
        assert_eq!(drop("mse", 0.0, 0.1), None);
        assert_eq!(drop("a metric of tomorrow", 0.5, 0.5), None);
    }

    #[test]
    fn drops_in_words_follow_the_direction() {
        let [top1, spearman, mse] = ["top1", "spearman", "mse"].map(Metric::named);
        assert_eq!(top1.compared(0.5), "0.5 points below");
        assert_eq!(spearman.compared(-0.5), "0.5 % above");
        assert_eq!(mse.compared(4.2), "4.2 % above");
        assert_eq!(mse.compared(-4.2), "4.2 % below");
        assert_eq!((mse.show_change(4.2), top1.show_change(4.2)), ("+4.2".to_owned(), "−4.2".to_owned()));
        assert_eq!(
            allowed([top1, mse, top1].into_iter(), 1.0),
            "its top-1 is at most 1.0 points below that of fp32, or its MSE is at most 1.0 % above that of fp32"
        );
    }

    #[test]
    fn scores_read_in_their_unit() {
        let shown = |id, score| Metric::named(id).show(score);
        assert_eq!(shown("top1", 0.978), "97.8 %");
        assert_eq!(shown("spearman", 0.85321), "0.8532");
        assert_eq!(shown("fidelity", 0.999_87), "0.99987");
        assert_eq!(shown("fidelity", 1.0), "1.000");
        assert_eq!(shown("psnr", 31.236), "31.24 dB");
        assert_eq!(shown("mse", 0.000_031_24), "0.00003124");
        assert_eq!(Metric::named("top1").axis_title(), "top-1 (%)");
        assert_eq!(Metric::named("spearman").axis_title(), "Spearman");
    }

    #[test]
    fn better_is_first_and_missing_is_last() {
        let row = |score| Row { score, ..Row::default() };
        let order = |id| {
            let mut rows = [None, Some(0.1), Some(0.3), Some(f64::NAN), Some(0.2)].map(row);
            rows.sort_by(|a, b| Metric::named(id).better_first(a, b));
            rows.map(|r| r.score.unwrap_or(-1.0))[..3].to_vec()
        };
        assert_eq!(order("spearman"), [0.3, 0.2, 0.1]);
        assert_eq!(order("mse"), [0.1, 0.2, 0.3]);
    }
}
