//! Latency of an executable against its fp32 twin, interleaved in one process, and several processes as one result.

use std::time::{Duration, Instant};

use anyhow::Result;
use calibench_compare::by_process;
use calibench_metrics::{median, quantile, ratio_of_processes, steadiness};
use calibench_store::{LatencyRow, RoundRow};

use crate::backend::Runner;
use crate::machine::counter;
use crate::machine::reference::Reference;

/// A block lasts at least this long, so that one timer tick or interrupt does not decide it.
const BLOCK: Duration = Duration::from_micros(500);
/// How often both executables are built anew, in memory of their own: where buffers lie can make a small model
/// a quarter faster or slower for the whole life of a process.
const ROUNDS: usize = 8;
/// Both run this long before the first round is recorded: caches fill and the clock frequency settles.
const WARM_UP: Duration = Duration::from_millis(20);
/// The same for each later round.
const WARM_UP_AGAIN: Duration = Duration::from_millis(3);
/// Fewest block pairs of a round, whatever the time budget.
const MIN_BLOCKS: usize = 4;
/// Most: more would not narrow the interval by anything that matters.
const MAX_BLOCKS: usize = 50;
/// The quantile of block times that stands for a round. NOTES.md says what others gave.
const LOWER: f64 = 0.25;
/// Calls whose instructions are counted.
const COUNTED_CALLS: u32 = 10;

/// What is timed: the cell, its place among repeats, and its inputs.
#[derive(Debug, Clone, Copy)]
pub struct Timed<'a> {
    /// The cell's id.
    pub cell: &'a str,
    /// Which of the cell's timing processes this is, from 0.
    pub process: u32,
    /// Worker threads; instructions are counted for one only.
    pub threads: usize,
    /// Samples per call.
    pub batch: usize,
    /// The inputs of a call.
    pub inputs: &'a [&'a [f32]],
    /// Seconds of timing.
    pub seconds: f64,
    /// Of what is resampled.
    pub seed: u64,
}

/// The latency of one process, with its rounds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Latency {
    /// The summary.
    pub row: LatencyRow,
    /// Round by round.
    pub rounds: Vec<RoundRow>,
}

/// Times a candidate and its twin on the same inputs.
///
/// `compile` builds both, the twin first when its argument says so; that and a new build per round keep the
/// place of their memory from deciding. Blocks follow the order A B B A, so that a slow drift of the machine's
/// speed falls on both alike. A block is as many runs as fill half a millisecond. A round's ratio is that of the lower
/// quartiles of both's mean run times, because what else runs on the machine only ever adds time; see [`merge`] for the ratio
/// over rounds and its interval. Quantiles are those of
/// single runs, in microseconds per batch. After every pair of blocks the fixed reference workload
/// runs once, so that what slows the machine is seen by all three.
///
/// # Errors
/// When either executable cannot be built or refuses the inputs.
pub fn measure(timed: Timed<'_>, compile: impl Fn(bool) -> Result<(Runner, Runner)>) -> Result<Latency> {
    let Timed { batch, inputs, .. } = timed;
    let mut samples: [Vec<f64>; 2] = Default::default();
    let mut rounds = Vec::with_capacity(ROUNDS);
    let mut block_times = Vec::new();
    let mut reference = Reference::default();
    // Kept, so that the next build finds other memory.
    let mut built = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let (mut candidate, mut twin) = compile(round % 2 == 1)?;
        let warm = if round == 0 { WARM_UP } else { WARM_UP_AGAIN };
        let per_run =
            warm_up(&mut candidate, batch, inputs, warm)?.max(warm_up(&mut twin, batch, inputs, warm)?);
        let runs = (BLOCK.as_secs_f64() / per_run).ceil().clamp(1.0, 10_000.0) as usize;
        let budget = Duration::from_secs_f64(timed.seconds / ROUNDS as f64);
        let start = Instant::now();
        let mut blocks: Vec<[f64; 3]> = Vec::new();
        while blocks.len() < MIN_BLOCKS || (start.elapsed() < budget && blocks.len() < MAX_BLOCKS) {
            let mut means = [0.0; 2];
            for who in if blocks.len().is_multiple_of(2) { [0, 1] } else { [1, 0] } {
                let executable = if who == 0 { &mut candidate } else { &mut twin };
                let first = samples[who].len();
                for _ in 0..runs {
                    samples[who].push(one(executable, batch, inputs)?);
                }
                means[who] = samples[who][first..].iter().sum::<f64>() / runs as f64;
            }
            blocks.push([means[0], means[1], reference.seconds()]);
        }
        let lower = |who: usize| {
            let mut times: Vec<f64> = blocks.iter().map(|b| b[who]).collect();
            times.sort_by(f64::total_cmp);
            quantile(&times, LOWER).unwrap_or(f64::NAN)
        };
        let [cell_time, twin_time, reference_time] = [0, 1, 2].map(lower);
        rounds.push(RoundRow {
            cell: timed.cell.to_owned(),
            batch: batch as u32,
            process: timed.process,
            round: round as u32,
            blocks: blocks.len() as u32,
            ratio: cell_time / twin_time,
            cell_us: cell_time * 1e6,
            twin_us: twin_time * 1e6,
            reference_us: reference_time * 1e6,
        });
        block_times.extend(blocks.iter().map(|b| b[0]));
        built.push((candidate, twin));
    }
    let mut row = LatencyRow {
        cell: timed.cell.to_owned(),
        batch: batch as u32,
        iterations: samples[0].len() as u32,
        instructions: instructions(&timed, &mut built)?,
        ..LatencyRow::default()
    };
    if let Some((Runner::Native(plan), _)) = built.last() {
        let work = plan.work(batch);
        (row.operations, row.traffic_bytes) = (Some(work.operations), Some(work.traffic_bytes));
    }
    if let Some(steady) = steadiness(&block_times, timed.seed) {
        row.outlier_share = Some(steady.outlier_share);
        row.drift = Some(steady.drift);
        row.shifts = Some(steady.shifts);
    }
    samples.iter_mut().for_each(|s| s.sort_by(f64::total_cmp));
    let at = |who: usize, q: f64| quantile(&samples[who], q).map_or(f64::NAN, |s| s * 1e6);
    (row.p50_us, row.p90_us, row.p99_us) = (at(0, 0.5), at(0, 0.9), at(0, 0.99));
    row.twin_p50_us = at(1, 0.5);
    Ok(Latency { row: merge(&[row], &rounds), rounds })
}

