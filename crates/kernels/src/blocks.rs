//! The loops around a micro-kernel: which tile is computed when, so that its operands are in cache.

use std::cell::RefCell;

use crate::pack::{PANEL, PackedS8};

/// Bytes of prepared activations per block of rows: half of the smallest L2 that comes with AVX2 (256 KiB).
const A_BLOCK_BYTES: usize = 128 * 1024;
/// Panels whose accumulators are finished at a time: with 256 rows 128 KiB of them, which L2 holds besides.
pub(crate) const COLUMN_PANELS: usize = 8;

/// Accumulators of some rows and columns of a product.
pub(crate) struct Block<'a, T> {
    /// First row and number of rows.
    pub top: usize,
    pub rows: usize,
    /// First column and number of columns.
    pub left: usize,
    pub width: usize,
    /// Row after row, `ld` apart; each filled up to whole panels.
    pub acc: &'a [T],
    pub ld: usize,
}

/// A micro-kernel for int8 weights: computes tiles of at most `ROWS` rows and `PANELS` panels.
pub(crate) trait IntTile: Copy {
    /// Rows of a full tile.
    const ROWS: usize;
    /// Panels of a full tile.
    const PANELS: usize;
    /// The activations of a row that meet one group of weights.
    type Cell: Copy + Default + 'static;

    /// `C = init + A · Bᵀ` for `height` rows of A, each of `b.groups()` cells, and `panels` panels of B from `panel` on.
    fn tile(
        self,
        height: usize,
        a: &[Self::Cell],
        b: &PackedS8,
        panels: std::ops::Range<usize>,
        init: &[i32],
        c: &mut [i32],
        ldc: usize,
    );
}

/// Memory of products, kept by each thread between calls.
pub(crate) struct Memory<Cell> {
    cells: Vec<Cell>,
    acc: Vec<i32>,
}

impl<Cell> Memory<Cell> {
    pub(crate) const fn new() -> Self {
        Self { cells: Vec::new(), acc: Vec::new() }
    }
}

/// `A · Bᵀ`, block by block.
///
/// `prepare` turns a row of A into cells, adding `offset` to each value, which is made up for here. Row blocks are
/// outermost, then columns, then panels: a panel stays in L1 while the rows of the block, in L2, pass by it.
pub(crate) fn accumulate<K: IntTile, T>(
    kernel: K,
    memory: &RefCell<Memory<K::Cell>>,
    (m, a, lda): (usize, &[T], usize),
    b: &PackedS8,
    (offset, prepare): (i32, impl Fn(&[T], &mut [K::Cell])),
    mut sink: impl FnMut(Block<'_, i32>),
) {
    let (n, k, groups) = (b.n(), b.k(), b.groups());
    let block_rows = rows_of_block(size_of::<K::Cell>() * groups, K::ROWS);
    // Taken out, so that a sink may multiply too.
    let Memory { mut cells, mut acc } = memory.replace(Memory::new());
    for top in (0..m).step_by(block_rows) {
        let rows = block_rows.min(m - top);
        grow(&mut cells, rows * groups);
        if k > 0 {
            for (r, cells) in cells[..rows * groups].chunks_exact_mut(groups).enumerate() {
                prepare(&a[(top + r) * lda..][..k], cells);
            }
        }
        for left_panel in (0..b.panels()).step_by(COLUMN_PANELS) {
            let end_panel = b.panels().min(left_panel + COLUMN_PANELS);
            let ld = (end_panel - left_panel) * PANEL;
            grow(&mut acc, rows * ld);
            for panel in (left_panel..end_panel).step_by(K::PANELS) {
                let panels = panel..end_panel.min(panel + K::PANELS);
                let mut init = [0; 64];
                if offset != 0 {
                    let sums = &b.col_sums()[panel * PANEL..n.min(panels.end * PANEL)];
                    for (init, sum) in init.iter_mut().zip(sums) {
                        *init = -offset * sum;
                    }
                }
                let column = (panel - left_panel) * PANEL;
                for (first, height) in tiles(rows, K::ROWS) {
                    let a = &cells[first * groups..][..height * groups];
                    let c = &mut acc[first * ld + column..];
                    kernel.tile(height, a, b, panels.clone(), &init[..panels.len() * PANEL], c, ld);
                }
            }
            let left = left_panel * PANEL;
            let width = n.min(end_panel * PANEL) - left;
            sink(Block { top, rows, left, width, acc: &acc[..rows * ld], ld });
        }
    }
    memory.replace(Memory { cells, acc });
}

/// Rows of a block whose rows take so many bytes: whole tiles.
pub(crate) fn rows_of_block(row_bytes: usize, tile_rows: usize) -> usize {
    // No more than the accumulators of a block may take.
    (A_BLOCK_BYTES / row_bytes.max(512) / tile_rows).max(1) * tile_rows
}

/// First row and height of each tile: as even as can be, so that no tile is left with a row or two.
pub(crate) fn tiles(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = rows.div_ceil(most);
    (0..count).map(move |i| {
        let (first, end) = (i * rows / count, (i + 1) * rows / count);
        (first, end - first)
    })
}

/// At least `len` elements.
pub(crate) fn grow<T: Copy + Default>(memory: &mut Vec<T>, len: usize) {
    if memory.len() < len {
        memory.resize(len, T::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_even_and_cover_all_rows() {
        assert_eq!(tiles(13, 12).collect::<Vec<_>>(), [(0, 6), (6, 7)]);
        for rows in 0..200 {
            let tiles: Vec<_> = tiles(rows, 6).collect();
            assert!(tiles.iter().all(|(_, height)| (1..=6).contains(height)));
            assert_eq!(tiles.iter().map(|(_, height)| height).sum::<usize>(), rows);
        }
    }
}
