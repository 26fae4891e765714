//! The loops around an fp32 micro-kernel.

use std::cell::RefCell;

use crate::{
    Aligned, Kernels,
    blocks::{Block, COLUMN_PANELS, Rows, rows_of_block, tiles},
    pack::PANEL,
    pack_float::{Data, PackedFloat},
};

/// A micro-kernel for fp32 panels.
pub(crate) trait FloatTile: Copy {
    /// Rows of a full tile.
    const ROWS: usize;
    /// Panels of a full tile, at most 2.
    const PANELS: usize;

    /// `C = A · Bᵀ` for some rows of A and one or two panels of B.
    fn tile(self, a: Rows<'_, f32>, b: &[&[f32]], c: &mut [f32], ldc: usize);
}

/// Memory of products, kept by each thread between calls.
#[derive(Default)]
struct Memory {
    acc: Aligned<f32>,
    panels: Aligned<f32>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = const { RefCell::new(Memory { acc: Aligned::new(), panels: Aligned::new() }) };
}

/// `A · Bᵀ`, block by block. Narrow panels are widened once for each block of rows.
pub(crate) fn accumulate<K: FloatTile>(
    kernels: Kernels,
    kernel: K,
    a: Rows<'_, f32>,
    b: &PackedFloat,
    mut sink: impl FnMut(Block<'_, f32>),
) {
    let (n, k) = (b.n(), b.k());
    let block_rows = rows_of_block(4 * k, K::ROWS);
    let Memory { mut acc, mut panels } = MEMORY.take();
    let mut top = 0;
    for starts in a.starts.chunks(block_rows) {
        let rows = starts.len();
        for left_panel in (0..b.panels()).step_by(COLUMN_PANELS) {
            let end_panel = b.panels().min(left_panel + COLUMN_PANELS);
            let ld = (end_panel - left_panel) * PANEL;
            acc.grow(rows * ld);
            for panel in (left_panel..end_panel).step_by(K::PANELS) {
                let count = K::PANELS.min(end_panel - panel);
                let wide = widened(kernels, b, panel, count, &mut panels);
                let (one, two) = wide.split_at(k * PANEL);
                let b = if count == 1 { &[one][..] } else { &[one, two][..] };
                for (first, height) in tiles(rows, K::ROWS) {
                    let a = Rows { starts: &starts[first..first + height], ..a };
                    let c = &mut acc[first * ld + (panel - left_panel) * PANEL..];
                    kernel.tile(a, b, c, ld);
                }
            }
            let left = left_panel * PANEL;
            let width = n.min(end_panel * PANEL) - left;
            sink(Block { top, rows, left, width, acc: &acc[..rows * ld], ld });
        }
        top += rows;
    }
    MEMORY.set(Memory { acc, panels });
}

/// Panels in fp32: as they lie, or widened into `memory`. The scales of int8 codes are left to the finish.
fn widened<'a>(
    kernels: Kernels,
    b: &'a PackedFloat,
    panel: usize,
    count: usize,
    memory: &'a mut Aligned<f32>,
) -> &'a [f32] {
    let len = PANEL * b.k();
    let range = panel * len..(panel + count) * len;
    if let Data::F32(data) = b.data() {
        return &data[range];
    }
    memory.grow(count * len);
    let wide = &mut memory[..count * len];
    match b.data() {
        Data::F32(_) => {}
        Data::F16(data) => kernels.f16_to_f32(&data[range], wide),
        Data::Bf16(data) => kernels.bf16_to_f32(&data[range], wide),
        Data::S8(data, _) => kernels.dequantize_s8(&data[range], 1.0, 0, wide),
    }
    wide
}
