//! Every registered kernel gives the bits of the oracle, and the oracle those of a formula written
//! a second time here, over hostile values and odd shapes.

mod common;

use calibench_kernels::{Kernels, MAX_ZERO_POINT, Op};
use common::*;
use proptest::prelude::*;

/// m, n, k, padding of the leading dimensions, seed.
fn shapes() -> impl Strategy<Value = (usize, usize, usize, usize, u64)> {
    (0_usize..=70, 0_usize..=70, 0_usize..=70, 0_usize..=3, any::<u64>())
}

fn naive<T: Copy + Into<i64>>(m: usize, n: usize, k: usize, a: &[T], lda: usize, b: &[i8]) -> Vec<i64> {
    let mut c = Vec::with_capacity(m * n);
    for i in 0..m {
        for j in 0..n {
            let dot = (0..k).map(|p| a[i * lda + p].into() * i64::from(b[j * k + p]));
            c.push(dot.sum());
        }
    }
    c
}

/// The `[m, n]` part of `c`, and a check that the padding was left alone.
fn unpad<C: Copy + Into<i64> + PartialEq>(m: usize, n: usize, c: &[C], ldc: usize, untouched: C) -> Vec<i64> {
    let mut out = Vec::new();
    for row in c.chunks(ldc.max(1)).take(m) {
        out.extend(row.iter().take(n).map(|&v| v.into()));
        assert!(row[n.min(row.len())..].iter().all(|&v| v == untouched), "padding was written");
    }
    out
}

macro_rules! gemm_conforms {
    ($test:ident, $op:expr, $method:ident, $pack:ident, $a:ty, $hostile:expr, $c:ty) => {
        #[test]
        fn $test() {
            for kernels in kernels_of($op) {
                let one = |m: usize, n: usize, k: usize, pad: usize, seed: u64| {
                    let mut rng = Mix(seed);
                    let (lda, ldc) = (k + pad, n + pad);
                    let a = rng.fill(m * lda, $hostile, |r| r as $a);
                    let b = rng.fill(n * k, HOSTILE_I8, |r| r as i8);
                    let packed = kernels.$pack(&b, n, k);
                    let mut c: Vec<$c> = vec![77; m * ldc];
                    kernels.$method(m, &a, lda, &packed, &mut c, ldc);
                    assert_eq!(
                        unpad(m, n, &c, ldc, 77),
                        naive(m, n, k, &a, lda, &b),
                        "{} m={m} n={n} k={k}",
                        kernels.isa()
                    );
                };
                check(150, shapes(), |(m, n, k, pad, seed)| {
                    one(m, n, k, pad, seed);
                    Ok(())
                });
                // Past one block of A, past one flush of an i32 tile, and a large odd K.
                for (m, n, k) in [(200, 17, 700), (1, 1, 511), (7, 33, 1025), (13, 5, 8191)] {
                    one(m, n, k, 1, 9);
                }
            }
        }
    };
}

gemm_conforms!(gemm_s8, Op::GemmS8, gemm_s8, pack_s8, i8, HOSTILE_I8, i32);
gemm_conforms!(gemm_u8, Op::GemmU8, gemm_u8, pack_s8, u8, HOSTILE_U8, i32);
gemm_conforms!(gemm_s16, Op::GemmS16, gemm_s16, pack_s8_for_s16, i16, HOSTILE_I16, i64);

#[test]
fn gemm_at_the_accumulator_bound() {
    let k = calibench_kernels::MAX_K_S8;
    for kernels in kernels_of(Op::GemmU8) {
        let packed = kernels.pack_s8(&vec![-128; k], 1, k);
        let mut c = [0];
        kernels.gemm_u8(1, &vec![255; k], k, &packed, &mut c, 1);
        assert_eq!(i64::from(c[0]), -255 * 128 * k as i64);
        let packed = kernels.pack_s8_for_s16(&vec![-128; k], 1, k);
        let mut c = [0];
        kernels.gemm_s16(1, &vec![i16::MIN; k], k, &packed, &mut c, 1);
        assert_eq!(c[0], 32768 * 128 * k as i64);
    }
}

