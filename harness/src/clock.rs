//! Latency of an executable against its fp32 twin, interleaved in one process.

use std::time::{Duration, Instant};

use calibench_engine::EngineError;
use calibench_engine::compile::Executable;
use calibench_metrics::{paired_ratio, quantile};
use calibench_store::LatencyRow;

/// A block lasts at least this long, so that one timer tick or interrupt does not decide it.
const BLOCK: Duration = Duration::from_micros(500);
/// Both run this long before anything is recorded: caches fill and the clock frequency settles.
const WARM_UP: Duration = Duration::from_millis(20);
/// Fewest blocks that an interval is made of, whatever the time budget.
const MIN_BLOCKS: usize = 20;
/// Most blocks: more would not narrow the interval by anything that matters.
const MAX_BLOCKS: usize = 400;

/// Times both executables on the same input.
///
/// Blocks follow the order A B B A, so that a slow drift of the machine's speed falls on both alike. A
/// block is as many runs as fill half a millisecond. Per block pair the ratio of mean run times is taken;
/// the reported ratio is the median over pairs, its interval a 95 % bootstrap over them. Quantiles are
/// those of single runs, in microseconds per batch.
///
/// # Errors
/// When either executable refuses the input.
pub fn measure(
    cell: &str,
    candidate: &mut Executable,
    twin: &mut Executable,
    batch: usize,
    input: &[f32],
    seconds: f64,
    seed: u64,
) -> Result<LatencyRow, EngineError> {
    let per_run = warm_up(candidate, batch, input)?.max(warm_up(twin, batch, input)?);
    let runs = (BLOCK.as_secs_f64() / per_run).ceil().clamp(1.0, 10_000.0) as usize;

    let mut samples: [Vec<f64>; 2] = Default::default();
    let mut blocks: [Vec<f64>; 2] = Default::default();
    let start = Instant::now();
    while blocks[0].len() < MIN_BLOCKS
        || (start.elapsed().as_secs_f64() < seconds && blocks[0].len() < MAX_BLOCKS)
    {
        for who in if blocks[0].len().is_multiple_of(2) { [0, 1] } else { [1, 0] } {
            let executable = if who == 0 { &mut *candidate } else { &mut *twin };
            let first = samples[who].len();
            for _ in 0..runs {
                samples[who].push(one(executable, batch, input)?);
            }
            let block = &samples[who][first..];
            blocks[who].push(block.iter().sum::<f64>() / block.len() as f64);
        }
    }
    let ratio = paired_ratio(&blocks[0], &blocks[1], seed);
    samples.iter_mut().for_each(|s| s.sort_by(f64::total_cmp));
    let at = |who: usize, q: f64| quantile(&samples[who], q).map_or(f64::NAN, |s| s * 1e6);
    let (ratio, low, high) = ratio.map_or((f64::NAN, f64::NAN, f64::NAN), |r| (r.ratio, r.low, r.high));
    Ok(LatencyRow {
        cell: cell.to_owned(),
        batch: batch as u32,
        iterations: samples[0].len() as u32,
        blocks: blocks[0].len() as u32,
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
fn one(executable: &mut Executable, batch: usize, input: &[f32]) -> Result<f64, EngineError> {
    let start = Instant::now();
    std::hint::black_box(executable.run(batch, std::hint::black_box(input))?);
    Ok(start.elapsed().as_secs_f64())
}

/// Runs until warm; the fastest run's seconds.
fn warm_up(executable: &mut Executable, batch: usize, input: &[f32]) -> Result<f64, EngineError> {
    let start = Instant::now();
    let mut fastest = f64::INFINITY;
    while start.elapsed() < WARM_UP {
        fastest = fastest.min(one(executable, batch, input)?);
    }
    Ok(fastest.max(1e-9))
}
