//! Half storage against the `half` crate bit for bit.

mod common;

use calibench_kernels::Op;
use common::*;
use half::{bf16, f16};

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
