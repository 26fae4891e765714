//! Searches for the thresholds of least cost.

use std::cmp::Ordering;

use calibench_quant::{Job, Range, Symmetry};

/// The range of least cost that a job allows: one threshold where the format is symmetric or the data lies
/// on one side of zero, else two.
///
/// `cost(low, high)` and `floor(low, high)` take the magnitudes of both thresholds; the floor, a lower bound
/// of the cost that only grows as thresholds shrink, ends the search early. `clip` makes a range of them.
pub(crate) fn thresholds(
    job: &Job<'_>,
    observed: Range,
    steps: Steps,
    clip: impl Fn(f64, f64) -> Range,
    floor: impl Fn(f64, f64) -> f64,
    mut cost: impl FnMut(f64, f64) -> f64,
) -> Range {
    let tops = (f64::from(-observed.low.min(0.0)), f64::from(observed.high.max(0.0)));
    match (job.symmetry, job.format.signed) {
        (Symmetry::Symmetric, true) if tops != (0.0, 0.0) => {
            let best = one_threshold(tops.0.max(tops.1), steps, |t| floor(t, t), |t| cost(t, t));
            clip(best, best)
        }
        // Negative values all become 0 in an unsigned symmetric format, whatever the threshold.
        (Symmetry::Symmetric, false) if tops.1 > 0.0 => {
            let best = one_threshold(tops.1, steps, |t| floor(t, t), |t| cost(t, t));
            clip(best, best)
        }
        (Symmetry::Affine, _) if tops.0 > 0.0 && tops.1 > 0.0 => {
            let (low, high) = two_thresholds(tops, steps, floor, cost);
            clip(low, high)
        }
        (Symmetry::Affine, _) if tops.1 > 0.0 => {
            clip(0.0, one_threshold(tops.1, steps, |t| floor(0.0, t), |t| cost(0.0, t)))
        }
        (Symmetry::Affine, _) if tops.0 > 0.0 => {
            clip(one_threshold(tops.0, steps, |t| floor(t, 0.0), |t| cost(t, 0.0)), 0.0)
        }
        _ => observed,
    }
}

/// Octaves that a sweep goes down at most.
const OCTAVES: f64 = 64.0;
/// Basins of the first sweep that are searched finely.
const BASINS: usize = 3;

/// Steps of a search, in octaves of the threshold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    /// Of the first sweep.
    pub coarse: f64,
    /// The finest.
    pub fine: f64,
    /// Candidates tried last, evenly over a sixth of an octave to each side of the best.
    pub around: i32,
}

/// How far to each side the last candidates reach: 12 %.
const REACH: f64 = 1.0 / 6.0;

impl Steps {
    /// Down to 0.07 % of a threshold, for smooth costs.
    pub const FINE: Self = Self { coarse: 1.0 / 16.0, fine: 1.0 / 1024.0, around: 0 };
    /// The same, and then as many as there are different costs near the best: where few values fall within
    /// their codes makes the error rugged, at every quarter of a percent anew.
    pub const RUGGED: Self = Self { around: 128, ..Self::FINE };
    /// Down to 1 % of a threshold, for costs whose noise hides finer differences.
    pub const ROUGH: Self = Self { coarse: 1.0 / 8.0, fine: 1.0 / 64.0, around: 0 };
}

/// The threshold of least cost in `(0, top]`.
///
/// A geometric sweep from `top` downwards, ended by `floor`: no threshold below one whose floor exceeds the
/// best cost so far can cost less. Then a finer one in each of the three best basins, and ever finer ones
/// about the best. Deterministic; ties keep the wider.
fn one_threshold(
    top: f64,
    steps: Steps,
    floor: impl Fn(f64) -> f64,
    mut cost: impl FnMut(f64) -> f64,
) -> f64 {
    // Cost, octaves below the top.
    let mut at = |octaves: f64| (cost(top * (-octaves).exp2()), octaves);
    let mut tried = vec![at(0.0)];
    let mut best = tried[0];
    for octaves in (1..).map(|i| f64::from(i) * steps.coarse).take_while(|o| *o <= OCTAVES) {
        if floor(top * (-octaves).exp2()) > best.0 {
            break;
        }
        tried.push(at(octaves));
        best = lower(best, tried[tried.len() - 1]);
    }
    tried.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    tried.truncate(BASINS);
    let mut width = steps.coarse;
    while width > steps.fine {
        for (_, centre) in std::mem::take(&mut tried) {
            for i in (-7..=7).filter(|i| *i != 0) {
                let octaves = centre + f64::from(i) * width / 8.0;
                if octaves >= 0.0 {
                    best = lower(best, at(octaves));
                }
            }
        }
        tried.push(best);
        width /= 8.0;
    }
    let centre = best.1;
    for i in (-steps.around..=steps.around).filter(|i| *i != 0) {
        let octaves = centre + REACH * f64::from(i) / f64::from(steps.around);
        if octaves >= 0.0 {
            best = lower(best, at(octaves));
        }
    }
    top * (-best.1).exp2()
}

