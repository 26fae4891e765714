//! The fp32 tile in plain loops.

use crate::{blocks::Rows, blocks_float::FloatTile, pack::PANEL};

/// A 4×16 tile.
#[derive(Clone, Copy)]
pub(crate) struct Scalar;

impl FloatTile for Scalar {
    const ROWS: usize = 4;
    const PANELS: usize = 1;

    fn tile(self, a: Rows<'_, f32>, b: &[&[f32]], c: &mut [f32], ldc: usize) {
        for r in 0..a.starts.len() {
            let mut sums = [0.0; PANEL];
            let row = Rows { starts: &a.starts[r..=r], ..a };
            for piece in 0..a.pieces.count {
                let weights = b[0].as_chunks::<PANEL>().0;
                let [values] = row.piece::<1>(piece);
                for (x, row) in values.iter().zip(&weights[piece * a.pieces.len..]) {
                    for (sum, w) in sums.iter_mut().zip(row) {
                        *sum += x * w;
                    }
                }
            }
            c[r * ldc..][..PANEL].copy_from_slice(&sums);
        }
    }
}
