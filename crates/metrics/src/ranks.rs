//! Ranks of values, with ties.
//!
//! In two steps, because a bootstrap ranks the same values a thousand times: [`Ranked`] sorts once, after which the
//! ranks of any resample are counted, not sorted.

/// Values replaced by the number of distinct lesser ones: `[3.0, 1.0, 3.0]` becomes `[1, 0, 1]`.
///
/// Equal values have equal levels (−0 equals 0), so ranks by levels are ranks by values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked {
    /// Level of each value, in the order of the values.
    pub levels: Vec<u32>,
    /// Number of distinct values.
    pub distinct: usize,
}

impl Ranked {
    /// Sorts the values; `None` when one is NaN. Infinities are ordinary.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.iter().any(|v| v.is_nan()) {
            return None;
        }
        let mut order: Vec<usize> = (0..values.len()).collect();
        // Adding 0 turns −0 into 0, which the total order tells apart.
        order.sort_by(|a, b| (values[*a] + 0.0).total_cmp(&(values[*b] + 0.0)));
        let mut levels = vec![0; values.len()];
        let mut distinct = 0;
        for (place, &index) in order.iter().enumerate() {
            if place == 0 || values[order[place - 1]] < values[index] {
                distinct += 1;
            }
            levels[index] = (distinct - 1) as u32;
        }
        Some(Self { levels, distinct })
    }
}

/// Rank of each level that occurs in `levels`, from 1; values of one level share the mean of the ranks that they
/// take up. Index the result by level; levels that do not occur hold no meaning.
///
/// `levels` may be a resample of those of [`Ranked`]; each is below `distinct`.
#[must_use]
pub fn average_ranks(levels: impl Iterator<Item = u32>, distinct: usize) -> Vec<f64> {
    let mut ranks = vec![0.0; distinct];
    for level in levels {
        ranks[level as usize] += 1.0;
    }
    let mut below = 0.0;
    for rank in &mut ranks {
        let count = *rank;
        *rank = below + (count + 1.0) / 2.0;
        below += count;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_the_mean_of_their_ranks() {
        let values = [3.0, 1.0, 3.0, f64::NEG_INFINITY, 3.0];
        let ranked = Ranked::of(&values).expect("no NaN");
        assert_eq!((&ranked.levels[..], ranked.distinct), (&[2, 1, 2, 0, 2][..], 3));
        let ranks = average_ranks(ranked.levels.iter().copied(), ranked.distinct);
        assert_eq!(ranks, [1.0, 2.0, 4.0]);
    }

    #[test]
    fn zeros_are_equal_and_nan_has_no_rank() {
        assert_eq!(Ranked::of(&[0.0, -0.0]).map(|r| r.distinct), Some(1));
        assert_eq!(Ranked::of(&[0.0, f64::NAN]), None);
        assert_eq!(Ranked::of(&[]), Some(Ranked { levels: Vec::new(), distinct: 0 }));
    }
}
