//! Configurations that a run measured several times: over training seeds, and over draws of the calibration set.

use calibench_metrics::{Aggregate, Observation, aggregate};
use calibench_store::Row;

use crate::score::Metric;
use crate::section::Section;
use crate::select::{FP32, ModelView};
use crate::text::{self, MISSING, finite};

/// One configuration of one model.
pub(crate) struct Repeated<'a> {
    pub model: &'a str,
    pub configuration: String,
    pub metric: Metric,
    /// Of the scores.
    pub score: Aggregate,
    /// Of the drops against the fp32 cell of the same seed; `None` for fp32 itself and where a drop is undefined.
    pub drop: Option<Aggregate>,
}

/// Headings of the table.
pub(crate) const HEADINGS: [&str; 9] = [
    "model",
    "configuration",
    "cells",
    "mean score",
    "worst score",
    "mean drop",
    "worst drop",
    "sd of trainings",
    "sd of calibration sets",
];

/// What the columns mean, for below the table.
pub(crate) const EXPLANATION: &str = "Means are over training seeds, each the mean of its calibration sets; the interval is \
     Student's 95 % over seeds, or over calibration sets where there is one seed. The standard deviation of trainings is what \
     lies between seeds beyond what calibration sets explain; that of calibration sets lies within a seed.";

/// Every configuration with at least two finished cells that differ in nothing but seed and draw.
pub(crate) fn repeated<'a>(views: &[ModelView<'a>]) -> Vec<Repeated<'a>> {
    let mut found = Vec::new();
    for view in views {
        let mut groups: Vec<(Key<'_>, Vec<&Row>)> = Vec::new();
        for row in view.finished() {
            match groups.iter_mut().find(|(k, _)| *k == key(row)) {
                Some((_, rows)) => rows.push(row),
                None => groups.push((key(row), vec![row])),
            }
        }
        for (_, rows) in groups.iter().filter(|(_, rows)| rows.len() > 1) {
            let Some(score) = over(rows, !view.metric.lower_is_better(), |row| finite(row.score)) else {
                continue;
            };
            let drop = over(rows, false, |row| view.drop(row)).filter(|_| rows[0].dtype != FP32);
            found.push(Repeated {
                model: view.name,
                configuration: text::configuration(rows[0]),
                metric: view.metric,
                score,
                drop,
            });
        }
    }
    found
}

/// What a configuration is, but for seed and draw.
type Key<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, &'a str, u32);

fn key(row: &Row) -> Key<'_> {
    (&row.dtype, &row.timing, &row.calibrator, &row.granularity, &row.symmetry, &row.isa, row.threads)
}

fn over(rows: &[&Row], higher_is_better: bool, value: impl Fn(&Row) -> Option<f64>) -> Option<Aggregate> {
    let observe =
        |row: &&Row| Some(Observation { seed: row.seed, draw: u64::from(row.draw), value: value(row)? });
    let observations: Option<Vec<Observation>> = rows.iter().map(observe).collect();
    aggregate(&observations?, higher_is_better)
}

impl Repeated<'_> {
    /// The cells of its row.
    pub(crate) fn cells(&self) -> [String; HEADINGS.len()] {
        let metric = self.metric;
        let score = |value: f64| metric.bare(value);
        let with_interval = |a: &Aggregate, show: &dyn Fn(f64) -> String| match a.interval {
            Some(i) => format!("{} [{}, {}]", show(a.mean), show(i.low), show(i.high)),
            None => show(a.mean),
        };
        let drop = |value: f64| metric.show_drop(Some(value));
        let scale = if metric.is_share() { 100.0 } else { 1.0 };
        let sd = |value: Option<f64>| text::or_missing(value, |v| text::significant(scale * v, 2));
        [
            self.model.to_owned(),
            self.configuration.clone(),
            self.score.observations.to_string(),
            format!("{}{}", with_interval(&self.score, &score), metric.unit_after()),
            format!("{}{}", score(self.score.worst), metric.unit_after()),
            self.drop.map_or(MISSING.to_owned(), |d| {
                format!("{} {}", with_interval(&d, &drop), metric.drop_mark())
            }),
            self.drop.map_or(MISSING.to_owned(), |d| format!("{} {}", drop(d.worst), metric.drop_mark())),
            sd(self.score.sd_seeds),
            sd(self.score.sd_draws),
        ]
    }
}

/// The section; nothing where nothing was measured several times.
pub(crate) fn section(views: &[ModelView<'_>]) -> Section {
    Section {
        id: "repeated",
        title: "Over seeds and calibration sets",
        headings: HEADINGS.map(str::to_owned).to_vec(),
        rows: repeated(views).iter().map(|row| row.cells().to_vec()).collect(),
        explanation: EXPLANATION,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_store::Tables;

    fn cell(dtype: &str, seed: u64, draw: u32, score: f64) -> Row {
        Row {
            cell: format!("m/{dtype}/{seed}/{draw}"),
            model: "m".to_owned(),
            dtype: dtype.to_owned(),
            timing: if dtype == "fp32" { "none" } else { "static" }.to_owned(),
            status: "ok".to_owned(),
            metric: "top1".to_owned(),
            seed,
            draw,
            score: Some(score),
            ..Row::default()
        }
    }

    #[test]
    fn seeds_and_draws_are_brought_together_and_drops_are_within_a_seed() {
        let rows = vec![
            cell("fp32", 0, 0, 0.98),
            cell("fp32", 1, 0, 0.96),
            cell("int8", 0, 0, 0.97),
            cell("int8", 0, 1, 0.95),
            cell("int8", 1, 0, 0.95),
            cell("int8", 1, 1, 0.95),
            cell("int16", 0, 0, 0.98),
        ];
        let tables = Tables { rows, ..Tables::default() };
        let views = crate::select::models(&tables);
        let found = repeated(&views);
        assert_eq!(
            found.iter().map(|r| r.configuration.as_str()).collect::<Vec<_>>(),
            ["fp32", "int8 static"]
        );
        let int8 = &found[1];
        assert_eq!((int8.score.observations, int8.score.seeds), (4, 2));
        assert!((int8.score.mean - 0.955).abs() < 1e-12 && int8.score.worst == 0.95);
        let drop = int8.drop.expect("fp32 is there");
        assert!((drop.worst - 3.0).abs() < 1e-9 && (drop.mean - 1.5).abs() < 1e-9, "{drop:?}");
        assert!(found[0].drop.is_none());
        let text = section(&views).markdown();
        assert!(text.contains("| m | int8 static | 4 | 95.5") && text.contains("95.0 %"), "{text}");
        assert!(section(&views).html().contains("<td>int8 static</td>"));
    }

    #[test]
    fn a_run_without_repetition_has_no_section() {
        let tables = Tables { rows: vec![cell("fp32", 0, 0, 0.9)], ..Tables::default() };
        let views = crate::select::models(&tables);
        assert_eq!((section(&views).markdown(), section(&views).html()), (String::new(), String::new()));
    }
}
