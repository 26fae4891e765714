//! Sixteen numbers in one register of 512 bits, or in two of 256.
//!
//! Only [`crate::lanes::run`], which has a proof of the instruction set, runs what is generic over them: the intrinsics below
//! are executed nowhere else. Of maximum and minimum, the second operand is the result where one is NaN.

use std::arch::x86_64::*;

use crate::lanes::vector::Vector;

/// Two registers of 256 bits: AVX2.
#[derive(Clone, Copy)]
pub(crate) struct V256(__m256, __m256);

/// One register of 512 bits: AVX-512 F.
#[derive(Clone, Copy)]
pub(crate) struct V512(__m512);

impl Vector for V256 {
    type Int = (__m256i, __m256i);

    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: see the module.
        let x = unsafe { _mm256_set1_ps(x) };
        Self(x, x)
    }
    #[inline(always)]
    fn load(from: &[f32; 16]) -> Self {
        let at = from.as_ptr();
        // SAFETY: see the module; the array holds both registers.
        unsafe { Self(_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(8))) }
    }
    #[inline(always)]
    fn store(self, to: &mut [f32; 16]) {
        let at = to.as_mut_ptr();
        // SAFETY: see the module; the array holds both registers.
        unsafe {
            _mm256_storeu_ps(at, self.0);
            _mm256_storeu_ps(at.add(8), self.1);
        }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm256_div_ps(self.0, other.0), _mm256_div_ps(self.1, other.1)) }
    }
    #[inline(always)]
    fn mul_add(self, by: Self, add: Self) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm256_fmadd_ps(self.0, by.0, add.0), _mm256_fmadd_ps(self.1, by.1, add.1)) }
    }
    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm256_max_ps(bound.0, self.0), _mm256_max_ps(bound.1, self.1)) }
    }
    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm256_min_ps(bound.0, self.0), _mm256_min_ps(bound.1, self.1)) }
    }
    #[inline(always)]
    fn zero_where_below(self, x: Self, bound: Self) -> Self {
        // SAFETY: see the module.
        unsafe {
            Self(
                _mm256_andnot_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(x.0, bound.0), self.0),
                _mm256_andnot_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(x.1, bound.1), self.1),
            )
        }
    }
    #[inline(always)]
    fn finite_or(self, other: Self) -> Self {
        // SAFETY: see the module. Finite exactly when the magnitude's bits are below those of infinity.
        unsafe {
            let bits_of_infinity = _mm256_set1_epi32(f32::INFINITY.to_bits() as i32);
            let choose = |x, other| {
                let magnitude = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(i32::MAX));
                let finite = _mm256_castsi256_ps(_mm256_cmpgt_epi32(bits_of_infinity, magnitude));
                _mm256_blendv_ps(other, x, finite)
            };
            Self(choose(self.0, other.0), choose(self.1, other.1))
        }
    }
    #[inline(always)]
    fn power_of_two(self) -> Self {
        // SAFETY: see the module.
        unsafe {
            let one = _mm256_castps_si256(_mm256_set1_ps(1.0));
            let bits = |x| _mm256_slli_epi32::<23>(_mm256_castps_si256(x));
            let power = |x| _mm256_castsi256_ps(_mm256_add_epi32(bits(x), one));
            Self(power(self.0), power(self.1))
        }
    }
    #[inline(always)]
    fn splat_int(x: i32) -> Self::Int {
        // SAFETY: see the module.
        let x = unsafe { _mm256_set1_epi32(x) };
        (x, x)
    }
    #[inline(always)]
    fn load_int(from: &[i32; 16]) -> Self::Int {
        let at = from.as_ptr();
        // SAFETY: see the module; the array holds both registers.
        unsafe { (_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(8).cast())) }
    }
    #[inline(always)]
    fn load_s8(from: &[i8; 16]) -> Self::Int {
        let at = from.as_ptr();
        // SAFETY: see the module; the array holds both halves of 8 bytes.
        unsafe {
            let widen = |at: *const i8| _mm256_cvtepi8_epi32(_mm_loadl_epi64(at.cast()));
            (widen(at), widen(at.add(8)))
        }
    }
    #[inline(always)]
    fn add_int(a: Self::Int, b: Self::Int) -> Self::Int {
        // SAFETY: see the module.
        unsafe { (_mm256_add_epi32(a.0, b.0), _mm256_add_epi32(a.1, b.1)) }
    }
    #[inline(always)]
    fn from_int(x: Self::Int) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm256_cvtepi32_ps(x.0), _mm256_cvtepi32_ps(x.1)) }
    }
    #[inline(always)]
    fn codes(self, low: Self, high: Self, add: Self::Int) -> [i8; 16] {
        let mut codes = [0; 16];
        // SAFETY: see the module; the array holds the register. Nothing saturates, since codes are within i8.
        unsafe {
            let number = |x| _mm256_and_ps(x, _mm256_cmp_ps::<_CMP_ORD_Q>(x, x));
            let within = Self(number(self.0), number(self.1)).at_least(low).at_most(high);
            // Conversion rounds to nearest, ties to even, as the bounds are whole.
            let codes_of = |x, add| _mm256_add_epi32(_mm256_cvtps_epi32(x), add);
            // In 128-bit halves: low and high quarters of both, in turn.
            let pairs = _mm256_packs_epi32(codes_of(within.0, add.0), codes_of(within.1, add.1));
            let in_order = _mm256_permute4x64_epi64::<0b11_01_10_00>(pairs);
            let (low, high) = (_mm256_castsi256_si128(in_order), _mm256_extracti128_si256::<1>(in_order));
            _mm_storeu_si128(codes.as_mut_ptr().cast(), _mm_packs_epi16(low, high));
        }
        codes
    }
}

