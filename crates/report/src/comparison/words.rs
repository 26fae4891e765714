//! Changes in words: how much worse, by what verb, and what follows from all of them.

use calibench_compare::{Absent, Change, Outcome, Quantity, Verdict};

use super::View;
use crate::measure::{Unit, arrow, decimals};
use crate::names::one_line;
use crate::text::{self, MISSING, finite};

/// Changes that the headline tells in full.
const TOLD: usize = 3;

/// Percentage points for a share that falls, else percent.
fn effect_unit(change: &Change) -> &'static str {
    if change.quantity == Quantity::Accuracy && change.unit == "share" { "points" } else { "%" }
}

/// Decimals that effects of this change need: one more than its budget has, and as many as tell the two apart.
fn places(change: &Change) -> usize {
    let budget = text::plain(change.budget * 100.0);
    let of_budget = budget.split_once('.').map_or(0, |(_, d)| d.len());
    let effect = change.effect.unwrap_or(change.budget);
    let as_budget = |p: &usize| decimals(effect * 100.0, *p) == decimals(change.budget * 100.0, *p);
    let first = (of_budget + 1).clamp(1, 6);
    (first..6).find(|p| effect == change.budget || !as_budget(p)).unwrap_or(first)
}

/// `9.8 % [8.1, 11.4]`, of `sign` times the effect, so that −1 says how much better it is.
fn effect_with_sign(change: &Change, sign: f64) -> Option<String> {
    let places = places(change);
    let number = |v: f64| decimals(sign * v * 100.0, places);
    let effect = finite(change.effect)?;
    let unit = effect_unit(change);
    let interval = change.interval.filter(|i| i.low.is_finite() && i.high.is_finite()).map(|i| {
        let ends = if sign < 0.0 { [i.high, i.low] } else { [i.low, i.high] };
        format!(" [{}, {}]", number(ends[0]), number(ends[1]))
    });
    Some(format!("{} {unit}{}", number(effect), interval.unwrap_or_default()))
}

/// How much worse it is, with its interval; below zero it is better.
pub(crate) fn worse_by(change: &Change) -> String {
    effect_with_sign(change, 1.0).unwrap_or_else(|| MISSING.to_owned())
}

/// How much better it is, with its interval.
pub(crate) fn better_by(change: &Change) -> String {
    effect_with_sign(change, -1.0).unwrap_or_else(|| MISSING.to_owned())
}

/// What is allowed: `5 %`, `0.5 points`; `any` without a limit.
pub(crate) fn budget(change: &Change) -> String {
    if !change.budget.is_finite() {
        return "any".to_owned();
    }
    format!("{} {}", text::plain(change.budget * 100.0), effect_unit(change))
}

/// The figures before and after.
pub(crate) fn figures(change: &Change) -> String {
    let is_ratio = matches!(change.quantity, Quantity::Latency | Quantity::Fp32Latency) && change.unit == "1";
    let unit = one_line(&change.unit);
    arrow(if is_ratio { Unit::Ratio } else { Unit::named(&unit) }, change.before, change.after)
}

/// `0.003`; `< 0.001`.
pub(crate) fn p_value(p: Option<f64>) -> String {
    text::or_missing(p, |p| match p {
        p if p < 0.000_5 => "< 0.001".to_owned(),
        p => format!("{p:.3}"),
    })
}

/// What the cell does now: `is 9.8 % slower [8.1, 11.4]`.
fn verb(change: &Change) -> String {
    let is_worse = change.effect.is_none_or(|e| e >= 0.0);
    let Some(size) = effect_with_sign(change, if is_worse { 1.0 } else { -1.0 }) else {
        return format!("has an uncertain {}, {}", change.quantity.name(), figures(change));
    };
    let (size, interval) = size.split_at(size.find(" [").unwrap_or(size.len()));
    let pick = |worse: &'static str, better: &'static str| if is_worse { worse } else { better };
    let more = pick("more", "less");
    let (slower, count) = (pick("slower", "faster"), pick("more", "fewer"));
    let what = match change.quantity {
        Quantity::Accuracy if effect_unit(change) == "points" => {
            format!("{} {size} of accuracy", pick("loses", "gains"))
        }
        Quantity::Accuracy => format!("scores {size} {}", pick("worse", "better")),
        Quantity::Answers => format!("answers {size} of the samples differently"),
        Quantity::Ranges => format!("has a calibrated range that moved by {size}"),
        Quantity::Latency => format!("is {size} {slower}"),
        Quantity::Fp32Latency => format!("has an fp32 twin that is {size} {slower}"),
        Quantity::Instructions => format!("executes {size} {count} instructions"),
        Quantity::Operations => format!("computes {size} {count} multiply-adds"),
        Quantity::Traffic => format!("reads and writes {size} {more} memory"),
        Quantity::Weights => format!("has {size} {count} bytes of weights"),
        Quantity::Activations => format!("needs {size} {more} memory for activations"),
        Quantity::Heap => format!("holds {size} {more} heap"),
        Quantity::HeapLeft => format!("leaves {size} of its heap {more} behind"),
        Quantity::Resident => format!("needs {size} {more} resident memory"),
    };
    format!("{what}{interval}")
}

/// A change in a sentence without a full stop, with the budget that it is held against:
/// `int8 static mse of digits-cnn is 9.8 % slower [8.1, 11.4] at batch 32, budget 5 %`.
pub(crate) fn sentence(view: &View<'_>, change: &Change) -> String {
    let batch = change.batch.map_or_else(String::new, |b| format!(" at batch {b}"));
    let budget = match change.verdict {
        Verdict::Improved => String::new(),
        _ => format!(", budget {}", budget(change)),
    };
    format!("{} {}{batch}{budget}", view.name(&change.cell).sentence(), verb(change))
}

