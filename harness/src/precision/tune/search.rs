//! The search of one format: which sites to convert.
//!
//! Sites are looked at alone on a few samples. Those that cost the output most for what they save are kept in fp32 first: the
//! noise that conversions add to the output is nearly additive, so that this order is that of a greedy solution of the
//! knapsack problem. Along the order, lengths 0, 1, 2, 4, … give the front; bisection finds the shortest that is within the
//! budget; then kept sites are converted again one by one, the largest saving first, for as long as evaluations are left.

use std::collections::BTreeSet;

use anyhow::Result;
use calibench_metrics::MetricSpec;
use calibench_quant::Dtype;
use serde::Serialize;

use super::super::trials::{Effect, Trials};
use super::journal::{Journal, Set};
use super::savings::Savings;

/// One configuration that was evaluated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Point {
    /// The format of what is converted, and where that is a half, of what is kept.
    pub dtype: String,
    /// Nodes that are kept.
    pub keep: BTreeSet<String>,
    /// What their parameters are held as: `fp32`, or a half; they compute in fp32.
    pub kept_as: &'static str,
    /// Cost over that of fp32: bytes, or an estimate of the latency from the steps of both plans.
    pub cost: f64,
    /// How much worse than fp32 the score is on the search half; none where it is undefined.
    pub drop: Option<f64>,
    /// SQNR of the output on the search half.
    pub sqnr_db: Option<f64>,
}

impl Point {
    /// What is kept, as patterns of `--keep-float`.
    pub(super) fn patterns(&self) -> Vec<String> {
        let suffix =
            if self.kept_as == Dtype::Fp32.id() { String::new() } else { format!("={}", self.kept_as) };
        self.keep.iter().map(|name| format!("{name}{suffix}")).collect()
    }

    pub(super) fn is_within(&self, max_drop: f64) -> bool {
        self.drop.is_some_and(|drop| drop <= max_drop)
    }
}

/// The search of one format.
pub(super) struct Search<'a> {
    /// What its points are called.
    pub label: &'a str,
    /// What is converted to, whatever else is kept as: sites are looked at alone under it.
    pub dtype: &'a str,
    pub kept_as: &'static str,
    /// Sites in execution order.
    pub sites: &'a [String],
    pub savings: &'a Savings,
    pub screen: &'a mut Trials,
    pub trials: &'a mut Trials,
    pub journal: &'a mut Journal,
    pub metric: &'static MetricSpec,
    /// Score of fp32 on the search half.
    pub fp32_score: f64,
    pub max_drop: f64,
    /// Most evaluations on the search half.
    pub budget: usize,
    /// Says whether to go on, before each evaluation.
    pub go_on: &'a mut dyn FnMut() -> bool,
    pub points: Vec<Point>,
}

