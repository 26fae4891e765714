//! From what was searched to what is chosen: confirmed on the held-out half, then timed or weighed.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use calibench_compare::{ScoreDrop, score_drop};
use calibench_engine::QuantSpec;
use calibench_engine::compile::{CompileOptions, Executable};
use calibench_metrics::{Answer, MetricSpec};
use calibench_quant::Dtype;
use calibench_tasks::{Outcome, Samples};
use serde::Serialize;

use super::super::trials::Trials;
use super::Candidate;
use super::options::{Objective, Tune};
use super::savings::{bytes, keeping};
use super::search::Point;
use crate::backend::Runner;
use crate::clock;
use crate::subject::Subject;

/// Mixed configurations that are tried on the held-out half, the cheapest first.
const TRIED: usize = 8;
/// Of those confirmed, the ones that are timed.
const TIMED: usize = 4;
/// Costs that differ by less are the same: the one that keeps fewer sites, or is uniform, is taken.
const ALIKE: f64 = 0.01;

/// A configuration on the held-out half.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Contender {
    #[serde(flatten)]
    pub point: Point,
    /// Sites of its format.
    pub sites: usize,
    /// Score on the held-out half.
    pub score: Option<f64>,
    /// Drop against fp32 there; none where it is undefined.
    pub held_out_drop: Option<f64>,
    /// Its 95 % interval.
    pub drop_interval: Option<[f64; 2]>,
    /// p-value of "no change".
    pub p: Option<f64>,
    /// Whether the drop is within the budget there.
    pub confirmed: bool,
    /// Measured cost over that of fp32: latency as a paired ratio, or bytes.
    pub measured: Option<f64>,
    /// The 95 % interval of a measured latency.
    pub measured_interval: Option<[f64; 2]>,
    /// Median of a call in microseconds, or bytes.
    pub absolute: Option<f64>,
}

impl Contender {
    /// Whether all sites or none are converted.
    pub(super) fn is_uniform(&self) -> bool {
        self.point.keep.is_empty() || self.point.keep.len() == self.sites
    }
}

/// What deciding needs to know.
pub(super) struct Decider<'a> {
    pub options: &'a Tune,
    pub subject: &'a Subject,
    pub metric: &'static MetricSpec,
    /// How configurations are timed.
    pub timed: CompileOptions,
    pub inputs: &'a [&'a [f32]],
    pub evaluation_batch: usize,
}

/// The contenders, the place of the chosen one, and the score of fp32 on the held-out half.
///
/// # Errors
/// When a plan cannot be built or run.
pub(super) fn decide(
    decider: &Decider<'_>,
    candidates: &[Candidate],
    points: &[Point],
    held_out: &Samples,
) -> Result<(Vec<Contender>, usize, Option<f64>)> {
    let mut contenders = Vec::new();
    let mut trials = Trials::new(
        decider.subject.graph.clone(),
        (held_out.clone(), &decider.subject.metric, decider.evaluation_batch),
        decider.timed.kernels,
    )?;
    let outcomes = trials.outcomes(trials.reference())?;
    let reference = (trials.score(&outcomes)?, answers(&outcomes));
    let fp32 = reference.0;
    for candidate in candidates {
        trials.convert_to(candidate.spec.clone(), candidate.kept_as);
        let of = |p: &&Point| p.dtype == candidate.label && p.is_within(decider.options.max_drop);
        let mut shortlist: Vec<&Point> = points.iter().filter(of).collect();
        shortlist.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(a.keep.len().cmp(&b.keep.len())));
        let mut confirmed = 0;
        for (place, point) in shortlist.into_iter().enumerate() {
            // The uniform one in any case: what is chosen is to be no worse.
            if (confirmed >= TIMED || place >= TRIED) && !point.keep.is_empty() {
                continue;
            }
            let contender = decider.confirm(candidate, point, &mut trials, &reference)?;
            confirmed += usize::from(contender.confirmed);
            contenders.push(contender);
        }
    }
    contenders.push(plain(fp32));
    // Last, because the process then stays on the CPUs that it times on.
    for contender in contenders.iter_mut().filter(|c| c.confirmed) {
        let candidate = candidates.iter().find(|c| c.label == contender.point.dtype);
        decider.cost(candidate, contender)?;
    }
    let chosen = choose(&contenders).context("fp32 is always confirmed")?;
    Ok((contenders, chosen, fp32))
}

