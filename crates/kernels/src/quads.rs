//! Activations in cells of four unsigned bytes: the left-hand side of all kernels that multiply bytes.

use std::cell::RefCell;

use crate::{
    blocks::{Block, IntTile, Memory, Rows, accumulate, accumulate_pieces},
    byte::Byte,
    pack::PackedS8,
};

thread_local! {
    static MEMORY: RefCell<Memory<[u8; 4]>> = const { RefCell::new(Memory::new()) };
}

/// `A · Bᵀ`, block by block.
///
/// Signed activations are moved up by 128 while they are copied into cells, and the tile begins at −128 · Σ weights, which
/// makes up for it exactly.
pub(crate) fn accumulate_quads<K: IntTile<Cell = [u8; 4]>, T: Byte>(
    kernel: K,
    a: (usize, &[T], usize),
    b: &PackedS8,
    sink: impl FnMut(Block<'_, i32>),
) {
    MEMORY.with(|memory| accumulate(kernel, memory, a, b, (T::OFFSET, quads_of), sink));
}

/// The same for rows in pieces of an image, of signed codes moved up by 128.
pub(crate) fn accumulate_quads_of_pieces<K: IntTile<Cell = [u8; 4]>>(
    kernel: K,
    image: Rows<'_, [u8; 4]>,
    b: &PackedS8,
    sink: impl FnMut(Block<'_, i32>),
) {
    MEMORY.with(|memory| accumulate_pieces(kernel, memory, image, b, <i8 as Byte>::OFFSET, sink));
}

/// A row of A in cells of four; what fills the last one up meets weights that are 0.
fn quads_of<T: Byte>(row: &[T], cells: &mut [[u8; 4]]) {
    for (slot, v) in cells.as_flattened_mut().iter_mut().zip(row) {
        *slot = v.unsigned();
    }
}
