//! Packed int8 weights: the right-hand side of every integer GEMM.

/// Columns (output features) in one packed panel.
pub(crate) const PANEL: usize = 16;
/// Bytes of one k-pair of one panel.
pub(crate) const PAIR_BYTES: usize = 2 * PANEL;

/// The largest K whose u8 × s8 products cannot overflow an `i32` accumulator, whatever the values:
/// `floor(2^31 / (255 · 128)) = 65 793`. (s8 × s8 alone would allow 131 071.)
pub const MAX_K_S8: usize = (1_u64 << 31).div_euclid(255 * 128) as usize;

const _: () = assert!(MAX_K_S8 == 65_793);

/// An int8 matrix `B[n, k]` (output features by input features), packed for the GEMM kernels.
///
/// Layout, the same for every instruction set: panels of 16 columns; inside a panel the k-pairs in
/// order; inside a k-pair, column by column, `B[j, 2p]` then `B[j, 2p + 1]`. Columns past `n` and
/// an odd last k are zero, so kernels need no tail code. The sum of each column over k is kept too:
/// the zero point of the activations folds into `corr[j] = bias[j] − zp_a · col_sums[j]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedS8 {
    n: usize,
    k: usize,
    data: Vec<[i8; PAIR_BYTES]>,
    col_sums: Vec<i32>,
}

impl PackedS8 {
    /// Packs `B` from a slice in which element (j, kk) is `b[j * stride_n + kk * stride_k]`.
    pub(crate) fn pack(b: &[i8], n: usize, k: usize, stride_n: usize, stride_k: usize) -> Self {
        assert!(
            k <= MAX_K_S8,
            "pack_s8: k = {k} is above {MAX_K_S8}, where an i32 accumulator can overflow; split k"
        );
        if n > 0 && k > 0 {
            let needed = (n as u128 - 1) * stride_n as u128 + (k as u128 - 1) * stride_k as u128 + 1;
            assert!(
                b.len() as u128 >= needed,
                "pack_s8: b has {} elements, [n = {n}, k = {k}] with strides ({stride_n}, \
                 {stride_k}) needs {needed}",
                b.len()
            );
        }
        let pairs = k.div_ceil(2);
        let mut data = vec![[0_i8; PAIR_BYTES]; n.div_ceil(PANEL) * pairs];
        let mut col_sums = vec![0_i32; n];
        for (j, sum) in col_sums.iter_mut().enumerate() {
            let panel = &mut data[j / PANEL * pairs..][..pairs];
            let lane = 2 * (j % PANEL);
            if stride_k == 1 {
                let row = if k == 0 { &[] } else { &b[j * stride_n..][..k] };
                *sum = row.iter().map(|&v| i32::from(v)).sum();
                for (pair, v) in panel.iter_mut().zip(row.chunks(2)) {
                    pair[lane..lane + v.len()].copy_from_slice(v);
                }
            } else {
                for kk in 0..k {
                    let v = b[j * stride_n + kk * stride_k];
                    *sum += i32::from(v);
                    panel[kk / 2][lane + kk % 2] = v;
                }
            }
        }
        Self { n, k, data, col_sums }
    }

    /// Columns of C: output features.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The reduction length: input features.
    pub fn k(&self) -> usize {
        self.k
    }

    /// `Σ_k B[j, k]` for each column `j`, length `n`.
    pub fn col_sums(&self) -> &[i32] {
        &self.col_sums
    }

    /// Memory held, in bytes: the packed values with their padding, and the column sums.
    pub fn bytes(&self) -> usize {
        self.data.len() * PAIR_BYTES + size_of_val(self.col_sums.as_slice())
    }

    pub(crate) fn panels(&self) -> usize {
        self.n.div_ceil(PANEL)
    }

    pub(crate) fn pairs(&self) -> usize {
        self.k.div_ceil(2)
    }

    /// The k-pairs of one panel, in order.
    pub(crate) fn panel(&self, panel: usize) -> &[[i8; PAIR_BYTES]] {
        &self.data[panel * self.pairs()..][..self.pairs()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_pairs_inside_panels_with_zero_padding() {
        let b: Vec<i8> = (1..=6).collect(); // [n = 2, k = 3]
        let packed = PackedS8::pack(&b, 2, 3, 3, 1);
        assert_eq!(packed.panel(0)[0][..5], [1, 2, 4, 5, 0]);
        assert_eq!(packed.panel(0)[1][..5], [3, 0, 6, 0, 0]);
        assert_eq!(packed.col_sums(), [6, 15]);
        assert_eq!(packed.bytes(), 2 * PAIR_BYTES + 8);
        let transposed = [1, 4, 2, 5, 3, 6]; // the same B, stored [k, n]
        assert_eq!(PackedS8::pack(&transposed, 2, 3, 1, 2), packed);
    }

    #[test]
    fn accumulator_bound_is_tight() {
        let worst = -255_i64 * 128;
        assert!(worst * MAX_K_S8 as i64 >= i64::from(i32::MIN));
        assert!(worst * (MAX_K_S8 as i64 + 1) < i64::from(i32::MIN));
    }

    #[test]
    #[should_panic(expected = "split k")]
    fn too_long_a_reduction_is_refused() {
        let k = MAX_K_S8 + 1;
        let _ = PackedS8::pack(&vec![0; k], 1, k, k, 1);
    }
}
