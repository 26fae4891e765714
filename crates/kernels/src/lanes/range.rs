//! The range of the finite values.

use super::Lanes;
use super::vector::Vector;

/// Independent pairs of extremes, which hide the latency of a minimum.
const CHAINS: usize = 4;

/// The smallest and the largest finite value; `None` where there is none.
pub(crate) struct MinMax<'a, 'b> {
    pub x: &'a [f32],
    pub range: &'b mut Option<(f32, f32)>,
}

impl Lanes for MinMax<'_, '_> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        let (top, bottom) = (V::splat(f32::INFINITY), V::splat(f32::NEG_INFINITY));
        let (mut lows, mut highs) = ([top; CHAINS], [bottom; CHAINS]);
        let (chunks, tail) = self.x.as_chunks::<16>();
        let (groups, rest) = chunks.as_chunks::<CHAINS>();
        // Loops over indices: a closure would be called, not inlined.
        for group in groups {
            for i in 0..CHAINS {
                let x = V::load(&group[i]);
                lows[i] = lows[i].at_most(x.finite_or(top));
                highs[i] = highs[i].at_least(x.finite_or(bottom));
            }
        }
        let (mut low, mut high) = (lows[0], highs[0]);
        for i in 1..CHAINS {
            (low, high) = (low.at_most(lows[i]), high.at_least(highs[i]));
        }
        for chunk in rest {
            let x = V::load(chunk);
            (low, high) = (low.at_most(x.finite_or(top)), high.at_least(x.finite_or(bottom)));
        }
        let (mut least, mut most) = (f32::INFINITY, f32::NEG_INFINITY);
        let (lows, highs) = (low.lanes(), high.lanes());
        for (low, high) in lows.iter().zip(&highs).chain(tail.iter().zip(tail)) {
            if low.is_finite() {
                least = least.min(*low);
            }
            if high.is_finite() {
                most = most.max(*high);
            }
        }
        // −0 and +0 compare equal, so which one a reduction keeps depends on its order; adding +0 makes both +0.
        *self.range = least.is_finite().then_some((least + 0.0, most + 0.0));
    }
}
