//! Which configuration to choose, and why.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use calibench_metrics::quantile;
use calibench_store::{LatencyRow, Row};

use crate::select::{CellNames, ModelView};
use crate::text::{self, finite};

/// How much worse than fp32's the score of a recommended configuration may be by default: one percentage point for a
/// metric that is a share, such as top-1; one percent of the fp32 score for the others.
pub const DEFAULT_MAX_DROP: f64 = 1.0;

/// The timing mode whose cells run the same code whatever their calibrator.
const STATIC: &str = "static";

/// What the recommendation rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Faster than fp32 with its whole interval, within the allowed drop.
    Faster,
    /// Nothing was faster; this one has the smallest weights within the allowed drop.
    Smaller,
    /// Nothing qualifies: keep fp32.
    KeepFp32,
    /// No fp32 cell finished, so no drop is known.
    NoReference,
}

/// The recommendation for one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Recommendation {
    /// The model's name.
    pub model: String,
    /// What the recommendation rests on.
    pub choice: Choice,
    /// The recommended cell; the fp32 cell where that is kept, none without a reference.
    pub cell: Option<String>,
    /// The recommended configuration in words.
    pub configuration: Option<String>,
    /// Name of the metric of the model's score, such as `top-1`.
    pub metric: &'static str,
    /// How much worse than fp32's the configuration's score is: in percentage points for a share, else in percent of
    /// the fp32 score. Below zero it is better.
    pub drop: Option<f64>,
    /// Latency over fp32's with its interval `(ratio, low, high)` at `batch`.
    pub ratio: Option<(f64, f64, f64)>,
    /// The batch size of `ratio`: the smallest one measured.
    pub batch: Option<u32>,
    /// Weight bytes over fp32's.
    pub weight_ratio: Option<f64>,
    /// The whole recommendation as text, with numbers, intervals and batch size.
    pub sentence: String,
}

/// Chooses a configuration of `model` among `rows` (rows of other models are ignored).
///
/// Cells qualify if they finished and their score is worse by at most `max_drop` than that of the fp32 cell of the
/// same seed and threads: percentage points for a metric that is a share, percent of the fp32 score for others, below
/// or above it as the metric's direction says. Of those, the ones count as faster whose latency interval
/// lies entirely below 1 at the smallest batch size. The fastest decides dtype and timing mode. Of the
/// faster cells of that kind which it beats by no more than cells differ that run the same code, the one
/// wins whose outputs are closest to fp32's, by SQNR: which of them happened to be timed fastest would be
/// another one next time. If nothing is faster, the smallest weights win, provided that they are smaller
/// than fp32's; if there is none either, fp32 stays.
///
/// A missing or non-finite score never qualifies; a missing or non-finite latency never counts
/// as faster. With one test set and many cells the winner is picked among noisy estimates, so its
/// measured advantage is optimistic.
#[must_use]
pub fn recommend(model: &str, rows: &[Row], latency: &[LatencyRow], max_drop: f64) -> Recommendation {
    let view = ModelView::new(model, rows, latency);
    recommend_for(&view, &CellNames::new(rows), max_drop)
}

pub(crate) fn recommend_for(view: &ModelView<'_>, names: &CellNames, max_drop: f64) -> Recommendation {
    let reference = view.references().find(|r| view.metric.is_known() && finite(r.score).is_some());
    let Some(reference) = reference else { return no_reference(view) };
    let qualifying = qualifying(view, max_drop);

    let mut faster: Vec<(&Row, &LatencyRow)> = qualifying
        .iter()
        .filter_map(|&row| Some((row, view.latency(row)?)))
        .filter(|(_, latency)| latency.ratio_high < 1.0)
        .collect();
    faster.sort_by(|(a, la), (b, lb)| la.ratio.total_cmp(&lb.ratio).then_with(|| tie(view, a, b)));
    if let Some(&(first, fastest)) = faster.first() {
        let noise = noise(view);
        let limit = fastest.ratio_high.max(fastest.ratio * noise);
        let same_kind = |row: &Row| row.dtype == first.dtype && row.timing == first.timing;
        faster.retain(|(row, latency)| same_kind(row) && latency.ratio <= limit);
        faster.sort_by(|(a, _), (b, _)| fidelity(b).total_cmp(&fidelity(a)).then_with(|| tie(view, a, b)));
        let row = faster[0].0;
        let among = match faster.len() {
            1 => String::new(),
            n => format!(
                "; of {n} {} {} cells that are as fast within the noise ({}), the closest to fp32{}",
                row.dtype,
                row.timing,
                text::percent(noise - 1.0),
                finite(row.sqnr_db).map_or(String::new(), |db| format!(" (SQNR {db:.1} dB)"))
            ),
        };
        let sentence = format!("{}: choose {}: {}{among}.", view.name, names.name(row), evidence(view, row));
        return chosen(view, names, Choice::Faster, row, sentence);
    }

    let smallest = qualifying
        .iter()
        .copied()
        .filter(|row| view.weight_ratio(row).is_some_and(|r| r < 1.0))
        .min_by(|a, b| a.weight_bytes.cmp(&b.weight_bytes).then_with(|| tie(view, a, b)));
    if let Some(row) = smallest {
        let sentence = format!(
            "{}: {}. For its size, choose {}: {}.",
            view.name,
            nothing_faster(view, names, &qualifying, max_drop),
            names.name(row),
            evidence(view, row)
        );
        return chosen(view, names, Choice::Smaller, row, sentence);
    }

    let why = if qualifying.is_empty() {
        nothing_qualifies(view, names, max_drop)
    } else {
        let nothing = nothing_faster(view, names, &qualifying, max_drop);
        format!("{nothing}, and none has smaller weights")
    };
    let score = text::or_missing(reference.score, |v| view.metric.show(v));
    let sentence = format!("{}: keep fp32 ({} {score}): {why}.", view.name, view.metric.name());
    chosen(view, names, Choice::KeepFp32, reference, sentence)
}

