//! What converting each site saves, measured on the plan or counted from it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use calibench_engine::QuantSpec;
use calibench_engine::compile::{CompileOptions, Executable};
use calibench_graph::{Graph, HalfType};
use calibench_metrics::median;
use calibench_quant::Dtype;

use super::options::Objective;

/// Time that each plan is looked at step by step.
const PROFILE: Duration = Duration::from_millis(700);

/// What a model costs in fp32 and converted, and how the difference falls on its sites.
#[derive(Debug)]
pub(super) struct Savings {
    /// What costs are.
    objective: Objective,
    graph: Graph,
    spec: QuantSpec,
    /// What the parameters of kept sites are held as, if not fp32.
    kept_as: Option<HalfType>,
    options: CompileOptions,
    /// Cost of fp32: seconds of a call, or bytes.
    pub fp32: f64,
    /// Cost with every site converted.
    converted: f64,
    /// What each site saves over being kept; below zero where it is dearer converted.
    pub sites: BTreeMap<String, f64>,
}

impl Savings {
    /// Profiles both plans on `inputs` (latency), or weighs them (memory).
    ///
    /// # Errors
    /// When a plan cannot be built or run.
    pub(super) fn measure(
        graph: &Graph,
        (spec, kept_as): (&QuantSpec, Option<HalfType>),
        names: &[String],
        objective: Objective,
        (options, inputs): (CompileOptions, &[&[f32]]),
    ) -> Result<Self> {
        let (graph, spec) = (graph.clone(), spec.clone());
        let (fp32, converted, sites) = (0.0, 0.0, BTreeMap::new());
        let mut savings = Self { objective, graph, spec, kept_as, options, fp32, converted, sites };
        match objective {
            Objective::Latency => savings.of_times(names, inputs)?,
            Objective::Memory => savings.of_bytes(names)?,
        }
        Ok(savings)
    }

    /// Cost with these sites kept: weighed, or estimated from that of the converted model and what the kept ones would have
    /// saved.
    ///
    /// # Errors
    /// When the plan cannot be built.
    pub(super) fn cost(&self, keep: &BTreeSet<String>) -> Result<f64> {
        match self.objective {
            Objective::Latency => {
                Ok(self.converted + keep.iter().filter_map(|name| self.sites.get(name)).sum::<f64>())
            }
            Objective::Memory => bytes(&keeping(&self.graph, keep, self.kept_as), &self.spec, self.options),
        }
    }

    fn of_times(&mut self, names: &[String], inputs: &[&[f32]]) -> Result<()> {
        let (fp32, of_fp32) = times(&self.graph, &QuantSpec::float(Dtype::Fp32), self.options, inputs)?;
        let (kept, before) = match self.kept_as {
            None => (fp32, of_fp32),
            Some(_) => {
                let all = keeping(&self.graph, &names.iter().cloned().collect(), self.kept_as);
                times(&all, &self.spec, self.options, inputs)?
            }
        };
        let (converted, after) = times(&self.graph, &self.spec, self.options, inputs)?;
        let cost = |costs: &BTreeMap<String, f64>, name: &String| costs.get(name).copied().unwrap_or(0.0);
        let mut sites: BTreeMap<String, f64> =
            names.iter().map(|name| (name.clone(), cost(&before, name) - cost(&after, name))).collect();
        // What falls on no site (normalisations that write codes, values that several read) is shared out, so that keeping
        // all gives what that costs.
        let rest = (kept - converted) - sites.values().sum::<f64>();
        let total: f64 = sites.values().map(|v| v.abs()).sum();
        if total > 0.0 {
            sites.values_mut().for_each(|v| *v += rest * v.abs() / total);
        }
        (self.fp32, self.converted, self.sites) = (fp32, converted, sites);
        Ok(())
    }

    fn of_bytes(&mut self, names: &[String]) -> Result<()> {
        let all: BTreeSet<String> = names.iter().cloned().collect();
        self.fp32 = bytes(&self.graph, &QuantSpec::float(Dtype::Fp32), self.options)?;
        self.converted = self.cost(&BTreeSet::new())?;
        let kept = self.cost(&all)?;
        for name in names {
            let mut keep = all.clone();
            keep.remove(name);
            let alone = kept - self.cost(&keep)?;
            self.sites.insert(name.clone(), alone);
        }
        Ok(())
    }
}

/// The graph with these nodes kept in fp32 besides, their parameters perhaps held as halves.
pub(super) fn keeping(graph: &Graph, keep: &BTreeSet<String>, kept_as: Option<HalfType>) -> Graph {
    let mut kept = graph.clone();
    for name in keep {
        // What the user keeps stays as it is.
        if kept.float.insert(name.clone()) {
            kept.halves.extend(kept_as.map(|half| (name.clone(), half)));
        }
    }
    kept
}

/// Bytes of weights and of activations at their peak.
///
/// # Errors
/// When the plan cannot be built.
pub(super) fn bytes(graph: &Graph, spec: &QuantSpec, options: CompileOptions) -> Result<f64> {
    let plan = Executable::compile(graph, spec, options)?;
    Ok((plan.weight_bytes() + plan.peak_activation_bytes()) as f64)
}

/// Median seconds of a call, and of the steps of each node, conversions of what it reads included.
fn times(
    graph: &Graph,
    spec: &QuantSpec,
    options: CompileOptions,
    inputs: &[&[f32]],
) -> Result<(f64, BTreeMap<String, f64>)> {
    let mut plan = Executable::compile(graph, spec, options)?;
    let profile = plan.profile(options.max_batch, inputs, PROFILE)?;
    let mut costs: BTreeMap<String, f64> = BTreeMap::new();
    for (line, times) in &profile.steps {
        let value = graph.values.iter().position(|v| v.name == line.name);
        let reader = value.filter(|_| line.conversion).and_then(|v| {
            graph.consumers(calibench_graph::ValueId(v)).find(|n| n.op.is_product()).map(|n| n.name.clone())
        });
        let name = reader.unwrap_or_else(|| line.name.clone());
        *costs.entry(name).or_default() += median(times).unwrap_or(0.0);
    }
    Ok((median(&profile.calls).unwrap_or(f64::NAN), costs))
}
