//! What of a run belongs to one model: its cells, their fp32 references and their latency.

use std::collections::BTreeMap;

use calibench_store::{LatencyRow, Row, Tables};

use crate::score::Metric;
use crate::text::{self, finite};

/// The dtype of the reference cells.
pub(crate) const FP32: &str = "fp32";

/// One model's part of a run.
pub(crate) struct ModelView<'a> {
    /// The model's name.
    pub name: &'a str,
    /// What its cells are scored by.
    pub metric: Metric,
    /// Its cells, failed ones included, in the order of the run.
    pub rows: Vec<&'a Row>,
    /// The smallest batch size that any of its finished cells was timed at.
    pub batch: Option<u32>,
    latency: BTreeMap<&'a str, &'a LatencyRow>,
}

/// The distinct models of the rows, in the order in which they first appear.
pub(crate) fn model_names(rows: &[Row]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !names.contains(&row.model.as_str()) {
            names.push(&row.model);
        }
    }
    names
}

/// Every model of the run.
pub(crate) fn models(tables: &Tables) -> Vec<ModelView<'_>> {
    model_names(&tables.rows)
        .into_iter()
        .map(|name| ModelView::new(name, &tables.rows, &tables.latency))
        .collect()
}

impl<'a> ModelView<'a> {
    pub(crate) fn new(name: &'a str, rows: &'a [Row], latency: &'a [LatencyRow]) -> Self {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.model == name).collect();
        let finished: std::collections::BTreeSet<&str> =
            rows.iter().filter(|row| is_ok(row)).map(|row| row.cell.as_str()).collect();
        let usable = || latency.iter().filter(|l| finished.contains(l.cell.as_str()) && is_usable(l));
        let batch = usable().map(|l| l.batch).min();
        let latency = usable().filter(|l| Some(l.batch) == batch).map(|l| (l.cell.as_str(), l)).collect();
        let metric = Metric::of(rows.iter().copied());
        Self { name, metric, rows, batch, latency }
    }

    /// Cells that finished, the fp32 references included.
    pub(crate) fn finished(&self) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().copied().filter(|row| is_ok(row))
    }

    /// Finished cells other than the fp32 references.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = &'a Row> {
        self.finished().filter(|row| row.dtype != FP32)
    }

    /// Finished fp32 cells.
    pub(crate) fn references(&self) -> impl Iterator<Item = &'a Row> {
        self.finished().filter(|row| row.dtype == FP32)
    }

    /// Cells that failed.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().copied().filter(|row| row.status == "failed")
    }

    /// The fp32 cell that `row` is compared with: the same seed, and the same threads if there is one.
    pub(crate) fn reference(&self, row: &Row) -> Option<&'a Row> {
        let same_seed = || self.references().filter(|r| r.seed == row.seed);
        same_seed().find(|r| r.threads == row.threads).or_else(|| same_seed().next())
    }

    /// How much worse this cell's score is than fp32's; see [`Metric`].
    pub(crate) fn drop(&self, row: &Row) -> Option<f64> {
        self.metric.drop(finite(self.reference(row)?.score)?, finite(row.score)?)
    }

    /// Whether the outputs are class scores, so that predictions can agree.
    pub(crate) fn has_classes(&self) -> bool {
        self.finished().any(|row| finite(row.agreement_fp32).is_some())
    }

    /// This cell's weight bytes over its reference's.
    pub(crate) fn weight_ratio(&self, row: &Row) -> Option<f64> {
        let reference = self.reference(row)?.weight_bytes;
        (reference > 0).then(|| row.weight_bytes as f64 / reference as f64)
    }

    /// The paired latency ratio at the smallest batch, where it was measured.
    pub(crate) fn latency(&self, row: &Row) -> Option<&'a LatencyRow> {
        self.latency.get(row.cell.as_str()).copied()
    }
}

/// Whether the cell finished.
pub(crate) fn is_ok(row: &Row) -> bool {
    row.status == "ok"
}

/// Why a cell failed, in words.
pub(crate) fn reason(row: &Row) -> &str {
    match row.failure.as_deref() {
        Some(reason) if !reason.trim().is_empty() => reason,
        _ => "no reason recorded",
    }
}

pub(crate) fn is_usable(latency: &LatencyRow) -> bool {
    [latency.ratio, latency.ratio_low, latency.ratio_high].iter().all(|v| v.is_finite() && *v > 0.0)
}

/// Names cells by their configuration plus those of seed, draw, threads and ISA that vary in the run.
pub(crate) struct CellNames {
    seed: bool,
    draw: bool,
    threads: bool,
    isa: bool,
}

impl CellNames {
    pub(crate) fn new(rows: &[Row]) -> Self {
        Self {
            seed: varies(rows, |r| r.seed),
            draw: varies(rows, |r| r.draw),
            threads: varies(rows, |r| r.threads),
            isa: varies(rows, |r| r.isa.clone()),
        }
    }

    /// `int8 static mse per-channel affine`, with `seed 2` and so on where those vary.
    pub(crate) fn name(&self, row: &Row) -> String {
        text::configuration(row) + &self.varying(row)
    }

    /// The name in two parts: `int8 static mse, seed 2` and `per-channel affine`.
    pub(crate) fn parts(&self, row: &Row) -> (String, String) {
        let (method, parameters) = text::configuration_parts(row);
        (method + &self.varying(row), parameters)
    }

    fn varying(&self, row: &Row) -> String {
        let mut name = String::new();
        if self.seed {
            name.push_str(&format!(", seed {}", row.seed));
        }
        if self.draw {
            name.push_str(&format!(", draw {}", row.draw));
        }
        if self.threads {
            name.push_str(&format!(", {}", text::count_of(row.threads as usize, "thread")));
        }
        if self.isa && !row.isa.is_empty() {
            name.push_str(&format!(", {}", row.isa));
        }
        name
    }
}

fn varies<K: PartialEq>(rows: &[Row], key: impl Fn(&Row) -> K) -> bool {
    rows.windows(2).any(|pair| key(&pair[0]) != key(&pair[1]))
}

/// The distinct values in first-seen order, those in `known` first and in its order.
pub(crate) fn in_known_order<'a>(values: impl Iterator<Item = &'a str>, known: &[&str]) -> Vec<&'a str> {
    let mut distinct: Vec<&str> = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    // A stable sort: names that are not known keep their first-seen order, after the known ones.
    distinct.sort_by_key(|v| known.iter().position(|k| k == v).unwrap_or(known.len()));
    distinct
}
