//! Packed int8 weights: the right-hand side of every integer GEMM.

use crate::{Aligned, KernelError, Products, SEVEN_BITS, joins::Joins};

/// Columns (output features) in one packed panel.
pub(crate) const PANEL: usize = 16;

/// How many successive k of a column lie side by side: what one instruction adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// Two, for `vpmaddwd` and the scalar loops.
    Pairs = 2,
    /// Four, for dot products of four bytes (VNNI).
    Quads = 4,
}

/// The largest K whose u8 × s8 products cannot overflow an `i32` accumulator, whatever the values:
/// `floor(2^31 / (255 · 128)) = 65 793`. (s8 × s8 alone would allow 131 071.)
pub const MAX_K_S8: usize = (1_u64 << 31).div_euclid(255 * 128) as usize;

const _: () = assert!(MAX_K_S8 == 65_793);

/// An int8 matrix `B[n, k]` (output features by input features), packed for the GEMM kernels.
///
/// Panels of 16 columns; inside a panel groups of two or four successive k in order, as the instruction set adds them
/// up; inside a group, column by column, its k in order. Columns past `n` and k past the last are zero, so kernels need
/// no tail code. The sum of each column over k is kept too: the zero point of the activations folds into
/// `corr[j] = bias[j] − zp_a · col_sums[j]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedS8 {
    n: usize,
    k: usize,
    group: Group,
    products: Products,
    data: Aligned<i8>,
    col_sums: Vec<i32>,
    /// Of 7-bit weights, where sums may be added in 16 bits.
    joins: Joins,
}

impl PackedS8 {
    /// Packs `B` from a slice in which element (j, kk) is `b[j * stride_n + kk * stride_k]`.
    pub(crate) fn pack(b: &[i8], n: usize, k: usize, stride_n: usize, stride_k: usize, group: Group) -> Self {
        let mut packed = Self {
            n: 0,
            k: 0,
            group,
            products: Products::Exact,
            data: Aligned::new(),
            col_sums: Vec::new(),
            joins: Joins::default(),
        };
        packed.refill(b, n, k, stride_n, stride_k);
        packed
    }

    /// Packs `B[n, k]`, row-major, for kernels that multiply bytes.
    ///
    /// # Errors
    /// [`KernelError::WideWeight`] for 7-bit products where a weight has more.
    pub(crate) fn pack_bytes(products: Products, b: &[i8], n: usize, k: usize) -> Result<Self, KernelError> {
        if products == Products::SevenBit {
            let wide = |w: &&i8| w.unsigned_abs() > SEVEN_BITS.unsigned_abs();
            if let Some(weight) = b[..n * k].iter().find(wide) {
                return Err(KernelError::WideWeight { weight: *weight });
            }
        }
        let mut packed = Self::pack(b, n, k, k, 1, Group::Quads);
        packed.products = products;
        if products == Products::SevenBit {
            packed.joins = Joins::find(&packed.data, packed.groups());
        }
        Ok(packed)
    }

    /// Of a panel of 7-bit weights, where sums may be added in 16 bits.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "the scalar kernels add in 32 bits"))]
    pub(crate) fn joins(&self, panel: usize) -> &[u16] {
        self.joins.panel(panel)
    }

    /// How the kernels that it is packed for sum products.
    pub fn products(&self) -> Products {
        self.products
    }

    /// Packs another matrix into the same memory, which grows when needed.
    pub(crate) fn refill(&mut self, b: &[i8], n: usize, k: usize, stride_n: usize, stride_k: usize) {
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
        (self.n, self.k) = (n, k);
        let (group, groups) = (self.group as usize, self.groups());
        self.data.reset(n.div_ceil(PANEL) * groups * PANEL * group);
        self.col_sums.clear();
        self.col_sums.resize(n, 0);
        if k == 0 {
            return;
        }
        let panel_len = groups * PANEL * group;
        for (first, panel) in (0..n).step_by(PANEL).zip(self.data.chunks_exact_mut(panel_len)) {
            let width = PANEL.min(n - first);
            let sums = &mut self.col_sums[first..first + width];
            match self.group {
                Group::Pairs => fill::<2>(panel, &b[first * stride_n..], k, stride_n, stride_k, sums),
                Group::Quads => fill::<4>(panel, &b[first * stride_n..], k, stride_n, stride_k, sums),
            }
        }
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
        self.data.len() + size_of_val(self.col_sums.as_slice()) + self.joins.bytes()
    }