/// [`sentence`] with the reason.
pub(crate) fn explained(view: &View<'_>, change: &Change) -> String {
    match one_line(&change.reason) {
        reason if reason.is_empty() => sentence(view, change),
        reason => format!("{}: {reason}", sentence(view, change)),
    }
}

/// `2 regressions in 24 cells`: what follows from a comparison, in few words.
pub(crate) fn verdict(view: &View<'_>) -> String {
    let comparison = view.comparison;
    let cells = text::count_of(view.cells(), "cell");
    match comparison.outcome() {
        Outcome::Regression => format!("{} in {cells}", text::count_of(view.regressions(), "regression")),
        Outcome::CannotRun if comparison.changes.is_empty() && comparison.absent.is_empty() => {
            "Nothing could be compared: the runs have no cell in common".to_owned()
        }
        Outcome::CannotRun => {
            let absent = text::count_of(comparison.absent.len(), "cell");
            format!("{absent} of the earlier run could not be compared; no regression in the other {cells}")
        }
        Outcome::CannotTell => {
            let unclear = text::count_of(comparison.count(Verdict::Unclear), "value");
            format!("No regression seen in {cells}, but {unclear} cannot be told from noise")
        }
        Outcome::Clean => format!("No regression in {cells}"),
    }
}

/// What the verdict rests on: the worst of each quantity, a few of them in full.
pub(crate) fn grounds(view: &View<'_>) -> String {
    let comparison = view.comparison;
    let worst = |verdict| {
        let mut changes = view.of(verdict);
        changes.dedup_by_key(|c| c.quantity);
        changes.into_iter().map(|c| sentence(view, c))
    };
    let absent = |failed: bool| comparison.absent.iter().filter(move |a| a.failed == failed);
    let name = |a: &Absent| view.name(&a.cell).sentence();
    match comparison.outcome() {
        Outcome::Regression => {
            let failed = absent(true).map(|a| format!("{} fails now", name(a)));
            list(failed.chain(worst(Verdict::Regressed)), view.regressions())
        }
        Outcome::CannotTell => list(worst(Verdict::Unclear), comparison.count(Verdict::Unclear)),
        Outcome::CannotRun => list(absent(false).map(name), comparison.absent.len()),
        Outcome::Clean => match comparison.count(Verdict::Improved) {
            0 => "every budget is kept".to_owned(),
            n => format!("every budget is kept, and {} improved", text::count_of(n, "value")),
        },
    }
}

/// Verdict and grounds as one sentence.
pub(crate) fn headline(view: &View<'_>) -> String {
    match (verdict(view), grounds(view)) {
        (verdict, grounds) if grounds.is_empty() => format!("{verdict}."),
        (verdict, grounds) => format!("{verdict}: {grounds}."),
    }
}

/// The first few, and how many more of `all` there are.
fn list(sentences: impl Iterator<Item = String>, all: usize) -> String {
    let mut told: Vec<String> = sentences.take(TOLD).collect();
    if all > told.len() {
        told.push(format!("and {} more", all - told.len()));
    }
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_metrics::Interval;

    fn change(quantity: Quantity, unit: &str, effect: f64, budget: f64) -> Change {
        Change {
            cell: "m/int8/static/mse/per-channel/affine/avx2/t1/s1".to_owned(),
            batch: None,
            quantity,
            unit: unit.to_owned(),
            before: Some(1.0),
            after: Some(1.0 + effect),
            effect: Some(effect),
            interval: None,
            p: None,
            budget,
            verdict: Verdict::Regressed,
            reason: String::new(),
        }
    }

    #[test]
    fn effects_have_the_digits_that_their_budget_asks_for() {
        let shown = |effect, budget| worse_by(&change(Quantity::Latency, "1", effect, budget));
        assert_eq!(shown(0.098, 0.05), "9.8 %");
        assert_eq!(shown(-0.031, 0.05), "−3.1 %");
        assert_eq!(shown(0.006_21, 0.005), "0.62 %");
        assert_eq!(shown(0.000_62, 0.000_5), "0.062 %");
        // More than the budget must not read as the budget.
        assert_eq!(shown(0.050_04, 0.05), "5.004 %");
        assert_eq!(shown(0.05, 0.05), "5.0 %");
        assert_eq!(worse_by(&Change { effect: None, ..change(Quantity::Heap, "bytes", 0.0, 0.1) }), MISSING);
    }

    #[test]
    fn what_is_better_is_told_as_better_with_its_interval_turned() {
        let mut change = change(Quantity::Latency, "1", -0.031, 0.05);
        change.interval = Some(Interval { low: -0.05, high: -0.01 });
        assert_eq!(worse_by(&change), "−3.1 % [−5.0, −1.0]");
        assert_eq!(better_by(&change), "3.1 % [1.0, 5.0]");
        assert_eq!(verb(&change), "is 3.1 % faster [1.0, 5.0]");
    }

    #[test]
    fn shares_lose_points_and_other_scores_percent() {
        assert_eq!(verb(&change(Quantity::Accuracy, "share", 0.012, 0.005)), "loses 1.20 points of accuracy");
        assert_eq!(verb(&change(Quantity::Accuracy, "nats", 0.012, 0.005)), "scores 1.20 % worse");
        assert_eq!(budget(&change(Quantity::Accuracy, "share", 0.012, 0.005)), "0.5 points");
        assert_eq!(budget(&change(Quantity::Answers, "share", 0.012, 0.005)), "0.5 %");
    }

    #[test]
    fn small_p_values_are_bounded() {
        assert_eq!([Some(0.000_1), Some(0.04), None].map(p_value), ["< 0.001", "0.040", MISSING]);
    }
}
