//! Packed weights of products that compute in fp32.

use half::{bf16, f16};

use crate::{Aligned, pack::PANEL};

/// A matrix `B[n, k]` (output features by input features) for products in fp32: held as fp32, or narrower and widened
/// when it is used.
///
/// Panels of 16 columns; inside a panel row by row of k, 16 columns each. Columns past `n` are zero.
#[derive(Clone, Debug, PartialEq)]
pub struct PackedFloat {
    n: usize,
    k: usize,
    data: Data,
}

/// The values of all panels, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    F32(Aligned<f32>),
    /// Bit patterns.
    F16(Aligned<u16>),
    /// Bit patterns.
    Bf16(Aligned<u16>),
    /// Codes, zero point 0, and their scales: one, or one a column.
    S8(Aligned<i8>, Vec<f32>),
}

impl PackedFloat {
    /// From fp32, `[n, k]` row-major.
    ///
    /// # Panics
    /// Unless `b` has `n · k` elements.
    pub fn f32(b: &[f32], n: usize, k: usize) -> Self {
        Self { n, k, data: Data::F32(packed(b, n, k, |v| v)) }
    }

    /// Rounded to fp16 (nearest, ties to even).
    ///
    /// # Panics
    /// As [`f32`](Self::f32).
    pub fn f16(b: &[f32], n: usize, k: usize) -> Self {
        Self { n, k, data: Data::F16(packed(b, n, k, |v| f16::from_f32(v).to_bits())) }
    }

    /// Rounded to bf16 (nearest, ties to even).
    ///
    /// # Panics
    /// As [`f32`](Self::f32).
    pub fn bf16(b: &[f32], n: usize, k: usize) -> Self {
        Self { n, k, data: Data::Bf16(packed(b, n, k, |v| bf16::from_f32(v).to_bits())) }
    }

    /// int8 codes with zero point 0; `scale` has one element, or `n`.
    ///
    /// # Panics
    /// Unless `b` has `n · k` elements and `scale` 1 or `n`.
    pub fn s8(b: &[i8], scale: Vec<f32>, n: usize, k: usize) -> Self {
        assert!(scale.len() == 1 || scale.len() == n, "{} scales for {n} columns", scale.len());
        Self { n, k, data: Data::S8(packed(b, n, k, |v| v), scale) }
    }

    /// Packs another fp32 matrix into the same memory, which grows when needed: element (j, kk) is
    /// `b[j * stride_n + kk * stride_k]`. For products of two activations: `Q · Kᵀ` is a stride swap.
    ///
    /// # Panics
    /// When an element lies beyond `b`, or narrower weights are held here.
    pub fn repack(&mut self, b: &[f32], n: usize, k: usize, stride_n: usize, stride_k: usize) {
        check_strided("repack", b.len(), (n, stride_n), (k, stride_k));
        (self.n, self.k) = (n, k);
        let Data::F32(data) = &mut self.data else { panic!("repack: {} weights are held", self.held_as()) };
        data.reset(n.div_ceil(PANEL) * PANEL * k);
        for (first, panel) in (0..n).step_by(PANEL).zip(data.chunks_exact_mut(PANEL * k.max(1))) {
            let width = PANEL.min(n - first);
            let rows = panel.as_chunks_mut::<PANEL>().0;
            if stride_k == 1 {
                for j in 0..width {
                    for (row, v) in rows.iter_mut().zip(&b[(first + j) * stride_n..][..k]) {
                        row[j] = *v;
                    }
                }
                continue;
            }
            for (kk, row) in rows.iter_mut().enumerate() {
                let from = &b[first * stride_n + kk * stride_k..];
                if stride_n == 1 {
                    row[..width].copy_from_slice(&from[..width]);
                    continue;
                }
                for (j, v) in row[..width].iter_mut().enumerate() {
                    *v = from[j * stride_n];
                }
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

    /// Memory held, in bytes.
    pub fn bytes(&self) -> usize {
        match &self.data {
            Data::F32(data) => 4 * data.len(),
            Data::F16(data) | Data::Bf16(data) => 2 * data.len(),
            Data::S8(data, scale) => data.len() + 4 * scale.len(),
        }
    }

    /// The type that weights are held in: `f32`, `f16`, `bf16` or `s8`.
    pub fn held_as(&self) -> &'static str {
        match self.data {
            Data::F32(_) => "f32",
            Data::F16(_) => "f16",
            Data::Bf16(_) => "bf16",
            Data::S8(..) => "s8",
        }
    }

    pub(crate) fn panels(&self) -> usize {
        self.n.div_ceil(PANEL)
    }

    pub(crate) fn data(&self) -> &Data {
        &self.data
    }
}

/// Panics unless every element of a strided matrix lies inside `len`.
#[track_caller]
pub(crate) fn check_strided(
    op: &str,
    len: usize,
    (n, stride_n): (usize, usize),
    (k, stride_k): (usize, usize),
) {
    if n == 0 || k == 0 {
        return;
    }
    let needed = (n as u128 - 1) * stride_n as u128 + (k as u128 - 1) * stride_k as u128 + 1;
    assert!(
        len as u128 >= needed,
        "{op}: b has {len} elements, [{n}, {k}] with strides ({stride_n}, {stride_k}) needs {needed}"
    );
}

fn packed<T: Copy, U: Copy + Default>(b: &[T], n: usize, k: usize, convert: impl Fn(T) -> U) -> Aligned<U> {
    assert!(b.len() == n * k, "weights have {} elements, [{n}, {k}] needs {}", b.len(), n * k);
    let mut data = Aligned::zeroed(n.div_ceil(PANEL) * PANEL * k);
    for (first, panel) in (0..n).step_by(PANEL).zip(data.chunks_exact_mut(PANEL * k.max(1))) {
        for j in 0..PANEL.min(n - first) {
            for (kk, v) in b[(first + j) * k..][..k].iter().enumerate() {
                panel[kk * PANEL + j] = convert(*v);
            }
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_rows_of_sixteen_columns_with_zero_padding() {
        let b: Vec<f32> = (1..=6).map(|v| v as f32).collect(); // [n = 2, k = 3]
        let packed = PackedFloat::f32(&b, 2, 3);
        let Data::F32(data) = packed.data() else { panic!("fp32 stays fp32") };
        assert_eq!(data[..3], [1.0, 4.0, 0.0]);
        assert_eq!(data[16..19], [2.0, 5.0, 0.0]);
        assert_eq!((data.len(), packed.bytes()), (48, 192));
        let mut again = PackedFloat::f32(&[7.0; 80], 20, 4);
        again.repack(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0], 2, 3, 1, 2);
        assert_eq!(again, packed);
        assert_eq!(PackedFloat::s8(&[1; 6], vec![0.5], 2, 3).bytes(), 48 + 4);
    }
}