    pub(crate) fn panels(&self) -> usize {
        self.n.div_ceil(PANEL)
    }

    /// Groups along k, the last one filled up with zeros.
    pub(crate) fn groups(&self) -> usize {
        self.k.div_ceil(self.group as usize)
    }

    /// The groups of one panel in order, each of `16 · group` bytes.
    ///
    /// # Panics
    /// When the matrix was packed for an instruction set of another group.
    #[inline]
    pub(crate) fn panel(&self, panel: usize, group: Group) -> &[i8] {
        assert!(
            self.group == group,
            "weights were packed by the kernels of another instruction set, or for other activations"
        );
        let len = self.groups() * PANEL * group as usize;
        &self.data[panel * len..][..len]
    }
}

/// Fills one panel from the columns in `b`, and the sums of these columns.
fn fill<const G: usize>(
    panel: &mut [i8],
    b: &[i8],
    k: usize,
    stride_n: usize,
    stride_k: usize,
    sums: &mut [i32],
) {
    let cells = panel.as_chunks_mut::<G>().0;
    if stride_k == 1 {
        for (j, sum) in sums.iter_mut().enumerate() {
            let row = &b[j * stride_n..][..k];
            *sum = row.iter().map(|&v| i32::from(v)).sum();
            let (whole, rest) = row.as_chunks::<G>();
            for (group, values) in whole.iter().enumerate() {
                cells[group * PANEL + j] = *values;
            }
            if !rest.is_empty() {
                cells[whole.len() * PANEL + j][..rest.len()].copy_from_slice(rest);
            }
        }
        return;
    }
    if stride_n == 1 {
        for (group, cells) in (0..k).step_by(G).zip(cells.as_chunks_mut::<PANEL>().0) {
            let mut rows = [[0; PANEL]; G];
            for (row, kk) in rows.iter_mut().zip(group..k) {
                row[..sums.len()].copy_from_slice(&b[kk * stride_k..][..sums.len()]);
            }
            for (j, cell) in cells.iter_mut().enumerate() {
                *cell = std::array::from_fn(|i| rows[i][j]);
            }
            for (j, sum) in sums.iter_mut().enumerate() {
                *sum += rows.iter().map(|row| i32::from(row[j])).sum::<i32>();
            }
        }
        return;
    }
    for kk in 0..k {
        let row = &b[kk * stride_k..];
        let cells = &mut cells[kk / G * PANEL..][..sums.len()];
        for (j, (cell, sum)) in cells.iter_mut().zip(sums.iter_mut()).enumerate() {
            let v = row[j * stride_n];
            *sum += i32::from(v);
            cell[kk % G] = v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_groups_inside_panels_with_zero_padding() {
        let b: Vec<i8> = (1..=6).collect(); // [n = 2, k = 3]
        let transposed = [1, 4, 2, 5, 3, 6]; // the same B, stored [k, n]
        let pairs = PackedS8::pack(&b, 2, 3, 3, 1, Group::Pairs);
        assert_eq!(pairs.panel(0, Group::Pairs)[..5], [1, 2, 4, 5, 0]);
        assert_eq!(pairs.panel(0, Group::Pairs)[32..37], [3, 0, 6, 0, 0]);
        assert_eq!(pairs.col_sums(), [6, 15]);
        assert_eq!(pairs.bytes(), 2 * 32 + 8);
        assert_eq!(PackedS8::pack(&transposed, 2, 3, 1, 2, Group::Pairs), pairs);
        let mut quads = PackedS8::pack(&[9; 40], 4, 10, 10, 1, Group::Quads);
        quads.refill(&b, 2, 3, 3, 1);
        assert_eq!(quads.panel(0, Group::Quads)[..9], [1, 2, 3, 0, 4, 5, 6, 0, 0]);
        assert_eq!(quads, PackedS8::pack(&transposed, 2, 3, 1, 2, Group::Quads));
    }

    #[test]
    #[should_panic(expected = "another instruction set")]
    fn weights_packed_for_other_kernels_are_refused() {
        let _ = PackedS8::pack(&[1; 4], 1, 4, 4, 1, Group::Quads).panel(0, Group::Pairs);
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
        let _ = PackedS8::pack(&vec![0; k], 1, k, k, 1, Group::Pairs);
    }
}
