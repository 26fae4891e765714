//! Half-precision storage: F16C for fp16, integer arithmetic for bf16. NaN stays NaN with its sign
//! and the payload bits that fit, made quiet, as in the scalar kernel.

use std::arch::x86_64::*;

use super::{load_f32x8, load_u16x8, store_f32x8, store_u16x8};
use crate::{Avx2, generic::half as scalar};

macro_rules! entry {
    ($name:ident, $imp:ident, $from:ty, $to:ty) => {
        pub(crate) fn $name(_: Avx2, x: &[$from], out: &mut [$to]) {
            // SAFETY: the token proves that the CPU has AVX2 and F16C.
            unsafe { $imp(x, out) }
        }

        #[target_feature(enable = "avx2,f16c")]
        fn $imp(x: &[$from], out: &mut [$to]) {
            let (x8, x_tail) = x.as_chunks::<8>();
            let (out8, out_tail) = out.as_chunks_mut::<8>();
            for (x, out) in x8.iter().zip(out8) {
                eight::$name(x, out);
            }
            scalar::$name(x_tail, out_tail);
        }
    };
}

entry!(f32_to_f16, all_f32_to_f16, f32, u16);
entry!(f16_to_f32, all_f16_to_f32, u16, f32);
entry!(f32_to_bf16, all_f32_to_bf16, f32, u16);
entry!(bf16_to_f32, all_bf16_to_f32, u16, f32);

macro_rules! round_entry {
    ($name:ident, $imp:ident, $down:ident, $up:ident) => {
        pub(crate) fn $name(_: Avx2, x: &mut [f32]) {
            // SAFETY: the token proves that the CPU has AVX2 and F16C.
            unsafe { $imp(x) }
        }

        #[target_feature(enable = "avx2,f16c")]
        fn $imp(x: &mut [f32]) {
            let (x8, tail) = x.as_chunks_mut::<8>();
            for x in x8 {
                let v = up::$up(down::$down(load_f32x8(x)));
                store_f32x8(x, v);
            }
            scalar::$name(tail);
        }
    };
}

round_entry!(round_f16, all_round_f16, f16, f16);
round_entry!(round_bf16, all_round_bf16, bf16, bf16);

/// Eight values, memory to memory.
mod eight {
    use super::*;

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    pub(super) fn f32_to_f16(x: &[f32; 8], out: &mut [u16; 8]) {
        store_u16x8(out, down::f16(load_f32x8(x)));
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    pub(super) fn f16_to_f32(x: &[u16; 8], out: &mut [f32; 8]) {
        store_f32x8(out, up::f16(load_u16x8(x)));
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    pub(super) fn f32_to_bf16(x: &[f32; 8], out: &mut [u16; 8]) {
        store_u16x8(out, down::bf16(load_f32x8(x)));
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    pub(super) fn bf16_to_f32(x: &[u16; 8], out: &mut [f32; 8]) {
        store_f32x8(out, up::bf16(load_u16x8(x)));
    }
}

/// f32 to half, round to nearest, ties to even.
mod down {
    use super::*;

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    pub(super) fn f16(x: __m256) -> __m128i {
        _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x)
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    pub(super) fn bf16(x: __m256) -> __m128i {
        let bits = _mm256_castps_si256(x);
        let kept = _mm256_srli_epi32::<16>(bits);
        // Adding 0x7FFF plus the lowest kept bit carries exactly when round-to-even goes up.
        let odd = _mm256_and_si256(kept, _mm256_set1_epi32(1));
        let bumped = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
        let rounded = _mm256_srli_epi32::<16>(bumped);
        let quiet = _mm256_or_si256(kept, _mm256_set1_epi32(0x40));
        let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(x, x));
        let words = _mm256_blendv_epi8(rounded, quiet, nan);
        // Values are below 2^16: unsigned packing does not saturate.
        _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words))
    }
}

/// Half to f32: exact.
mod up {
    use super::*;

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    pub(super) fn f16(x: __m128i) -> __m256 {
        _mm256_cvtph_ps(x)
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    pub(super) fn bf16(x: __m128i) -> __m256 {
        let bits = _mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(x));
        let magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(i32::MAX));
        let nan = _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(0x7F80_0000));
        let quiet = _mm256_and_si256(nan, _mm256_set1_epi32(0x0040_0000));
        _mm256_castsi256_ps(_mm256_or_si256(bits, quiet))
    }
}
