//! Half storage against the `half` crate bit for bit, and float products against f64 with a bound.

mod common;

use calibench_kernels::{Kernels, NarrowWeights, Op};
use common::*;
use half::{bf16, f16};
use proptest::prelude::*;

/// Every exponent, with mantissas around each rounding boundary of f16 and bf16, and a wide sample.
fn f32_patterns() -> Vec<f32> {
    let mut out = Vec::new();
    for upper in 0..=u16::MAX {
        for lower in [0_u32, 1, 0x0FFF, 0x1000, 0x1001, 0x2000, 0x7FFF, 0x8000, 0x8001, 0xFFFF] {
            out.push(f32::from_bits(u32::from(upper) << 16 | lower));
        }
    }
    let mut rng = Mix(11);
    out.extend((0..200_003).map(|_| f32::from_bits(rng.next() as u32)));
    out
}

fn raw_bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|v| v.to_bits()).collect()
}

/// Not `assert_eq`: a difference would print a million numbers.
fn assert_same<T: PartialEq + std::fmt::LowerHex>(what: &str, got: &[T], expected: &[T]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!(g == e, "{what}: element {i} is {g:#x}, expected {e:#x}");
    }
}

#[test]
fn widening_all_patterns() {
    let all: Vec<u16> = (0..=u16::MAX).collect();
    let mut out = vec![0.0; all.len()];
    for kernels in kernels_of(Op::F16ToF32) {
        kernels.f16_to_f32(&all, &mut out);
        let expected: Vec<f32> = all.iter().map(|&b| f16::from_bits(b).to_f32()).collect();
        assert_same(kernels.isa().id(), &raw_bits(&out), &raw_bits(&expected));
    }
    for kernels in kernels_of(Op::Bf16ToF32) {
        kernels.bf16_to_f32(&all, &mut out);
        let expected: Vec<f32> = all.iter().map(|&b| bf16::from_bits(b).to_f32()).collect();
        assert_same(kernels.isa().id(), &raw_bits(&out), &raw_bits(&expected));
    }
}

#[test]
fn narrowing_a_wide_sample() {
    let x = f32_patterns();
    let mut out = vec![0; x.len()];
    for kernels in kernels_of(Op::F32ToF16) {
        kernels.f32_to_f16(&x, &mut out);
        let expected: Vec<u16> = x.iter().map(|&v| f16::from_f32(v).to_bits()).collect();
        assert_same(kernels.isa().id(), &out, &expected);
    }
    for kernels in kernels_of(Op::F32ToBf16) {
        kernels.f32_to_bf16(&x, &mut out);
        let expected: Vec<u16> = x.iter().map(|&v| bf16::from_f32(v).to_bits()).collect();
        assert_same(kernels.isa().id(), &out, &expected);
    }
}

#[test]
fn rounding_in_place() {
    let x = f32_patterns();
    for kernels in kernels_of(Op::RoundF16) {
        let mut out = x.clone();
        kernels.round_f16(&mut out);
        let expected: Vec<f32> = x.iter().map(|&v| f16::from_f32(v).to_f32()).collect();
        assert_same(kernels.isa().id(), &raw_bits(&out), &raw_bits(&expected));
    }
    for kernels in kernels_of(Op::RoundBf16) {
        let mut out = x.clone();
        kernels.round_bf16(&mut out);
        let expected: Vec<f32> = x.iter().map(|&v| bf16::from_f32(v).to_f32()).collect();
        assert_same(kernels.isa().id(), &raw_bits(&out), &raw_bits(&expected));
    }
}

#[test]
fn nan_stays_nan_and_quiet() {
    for kernels in kernels_of(Op::F32ToF16) {
        let x = [f32::from_bits(0x7F80_0001), f32::from_bits(0xFFC1_2345)];
        let mut out = [0; 2];
        kernels.f32_to_f16(&x, &mut out);
        assert_eq!(out, [0x7E00, 0xFE09]);
        kernels.f32_to_bf16(&x, &mut out);
        assert_eq!(out, [0x7FC0, 0xFFC1]);
    }
}

/// m, n, k, padding of the leading dimensions, (bias, relu), seed.
fn shapes() -> impl Strategy<Value = (usize, usize, usize, usize, (bool, bool), u64)> {
    (0_usize..=40, 0_usize..=70, 0_usize..=70, 0_usize..=3, any::<(bool, bool)>(), any::<u64>())
}

/// `Σ a·b (+ bias)` in f64 and the bound `(k + 4) · 2^-23 · (Σ |a·b| + |bias|)` on any order of f32
/// summation.
fn reference(terms: impl Iterator<Item = (f32, f32)>, bias: f32, relu: bool) -> (f64, f64) {
    let (mut sum, mut magnitude, mut k) = (f64::from(bias), f64::from(bias).abs(), 4.0);
    for (a, b) in terms {
        let product = f64::from(a) * f64::from(b);
        sum += product;
        magnitude += product.abs();
        k += 1.0;
    }
    (if relu { sum.max(0.0) } else { sum }, k * f64::from(f32::EPSILON) * magnitude)
}