#[test]
fn strided_packing_is_a_transpose() {
    let (n, k) = (21, 13);
    let b = Mix(5).fill(n * k, HOSTILE_I8, |r| r as i8);
    let transposed: Vec<i8> = (0..n * k).map(|i| b[i % n * k + i / n]).collect();
    let kernels = Kernels::best();
    assert_eq!(kernels.pack_s8(&b, n, k), kernels.pack_s8_strided(&transposed, n, k, 1, n));
}

#[test]
fn row_sums_s8() {
    for kernels in kernels_of(Op::RowSumsS8) {
        check(150, (0_usize..=9, 0_usize..=200, 0_usize..=3, any::<u64>()), |(m, k, pad, seed)| {
            let lda = k + pad;
            let a = Mix(seed).fill(m * lda, HOSTILE_I8, |r| r as i8);
            let mut out = vec![77; m];
            kernels.row_sums_s8(m, k, &a, lda, &mut out);
            let expected: Vec<i32> =
                (0..m).map(|i| a[i * lda..][..k].iter().map(|&v| i32::from(v)).sum()).collect();
            prop_assert_eq!(out, expected);
            Ok(())
        });
    }
}

macro_rules! epilogue_conforms {
    ($test:ident, $op:expr, $t:ty, $wide:ty, $hostile:expr) => {
        #[test]
        fn $test() {
            let inputs = (0_usize..=5, 1_usize..=40, any::<[bool; 4]>(), any::<u64>());
            for kernels in kernels_of($op) {
                check(600, &inputs, |(rows, n, [per_column, with_corr, with_bias, relu], seed)| {
                    let mut rng = Mix(seed);
                    let narrow = |r: u64| (r as $t) >> (r >> 58) % (<$t>::BITS as u64);
                    let acc = rng.fill(rows * n, $hostile, narrow);
                    let corr = rng.fill(if with_corr { n } else { 0 }, $hostile, narrow);
                    let wild = |r: u64| f32::from_bits(r as u32);
                    let scale = rng.fill(if per_column { n } else { 1 }, &[1e-3, 0.37, 1.0], wild);
                    let bias = rng.fill(n, &[0.1, -2.5, -0.0], wild);
                    let bias = with_bias.then_some(&bias[..]);
                    let mut out = vec![0.0; rows * n];
                    kernels.$test(&acc, n, &corr, &scale, bias, relu, &mut out);
                    let expected: Vec<f32> = (0..rows * n)
                        .map(|i| {
                            let c = corr.get(i % n).copied().unwrap_or(0);
                            let sum = (<$wide>::from(acc[i]) + <$wide>::from(c))
                                .clamp(<$t>::MIN.into(), <$t>::MAX.into());
                            let mut x = sum as f32 * scale[if per_column { i % n } else { 0 }];
                            if let Some(bias) = bias {
                                x += bias[i % n];
                            }
                            if relu && x < 0.0 { 0.0 } else { x }
                        })
                        .collect();
                    prop_assert_eq!(bits(&out), bits(&expected));
                    Ok(())
                });
            }
        }
    };
}

epilogue_conforms!(dequantize_s64, Op::DequantizeS64, i64, i128, HOSTILE_I64);

/// The formula of `quantize`, in f64 after the one f32 division that defines it.
fn quantize_formula(x: f32, scale: f32, zp: i32, lo: i32, hi: i32) -> i32 {
    let ratio = x / scale;
    if ratio.is_nan() {
        return zp.clamp(lo, hi);
    }
    let q = f64::from(ratio).round_ties_even() + f64::from(zp);
    q.clamp(lo.into(), hi.into()) as i32
}

fn scales() -> impl Strategy<Value = f32> {
    prop_oneof![
        Just(1.0_f32),
        Just(0.5),
        Just(f32::MIN_POSITIVE),
        Just(1e-45),
        Just(f32::MAX),
        1e-6_f32..10.0,
        any::<u32>().prop_map(f32::from_bits),
    ]
}

