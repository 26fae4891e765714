//! Where sums of products may be added in 16 bits, decided when weights are packed.

use crate::pack::PANEL;

/// Bytes of one group of one panel.
const QUAD_BYTES: usize = 4 * PANEL;

/// The largest sum of weights of one sign in a 16-bit sum: 255 · 128 < 2¹⁵.
const MOST: i32 = i16::MAX as i32 / 255;

/// For each group of each panel of 7-bit weights: how many pairs of groups from it on may be added in 16 bits each.
///
/// A sum of two products fits for all such weights; one of four does where the positive weights among them, and the negative
/// ones, sum to at most 128. With weights that are spread like a bell and scaled to ±63, that holds for 19 of 20 pairs of groups
/// (measured on the 36 matrices of all-MiniLM-L6-v2: 95.5 %).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Joins {
    groups: usize,
    runs: Vec<u16>,
}

impl Joins {
    /// Of the panels in `data`, each of `groups` groups of four k.
    pub(crate) fn find(data: &[i8], groups: usize) -> Self {
        let quads = data.as_chunks::<QUAD_BYTES>().0;
        let mut runs = vec![0; quads.len()];
        for (panel, runs) in quads.chunks_exact(groups.max(1)).zip(runs.chunks_exact_mut(groups.max(1))) {
            for g in (0..groups.saturating_sub(1)).rev() {
                if fits(&panel[g], &panel[g + 1]) {
                    runs[g] = 1 + runs.get(g + 2).copied().unwrap_or(0);
                }
            }
        }
        Self { groups, runs }
    }

    /// Of one panel.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "the scalar kernels add in 32 bits"))]
    pub(crate) fn panel(&self, panel: usize) -> &[u16] {
        &self.runs[panel * self.groups..][..self.groups]
    }

    /// Memory held, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.runs.as_slice())
    }
}

/// Whether the sums of products that meet in one lane stay within 16 bits for all activations.
fn fits(first: &[i8; QUAD_BYTES], second: &[i8; QUAD_BYTES]) -> bool {
    first.as_chunks::<2>().0.iter().zip(second.as_chunks::<2>().0).all(|(x, y)| {
        let weights = [x[0], x[1], y[0], y[1]].map(i32::from);
        let positive: i32 = weights.iter().filter(|w| **w > 0).sum();
        let negative: i32 = weights.iter().filter(|w| **w < 0).sum();
        positive <= MOST && -negative <= MOST
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_where_four_weights_of_one_sign_are_too_many() {
        let mut data = vec![3_i8; 6 * QUAD_BYTES];
        assert_eq!(Joins::find(&data, 6).panel(0), [3, 2, 2, 1, 1, 0]);
        // One lane of the fourth group: 64 + 63 and the 3 + 3 of a neighbour are 133.
        data[3 * QUAD_BYTES + 10] = 64;
        data[3 * QUAD_BYTES + 11] = 63;
        assert_eq!(Joins::find(&data, 6).panel(0), [1, 1, 0, 0, 1, 0]);
        // 128 exactly fits; weights of both signs do not add up.
        data[3 * QUAD_BYTES + 11] = 58;
        data[4 * QUAD_BYTES + 10] = -64;
        assert_eq!(Joins::find(&data, 6).panel(0), [3, 2, 2, 1, 1, 0]);
    }
}
