//! AVX2 + FMA + F16C kernels. Every entry point takes an [`Avx2`](crate::Avx2) token: the proof
//! that its `unsafe` call into a `target_feature` function is sound.
//!
//! Memory is touched only through the loads and stores below, which take array references, so the
//! lengths are checked by the compiler.

use std::arch::x86_64::*;

pub(crate) mod dequantize;
pub(crate) mod float;
pub(crate) mod gemm;
pub(crate) mod half;
pub(crate) mod maddubs;
pub(crate) mod quantize;
pub(crate) mod vector;
pub(crate) mod vnni;

macro_rules! load {
    ($(#[$doc:meta])* $name:ident, [$t:ty; $n:literal], $out:ty, $intrinsic:ident) => {
        $(#[$doc])*
        #[inline]
        #[target_feature(enable = "avx2")]
        fn $name(src: &[$t; $n]) -> $out {
            const { assert!(size_of::<[$t; $n]>() == size_of::<$out>()) };
            // SAFETY: the array is exactly as long as the vector, and the load is unaligned.
            unsafe { $intrinsic(src.as_ptr().cast()) }
        }
    };
}

macro_rules! store {
    ($name:ident, [$t:ty; $n:literal], $value:ty, $intrinsic:ident) => {
        #[inline]
        #[target_feature(enable = "avx2")]
        fn $name(dst: &mut [$t; $n], value: $value) {
            const { assert!(size_of::<[$t; $n]>() == size_of::<$value>()) };
            // SAFETY: the array is exactly as long as the vector, and the store is unaligned.
            unsafe { $intrinsic(dst.as_mut_ptr().cast(), value) }
        }
    };
}

load!(load_i8x16, [i8; 16], __m128i, _mm_loadu_si128);
load!(load_i8x32, [i8; 32], __m256i, _mm256_loadu_si256);
load!(load_i16x8, [i16; 8], __m128i, _mm_loadu_si128);
load!(load_u16x8, [u16; 8], __m128i, _mm_loadu_si128);
load!(load_i32x8, [i32; 8], __m256i, _mm256_loadu_si256);
load!(load_i64x4, [i64; 4], __m256i, _mm256_loadu_si256);
load!(load_f32x8, [f32; 8], __m256, _mm256_loadu_ps);
load!(load_f32x4, [f32; 4], __m128, _mm_loadu_ps);
store!(store_i32x8, [i32; 8], __m256i, _mm256_storeu_si256);
store!(store_i64x4, [i64; 4], __m256i, _mm256_storeu_si256);
store!(store_i16x8, [i16; 8], __m128i, _mm_storeu_si128);
store!(store_u16x8, [u16; 8], __m128i, _mm_storeu_si128);
store!(store_f32x8, [f32; 8], __m256, _mm256_storeu_ps);
store!(store_f32x4, [f32; 4], __m128, _mm_storeu_ps);

/// Element `p` of a row of a tile, unchecked: a comparison for each row and k is more instructions than the products, and
/// fills a core that starts four a cycle (Skylake to Cascade Lake) twice over.
///
/// # Safety
/// `p` is less than the row's length.
#[inline(always)]
unsafe fn at<T>(row: &[T], p: usize) -> &T {
    debug_assert!(p < row.len(), "element {p} of a row of {}", row.len());
    // SAFETY: the caller's.
    unsafe { row.get_unchecked(p) }
}

/// The first 8 bytes of `value`.
#[inline]
#[target_feature(enable = "avx2")]
fn store_i8x8(dst: &mut [i8; 8], value: __m128i) {
    // SAFETY: writes exactly 8 bytes, the length of the array, unaligned.
    unsafe { _mm_storel_epi64(dst.as_mut_ptr().cast(), value) }
}

/// 8 values of i8 as i32.
#[inline]
#[target_feature(enable = "avx2")]
fn widen_i8x8(src: &[i8; 8]) -> __m256i {
    // SAFETY: reads exactly 8 bytes, the length of the array, unaligned.
    let bytes = unsafe { _mm_loadl_epi64(src.as_ptr().cast()) };
    _mm256_cvtepi8_epi32(bytes)
}

/// The pair in every 32-bit lane.
#[inline]
#[target_feature(enable = "avx2")]
fn broadcast_pair(src: &[i16; 2]) -> __m256i {
    // SAFETY: reads exactly 4 bytes, the length of the array, unaligned.
    _mm256_set1_epi32(unsafe { src.as_ptr().cast::<i32>().read_unaligned() })
}

/// Eight i32 to eight i16, with signed saturation, in order.
#[inline]
#[target_feature(enable = "avx2")]
fn pack_i16x8(v: __m256i) -> __m128i {
    _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v))
}
