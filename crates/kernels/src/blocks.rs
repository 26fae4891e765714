//! The loops around a micro-kernel: which tile is computed when, so that its operands are in cache.

use std::cell::RefCell;

use crate::Aligned;
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

/// Where rows lie: each in `count` pieces of `len` elements, `stride` apart. Linear layers have one piece, convolutions
/// one for each row of the filter, where they lie in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pieces {
    pub count: usize,
    pub len: usize,
    pub stride: usize,
}

/// The rows of a tile.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, T> {
    pub data: &'a [T],
    /// Where each row begins.
    pub starts: &'a [usize],
    pub pieces: Pieces,
}

impl<'a, T> Rows<'a, T> {
    /// Where each row begins, once it is seen that all of its pieces lie in the data: piece i is the `len` elements from
    /// `i · stride` on.
    ///
    /// # Panics
    /// When they do not.
    #[inline(always)]
    pub(crate) fn begin<const MR: usize>(&self) -> [*const T; MR] {
        let Pieces { count, len, stride } = self.pieces;
        let starts: &[usize; MR] = self.starts.try_into().expect("a start for each row");
        let reach = count.saturating_sub(1).saturating_mul(stride).saturating_add(len);
        let last = self.data.len().checked_sub(reach).expect("the pieces of a row lie in the data");
        let mut rows = [self.data.as_ptr(); MR];
        for r in 0..MR {
            assert!(starts[r] <= last, "a row begins at {}, the last that fits at {last}", starts[r]);
            rows[r] = rows[r].wrapping_add(starts[r]);
        }
        rows
    }

    /// Piece `piece` of each row.
    #[inline(always)]
    pub(crate) fn piece<const MR: usize>(&self, piece: usize) -> [&'a [T]; MR] {
        let Pieces { len, stride, .. } = self.pieces;
        let starts: &[usize; MR] = self.starts.try_into().expect("a start for each row");
        let mut rows = [&self.data[..0]; MR];
        // No closure: it would be called for each row.
        for r in 0..MR {
            rows[r] = &self.data[starts[r] + piece * stride..][..len];
        }
        rows
    }
}

/// The same expression for each height as a constant.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! by_height {
    ($height:expr, [$($h:literal)*], $name:ident => $call:expr) => {
        match $height {
            $($h => {
                const $name: usize = $h;
                $call
            })*
            other => unreachable!("a tile of {other} rows"),
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use by_height;

/// A micro-kernel for int8 weights: computes tiles of at most `ROWS` rows and `PANELS` panels.
pub(crate) trait IntTile: Copy {
    /// Rows of a full tile.
    const ROWS: usize;
    /// Panels of a full tile.
    const PANELS: usize;
    /// What it takes away from the values of its cells before it multiplies.
    const MOVED: i32 = 0;
    /// The activations of a row that meet one group of weights.
    type Cell: Copy + Default + 'static;

    /// `C = init + A · Bᵀ` for some rows of A, each of `b.groups()` cells, and the panels of B.
    fn tile(
        self,
        a: Rows<'_, Self::Cell>,
        b: &PackedS8,
        panels: std::ops::Range<usize>,
        init: &[i32],
        c: &mut [i32],
        ldc: usize,
    );
}

/// Memory of products, kept by each thread between calls.
pub(crate) struct Memory<Cell> {
    cells: Aligned<Cell>,
    acc: Aligned<i32>,
    /// Where the rows of a block begin.
    starts: Vec<usize>,
}

impl<Cell: Copy + Default> Memory<Cell> {
    pub(crate) const fn new() -> Self {
        Self { cells: Aligned::new(), acc: Aligned::new(), starts: Vec::new() }
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
    let (k, groups) = (b.k(), b.groups());
    let block_rows = rows_of_block(size_of::<K::Cell>() * groups, K::ROWS);
    // Taken out, so that a sink may multiply too.
    let Memory { mut cells, mut acc, mut starts } = memory.replace(Memory::new());
    starts.clear();
    starts.extend((0..block_rows.min(m)).map(|row| row * groups));
    for top in (0..m).step_by(block_rows) {
        let rows = block_rows.min(m - top);
        cells.grow(rows * groups);
        if k > 0 {
            for (r, cells) in cells[..rows * groups].chunks_exact_mut(groups).enumerate() {
                prepare(&a[(top + r) * lda..][..k], cells);
            }
        }
        let pieces = Pieces { count: 1, len: groups, stride: 0 };
        let a = Rows { data: &cells, starts: &starts[..rows], pieces };
        multiply(kernel, top, a, b, offset, &mut acc, &mut sink);
    }
    memory.replace(Memory { cells, acc, starts });
}

/// `A · Bᵀ` for rows that lie in pieces of an image, each of whose values was moved by `offset`.
pub(crate) fn accumulate_pieces<K: IntTile>(
    kernel: K,
    memory: &RefCell<Memory<K::Cell>>,
    image: Rows<'_, K::Cell>,
    b: &PackedS8,
    offset: i32,
    mut sink: impl FnMut(Block<'_, i32>),
) {
    let Memory { cells, mut acc, starts } = memory.replace(Memory::new());
    let mut top = 0;
    for starts in image.starts.chunks(rows_of_block(0, K::ROWS)) {
        multiply(kernel, top, Rows { starts, ..image }, b, offset, &mut acc, &mut sink);
        top += starts.len();
    }
    memory.replace(Memory { cells, acc, starts });
}

/// One block of rows by all columns.
fn multiply<K: IntTile>(
    kernel: K,
    top: usize,
    a: Rows<'_, K::Cell>,
    b: &PackedS8,
    offset: i32,
    acc: &mut Aligned<i32>,
    sink: &mut impl FnMut(Block<'_, i32>),
) {
    let (n, rows) = (b.n(), a.starts.len());
    let offset = offset - K::MOVED;
    for left_panel in (0..b.panels()).step_by(COLUMN_PANELS) {
        let end_panel = b.panels().min(left_panel + COLUMN_PANELS);
        let ld = (end_panel - left_panel) * PANEL;
        acc.grow(rows * ld);
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
                let a = Rows { starts: &a.starts[first..first + height], ..a };
                let c = &mut acc[first * ld + column..];
                kernel.tile(a, b, panels.clone(), &init[..panels.len() * PANEL], c, ld);
            }
        }
        let left = left_panel * PANEL;
        let width = n.min(end_panel * PANEL) - left;
        sink(Block { top, rows, left, width, acc: &acc[..rows * ld], ld });
    }
}

/// Rows of a block whose rows take so many bytes: whole tiles.
pub(crate) fn rows_of_block(row_bytes: usize, tile_rows: usize) -> usize {
    // No more than the accumulators of a block may take.
    (A_BLOCK_BYTES / row_bytes.max(512) / tile_rows).max(1) * tile_rows
}

/// First row and height of each tile: as even as can be, so that no tile is left with a row or two.
pub(crate) fn tiles(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = rows.div_ceil(most);
    // The last ones take what is left over. No division for each: it would take as long as a tenth of a tile's products.
    let (height, left) = (rows / count.max(1), rows % count.max(1));
    let even = count - left;
    (0..count).map(move |i| (i * height + i.saturating_sub(even), height + usize::from(i >= even)))
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