/// What kernels are called whose sums saturate: measured to be compared with, never recommended, because what they give for
/// other inputs is not known.
const SATURATING: &str = "-saturating";

/// Finished cells within the allowed drop, of kernels that are exact; a hair of tolerance, so that a drop of exactly the limit is not lost to
/// rounding.
pub(crate) fn qualifying<'a>(view: &ModelView<'a>, max_drop: f64) -> Vec<&'a Row> {
    let within = |row: &&Row| view.drop(row).is_some_and(|d| d <= max_drop + 1e-9);
    view.candidates().filter(|row| !row.isa.ends_with(SATURATING)).filter(within).collect()
}

/// How far apart the latency ratios of cells are that run the same code, as a factor of at least 1: the 90th
/// over the 10th percentile of static cells that differ only in the calibrator, and so only in constants. It
/// holds what the intervals cannot, the chance of one process against another: where its memory lies, what
/// else ran.
fn noise(view: &ModelView<'_>) -> f64 {
    let mut same_code: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    for row in view.finished().filter(|r| r.timing == STATIC) {
        let code = (&row.dtype, &row.granularity, &row.symmetry, &row.isa, row.threads, row.seed);
        same_code.entry(code).or_default().extend(view.latency(row).map(|l| l.ratio));
    }
    let spread = |mut ratios: Vec<f64>| {
        ratios.sort_by(f64::total_cmp);
        Some(quantile(&ratios, 0.9)? / quantile(&ratios, 0.1)?)
    };
    same_code.into_values().filter_map(spread).fold(1.0, f64::max)
}

/// SQNR of the outputs; unknown is worst.
fn fidelity(row: &Row) -> f64 {
    finite(row.sqnr_db).unwrap_or(f64::NEG_INFINITY)
}

/// Between equals: lower latency ratio, then the better score, then the cell's name.
fn tie(view: &ModelView<'_>, a: &Row, b: &Row) -> Ordering {
    let ratio = |row| view.latency(row).map_or(f64::INFINITY, |l| l.ratio);
    ratio(a)
        .total_cmp(&ratio(b))
        .then_with(|| view.metric.better_first(a, b))
        .then_with(|| a.cell.cmp(&b.cell))
}

fn chosen(
    view: &ModelView<'_>,
    names: &CellNames,
    choice: Choice,
    row: &Row,
    sentence: String,
) -> Recommendation {
    let latency = view.latency(row);
    Recommendation {
        model: view.name.to_owned(),
        choice,
        cell: Some(row.cell.clone()),
        configuration: Some(names.name(row)),
        metric: view.metric.name(),
        drop: view.drop(row),
        ratio: latency.map(|l| (l.ratio, l.ratio_low, l.ratio_high)),
        batch: latency.map(|l| l.batch),
        weight_ratio: view.weight_ratio(row),
        sentence,
    }
}