#[test]
fn gemm_f32() {
    for kernels in kernels_of(Op::GemmF32) {
        check(150, shapes(), |(m, n, k, pad, (with_bias, relu), seed)| {
            let mut rng = Mix(seed);
            let ld = k + pad;
            let (a, b) = (rng.floats(m * ld), rng.floats(n * ld));
            let bias = rng.floats(n);
            let given = with_bias.then_some(&bias[..]);
            let mut c = vec![f32::NAN; m * (n + pad)];
            kernels.gemm_f32(m, n, k, &a, ld, &b, ld, given, relu, &mut c, n + pad);
            for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let terms = (0..k).map(|p| (a[i * ld + p], b[j * ld + p]));
                let (want, bound) = reference(terms, if with_bias { bias[j] } else { 0.0 }, relu);
                let got = f64::from(c[i * (n + pad) + j]);
                prop_assert!((got - want).abs() <= bound, "[{i},{j}] {got} {want}");
            }
            Ok(())
        });
    }
}

#[test]
fn matmul_f32_with_any_strides() {
    for kernels in kernels_of(Op::MatmulF32) {
        check(150, shapes(), |(m, n, k, pad, (flip_a, flip_b), seed)| {
            let mut rng = Mix(seed);
            let (rs_a, cs_a) = if flip_a { (1, m + pad) } else { (k + pad, 1) };
            let (rs_b, cs_b) = if flip_b { (1, k + pad) } else { (n + pad, 1) };
            let a = rng.floats((m + pad) * (k + pad));
            let b = rng.floats((n + pad) * (k + pad));
            let mut c = vec![f32::NAN; m * (n + pad)];
            kernels.matmul_f32(m, n, k, &a, rs_a, cs_a, &b, rs_b, cs_b, &mut c, n + pad);
            for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let terms = (0..k).map(|p| (a[i * rs_a + p * cs_a], b[p * rs_b + j * cs_b]));
                let (want, bound) = reference(terms, 0.0, false);
                let got = f64::from(c[i * (n + pad) + j]);
                prop_assert!((got - want).abs() <= bound, "[{i},{j}] {got} {want}");
            }
            Ok(())
        });
    }
}

/// The weights as f32, row-major, by the formula of `NarrowWeights`.
fn widened(w: &NarrowWeights) -> Vec<f32> {
    match w {
        NarrowWeights::S8 { data, scale, k, .. } => data
            .iter()
            .enumerate()
            .map(|(i, &q)| f32::from(q) * scale[if scale.len() == 1 { 0 } else { i / k }])
            .collect(),
        NarrowWeights::F16 { data, .. } => data.iter().map(|&b| f16::from_bits(b).to_f32()).collect(),
        NarrowWeights::Bf16 { data, .. } => data.iter().map(|&b| bf16::from_bits(b).to_f32()).collect(),
    }
}

fn weight_only_case(
    kernels: Kernels,
    w: &NarrowWeights,
    (m, pad): (usize, usize),
    (with_bias, relu): (bool, bool),
    rng: &mut Mix,
) {
    let (n, k) = (w.n(), w.k());
    let a = rng.floats(m * (k + pad));
    let bias = rng.floats(n);
    let given = with_bias.then_some(&bias[..]);
    let mut c = vec![f32::NAN; m * (n + pad)];
    let mut scratch = Vec::new();
    kernels.gemm_weight_only(m, &a, k + pad, w, given, relu, &mut c, n + pad, &mut scratch);
    let wide = widened(w);
    for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
        let terms = (0..k).map(|p| (a[i * (k + pad) + p], wide[j * k + p]));
        let (want, bound) = reference(terms, if with_bias { bias[j] } else { 0.0 }, relu);
        let got = f64::from(c[i * (n + pad) + j]);
        assert!((got - want).abs() <= bound, "{} [{i},{j}] {got} {want}", kernels.isa());
    }
}

fn weights(kind: usize, n: usize, k: usize, rng: &mut Mix) -> NarrowWeights {
    let values = rng.floats(n * k);
    match kind {
        0 | 1 => NarrowWeights::S8 {
            data: rng.fill(n * k, HOSTILE_I8, |r| r as i8),
            scale: rng.floats(if kind == 0 { 1 } else { n }),
            n,
            k,
        },
        2 => NarrowWeights::F16 { data: values.iter().map(|&v| f16::from_f32(v).to_bits()).collect(), n, k },
        _ => {
            NarrowWeights::Bf16 { data: values.iter().map(|&v| bf16::from_f32(v).to_bits()).collect(), n, k }
        }
    }
}

#[test]
fn gemm_weight_only() {
    for kernels in kernels_of(Op::GemmWeightOnly) {
        check(200, (0_usize..4, shapes()), |(kind, (m, n, k, pad, epilogue, seed))| {
            let mut rng = Mix(seed);
            let w = weights(kind, n, k, &mut rng);
            weight_only_case(kernels, &w, (m, pad), epilogue, &mut rng);
            Ok(())
        });
        for kind in 0..4 {
            // More rows than one widened block.
            let mut rng = Mix(3);
            let w = weights(kind, 75, 4001, &mut rng);
            weight_only_case(kernels, &w, (3, 1), (true, true), &mut rng);
        }
    }
}

#[test]
fn weight_only_keeps_its_size() {
    let mut rng = Mix(1);
    assert_eq!(weights(1, 6, 10, &mut rng).bytes(), 60 + 24);
    assert_eq!(weights(2, 6, 10, &mut rng).bytes(), 120);
}