impl Vector for V512 {
    type Int = __m512i;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm512_set1_ps(x)) }
    }
    #[inline(always)]
    fn load(from: &[f32; 16]) -> Self {
        // SAFETY: see the module; the array holds the register.
        unsafe { Self(_mm512_loadu_ps(from.as_ptr())) }
    }
    #[inline(always)]
    fn store(self, to: &mut [f32; 16]) {
        // SAFETY: see the module; the array holds the register.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm512_div_ps(self.0, other.0)) }
    }
    #[inline(always)]
    fn mul_add(self, by: Self, add: Self) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm512_fmadd_ps(self.0, by.0, add.0)) }
    }
    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm512_max_ps(bound.0, self.0)) }
    }
    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm512_min_ps(bound.0, self.0)) }
    }
    #[inline(always)]
    fn zero_where_below(self, x: Self, bound: Self) -> Self {
        // SAFETY: see the module. Not below: also where x is NaN.
        unsafe { Self(_mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NLT_UQ>(x.0, bound.0), self.0)) }
    }
    #[inline(always)]
    fn finite_or(self, other: Self) -> Self {
        // SAFETY: see the module. Infinity less infinity is NaN, as is NaN: only of finite numbers is the difference ordered.
        unsafe {
            let rest = _mm512_sub_ps(self.0, self.0);
            Self(_mm512_mask_mov_ps(other.0, _mm512_cmp_ps_mask::<_CMP_ORD_Q>(rest, rest), self.0))
        }
    }
    #[inline(always)]
    fn power_of_two(self) -> Self {
        // SAFETY: see the module.
        unsafe {
            let bits = _mm512_slli_epi32::<23>(_mm512_castps_si512(self.0));
            let one = _mm512_castps_si512(_mm512_set1_ps(1.0));
            Self(_mm512_castsi512_ps(_mm512_add_epi32(bits, one)))
        }
    }
    #[inline(always)]
    fn splat_int(x: i32) -> __m512i {
        // SAFETY: see the module.
        unsafe { _mm512_set1_epi32(x) }
    }
    #[inline(always)]
    fn load_int(from: &[i32; 16]) -> __m512i {
        // SAFETY: see the module; the array holds the register.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn load_s8(from: &[i8; 16]) -> __m512i {
        // SAFETY: see the module; the array holds 16 bytes.
        unsafe { _mm512_cvtepi8_epi32(_mm_loadu_si128(from.as_ptr().cast())) }
    }
    #[inline(always)]
    fn add_int(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: see the module.
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    fn from_int(x: __m512i) -> Self {
        // SAFETY: see the module.
        unsafe { Self(_mm512_cvtepi32_ps(x)) }
    }
    #[inline(always)]
    fn codes(self, low: Self, high: Self, add: __m512i) -> [i8; 16] {
        let mut codes = [0; 16];
        // SAFETY: see the module; the array holds the register.
        unsafe {
            let numbers = _mm512_cmp_ps_mask::<_CMP_ORD_Q>(self.0, self.0);
            let zero = Self::splat(0.0).at_least(low);
            let within = _mm512_min_ps(high.0, _mm512_mask_max_ps(zero.0, numbers, low.0, self.0));
            // Conversion rounds to nearest, ties to even, as the bounds are whole.
            let narrow = _mm512_cvtepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(within), add));
            _mm_storeu_si128(codes.as_mut_ptr().cast(), narrow);
        }
        codes
    }
}
