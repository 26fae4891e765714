//! What a cell holds in memory.

use std::time::Instant;

use anyhow::Result;

use crate::backend::Runner;
use crate::cell::{Bench, views};
use crate::machine::memory;
use crate::parked::Parked;

/// Memory of a candidate, and how long it takes to build.
pub(crate) struct Footprint {
    pub weight_bytes: u64,
    pub peak_activation_bytes: u64,
    pub peak_resident_bytes: Option<u64>,
    pub heap_bytes: u64,
    pub heap_left_bytes: u64,
    pub load_seconds: f64,
}

/// Builds the candidate and runs it, while nothing else has run.
///
/// What it was built from lies on disk meanwhile, as where a model is only executed: the peak of resident memory is that of
/// the program, the plan and the test data.
///
/// # Errors
/// When it cannot be built or run, or there is no room on disk.
pub(crate) fn measure(bench: &mut Bench<'_>, batch: usize) -> Result<Footprint> {
    let load = Instant::now();
    bench.export()?;
    let empty = memory::heap_bytes();
    let mut first = bench.candidate(batch)?;
    let load_seconds = load.elapsed().as_secs_f64();
    let (weight_bytes, peak_activation_bytes) = match &first {
        Runner::Native(plan) => (plan.weight_bytes(), plan.peak_activation_bytes()),
        // What it plans for activations it keeps to itself.
        Runner::Foreign(_) => (bench.exported_bytes(), 0),
        Runner::Gpu(gpu) => (gpu.weight_bytes(), 0),
    };
    let input = bench.inputs(batch);
    let built = memory::heap_bytes();

    let parked = Parked::of(&mut bench.graphs())?;
    bench.forget_export();
    let before = memory::heap_bytes();
    memory::reset_peak();
    first.run(batch, &views(&input))?;
    let peak_resident_bytes = memory::peak_resident_bytes();
    let running = memory::heap_bytes().saturating_sub(before);
    parked.restore(&mut bench.graphs())?;
    bench.export()?;

    let inputs = 4 * input.iter().map(Vec::len).sum::<usize>() as u64;
    let heap_bytes = (built + running).saturating_sub(empty + inputs);
    drop(first);
    // Once more: what libraries keep from their first use is no leak, what grows each time is.
    let empty = memory::heap_bytes();
    bench.candidate(batch)?.run(batch, &views(&input))?;
    let heap_left_bytes = memory::heap_bytes().saturating_sub(empty);
    Ok(Footprint {
        weight_bytes,
        peak_activation_bytes,
        peak_resident_bytes,
        heap_bytes,
        heap_left_bytes,
        load_seconds,
    })
}