/// fp32 itself, within every budget.
fn plain(score: Option<f64>) -> Contender {
    let point = Point {
        dtype: Dtype::Fp32.id().to_owned(),
        keep: BTreeSet::new(),
        kept_as: Dtype::Fp32.id(),
        cost: 1.0,
        drop: Some(0.0),
        sqnr_db: None,
    };
    Contender {
        point,
        sites: 0,
        score,
        held_out_drop: Some(0.0),
        drop_interval: Some([0.0, 0.0]),
        p: Some(1.0),
        confirmed: true,
        measured: Some(1.0),
        measured_interval: None,
        absolute: None,
    }
}

/// The cheapest of the confirmed; of those alike in cost, a uniform one, else the one that keeps the fewest.
fn choose(contenders: &[Contender]) -> Option<usize> {
    let cost = |c: &Contender| c.measured.unwrap_or(f64::INFINITY);
    let confirmed = || contenders.iter().enumerate().filter(|(_, c)| c.confirmed);
    let least = confirmed().map(|(_, c)| cost(c)).min_by(f64::total_cmp)?;
    let alike = confirmed().filter(|(_, c)| cost(c) <= least * (1.0 + ALIKE));
    alike.min_by_key(|(_, c)| (!c.is_uniform(), c.point.keep.len())).map(|(place, _)| place)
}

fn answers(outcomes: &[Outcome]) -> Vec<Answer> {
    outcomes.iter().map(|o| (o.target, o.output)).collect()
}

impl Decider<'_> {
    fn confirm(
        &self,
        candidate: &Candidate,
        point: &Point,
        trials: &mut Trials,
        (fp32, expected): &(Option<f64>, Vec<Answer>),
    ) -> Result<Contender> {
        let outputs = trials.outputs(&point.keep)?;
        let outcomes = trials.outcomes(&outputs)?;
        let found = score_drop(self.metric.id, *fp32, expected, &answers(&outcomes));
        Ok(Contender {
            point: point.clone(),
            sites: candidate.sites.len(),
            score: trials.score(&outcomes)?,
            held_out_drop: found.map(|ScoreDrop { drop, .. }| drop),
            drop_interval: found.map(|ScoreDrop { interval, .. }| [interval.low, interval.high]),
            p: found.map(|ScoreDrop { p, .. }| p),
            confirmed: found.is_some_and(|found| found.drop <= self.options.max_drop),
            measured: None,
            measured_interval: None,
            absolute: None,
        })
    }

    /// Measures what a contender costs, against fp32 in the same breath.
    fn cost(&self, candidate: Option<&Candidate>, contender: &mut Contender) -> Result<()> {
        let fp32 = QuantSpec::float(Dtype::Fp32);
        let spec = candidate.map_or(&fp32, |c| &c.spec);
        let kept_as = candidate.and_then(|c| c.kept_as);
        let graph = keeping(&self.subject.graph, &contender.point.keep, kept_as);
        match self.options.objective {
            Objective::Memory => {
                let own = bytes(&graph, spec, self.timed)?;
                let whole = bytes(&graph, &fp32, self.timed)?;
                (contender.measured, contender.absolute) = (Some(own / whole), Some(own));
            }
            Objective::Latency => {
                if candidate.is_none() {
                    return Ok(());
                }
                let _ = crate::machine::cpus::pin(self.timed.threads);
                let timed = clock::Timed {
                    cell: "",
                    process: 0,
                    threads: self.timed.threads,
                    batch: self.options.batch,
                    inputs: self.inputs,
                    seconds: self.options.latency_seconds,
                    seed: 0,
                };
                let native = |spec: &QuantSpec| -> Result<Runner> {
                    Ok(Runner::Native(Box::new(Executable::compile(&graph, spec, self.timed)?)))
                };
                let row = clock::measure(timed, |twin_first| {
                    let early = if twin_first { Some(native(&fp32)?) } else { None };
                    Ok((native(spec)?, early.map_or_else(|| native(&fp32), Ok)?))
                })?
                .row;
                contender.measured = Some(row.ratio);
                contender.measured_interval = Some([row.ratio_low, row.ratio_high]);
                contender.absolute = Some(row.p50_us);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contender(measured: f64, kept: usize, confirmed: bool) -> Contender {
        let keep = (0..kept).map(|i| i.to_string()).collect();
        let point = Point { keep, ..plain(None).point };
        Contender { point, sites: 9, measured: Some(measured), confirmed, ..plain(None) }
    }

    #[test]
    fn the_cheapest_confirmed_is_chosen_and_uniform_ones_win_ties() {
        let all = [
            contender(0.3, 2, false),
            contender(0.500, 3, true),
            contender(0.504, 0, true),
            contender(1.0, 9, true),
        ];
        assert_eq!(choose(&all), Some(2), "0.504 is uniform and alike");
        let all = [contender(0.50, 3, true), contender(0.52, 0, true)];
        assert_eq!(choose(&all), Some(0));
    }
}
