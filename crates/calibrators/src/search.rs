//! Search for the best pair of thresholds on the bin edges of a histogram.

use calibench_quant::{Histogram, Range};

/// Candidate thresholds: bin edges outward from 0.0 on each side, the last being the observed end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    width: f64,
    observed: Range,
    /// Candidates below zero, 0.0 aside.
    pub low: usize,
    /// Candidates above zero, 0.0 aside.
    pub high: usize,
}

impl Grid {
    pub fn of(histogram: &Histogram, observed: Range) -> Self {
        let width = histogram.width();
        let steps = |end: f32| (f64::from(end.max(0.0)) / width).ceil() as usize;
        Self { width, observed, low: steps(-observed.low), high: steps(observed.high) }
    }

    /// The bin edge `i` bins from zero.
    pub fn edge(&self, i: usize) -> f64 {
        i as f64 * self.width
    }

    /// Threshold `i` bins below zero; the last is the observed end.
    pub fn low_at(&self, i: usize) -> f64 {
        if i == self.low { f64::from(self.observed.low.min(0.0)) } else { -self.edge(i) }
    }

    /// Threshold `i` bins above zero; the last is the observed end.
    pub fn high_at(&self, i: usize) -> f64 {
        if i == self.high { f64::from(self.observed.high.max(0.0)) } else { self.edge(i) }
    }
}

/// The best of `1..=most` in one dimension: every candidate, the widest first, so that ties keep it.
///
/// `cost(i, best)` may answer anything not below `best` once it knows that `i` costs no less.
pub(crate) fn exhaustive(most: usize, mut cost: impl FnMut(usize, f64) -> f64) -> usize {
    let mut best = (f64::INFINITY, most);
    // A coarse sweep first: a good bound early lets `cost` dismiss most of the others.
    let coarse = (1..=most).rev().step_by(16);
    let fine = (1..=most).rev().filter(|i| !(most - i).is_multiple_of(16));
    for i in coarse.chain(fine) {
        let c = cost(i, best.0);
        if c < best.0 || (c == best.0 && i > best.1) {
            best = (c, i);
        }
    }
    best.1
}

/// Shares of the full range that the start of [`pairs`] tries on each side: heavy tails want thresholds
/// far inside the range, so the shares are spaced geometrically.
const RATIO: f64 = 0.7;
const COARSE: usize = 14;

/// The best pair found of `0..=low` × `0..=high`, the full range being one of the candidates.
///
/// With one side only, every candidate. With two: a coarse geometric grid, then coordinate descent on
/// ever finer strides down to one bin. Deterministic; ties keep the first tried, which is the wider.
/// Never worse than the full range, but with two sides a local optimum.
pub(crate) fn pairs(low: usize, high: usize, mut cost: impl FnMut(usize, usize) -> f64) -> (usize, usize) {
    if low == 0 || high == 0 {
        let pair = |i: usize| if low == 0 { (0, i) } else { (i, 0) };
        let best = exhaustive(low.max(high), |i, _| cost(pair(i).0, pair(i).1));
        return pair(best);
    }
    let mut best = (f64::INFINITY, low, high);
    let mut attempt = |a: usize, b: usize, best: &mut (f64, usize, usize)| {
        let c = cost(a, b);
        let better = c < best.0;
        if better {
            *best = (c, a, b);
        }
        better
    };
    let share = |n: usize, k: usize| (n as f64 * RATIO.powi(k as i32)).ceil() as usize;
    for i in 0..COARSE {
        for j in 0..COARSE {
            attempt(share(low, i), share(high, j), &mut best);
        }
    }
    let mut stride = (low.max(high) / 8).max(1);
    loop {
        for _round in 0..8 {
            let mut moved = false;
            let (_, a, b) = best;
            for k in 1..=4 {
                moved |= attempt((a + k * stride).min(low), b, &mut best);
                moved |= attempt(a.saturating_sub(k * stride), b, &mut best);
            }
            let (_, a, b) = best;
            for k in 1..=4 {
                moved |= attempt(a, (b + k * stride).min(high), &mut best);
                moved |= attempt(a, b.saturating_sub(k * stride), &mut best);
            }
            if !moved {
                break;
            }
        }
        if stride == 1 {
            return (best.1, best.2);
        }
        stride = (stride / 3).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_bottom_of_a_bowl() {
        let bowl = |a: usize, b: usize| (a as f64 - 37.0).powi(2) + (b as f64 - 801.0).powi(2);
        assert_eq!(pairs(1000, 2000, bowl), (37, 801));
        assert_eq!(pairs(0, 2000, bowl), (0, 801));
        assert_eq!(pairs(1000, 0, bowl), (37, 0));
    }

    #[test]
    fn ties_keep_the_widest() {
        assert_eq!(pairs(100, 50, |_, _| 1.0), (100, 50));
        assert_eq!(exhaustive(100, |_, _| 1.0), 100);
        assert_eq!(exhaustive(100, |i, _| if i < 90 { 0.0 } else { 1.0 }), 89);
    }
}
