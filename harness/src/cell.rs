//! One cell, measured from beginning to end. Runs in a process of its own.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::{Context, Result};
use calibench_engine::QuantSpec;
use calibench_engine::compile::{CompileOptions, Executable};
use calibench_engine::interpret::{FakeQuantTap, Interpreter};
use calibench_graph::{Graph, Node, Op, ValueId, WeightSite, is_lookup, placement};
use calibench_kernels::{KernelSet, Kernels, Products};
use calibench_metrics::{agreement, cosine, kl_divergence, max_abs_error, predictions, sqnr_db};
use calibench_quant::{Dtype, Granularity, IntFormat, Job, QParams, Symmetry, Timing};
use calibench_store::{CellRecord, LatencyRow, OutcomeRow, RoundRow, Row, RunFolder};
use calibench_tasks::{Feature, Outcome, Samples, Targets, Task, task_for};

use crate::axes::{Cell, calibrator};
use crate::backend::{self, CUDA, Runner};
use crate::config::Measure;
use crate::machine::cpus;
use crate::plan::Plan;
use crate::subject::{FIDELITY, Subject};
use crate::{clock, footprint, prepare, sites};

/// A cell made ready: the graph it runs and how its numbers are represented.
pub(crate) struct Ready {
    pub graph: Graph,
    pub spec: QuantSpec,
    calibration_samples: u32,
    calibration_seconds: Option<f64>,
    solve_seconds: Option<f64>,
}

/// Outputs over the whole test split, row-major, and what they say of each sample.
struct Evaluation {
    outputs: Vec<f32>,
    outcomes: Vec<Outcome>,
}

impl Evaluation {
    fn new(task: &dyn Task, outputs: Vec<f32>) -> Result<Self> {
        Ok(Self { outcomes: task.outcomes(&outputs)?, outputs })
    }

    /// Share of samples for which both predict the same class.
    fn agreement(&self, other: &Self, classes: usize) -> f64 {
        agreement(&predictions(&self.outputs, classes), &predictions(&other.outputs, classes))
    }
}

/// A cell with its model and data, ready to be built.
pub(crate) struct Bench<'a> {
    id: String,
    cell: &'a Cell,
    measure: &'a Measure,
    subject: Subject,
    ready: Ready,
    /// The model's bytes, where another runtime executes the cell.
    onnx: Option<Vec<u8>>,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(cell: &'a Cell, plan: &'a Plan, folder: &RunFolder) -> Result<Self> {
        let untold = &mut |_| ControlFlow::Continue(());
        let sources = plan.sources.calibrated();
        let subject = Subject::load(&cell.model, cell.seed, &sources, &plan.measure, untold)?;
        let ready = ready(cell, &subject, folder)?;
        Ok(Self { id: cell.id(), cell, measure: &plan.measure, subject, ready, onnx: None })
    }

    /// The model with its data, and the cell made ready.
    pub(crate) fn into_parts(self) -> (Subject, Ready) {
        (self.subject, self.ready)
    }

    /// Another runtime reads the model from bytes, which are then its weights as held.
    pub(crate) fn export(&mut self) -> Result<()> {
        if self.cell.backend.as_deref().is_some_and(|name| name != CUDA) {
            self.onnx = Some(backend::exported(&self.ready.graph, &self.ready.spec)?);
        }
        Ok(())
    }

    /// Bytes of the exported model; 0 where the cell needs none.
    pub(crate) fn exported_bytes(&self) -> u64 {
        self.onnx.as_ref().map_or(0, |bytes| bytes.len() as u64)
    }

    /// Forgets the exported model, which sessions have read.
    pub(crate) fn forget_export(&mut self) {
        self.onnx = None;
    }

    /// The graphs that candidate and twin are built from.
    pub(crate) fn graphs(&mut self) -> [&mut Graph; 2] {
        [&mut self.subject.graph, &mut self.ready.graph]
    }

    fn compiled(&self, graph: &Graph, spec: &QuantSpec, max_batch: usize) -> Result<Runner> {
        let kernels = Kernels::of(self.cell.kernel.parse()?)?;
        let options = CompileOptions { kernels, threads: self.cell.threads, max_batch };
        Ok(Runner::Native(Box::new(Executable::compile(graph, spec, options)?)))
    }

    /// The inputs of a call on the first test samples.
    pub(crate) fn inputs(&self, batch: usize) -> Vec<Vec<f32>> {
        input_of(&self.subject.test, batch)
    }

    pub(crate) fn candidate(&self, max_batch: usize) -> Result<Runner> {
        match (self.cell.backend.as_deref(), &self.onnx) {
            (Some(CUDA), _) => backend::on_gpu(&self.ready.graph, self.cell.dtype),
            (Some(name), Some(onnx)) => backend::open(name, &self.ready.graph, onnx, self.cell.threads),
            _ => self.compiled(&self.ready.graph, &self.ready.spec, max_batch),
        }
    }

    fn twin(&self, max_batch: usize) -> Result<Runner> {
        self.compiled(&self.subject.graph, &QuantSpec::float(Dtype::Fp32), max_batch)
    }

    /// Latency at every batch size, on the inputs of `test`.
    fn latency(&self, test: &Samples, process: u32) -> Result<Vec<clock::Latency>> {
        let mut latencies = Vec::new();
        for &batch in &self.measure.batch {
            let input = input_of(test, batch);
            let timed = clock::Timed {
                cell: &self.id,
                process,
                threads: self.cell.threads,
                batch,
                inputs: &views(&input),
                seconds: self.measure.latency_seconds,
                seed: self.cell.seed,
            };
            latencies.push(clock::measure(timed, |twin_first| {
                let early = if twin_first { Some(self.twin(batch)?) } else { None };
                Ok((self.candidate(batch)?, early.map_or_else(|| self.twin(batch), Ok)?))
            })?);
        }
        Ok(latencies)
    }
}

