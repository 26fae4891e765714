//! The fp32 tile in plain loops.

use crate::{blocks_float::FloatTile, pack::PANEL};

/// A 4×16 tile.
#[derive(Clone, Copy)]
pub(crate) struct Scalar;

impl FloatTile for Scalar {
    const ROWS: usize = 4;
    const PANELS: usize = 1;

    fn tile(self, height: usize, k: usize, a: &[f32], lda: usize, b: &[&[f32]], c: &mut [f32], ldc: usize) {
        for r in 0..height {
            let mut sums = [0.0; PANEL];
            if k > 0 {
                for (x, row) in a[r * lda..][..k].iter().zip(b[0].as_chunks::<PANEL>().0) {
                    for (sum, w) in sums.iter_mut().zip(row) {
                        *sum += x * w;
                    }
                }
            }
            c[r * ldc..][..PANEL].copy_from_slice(&sums);
        }
    }
}
