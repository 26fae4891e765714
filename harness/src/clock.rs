//! Latency of an executable against its fp32 twin, interleaved in one process.

use std::time::{Duration, Instant};

use anyhow::Result;
use calibench_metrics::{paired_ratio, quantile};
use calibench_store::LatencyRow;

use crate::backend::Runner;

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

/// Times a candidate and its twin on the same inputs.
///
/// `compile` builds both, the twin first when its argument says so; that and a new build per round keep the
/// place of their memory from deciding. Blocks follow the order A B B A, so that a slow drift of the machine's
/// speed falls on both alike. A block is as many runs as fill half a millisecond. Per block pair the ratio of
/// mean run times is taken; the reported ratio is the median over pairs, its interval a 95 % bootstrap over
/// rounds. Quantiles are those of single runs, in microseconds per batch.
///
/// # Errors
/// When either executable cannot be built or refuses the inputs.
pub fn measure(
    cell: &str,
    compile: impl Fn(bool) -> Result<(Runner, Runner)>,
    batch: usize,
    inputs: &[&[f32]],
    seconds: f64,
    seed: u64,
) -> Result<LatencyRow> {
    let mut samples: [Vec<f64>; 2] = Default::default();
    let mut rounds = Vec::with_capacity(ROUNDS);
    // Kept, so that the next build finds other memory.
    let mut built = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let (mut candidate, mut twin) = compile(round % 2 == 1)?;
        let warm = if round == 0 { WARM_UP } else { WARM_UP_AGAIN };
        let per_run =
            warm_up(&mut candidate, batch, inputs, warm)?.max(warm_up(&mut twin, batch, inputs, warm)?);
        let runs = (BLOCK.as_secs_f64() / per_run).ceil().clamp(1.0, 10_000.0) as usize;
        let budget = Duration::from_secs_f64(seconds / ROUNDS as f64);
        let start = Instant::now();
        let mut blocks: Vec<(f64, f64)> = Vec::new();
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
            blocks.push((means[0], means[1]));
        }
        rounds.push(blocks);
        built.push((candidate, twin));
    }
    let ratio = paired_ratio(&rounds, seed);
    samples.iter_mut().for_each(|s| s.sort_by(f64::total_cmp));
    let at = |who: usize, q: f64| quantile(&samples[who], q).map_or(f64::NAN, |s| s * 1e6);
    let (ratio, low, high) = ratio.map_or((f64::NAN, f64::NAN, f64::NAN), |r| (r.ratio, r.low, r.high));
    Ok(LatencyRow {
        cell: cell.to_owned(),
        batch: batch as u32,
        iterations: samples[0].len() as u32,
        blocks: rounds.iter().map(Vec::len).sum::<usize>() as u32,
        p50_us: at(0, 0.5),
        p90_us: at(0, 0.9),
        p99_us: at(0, 0.99),
        twin_p50_us: at(1, 0.5),
        ratio,
        ratio_low: low,
        ratio_high: high,
    })
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