/// Measures `cell` and gives its record.
///
/// # Errors
/// Whatever stops the measurement; the sweep turns it into a failed row.
pub fn run(cell: &Cell, plan: &Plan, folder: &RunFolder) -> Result<CellRecord> {
    let measure = &plan.measure;
    let mut bench = Bench::new(cell, plan, folder)?;
    let largest = measure.batch.iter().copied().max().unwrap_or(1);
    let width = bench.subject.width();

    // Memory first: nothing but the candidate has run.
    let footprint = footprint::measure(&mut bench, largest)?;
    let ours = cell.backend.is_none();

    let run_all = |mut runner: Runner| -> Result<Vec<f32>> {
        outputs(&bench.subject.test, measure.evaluation_batch, |batch, input| {
            runner.run(batch, input).map(<[f32]>::to_vec)
        })
    };
    let expected = run_all(bench.twin(measure.evaluation_batch)?)?;
    let got = run_all(bench.candidate(measure.evaluation_batch)?)?;
    let mut test = bench.subject.test.clone();
    if bench.subject.metric == FIDELITY {
        test.targets = Targets::Values { width, data: expected.clone() };
    }
    let test = &test;
    let ready = &bench.ready;
    let task = task_for(test, &bench.subject.metric, width)?;
    let expected = Evaluation::new(&*task, expected)?;
    let result = Evaluation::new(&*task, got)?;
    let simulated = if cell.dtype.is_integer() { Some(simulate(ready, &*task, measure)?) } else { None };

    let site_batch = measure.evaluation_batch.min(test.len());
    let processor = measure.simulate_on.processor()?;
    let spec = &ready.spec;
    let sites =
        sites::compare(&bench.id, &ready.graph, spec, &processor, site_batch, &test.batch(0..site_batch))?;
    // Not before: the simulation may use every CPU.
    pin(cell, plan);
    let (latency, rounds) = split(bench.latency(test, 0)?);

    let mut row = Row {
        samples: result.outcomes.len() as u32,
        float_ops: float_ops(cell, &ready.graph),
        weight_bytes: footprint.weight_bytes,
        peak_activation_bytes: footprint.peak_activation_bytes,
        peak_resident_bytes: footprint.peak_resident_bytes,
        heap_bytes: ours.then_some(footprint.heap_bytes),
        heap_left_bytes: ours.then_some(footprint.heap_left_bytes),
        calibration_samples: ready.calibration_samples,
        calibration_seconds: ready.calibration_seconds,
        solve_seconds: ready.solve_seconds,
        load_seconds: Some(footprint.load_seconds),
        ..keys(cell, &bench.subject.dataset, task.metric().id)
    };
    score(&mut row, &*task, &result, &expected, simulated.as_ref());
    let outcomes = result.outcomes.iter().map(|o| outcome_row(&bench.id, o)).collect();
    Ok(CellRecord { row, latency, rounds, outcomes, sites })
}

/// Measures the latency of `cell` once more, as its timing process number `process`; the record holds nothing else.
///
/// # Errors
/// Whatever stops the measurement; the sweep says so and goes on with the processes that it has.
pub fn repeat(cell: &Cell, plan: &Plan, folder: &RunFolder, process: u32) -> Result<CellRecord> {
    pin(cell, plan);
    let mut bench = Bench::new(cell, plan, folder)?;
    bench.export()?;
    let (latency, rounds) = split(bench.latency(&bench.subject.test, process)?);
    let row = keys(cell, &bench.subject.dataset, &bench.subject.metric);
    Ok(CellRecord { row, latency, rounds, ..CellRecord::default() })
}

