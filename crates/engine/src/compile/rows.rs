//! Writing a tensor row by row, in fp32 or codes, on one thread or several.

use std::slice::SliceIndex;

use calibench_kernels::{Output, Quantizer};
use rayon::prelude::*;

use super::step::Context;
use super::storage::{Buffers, Kind, Slot};

/// Work that is not shared out, in multiply-adds: to hand a share to another thread and wait for it takes as long.
pub(super) const ALONE: usize = 200_000;
/// What reading and writing an element counts as. Besides, data then stay on the core that wrote them.
const ELEMENT: usize = 8;

/// Where rows are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub slot: Slot,
    /// How values become codes, where the slot holds codes.
    pub quantizer: Option<Quantizer>,
}

/// How the rows of a step are cut into blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    /// All rows.
    pub rows: usize,
    /// Values of a row.
    pub width: usize,
    /// Rows that belong together.
    pub unit: usize,
    /// Most rows of a block.
    pub most: usize,
    /// Multiply-adds, or what counts as so many.
    pub work: usize,
}

impl Cut {
    /// Rows of a tensor of `len` values that is read and written once.
    pub(super) fn of_rows(len: usize, width: usize) -> Self {
        Self { rows: len / width, width, unit: 1, most: usize::MAX, work: ELEMENT * len }
    }
}

/// Calls `write(first row, block, buffers)` for each block of the target's rows.
pub(super) fn write_rows(
    target: Target,
    cut: Cut,
    buffers: &mut Buffers,
    context: &Context,
    write: impl Fn(usize, Output<'_>, &Buffers) + Sync,
) {
    let threads = context.threads;
    let len = cut.rows * cut.width;
    match (target.slot.kind, target.quantizer) {
        (Kind::I8, Some(quantizer)) => {
            let mut out = buffers.take_i8(target.slot);
            let shared: &Buffers = buffers;
            for_blocks(&mut out[..len], cut, threads, |first, block| {
                write(first, Output::S8(block, quantizer), shared);
            });
            buffers.put_i8(target.slot, out);
        }
        _ => {
            let mut out = buffers.take_f32(target.slot);
            let shared: &Buffers = buffers;
            for_blocks(&mut out[..len], cut, threads, |first, block| {
                write(first, Output::F32(block), shared);
            });
            buffers.put_f32(target.slot, out);
        }
    }
}

/// Calls `work(first row, block)` for each block of the rows, on so many threads: those of the pool that this runs in.
pub(super) fn for_blocks<T: Send>(
    out: &mut [T],
    cut: Cut,
    threads: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    if out.is_empty() {
        return;
    }
    let threads = if cut.work >= ALONE { threads } else { 1 };
    let share = cut.rows.div_ceil(threads);
    let rows = share.min(cut.most).max(1).next_multiple_of(cut.unit);
    let len = rows * cut.width;
    if threads == 1 {
        out.chunks_mut(len).enumerate().for_each(|(i, block)| work(i * rows, block));
    } else {
        out.par_chunks_mut(len).enumerate().for_each(|(i, block)| work(i * rows, block));
    }
}

/// What `join` makes of the results of `find` over blocks of rows, on so many threads as [`for_blocks`].
pub(super) fn reduce<T: Sync, R: Send>(
    x: &[T],
    cut: Cut,
    threads: usize,
    find: impl Fn(&[T]) -> Option<R> + Send + Sync,
    join: impl Fn(R, R) -> R + Send + Sync,
) -> Option<R> {
    if threads == 1 || cut.work < ALONE {
        return find(x);
    }
    x.par_chunks(cut.rows.div_ceil(threads) * cut.width).filter_map(find).reduce_with(join)
}

/// Elements of a block.
pub(super) fn length(block: &Output<'_>) -> usize {
    match block {
        Output::F32(out) => out.len(),
        Output::S8(out, _) => out.len(),
    }
}

/// Some of the places of a block.
pub(super) fn part<'a, R>(block: &'a mut Output<'_>, place: R) -> Output<'a>
where
    R: SliceIndex<[f32], Output = [f32]> + SliceIndex<[i8], Output = [i8]>,
{
    match block {
        Output::F32(out) => Output::F32(&mut out[place]),
        Output::S8(out, quantizer) => Output::S8(&mut out[place], *quantizer),
    }
}