fn no_reference(view: &ModelView<'_>) -> Recommendation {
    let finished = view.finished().count();
    let sentence = if finished == 0 {
        format!(
            "{}: no recommendation: {} failed and none finished.",
            view.name,
            text::count_of(view.failed().count(), "cell")
        )
    } else if !view.metric.is_known() {
        format!(
            "{}: no recommendation: this version of calibench does not know the metric, so not which score is better.",
            view.name
        )
    } else {
        format!(
            "{}: no recommendation: no fp32 cell finished with a score, so what the other {} lost is not known.",
            view.name,
            text::count_of(finished, "cell")
        )
    };
    Recommendation {
        model: view.name.to_owned(),
        choice: Choice::NoReference,
        cell: None,
        configuration: None,
        metric: view.metric.name(),
        drop: None,
        ratio: None,
        batch: view.batch,
        weight_ratio: None,
        sentence,
    }
}

/// `top-1 97.8 % [96.1, 98.8], 0.3 points below fp32 (98.1 %); 0.52× its latency [0.50, 0.54] at batch 1; …`
fn evidence(view: &ModelView<'_>, row: &Row) -> String {
    let mut parts = vec![score(view, row)];
    match view.latency(row) {
        Some(l) => parts.push(format!(
            "{} the fp32 latency {} at batch {}",
            text::ratio(l.ratio),
            interval(l),
            l.batch
        )),
        None => parts.push("latency not measured".to_owned()),
    }
    if let Some(weights) = view.weight_ratio(row) {
        parts.push(format!("{} the fp32 weight bytes", text::ratio(weights)));
    }
    parts.extend(other_seeds(view, row));
    parts.join("; ")
}

fn score(view: &ModelView<'_>, row: &Row) -> String {
    let metric = view.metric;
    let reference = view.reference(row).and_then(|r| finite(r.score));
    let against = match (view.drop(row), reference) {
        (Some(drop), Some(reference)) => {
            format!(", {} fp32 ({})", metric.compared(drop), metric.show(reference))
        }
        _ => String::new(),
    };
    format!("{} {}{against}", metric.name(), metric.with_interval(row))
}

fn interval(latency: &LatencyRow) -> String {
    format!("[{}, {}]", text::ratio_bare(latency.ratio_low), text::ratio_bare(latency.ratio_high))
}

/// What the same configuration lost with the run's other seeds: one seed may be luck.
fn other_seeds(view: &ModelView<'_>, row: &Row) -> Option<String> {
    let name = text::configuration(row);
    let drops: Vec<f64> = view
        .candidates()
        .filter(|r| r.seed != row.seed && r.threads == row.threads && r.isa == row.isa)
        .filter(|r| text::configuration(r) == name)
        .filter_map(|r| view.drop(r))
        .collect();
    let worst = drops.iter().copied().reduce(f64::max)?;
    let worst = match worst {
        worst if worst < 0.05 => "no loss".to_owned(),
        worst => format!("at most {worst:.1} {} lost", view.metric.drop_unit()),
    };
    let seeds = text::count_of(drops.len(), "other seed");
    Some(format!("with {seeds}: {worst}"))
}

fn nothing_faster(view: &ModelView<'_>, names: &CellNames, qualifying: &[&Row], max_drop: f64) -> String {
    let fastest = qualifying
        .iter()
        .filter_map(|&row| Some((row, view.latency(row)?)))
        .min_by(|(a, la), (b, lb)| la.ratio.total_cmp(&lb.ratio).then_with(|| tie(view, a, b)));
    let within = format!("within {max_drop:.1} {} of fp32", view.metric.drop_unit());
    match fastest {
        Some((row, l)) if l.ratio < 1.0 => format!(
            "nothing {within} was faster than fp32 beyond the noise: the fastest, {}, took {} the \
             fp32 latency, but its interval {} at batch {} reaches 1",
            names.name(row),
            text::ratio(l.ratio),
            interval(l),
            l.batch
        ),
        Some((row, l)) => format!(
            "nothing {within} was faster than fp32: the fastest, {}, took {} the fp32 latency {} \
             at batch {}",
            names.name(row),
            text::ratio(l.ratio),
            interval(l),
            l.batch
        ),
        None => format!("no latency was measured {within}, so nothing is known to be faster"),
    }
}

fn nothing_qualifies(view: &ModelView<'_>, names: &CellNames, max_drop: f64) -> String {
    let closest = view
        .candidates()
        .filter_map(|row| Some((row, view.drop(row)?)))
        .min_by(|(_, a), (_, b)| a.total_cmp(b));
    let failed = view.failed().count();
    let unit = view.metric.drop_unit();
    match closest {
        Some((row, drop)) => format!(
            "no other configuration is within {max_drop:.1} {unit} of it; the closest, {}, loses {drop:.1} {unit}",
            names.name(row)
        ),
        None if failed > 0 => {
            format!("no other configuration has a score ({} failed)", text::count_of(failed, "cell"))
        }
        None => "no other configuration was measured".to_owned(),
    }
}
