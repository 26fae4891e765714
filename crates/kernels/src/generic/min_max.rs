//! Range of the finite values, scalar.

/// Running (min, max), from (+inf, −inf).
pub(crate) fn fold(x: &[f32], start: (f32, f32)) -> (f32, f32) {
    x.iter().filter(|v| v.is_finite()).fold(start, |(lo, hi), &v| (lo.min(v), hi.max(v)))
}

/// The public answer: `None` where nothing finite was seen, and a zero is +0.
pub(crate) fn finish((lo, hi): (f32, f32)) -> Option<(f32, f32)> {
    // −0 and +0 compare equal, so which one a reduction keeps depends on its order; adding +0
    // makes both +0.
    lo.is_finite().then_some((lo + 0.0, hi + 0.0))
}

pub(crate) fn min_max(x: &[f32]) -> Option<(f32, f32)> {
    finish(fold(x, (f32::INFINITY, f32::NEG_INFINITY)))
}
