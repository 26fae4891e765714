//! Half-precision storage, scalar: the `half` crate's portable conversions.

use half::{bf16, f16};

pub(crate) fn f32_to_f16(x: &[f32], out: &mut [u16]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = f16::from_f32_const(x).to_bits();
    }
}

pub(crate) fn f16_to_f32(x: &[u16], out: &mut [f32]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = f16::from_bits(x).to_f32_const();
    }
}

pub(crate) fn f32_to_bf16(x: &[f32], out: &mut [u16]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = bf16::from_f32_const(x).to_bits();
    }
}

pub(crate) fn bf16_to_f32(x: &[u16], out: &mut [f32]) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = bf16::from_bits(x).to_f32_const();
    }
}

pub(crate) fn round_f16(x: &mut [f32]) {
    for x in x {
        *x = f16::from_f32_const(*x).to_f32_const();
    }
}

pub(crate) fn round_bf16(x: &mut [f32]) {
    for x in x {
        *x = bf16::from_f32_const(*x).to_f32_const();
    }
}