/// Instructions of a call, of one thread.
fn instructions(timed: &Timed<'_>, built: &mut [(Runner, Runner)]) -> Result<Option<f64>> {
    match built.last_mut() {
        Some((candidate, _)) if timed.threads == 1 => counter::instructions(COUNTED_CALLS, || {
            std::hint::black_box(candidate.run(timed.batch, timed.inputs)?);
            Ok(())
        }),
        _ => Ok(None),
    }
}

/// The latency of one cell at one batch size over the processes that measured it.
///
/// The ratio and its interval are those of [`ratio_of_processes`] over all rounds. Quantiles and the figures of steadiness
/// are medians over processes, iterations and change points are summed.
#[must_use]
pub fn merge(processes: &[LatencyRow], rounds: &[RoundRow]) -> LatencyRow {
    let Some(first) = processes.first() else { return LatencyRow::default() };
    let middle = |pick: fn(&LatencyRow) -> f64| {
        median(&processes.iter().map(pick).collect::<Vec<_>>()).unwrap_or(f64::NAN)
    };
    let known =
        |pick: fn(&LatencyRow) -> Option<f64>| median(&processes.iter().filter_map(pick).collect::<Vec<_>>());
    let ratio = ratio_of_processes(&by_process(rounds, |r| r.ratio));
    LatencyRow {
        iterations: processes.iter().map(|r| r.iterations).sum(),
        blocks: rounds.iter().map(|r| r.blocks).sum(),
        processes: processes.len() as u32,
        p50_us: middle(|r| r.p50_us),
        p90_us: middle(|r| r.p90_us),
        p99_us: middle(|r| r.p99_us),
        twin_p50_us: middle(|r| r.twin_p50_us),
        ratio: ratio.map_or(f64::NAN, |r| r.ratio),
        ratio_low: ratio.map_or(f64::NAN, |r| r.low),
        ratio_high: ratio.map_or(f64::NAN, |r| r.high),
        instructions: known(|r| r.instructions),
        outlier_share: known(|r| r.outlier_share),
        drift: known(|r| r.drift),
        shifts: processes.iter().map(|r| r.shifts).sum(),
        ..first.clone()
    }
}

/// Seconds of one run.
fn one(executable: &mut Runner, batch: usize, inputs: &[&[f32]]) -> Result<f64> {
    let start = Instant::now();
    std::hint::black_box(executable.run(batch, std::hint::black_box(inputs))?);
    Ok(start.elapsed().as_secs_f64())
}

/// Runs for `warm`; the fastest run's seconds.
fn warm_up(executable: &mut Runner, batch: usize, inputs: &[&[f32]], warm: Duration) -> Result<f64> {
    let start = Instant::now();
    let mut fastest = f64::INFINITY;
    while fastest.is_infinite() || start.elapsed() < warm {
        fastest = fastest.min(one(executable, batch, inputs)?);
    }
    Ok(fastest.max(1e-9))
}
