//! What the benches share: sizes, operands and the limits of a core.

pub mod limits;

/// (m, n, k): transformer projections, an im2col convolution, a single token.
pub const SHAPES: [(usize, usize, usize); 5] =
    [(128, 768, 768), (512, 1536, 384), (512, 384, 1536), (784, 64, 576), (1, 768, 768)];

pub fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i * 2_654_435_761) >> 13) as u8).collect()
}

pub fn floats(len: usize) -> Vec<f32> {
    bytes(len).iter().map(|&b| f32::from(b) / 64.0 - 2.0).collect()
}

/// Codes of so many bits, symmetric by the largest of each row, of values that are nearly normally distributed.
pub fn codes(n: usize, k: usize, bits: u8) -> Vec<i8> {
    let mut state = 1_u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let values: Vec<f32> = (0..n * k).map(|_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0).collect();
    let top = ((1 << (bits - 1)) - 1) as f32;
    let of_row = |row: &[f32]| {
        let largest = row.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
        row.iter().map(|v| (v / largest * top).round() as i8).collect::<Vec<_>>()
    };
    values.chunks_exact(k).flat_map(of_row).collect()
}
