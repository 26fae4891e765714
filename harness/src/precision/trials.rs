//! Executions of one model with different nodes kept in fp32, compared with fp32.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use calibench_engine::QuantSpec;
use calibench_engine::compile::{CompileOptions, Executable};
use calibench_graph::{Graph, HalfType};
use calibench_kernels::Kernels;
use calibench_metrics::sqnr_db;
use calibench_quant::Dtype;
use calibench_tasks::{Outcome, Samples, Targets, task_for};
use serde::{Deserialize, Serialize};

use crate::cell::outputs;
use crate::subject::FIDELITY;

/// What an execution makes of the output.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Effect {
    /// SQNR of the outputs against fp32, in dB; none where one is not finite.
    pub sqnr_db: Option<f64>,
    /// Share of samples with an output that is not finite.
    pub lost: f64,
    /// The task's score; none where it is undefined.
    pub score: Option<f64>,
}

impl Effect {
    /// Larger for worse: samples lost first, then noise.
    pub(super) fn badness(&self) -> (f64, f64) {
        (self.lost, -self.sqnr_db.unwrap_or(f64::NEG_INFINITY))
    }

    /// Whether every output is finite and at least this close to fp32.
    pub(super) fn reaches(&self, target_db: f64) -> bool {
        self.lost == 0.0 && self.sqnr_db.is_some_and(|db| db >= target_db)
    }
}

/// One model with its parameters and samples.
#[derive(Debug)]
pub(super) struct Trials {
    graph: Graph,
    /// What the user keeps in fp32 in any case.
    always: BTreeSet<String>,
    /// What the parameters of other nodes that are kept are held as.
    kept_as: Option<HalfType>,
    spec: QuantSpec,
    options: CompileOptions,
    samples: Samples,
    metric: String,
    width: usize,
    reference: Vec<f32>,
    /// Executions so far, that in fp32 not counted.
    pub evaluations: usize,
}

impl Trials {
    /// Runs the model in fp32; with the metric `fidelity` its outputs are the targets.
    ///
    /// # Errors
    /// When it does not run, or its outputs are not finite.
    pub(super) fn new(
        graph: Graph,
        (samples, metric, batch): (Samples, &str, usize),
        kernels: Kernels,
    ) -> Result<Self> {
        // Outputs do not depend on how many there are.
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let width = calibench_graph::per_sample(&graph.value(graph.output).shape);
        let options = CompileOptions { kernels, threads, max_batch: batch.min(samples.len()).max(1) };
        let always = graph.float.clone();
        let mut trials = Self {
            graph,
            always,
            kept_as: None,
            spec: QuantSpec::float(Dtype::Fp32),
            options,
            samples,
            metric: metric.to_owned(),
            width,
            reference: Vec::new(),
            evaluations: 0,
        };
        trials.reference = trials.execute()?;
        if let Some(at) = trials.reference.iter().position(|v| !v.is_finite()) {
            bail!(
                "the model's output is {} for sample {} in fp32 already; nothing can be compared with it",
                trials.reference[at],
                at / width.max(1)
            );
        }
        if metric == FIDELITY {
            trials.samples.targets = Targets::Values { width, data: trials.reference.clone() };
        }
        Ok(trials)
    }

    /// What is executed from now on, and what the parameters of kept nodes are held as: halves, or fp32.
    pub(super) fn convert_to(&mut self, spec: QuantSpec, kept_as: Option<HalfType>) {
        (self.spec, self.kept_as) = (spec, kept_as);
    }

    /// Samples that are run.
    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }

    /// Outputs in fp32.
    pub(super) fn reference(&self) -> &[f32] {
        &self.reference
    }

    /// Outputs with these nodes kept in fp32.
    ///
    /// # Errors
    /// When the plan cannot be built or run.
    pub(super) fn outputs(&mut self, keep: &BTreeSet<String>) -> Result<Vec<f32>> {
        let own = keep.difference(&self.always);
        let halves = self.kept_as.iter().flat_map(|half| own.clone().map(|name| (name.clone(), *half)));
        self.graph.halves.retain(|name, _| self.always.contains(name));
        self.graph.halves.extend(halves);
        self.graph.float = self.always.union(keep).cloned().collect();
        self.evaluations += 1;
        self.execute()
    }

    fn execute(&self) -> Result<Vec<f32>> {
        let mut plan = Executable::compile(&self.graph, &self.spec, self.options)?;
        outputs(&self.samples, self.options.max_batch, |n, input| Ok(plan.run(n, input)?.to_vec()))
    }

    /// What keeping these nodes in fp32 makes of the output.
    ///
    /// # Errors
    /// As [`outputs`](Self::outputs).
    pub(super) fn effect(&mut self, keep: &BTreeSet<String>) -> Result<Effect> {
        let outputs = self.outputs(keep)?;
        self.effect_of(&outputs)
    }

    /// The effect that these outputs show.
    ///
    /// # Errors
    /// When they do not fit the metric.
    pub(super) fn effect_of(&self, outputs: &[f32]) -> Result<Effect> {
        let rows = outputs.chunks_exact(self.width.max(1));
        let lost = rows.filter(|row| row.iter().any(|v| !v.is_finite())).count();
        let outcomes = self.outcomes(outputs)?;
        Ok(Effect {
            sqnr_db: if lost == 0 { sqnr_db(&self.reference, outputs) } else { None },
            lost: lost as f64 / self.samples.len().max(1) as f64,
            score: self.score(&outcomes)?,
        })
    }

    /// What outputs say of each sample.
    ///
    /// # Errors
    /// When they do not fit the metric.
    pub(super) fn outcomes(&self, outputs: &[f32]) -> Result<Vec<Outcome>> {
        Ok(task_for(&self.samples, &self.metric, self.width)?.outcomes(outputs)?)
    }

    /// The score of outcomes.
    ///
    /// # Errors
    /// When they do not fit the metric.
    pub(super) fn score(&self, outcomes: &[Outcome]) -> Result<Option<f64>> {
        Ok(task_for(&self.samples, &self.metric, self.width)?.score(outcomes))
    }
}