/// Keeps this process on as many CPUs as the cell has threads, unless the plan says not to.
pub(crate) fn pin(cell: &Cell, plan: &Plan) {
    if plan.measure.pin {
        let _ = cpus::pin(cell.threads);
    }
}

fn split(latencies: Vec<clock::Latency>) -> (Vec<LatencyRow>, Vec<RoundRow>) {
    let (rows, rounds): (Vec<_>, Vec<_>) = latencies.into_iter().map(|l| (l.row, l.rounds)).unzip();
    (rows, rounds.concat())
}

/// A row with nothing but its keys, the cell's place on the axes, and what it is scored by.
#[must_use]
pub fn keys(cell: &Cell, dataset: &str, metric: &str) -> Row {
    Row {
        cell: cell.id(),
        model: cell.model.clone(),
        dataset: dataset.to_owned(),
        dtype: cell.dtype.to_string(),
        timing: cell.timing.to_string(),
        calibrator: cell.calibrator.clone().unwrap_or_else(|| "none".to_owned()),
        granularity: cell.granularity.map_or("none", Granularity::id).to_owned(),
        symmetry: cell.symmetry.map_or("none", Symmetry::id).to_owned(),
        isa: cell.executor().to_owned(),
        threads: cell.threads as u32,
        seed: cell.seed,
        draw: cell.draw,
        status: "ok".to_owned(),
        metric: metric.to_owned(),
        ..Row::default()
    }
}

/// Finds the quantization parameters: observers' statistics → calibrator → qparams, or QAT.
pub(crate) fn ready(cell: &Cell, subject: &Subject, folder: &RunFolder) -> Result<Ready> {
    let graph = &subject.graph;
    let granularity = cell.granularity.unwrap_or(Granularity::PerTensor);
    let symmetry = cell.symmetry.unwrap_or(Symmetry::Symmetric);
    let mut ready = Ready {
        graph: graph.clone(),
        spec: QuantSpec { granularity, symmetry, timing: cell.timing, ..QuantSpec::float(cell.dtype) },
        calibration_samples: 0,
        calibration_seconds: None,
        solve_seconds: None,
    };
    let Some(format) = cell.dtype.activation_format() else { return Ok(ready) };
    if cell.timing == Timing::Qat {
        let dataset = subject.built_in.as_ref().context("only a built-in model can be fine-tuned")?;
        let tuned = prepare::fine_tuned(cell, graph, dataset, &mut |_| ControlFlow::Continue(()))?;
        (ready.graph, ready.spec) = (tuned.graph, tuned.spec);
        return Ok(ready);
    }
    let weights = weight_format(&cell.kernel)?;
    for site in placement(graph).weights {
        let qparams = weight_params(graph, &site, weights, granularity)?;
        ready.spec.weights.insert(site.param, qparams);
    }
    if cell.timing == Timing::Static {
        let path = prepare::calibration_file(&folder.stats_dir(), &cell.model, cell.seed, cell.draw);
        let calibration = prepare::read_calibration(&path, graph).with_context(|| {
            format!("{} holds no statistics of this model; run the sweep again", path.display())
        })?;
        let name = cell.calibrator.as_deref().unwrap_or_default();
        let method = (calibrator(name)?.construct)();
        let solve = Instant::now();
        let by_name: BTreeMap<&str, ValueId> =
            graph.values.iter().enumerate().map(|(i, v)| (v.name.as_str(), ValueId(i))).collect();
        for (site, stats) in &calibration.sites {
            let qparams = method.calibrate(&Job { site, stats, format, symmetry })?;
            ready.spec.activations.insert(by_name[site.as_str()], qparams);
        }
        ready.solve_seconds = Some(solve.elapsed().as_secs_f64());
        ready.calibration_samples = calibration.samples;
        ready.calibration_seconds = Some(calibration.seconds);
    }
    Ok(ready)
}

/// Min-max parameters of a weight, whose codes the kernels of products take in `format`.
pub(crate) fn weight_params(
    graph: &Graph,
    site: &WeightSite,
    format: IntFormat,
    granularity: Granularity,
) -> Result<QParams> {
    let lookup = graph.nodes.iter().any(|n| n.name == site.node && is_lookup(n));
    let format = if lookup { IntFormat::INT8 } else { format };
    let data = graph.params[&site.param].data();
    Ok(QParams::of_weights(&site.param, data, site.channels, format, granularity)?)
}

/// What codes of weights the kernels take.
pub(crate) fn weight_format(kernel: &str) -> Result<IntFormat> {
    let set: KernelSet = kernel.parse()?;
    Ok(if set.products == Products::SevenBit { IntFormat::INT8.reduced() } else { IntFormat::INT8 })
}

/// The inputs of the first `batch` test samples, from the start again when there are fewer.
pub(crate) fn input_of(test: &Samples, batch: usize) -> Vec<Vec<f32>> {
    let cycled = |f: &Feature| f.data.iter().copied().cycle().take(batch * f.sample_len()).collect();
    test.inputs.iter().map(cycled).collect()
}

