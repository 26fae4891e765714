//! Kernels that multiply bytes: exact where weights have 7 bits, saturating pair by pair otherwise.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic")]

mod common;

use calibench_kernels::{
    CodeImage, Finish, Isa, KernelSet, Kernels, Op, Output, PackedS8, Products, Windows,
};
use common::*;

/// The kernels of a family, on every instruction set that has them and that this machine has.
fn sets(products: Products) -> Vec<Kernels> {
    let family = match products {
        Products::SevenBit => kernels_of(Op::GemmS8SevenBit),
        _ => kernels_of(Op::GemmS8Saturating),
    };
    family.iter().map(|k| Kernels::of(KernelSet { isa: k.isa(), products }).unwrap()).collect()
}

fn gemm(kernels: Kernels, (m, n, k): (usize, usize, usize), a: &[i8], packed: &PackedS8) -> Vec<i32> {
    let mut c = vec![0; m * n];
    kernels.gemm_s8(m, a, k, packed, &mut c, n);
    c
}

/// What the definition says, in 64 bits.
fn exact((m, n, k): (usize, usize, usize), a: &[i8], b: &[i8]) -> Vec<i32> {
    let one =
        |i: usize, j: usize| (0..k).map(|p| i64::from(a[i * k + p]) * i64::from(b[j * k + p])).sum::<i64>();
    (0..m * n).map(|at| one(at / n, at % n) as i32).collect()
}

const SHAPES: [(usize, usize, usize); 9] = [
    (1, 1, 1),
    (1, 16, 4),
    (2, 17, 7),
    (4, 16, 8),
    (5, 33, 9),
    (7, 15, 64),
    (13, 40, 131),
    (9, 130, 258),
    (3, 3, 1030),
];

/// Weights within ±most, of which some groups may be added in 16 bits and some may not.
fn weights(rng: &mut Mix, len: usize, most: i64) -> Vec<i8> {
    let small = |r: u64| ((r % 21) as i64 - 10) as i8;
    (0..len)
        .map(|i| match rng.next() {
            // Long runs of small weights, so that whole groups are joined.
            r if i / 40 % 3 == 0 => small(r),
            r if r % 7 == 0 => [most, -most, most - 1][(r >> 20) as usize % 3] as i8,
            r => ((r >> 8) as i64 % (2 * most + 1) - most) as i8,
        })
        .collect()
}

#[test]
fn seven_bit_products_are_exact_for_every_activation() {
    let mut rng = Mix(5);
    for shape in SHAPES {
        let (m, n, k) = shape;
        for round in 0..4 {
            let a = rng.fill(m * k, HOSTILE_I8, |r| r as i8);
            let b = if round == 0 { vec![64; n * k] } else { weights(&mut rng, n * k, 64) };
            let expected = exact(shape, &a, &b);
            for kernels in sets(Products::SevenBit) {
                let packed = kernels.pack_weights_s8(&b, n, k).unwrap();
                assert_eq!(gemm(kernels, shape, &a, &packed), expected, "{shape:?} on {}", kernels.set());
                assert_eq!(kernels.saturations_s8(m, &a, k, &packed), 0);
                let unsigned: Vec<u8> = a.iter().map(|v| *v as u8 ^ 0x80).collect();
                let mut c = vec![0; m * n];
                kernels.gemm_u8(m, &unsigned, k, &packed, &mut c, n);
                let moved = |(at, v): (usize, &i32)| v + 128 * packed.col_sums()[at % n];
                assert_eq!(c, expected.iter().enumerate().map(moved).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn a_weight_of_eight_bits_is_refused_for_seven() {
    for kernels in sets(Products::SevenBit) {
        let error = kernels.pack_weights_s8(&[1, -65], 1, 2).unwrap_err().to_string();
        assert!(error.contains("-65"), "{error}");
    }
}

#[test]
fn saturating_products_are_the_scalar_ones_and_count_where_they_differ_from_exact() {
    let mut rng = Mix(6);
    for shape in SHAPES {
        let (m, n, k) = shape;
        for _ in 0..3 {
            let a = rng.fill(m * k, HOSTILE_I8, |r| r as i8);
            let b = weights(&mut rng, n * k, 127);
            let all = sets(Products::Saturating);
            let scalar = all.iter().find(|k| k.isa() == Isa::Generic).unwrap();
            let packed = scalar.pack_weights_s8(&b, n, k).unwrap();
            let expected = gemm(*scalar, shape, &a, &packed);
            let count = scalar.saturations_s8(m, &a, k, &packed);
            assert_eq!(count == 0, expected == exact(shape, &a, &b), "{shape:?}: {count}");
            for kernels in all {
                let packed = kernels.pack_weights_s8(&b, n, k).unwrap();
                assert_eq!(gemm(kernels, shape, &a, &packed), expected, "{shape:?} on {}", kernels.set());
                assert_eq!(kernels.saturations_s8(m, &a, k, &packed), count);
            }
        }
    }
}

#[test]
fn the_largest_pair_saturates_at_sixteen_bits() {
    for kernels in sets(Products::Saturating) {
        let packed = kernels.pack_weights_s8(&[127, 127], 1, 2).unwrap();
        // 255 · 127 twice is 64,770; in s8 the activation is 127, and the column's sum 254 is taken back 128 times.
        assert_eq!(gemm(kernels, (1, 1, 2), &[127, 127], &packed), [32_767 - 128 * 254]);
        assert_eq!(kernels.saturations_s8(1, &[127, 127], 2, &packed), 1);
    }
}

#[test]
fn windows_of_an_image_give_what_their_rows_do() {
    let mut rng = Mix(7);
    // Images of 12 values a pixel, 7 wide; filters of 3 rows of 2 pixels.
    let (channels, width, out) = (12, 7, 19);
    // In groups of four.
    let windows = Windows { count: 3, len: 2 * channels / 4, stride: width * channels / 4 };
    let (k, starts) = (6 * channels, (0..5).map(|x| x * channels / 4).collect::<Vec<_>>());
    let image = rng.fill(3 * width * channels, HOSTILE_I8, |r| r as i8);
    let rows: Vec<i8> = starts
        .iter()
        .flat_map(|s| (0..3).flat_map(move |p| s + p * windows.stride..s + p * windows.stride + windows.len))
        .flat_map(|group| &image[4 * group..][..4])
        .copied()
        .collect();
    let moved: Vec<u8> = image.iter().map(|code| (i16::from(*code) + 128) as u8).collect();
    for (products, most) in [(Products::SevenBit, 64), (Products::Saturating, 127)] {
        let b = weights(&mut rng, out * k, most);
        for kernels in sets(products) {
            assert_eq!(kernels.s8_group(), 4);
            let packed = kernels.pack_weights_s8(&b, out, k).unwrap();
            let mut got = vec![0.0; starts.len() * out];
            let (image, output) = (CodeImage::Quads(&moved), Output::F32(&mut got));
            kernels.conv_s8(image, &starts, windows, &packed, &Finish::default(), output, out);
            let expected = gemm(kernels, (starts.len(), out, k), &rows, &packed);
            assert_eq!(got, expected.iter().map(|v| *v as f32).collect::<Vec<_>>(), "{}", kernels.set());
        }
    }
}
