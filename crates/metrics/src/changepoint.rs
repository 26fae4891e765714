//! Where the level of a series changes.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Fewest values on either side of a change: from one value a level cannot be told from an outlier.
const SHORTEST: usize = 2;
/// Permutations of each test.
const PERMUTATIONS: u32 = 199;

/// A change of level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangePoint {
    /// Index of the first value of the new level.
    pub index: usize,
    /// Mean of the values since the change before, or since the beginning.
    pub before: f64,
    /// Mean of the values until the next change, or the end.
    pub after: f64,
    /// p-value of the permutation test that found it.
    pub p: f64,
}

/// The changes of a series, in order, each found by a test at level `p_max`.
///
/// E-divisive means: of a segment, the split is taken whose parts x (m values) and y (n values) have the largest
/// `m·n/(m+n) · (2·E|x−y| − E|x−x′| − E|y−y′|)`; it is a change if, of 199 shuffled orders of the segment, few enough have a
/// split as large; then both parts are searched likewise. So nothing is assumed of the values' distribution, but that they
/// are independent: a slow drift is reported as changes. ChaCha8 seeded with `seed`. With fewer than about seven values no
/// order is rare enough for `p_max` = 0.05.
///
/// Empty where a value is not finite. Time grows with the square of the length.
///
/// Sources: Matteson and James, "A nonparametric approach for multiple change point analysis of multivariate data", JASA 109,
/// 2014; Daly et al., "The use of change point detection to identify software performance regressions in a continuous
/// integration system", ICPE 2020.
#[must_use]
pub fn change_points(series: &[f64], p_max: f64, seed: u64) -> Vec<ChangePoint> {
    if series.iter().any(|v| !v.is_finite()) {
        return Vec::new();
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut found: Vec<(usize, f64)> = Vec::new();
    let mut segments = vec![(0, series.len())];
    while let Some((start, end)) = segments.pop() {
        let segment = &series[start..end];
        let Some((split, divergence)) = best_split(segment) else { continue };
        if let Some(p) = significance(segment, divergence, p_max, &mut rng) {
            found.push((start + split, p));
            segments.push((start, start + split));
            segments.push((start + split, end));
        }
    }
    found.sort_unstable_by_key(|f| f.0);
    let mut ends: Vec<usize> = found.iter().map(|f| f.0).collect();
    ends.insert(0, 0);
    ends.push(series.len());
    let mean = |i: usize| {
        let level = &series[ends[i]..ends[i + 1]];
        level.iter().sum::<f64>() / level.len() as f64
    };
    let point = |(i, (index, p))| ChangePoint { index, before: mean(i), after: mean(i + 1), p };
    found.into_iter().enumerate().map(point).collect()
}

/// The split with the largest divergence, and that divergence; `None` where the segment is too short or all values are equal.
fn best_split(segment: &[f64]) -> Option<(usize, f64)> {
    let len = segment.len();
    if len < 2 * SHORTEST {
        return None;
    }
    let to = |i: usize, others: &[f64]| others.iter().map(|v| (v - segment[i]).abs()).sum::<f64>();
    // Sums of distances within the left part, within the right part, and between them; each value that changes sides moves
    // its own distances.
    let (mut left, mut between) = (0.0, 0.0);
    let mut right: f64 = (0..len).map(|i| to(i, &segment[i..])).sum();
    let mut best: Option<(usize, f64)> = None;
    for split in 1..=len - SHORTEST {
        let (to_left, to_right) = (to(split - 1, &segment[..split]), to(split - 1, &segment[split..]));
        left += to_left;
        right -= to_right;
        between += to_right - to_left;
        if split < SHORTEST {
            continue;
        }
        let (m, n) = (split as f64, (len - split) as f64);
        let within = |sum: f64, count: f64| 2.0 * sum / (count * count);
        let divergence = m * n / (m + n) * (2.0 * between / (m * n) - within(left, m) - within(right, n));
        if divergence > best.map_or(0.0, |b| b.1) {
            best = Some((split, divergence));
        }
    }
    best
}

/// The p-value of a divergence; `None` above `p_max`.
fn significance(segment: &[f64], divergence: f64, p_max: f64, rng: &mut ChaCha8Rng) -> Option<f64> {
    let mut shuffled = segment.to_vec();
    let mut as_large = 0;
    let p = |as_large: u32| f64::from(as_large + 1) / f64::from(PERMUTATIONS + 1);
    for _ in 0..PERMUTATIONS {
        shuffled.shuffle(rng);
        // Equal up to the order of summation counts as large.
        as_large += u32::from(best_split(&shuffled).is_some_and(|b| b.1 >= divergence * (1.0 - 1e-9)));
        if p(as_large) > p_max {
            return None;
        }
    }
    Some(p(as_large)).filter(|p| *p <= p_max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    /// Independent values of standard deviation 1, by the sum of twelve uniform ones.
    fn noise(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0).collect()
    }

    #[test]
    fn a_step_of_three_deviations_is_found_where_it_is() {
        let near = (0..50).filter(|seed| {
            let mut series = noise(30, *seed);
            series[15..].iter_mut().for_each(|v| *v += 3.0);
            let found = change_points(&series, 0.05, 1);
            found.iter().any(|c| c.index.abs_diff(15) <= 1 && c.after - c.before > 2.0)
        });
        assert!(near.count() >= 47);
    }

    #[test]
    fn noise_has_changes_no_more_often_than_the_level_says() {
        let alarms = (0..400).filter(|seed| !change_points(&noise(30, 1_000 + seed), 0.05, 1).is_empty());
        // Two standard deviations of 400 trials at 5 % are 2.2 %.
        let share = alarms.count() as f64 / 400.0;
        assert!(share <= 0.072, "{share}");
    }

    #[test]
    fn two_steps_have_three_levels() {
        let series: Vec<f64> = [1.0, 5.0, 2.0]
            .iter()
            .enumerate()
            .flat_map(|(i, level)| noise(15, i as u64).into_iter().map(move |v| level + 0.1 * v))
            .collect();
        let found = change_points(&series, 0.05, 1);
        assert_eq!(found.iter().map(|c| c.index).collect::<Vec<_>>(), [15, 30]);
        assert!((found[0].after - 5.0).abs() < 0.2 && (found[1].after - 2.0).abs() < 0.2);
    }

    #[test]
    fn constant_short_and_undefined_series_have_none() {
        assert!(change_points(&[1.0; 40], 0.05, 1).is_empty());
        assert!(change_points(&[1.0, 9.0, 1.0], 0.05, 1).is_empty());
        assert!(change_points(&[1.0, f64::NAN, 1.0, 5.0, 5.0], 0.05, 1).is_empty());
        assert!(change_points(&[], 0.05, 1).is_empty());
    }
}