/// Why a search stops.
enum Stop {
    /// It was interrupted, or its evaluations are spent.
    Ended,
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl Search<'_> {
    /// Evaluates configurations; [`Search::points`] then holds them.
    ///
    /// # Errors
    /// When a plan cannot be built or run, or the journal cannot be written.
    pub(super) fn run(&mut self) -> Result<()> {
        match self.steps() {
            Ok(()) | Err(Stop::Ended) => Ok(()),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    fn steps(&mut self) -> std::result::Result<(), Stop> {
        let uniform = self.evaluate(&BTreeSet::new())?;
        let order = self.order()?;
        let prefix = |n: usize| -> BTreeSet<String> { order[..n].iter().cloned().collect() };
        let mut lengths: Vec<usize> =
            std::iter::successors(Some(1_usize), |n| Some(n * 2)).take_while(|n| *n < order.len()).collect();
        // Sites that are dearer converted are worth keeping whatever the accuracy.
        let dear =
            order.iter().filter(|name| self.savings.sites.get(*name).is_some_and(|s| *s < 0.0)).count();
        if (1..order.len()).contains(&dear) {
            lengths.push(dear);
        }
        for n in lengths {
            self.evaluate(&prefix(n))?;
        }
        let mut best = if uniform.is_within(self.max_drop) {
            uniform
        } else {
            let (mut short, mut enough) = (0, order.len());
            let mut found = None;
            while enough - short > 1 {
                let middle = short + (enough - short) / 2;
                let point = self.evaluate(&prefix(middle))?;
                if point.is_within(self.max_drop) {
                    (enough, found) = (middle, Some(point));
                } else {
                    short = middle;
                }
            }
            let Some(found) = found else { return Ok(()) };
            found
        };
        let saving = |name: &String| self.savings.sites.get(name).copied().unwrap_or(0.0);
        let mut kept: Vec<String> = best.keep.iter().filter(|name| saving(name) > 0.0).cloned().collect();
        kept.sort_by(|a, b| saving(b).total_cmp(&saving(a)));
        for name in kept {
            let mut fewer = best.keep.clone();
            fewer.remove(&name);
            let point = self.evaluate(&fewer)?;
            if point.is_within(self.max_drop) {
                best = point;
            }
        }
        Ok(())
    }

    /// Sites by noise over saving, the most harmful first.
    fn order(&mut self) -> std::result::Result<Vec<String>, Stop> {
        let all: BTreeSet<String> = self.sites.iter().cloned().collect();
        let mut keys = Vec::new();
        for name in self.sites {
            if !(self.go_on)() {
                return Err(Stop::Ended);
            }
            let mut keep = all.clone();
            keep.remove(name);
            let alone = self.journal.effect(self.dtype, Set::Screen, &keep, self.screen)?;
            let saving = self.savings.sites.get(name).copied().unwrap_or(0.0);
            keys.push((price(&alone, saving), name.clone()));
        }
        keys.sort_by(|a, b| b.0.total_cmp(&a.0));
        Ok(keys.into_iter().map(|(_, name)| name).collect())
    }

    fn evaluate(&mut self, keep: &BTreeSet<String>) -> std::result::Result<Point, Stop> {
        if let Some(known) = self.points.iter().find(|p| p.keep == *keep) {
            return Ok(known.clone());
        }
        if self.points.len() >= self.budget || !(self.go_on)() {
            return Err(Stop::Ended);
        }
        // With nothing kept it does not matter as what.
        let label = if keep.is_empty() { self.dtype } else { self.label };
        let effect = self.journal.effect(label, Set::Search, keep, self.trials)?;
        let drop = |score: f64| self.metric.drop(self.fp32_score, score);
        let point = Point {
            dtype: label.to_owned(),
            keep: keep.clone(),
            kept_as: self.kept_as,
            cost: self.savings.cost(keep)? / self.savings.fp32,
            drop: effect.score.filter(|_| effect.lost == 0.0).and_then(drop),
            sqnr_db: effect.sqnr_db,
        };
        // The search of the format alone has it already.
        if label == self.label {
            self.points.push(point.clone());
        }
        Ok(point)
    }
}

/// Noise power that a conversion adds to the output, for each unit that it saves.
fn price(alone: &Effect, saving: f64) -> f64 {
    match alone.sqnr_db {
        Some(db) if saving > 0.0 => 10_f64.powf(-db / 10.0) / saving,
        _ => f64::INFINITY,
    }
}

/// The points that no other beats in both cost and drop, the cheapest first.
pub(super) fn front(points: &[Point]) -> Vec<Point> {
    let mut sorted: Vec<&Point> = points.iter().filter(|p| p.drop.is_some()).collect();
    let drop = |p: &Point| p.drop.unwrap_or(f64::INFINITY);
    sorted.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(drop(a).total_cmp(&drop(b))));
    let mut least = f64::INFINITY;
    let mut front = Vec::new();
    for point in sorted {
        if drop(point) < least {
            least = drop(point);
            front.push(point.clone());
        }
    }
    front
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_holds_what_nothing_beats() {
        let point = |cost, drop| Point {
            dtype: "int8".to_owned(),
            keep: BTreeSet::new(),
            kept_as: "fp32",
            cost,
            drop,
            sqnr_db: None,
        };
        let points = [
            point(1.0, Some(0.0)),
            point(0.5, Some(0.1)),
            point(0.6, Some(0.2)),
            point(0.4, None),
            point(0.5, Some(0.3)),
        ];
        let costs: Vec<f64> = front(&points).iter().map(|p| p.cost).collect();
        assert_eq!(costs, [0.5, 1.0]);
    }

    #[test]
    fn what_saves_nothing_or_loses_samples_is_kept_first() {
        let effect = |sqnr_db| Effect { sqnr_db, lost: 0.0, score: None };
        assert_eq!(price(&effect(Some(40.0)), -1.0), f64::INFINITY);
        assert_eq!(price(&effect(None), 1.0), f64::INFINITY);
        assert!(price(&effect(Some(30.0)), 1.0) > price(&effect(Some(40.0)), 1.0));
        assert!(price(&effect(Some(30.0)), 1.0) > price(&effect(Some(30.0)), 2.0));
    }
}
