//! Products of bytes as `vpmaddubsw` makes them, scalar: sums of two products in 16 bits, which saturate.

use crate::blocks::{Block, Rows};
use crate::byte::Byte;
use crate::pack::{Group, PANEL, PackedS8};

/// Weights of one group of one panel.
type Quads = [[i8; 4]; PANEL];

/// The two 16-bit sums of one group in one column, before they saturate.
fn pairs(a: [u8; 4], w: [i8; 4]) -> [i32; 2] {
    let product = |i: usize| i32::from(a[i]) * i32::from(w[i]);
    [product(0) + product(1), product(2) + product(3)]
}

fn saturated(sum: i32) -> i32 {
    sum.clamp(i16::MIN.into(), i16::MAX.into())
}

/// The groups of a panel.
fn panel(b: &PackedS8, panel: usize) -> &[Quads] {
    b.panel(panel, Group::Quads).as_chunks::<4>().0.as_chunks::<PANEL>().0
}

/// Cells of four unsigned bytes of a row; what is beyond its end is 0.
fn cells<T: Byte>(row: &[T]) -> impl Iterator<Item = [u8; 4]> + Clone + '_ {
    row.chunks(4).map(|chunk| std::array::from_fn(|i| chunk.get(i).map_or(0, |v| v.unsigned())))
}

/// One row by one panel.
fn sums(cells: impl Iterator<Item = [u8; 4]>, b: &PackedS8, at: usize, offset: i32) -> [i32; PANEL] {
    let mut sums = [0_i32; PANEL];
    for (sum, of_column) in sums.iter_mut().zip(&b.col_sums()[at * PANEL..]) {
        *sum = -offset * of_column;
    }
    for (a, weights) in cells.zip(panel(b, at)) {
        for (sum, w) in sums.iter_mut().zip(weights) {
            // Weights of 7 bits never reach the bounds.
            *sum += pairs(a, *w).into_iter().map(saturated).sum::<i32>();
        }
    }
    sums
}

fn blocks(
    top: usize,
    b: &PackedS8,
    row: impl Fn(usize) -> [i32; PANEL],
    sink: &mut impl FnMut(Block<'_, i32>),
) {
    for at in 0..b.panels() {
        let left = at * PANEL;
        let width = PANEL.min(b.n() - left);
        sink(Block { top, rows: 1, left, width, acc: &row(at), ld: PANEL });
    }
}

/// `A · Bᵀ`, a panel of a row at a time.
pub(crate) fn accumulate<T: Byte>(
    (m, a, lda): (usize, &[T], usize),
    b: &PackedS8,
    mut sink: impl FnMut(Block<'_, i32>),
) {
    for top in 0..m {
        let row = &a[top * lda..][..b.k()];
        blocks(top, b, |at| sums(cells(row), b, at, T::OFFSET), &mut sink);
    }
}

/// The same for rows that lie in pieces of an image, of signed codes moved up by 128.
pub(crate) fn accumulate_pieces(
    Rows { data, starts, pieces }: Rows<'_, [u8; 4]>,
    b: &PackedS8,
    mut sink: impl FnMut(Block<'_, i32>),
) {
    for (top, start) in starts.iter().enumerate() {
        let piece = |i: usize| data[start + i * pieces.stride..][..pieces.len].iter().copied();
        let row = || (0..pieces.count).flat_map(piece);
        blocks(top, b, |at| sums(row(), b, at, <i8 as Byte>::OFFSET), &mut sink);
    }
}

/// How many of the 16-bit sums saturate.
pub(crate) fn saturations<T: Byte>((m, a, lda): (usize, &[T], usize), b: &PackedS8) -> u64 {
    let mut count = 0;
    for top in 0..m {
        let row = &a[top * lda..][..b.k()];
        for at in 0..b.panels() {
            for (a, weights) in cells(row).zip(panel(b, at)) {
                let beyond =
                    |w: &[i8; 4]| pairs(a, *w).into_iter().filter(|sum| saturated(*sum) != *sum).count();
                count += weights.iter().map(beyond).sum::<usize>() as u64;
            }
        }
    }
    count
}