pub(crate) fn views(inputs: &[Vec<f32>]) -> Vec<&[f32]> {
    inputs.iter().map(Vec::as_slice).collect()
}

/// Outputs of all samples, `batch` of them at a time.
pub(crate) fn outputs(
    samples: &Samples,
    batch: usize,
    mut run: impl FnMut(usize, &[&[f32]]) -> Result<Vec<f32>>,
) -> Result<Vec<f32>> {
    let mut outputs = Vec::new();
    for first in (0..samples.len()).step_by(batch) {
        let count = batch.min(samples.len() - first);
        outputs.extend(run(count, &samples.batch(first..first + count))?);
    }
    Ok(outputs)
}

/// Score of a model in fp32 on its test samples; `None` where it is undefined.
///
/// # Errors
/// When the model does not run, or its outputs do not fit the metric.
pub fn fp32_score(subject: &Subject, measure: &Measure) -> Result<Option<f64>> {
    let batch = measure.evaluation_batch;
    let options = CompileOptions { kernels: Kernels::best(), threads: 1, max_batch: batch };
    let mut executable = Executable::compile(&subject.graph, &QuantSpec::float(Dtype::Fp32), options)?;
    let outputs = outputs(&subject.test, batch, |n, input| Ok(executable.run(n, input)?.to_vec()))?;
    if subject.metric == FIDELITY {
        return Ok(Some(1.0));
    }
    let task = task_for(&subject.test, &subject.metric, subject.width())?;
    Ok(task.score(&task.outcomes(&outputs)?))
}

/// The same parameters under fake quantization.
fn simulate(ready: &Ready, task: &dyn Task, measure: &Measure) -> Result<Evaluation> {
    let mut tap = FakeQuantTap::new(&ready.graph, &ready.spec)?;
    let interpreter = Interpreter::on(&measure.simulate_on.processor()?, &ready.graph, Dtype::Fp32)?;
    let run = |batch: usize, input: &[&[f32]]| Ok(interpreter.run_slice(batch, input, &mut tap)?);
    Evaluation::new(task, outputs(task.samples(), measure.evaluation_batch, run)?)
}

/// Fills in the score, fidelity to fp32, and integer against fake-quant. What compares predicted classes stays empty
/// where outputs are not class scores.
fn score(
    row: &mut Row,
    task: &dyn Task,
    result: &Evaluation,
    twin: &Evaluation,
    simulated: Option<&Evaluation>,
) {
    let classes = classes(task);
    row.score = task.score(&result.outcomes);
    let interval = task.interval(&result.outcomes);
    (row.score_low, row.score_high) = (interval.map(|i| i.low), interval.map(|i| i.high));
    row.agreement_fp32 = classes.map(|classes| result.agreement(twin, classes));
    row.cosine_fp32 = cosine(&twin.outputs, &result.outputs);
    row.sqnr_db = sqnr_db(&twin.outputs, &result.outputs);
    row.kl_fp32 = classes.and_then(|classes| kl_divergence(&twin.outputs, &result.outputs, classes));
    if let Some(simulated) = simulated {
        row.score_fake_quant = task.score(&simulated.outcomes);
        row.integer_vs_fake_disagreement = classes.map(|classes| 1.0 - result.agreement(simulated, classes));
        row.integer_vs_fake_max_abs = max_abs_error(&simulated.outputs, &result.outputs);
    }
}

/// Number of classes where outputs are class scores: where every sample has a label and several outputs.
fn classes(task: &dyn Task) -> Option<usize> {
    task.samples().labels().map(|_| task.width()).filter(|width| *width > 1)
}

fn outcome_row(cell: &str, outcome: &Outcome) -> OutcomeRow {
    OutcomeRow {
        cell: cell.to_owned(),
        sample: outcome.sample as u32,
        target: outcome.target,
        output: outcome.output,
    }
}

/// Whether the node multiplies two activations, for which int16 codes have no kernel.
#[must_use]
pub fn widened(node: &Node) -> bool {
    matches!(node.op, Op::MatMul { .. })
}

/// Operators that the plan leaves in floating point, for integer cells.
fn float_ops(cell: &Cell, graph: &Graph) -> String {
    if !cell.dtype.is_integer() || cell.timing == Timing::WeightOnly {
        return "all".to_owned();
    }
    let mut names: Vec<&str> = placement(graph).float_ops.iter().map(|f| f.op).collect();
    if cell.dtype == Dtype::Int16 {
        names.extend(graph.nodes.iter().filter(|n| widened(n)).map(|n| n.op.name()));
    }
    names.sort_unstable();
    names.dedup();
    names.join(",")
}