macro_rules! quantize_conforms {
    ($test:ident, $op:expr, $t:ty) => {
        #[test]
        fn $test() {
            let zero_points = prop_oneof![
                Just(0_i32),
                i32::from(<$t>::MIN)..=i32::from(<$t>::MAX),
                -MAX_ZERO_POINT..=MAX_ZERO_POINT
            ];
            let inputs = (0_usize..=100, scales(), zero_points, any::<($t, $t)>(), any::<u64>());
            for kernels in kernels_of($op) {
                check(800, &inputs, |(len, scale, zp, bounds, seed)| {
                    let mut rng = Mix(seed);
                    let (lo, hi) = (i32::from(bounds.0.min(bounds.1)), i32::from(bounds.0.max(bounds.1)));
                    let mut x = rng.fill(len, HOSTILE_F32, |r| f32::from_bits(r as u32));
                    // Ties and near-ties at the given scale.
                    for x in x.iter_mut().step_by(3) {
                        *x = ((rng.next() % 600) as f32 / 2.0 - 150.0) * scale;
                    }
                    let mut out = vec![0; len];
                    kernels.$test(&x, scale, zp, lo, hi, &mut out);
                    let expected: Vec<$t> =
                        x.iter().map(|&x| quantize_formula(x, scale, zp, lo, hi) as $t).collect();
                    prop_assert_eq!(out, expected);
                    Ok(())
                });
            }
        }
    };
}

quantize_conforms!(quantize_s8, Op::QuantizeS8, i8);
quantize_conforms!(quantize_s16, Op::QuantizeS16, i16);

macro_rules! dequantize_conforms {
    ($test:ident, $op:expr, $t:ty, $hostile:expr) => {
        #[test]
        fn $test() {
            let inputs = (0_usize..=100, scales(), -MAX_ZERO_POINT..=MAX_ZERO_POINT, any::<u64>());
            for kernels in kernels_of($op) {
                check(300, &inputs, |(len, scale, zp, seed)| {
                    let q = Mix(seed).fill(len, $hostile, |r| r as $t);
                    let mut out = vec![0.0; len];
                    kernels.$test(&q, scale, zp, &mut out);
                    let expected: Vec<f32> = q.iter().map(|&q| (i32::from(q) - zp) as f32 * scale).collect();
                    prop_assert_eq!(bits(&out), bits(&expected));
                    Ok(())
                });
            }
        }
    };
}

dequantize_conforms!(dequantize_s8, Op::DequantizeS8, i8, HOSTILE_I8);
dequantize_conforms!(dequantize_s16, Op::DequantizeS16, i16, HOSTILE_I16);

#[test]
fn min_max() {
    for kernels in kernels_of(Op::MinMax) {
        check(600, (0_usize..=200, any::<u64>()), |(len, seed)| {
            let x = Mix(seed).fill(len, HOSTILE_F32, |r| f32::from_bits(r as u32));
            let mut finite: Vec<f32> = x.iter().copied().filter(|v| v.is_finite()).collect();
            finite.sort_by(f32::total_cmp);
            let expected = finite.first().zip(finite.last()).map(|(a, b)| (a + 0.0, b + 0.0));
            let got = kernels.min_max(&x);
            prop_assert_eq!(
                got.map(|(a, b)| (a.to_bits(), b.to_bits())),
                expected.map(|(a, b)| (a.to_bits(), b.to_bits()))
            );
            Ok(())
        });
        assert_eq!(kernels.min_max(&[f32::NAN; 70]), None);
        assert_eq!(kernels.min_max(&[f32::INFINITY, f32::NEG_INFINITY]), None);
        let zeros = kernels.min_max(&[-0.0; 70]).unwrap();
        assert_eq!((zeros.0.to_bits(), zeros.1.to_bits()), (0, 0));
    }
}

#[test]
#[should_panic(expected = "gemm_s8: a has 5 elements, [2, 3] with leading dimension 3 needs 6")]
fn a_short_slice_is_named() {
    let kernels = Kernels::best();
    let b = kernels.pack_s8(&[0; 3], 1, 3);
    kernels.gemm_s8(2, &[0; 5], 3, &b, &mut [0; 2], 1);
}

#[test]
fn every_family_is_tested() {
    let tests = concat!(
        include_str!("conformance.rs"),
        include_str!("half.rs"),
        include_str!("bytes.rs"),
        include_str!("products.rs")
    );
    for op in Op::ALL {
        let named = [format!("Op::{op:?})"), format!("Op::{op:?},")];
        assert!(named.iter().any(|n| tests.contains(n)), "no test asks for {op}");
    }
}