/// The cheaper of two; the wider of two that cost the same.
fn lower(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    if b.0 < a.0 || (b.0 == a.0 && b.1 < a.1) { b } else { a }
}

/// The pair of thresholds found to cost least, in `(0, tops.0]` × `(0, tops.1]`.
///
/// Geometric sweeps in quarter octaves: both ends at one distance from zero, then each end in turn with the
/// other held, all ended by `floor`; then descent from the best pair, moving either end or both, in ever
/// finer steps. Never worse than the full range, but a local optimum. Deterministic;
/// ties keep the first tried, which is the wider.
fn two_thresholds(
    tops: (f64, f64),
    steps: Steps,
    floor: impl Fn(f64, f64) -> f64,
    mut cost: impl FnMut(f64, f64) -> f64,
) -> (f64, f64) {
    // Octaves below the tops.
    type Pair = (f64, f64);
    let at = |(a, b): Pair| (tops.0 * (-a).exp2(), tops.1 * (-b).exp2());
    let mut best = (f64::INFINITY, (0.0, 0.0));
    // Less when it became the best, greater when its floor says that nothing narrower can.
    let mut attempt = |octaves: Pair, best: &mut (f64, Pair)| {
        let (low, high) = at(octaves);
        if floor(low, high) > best.0 {
            return Ordering::Greater;
        }
        let c = cost(low, high);
        if c < best.0 {
            *best = (c, octaves);
            Ordering::Less
        } else {
            Ordering::Equal
        }
    };
    let mut sweep = |place: &dyn Fn(f64) -> Pair, best: &mut (f64, Pair)| {
        let steps = (0..(4.0 * OCTAVES) as i32).map(|i| f64::from(i) / 4.0);
        for octaves in steps {
            if attempt(place(octaves), best) == Ordering::Greater {
                break;
            }
        }
    };
    let top = tops.0.max(tops.1);
    let apart = ((tops.0 / top).log2(), (tops.1 / top).log2());
    sweep(&|o| ((o + apart.0).max(0.0), (o + apart.1).max(0.0)), &mut best);
    for _round in 0..2 {
        let (before, (_, b)) = best;
        sweep(&|o| (o, b), &mut best);
        let (_, (a, _)) = best;
        sweep(&|o| (a, o), &mut best);
        if best.0 == before {
            break;
        }
    }
    let mut stride = 0.25;
    while stride >= steps.fine {
        for _round in 0..8 {
            let (_, (a, b)) = best;
            let mut moved = false;
            for (i, j) in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)] {
                let to = |o: f64, k: i32| (o + f64::from(k) * stride).max(0.0);
                moved |= attempt((to(a, i), to(b, j)), &mut best) == Ordering::Less;
            }
            if !moved {
                break;
            }
        }
        stride /= 2.0;
    }
    for direction in [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0)] {
        let (_, (a, b)) = best;
        for i in (-steps.around / 2..=steps.around / 2).filter(|i| *i != 0) {
            let by = REACH * f64::from(i) / f64::from(steps.around / 2);
            attempt(((a + direction.0 * by).max(0.0), (b + direction.1 * by).max(0.0)), &mut best);
        }
    }
    at(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_FLOOR: fn(f64) -> f64 = |_| 0.0;

    #[test]
    fn finds_the_bottom_of_a_bowl() {
        let bowl = |x: f64, at: f64| (x / at).ln().powi(2);
        let found = one_threshold(1000.0, Steps::FINE, NO_FLOOR, |x| bowl(x, 37.0));
        assert!((found / 37.0 - 1.0).abs() < 1e-3, "{found}");
        let (a, b) = two_thresholds(
            (1000.0, 20.0),
            Steps::FINE,
            |_, _| 0.0,
            |a, b| bowl(a, 3.7) + bowl(b, 12.0) + bowl(a * b, 44.4),
        );
        assert!((a / 3.7 - 1.0).abs() < 2e-3 && (b / 12.0 - 1.0).abs() < 2e-3, "{a} {b}");
    }

    #[test]
    fn ties_keep_the_widest() {
        assert_eq!(one_threshold(5.0, Steps::FINE, NO_FLOOR, |_| 1.0), 5.0);
        assert_eq!(two_thresholds((3.0, 7.0), Steps::FINE, |_, _| 0.0, |_, _| 1.0), (3.0, 7.0));
    }

    #[test]
    fn a_second_basin_is_found_when_it_is_the_deeper() {
        let two = |x: f64| (x / 900.0).ln().powi(2).min(0.1) + (x / 3.0).ln().powi(2).min(0.2);
        assert!((one_threshold(1000.0, Steps::FINE, NO_FLOOR, two) / 3.0 - 1.0).abs() < 1e-3);
    }

    #[test]
    fn the_floor_ends_the_sweep() {
        let mut calls = 0;
        one_threshold(
            1.0,
            Steps::FINE,
            |x| 1.0 / x,
            |x| {
                calls += 1;
                1.0 / x
            },
        );
        assert!(calls < 100, "{calls}");
    }
}
