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

/// Bits of fp32 numbers and of what NumPy 2 makes of them: `np.float32(x).astype(np.float16).view(np.uint16)`.
const NUMPY: [(u32, u16); 28] = [
    (0x0000_0000, 0x0000), // 0.0
    (0x8000_0000, 0x8000), // -0.0
    (0x3f80_0000, 0x3c00), // 1.0
    (0x3dcc_cccd, 0x2e66), // 0.1
    (0xbdcc_cccd, 0xae66), // -0.1
    (0x4500_0000, 0x6800), // 2048.0
    (0x4500_1000, 0x6800), // 2049.0: a tie, to even
    (0x4500_3000, 0x6802), // 2051.0: a tie, to even
    (0x477f_e000, 0x7bff), // 65504.0: the largest
    (0x477f_efff, 0x7bff), // 65519.996
    (0x477f_f000, 0x7c00), // 65520.0: infinite
    (0xc77f_f000, 0xfc00), // -65520.0
    (0x47c3_5000, 0x7c00), // 100000.0
    (0x3880_0000, 0x0400), // 6.1035156e-5: the smallest normal
    (0x387f_c000, 0x03ff), // 6.097555e-5: the largest subnormal
    (0x3380_0000, 0x0001), // 5.9604645e-8: the smallest subnormal
    (0x3300_0000, 0x0000), // 2.9802322e-8: a tie, to 0
    (0x3300_0001, 0x0001), // 2.9802326e-8
    (0x33c0_0000, 0x0002), // 8.940697e-8: a tie, to even
    (0x2b8c_bccc, 0x0000), // 1e-12
    (0x4049_0fdb, 0x4248), // 3.1415927
    (0x4480_1000, 0x6400), // 1024.5
    (0x4480_3000, 0x6402), // 1025.5
    (0x3eaa_aaab, 0x3555), // 0.33333334
    (0x33d6_bf95, 0x0002), // 1e-7
    (0xb689_92bb, 0x8045), // -4.1e-6
    (0x7f80_0000, 0x7c00), // infinity
    (0xff80_0000, 0xfc00), // -infinity
];

#[test]
fn narrowing_agrees_with_numpy() {
    let x: Vec<f32> = NUMPY.iter().map(|(wide, _)| f32::from_bits(*wide)).collect();
    let expected: Vec<u16> = NUMPY.iter().map(|(_, narrow)| *narrow).collect();
    let mut out = vec![0; x.len()];
    for kernels in kernels_of(Op::F32ToF16) {
        kernels.f32_to_f16(&x, &mut out);
        assert_same(kernels.isa().id(), &out, &expected);
    }
}

/// All 2³² inputs, narrowed and rounded, on every instruction set. `just half` runs it: a minute on two cores.
#[test]
#[ignore = "takes a minute; run by `just half`"]
fn every_fp32_number() {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u32;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || (thread..1 << 16).step_by(threads as usize).for_each(every_with_upper));
        }
    });
}

/// The 2¹⁶ inputs with these upper bits.
fn every_with_upper(upper: u32) {
    let x: Vec<f32> = (0..1 << 16).map(|lower| f32::from_bits(upper << 16 | lower)).collect();
    let f16s: Vec<u16> = x.iter().map(|v| f16::from_f32(*v).to_bits()).collect();
    let bf16s: Vec<u16> = x.iter().map(|v| bf16::from_f32(*v).to_bits()).collect();
    let wide =
        |bits: &[u16], widen: fn(u16) -> f32| bits.iter().map(|b| widen(*b).to_bits()).collect::<Vec<_>>();
    let f16s_wide = wide(&f16s, |b| f16::from_bits(b).to_f32());
    let bf16s_wide = wide(&bf16s, |b| bf16::from_bits(b).to_f32());
    let mut out = vec![0; x.len()];
    for kernels in kernels_of(Op::F32ToF16) {
        let id = kernels.isa().id();
        kernels.f32_to_f16(&x, &mut out);
        assert_same(id, &out, &f16s);
        kernels.f32_to_bf16(&x, &mut out);
        assert_same(id, &out, &bf16s);
        let mut rounded = x.clone();
        kernels.round_f16(&mut rounded);
        assert_same(id, &raw_bits(&rounded), &f16s_wide);
        let mut rounded = x.clone();
        kernels.round_bf16(&mut rounded);
        assert_same(id, &raw_bits(&rounded), &bf16s_wide);
    }
}
