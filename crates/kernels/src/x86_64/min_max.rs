//! Range of the finite values: 32 floats a step in four independent pairs of extremes, because
//! `vminps` has a latency of four cycles.

use std::arch::x86_64::*;

use super::{load_f32x8, store_f32x8};
use crate::{Avx2, generic::min_max as scalar};

pub(crate) fn min_max(_: Avx2, x: &[f32]) -> Option<(f32, f32)> {
    // SAFETY: the token proves that the CPU has AVX2.
    scalar::finish(unsafe { fold(x) })
}

#[target_feature(enable = "avx2")]
fn fold(x: &[f32]) -> (f32, f32) {
    let top = _mm256_set1_ps(f32::INFINITY);
    let bottom = _mm256_set1_ps(f32::NEG_INFINITY);
    let (mut lo, mut hi) = ([top; 4], [bottom; 4]);
    let (chunks, tail) = x.as_chunks::<32>();
    for chunk in chunks {
        let (eights, _) = chunk.as_chunks::<8>();
        for lane in 0..4 {
            let v = load_f32x8(&eights[lane]);
            // Finite exactly when the magnitude's bits are below those of infinity.
            let magnitude = _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(i32::MAX));
            let finite = _mm256_cmpgt_epi32(_mm256_castps_si256(top), magnitude);
            let finite = _mm256_castsi256_ps(finite);
            lo[lane] = _mm256_min_ps(lo[lane], _mm256_blendv_ps(top, v, finite));
            hi[lane] = _mm256_max_ps(hi[lane], _mm256_blendv_ps(bottom, v, finite));
        }
    }
    let lo = _mm256_min_ps(_mm256_min_ps(lo[0], lo[1]), _mm256_min_ps(lo[2], lo[3]));
    let hi = _mm256_max_ps(_mm256_max_ps(hi[0], hi[1]), _mm256_max_ps(hi[2], hi[3]));
    let (mut los, mut his) = ([0.0; 8], [0.0; 8]);
    store_f32x8(&mut los, lo);
    store_f32x8(&mut his, hi);
    let start =
        (los.into_iter().fold(f32::INFINITY, f32::min), his.into_iter().fold(f32::NEG_INFINITY, f32::max));
    scalar::fold(tail, start)
}
