//! Predictions of a classifier from its logits, and the shares computed from them.

/// The index of the largest logit; ties take the lowest index.
///
/// `None`, which is no prediction, for an empty row and for a row that contains a NaN: an overflowed output
/// must not count as right by luck.
pub fn argmax(row: &[f32]) -> Option<u32> {
    let mut best: Option<(usize, f32)> = None;
    for (index, &value) in row.iter().enumerate() {
        if value.is_nan() {
            return None;
        }
        if best.is_none_or(|(_, held)| value > held) {
            best = Some((index, value));
        }
    }
    best.and_then(|(index, _)| u32::try_from(index).ok())
}

/// [`argmax`] of each row of the row-major `[rows, classes]` logits.
///
/// A trailing partial row is ignored, and `classes == 0` gives no predictions.
pub fn predictions(logits: &[f32], classes: usize) -> Vec<Option<u32>> {
    if classes == 0 {
        return Vec::new();
    }
    logits.chunks_exact(classes).map(argmax).collect()
}

/// Whether `class` is among the `k` largest logits; ties take the lowest index, so `k = 1` is [`argmax`].
///
/// `None`, as for [`argmax`], where there is no prediction: for an empty row and a row with a NaN. A class beyond the
/// row is not among them.
pub fn in_top(row: &[f32], class: u32, k: usize) -> Option<bool> {
    if row.is_empty() || row.iter().any(|v| v.is_nan()) {
        return None;
    }
    let class = class as usize;
    let Some(&value) = row.get(class) else { return Some(false) };
    let ahead = |(index, other): (usize, &f32)| *other > value || (*other == value && index < class);
    Some(row.iter().enumerate().filter(|entry| ahead(*entry)).count() < k)
}

/// How many predictions equal their label; no prediction is wrong. Pairs up to the shorter slice.
pub fn correct(predicted: &[Option<u32>], labels: &[u32]) -> u32 {
    let hits = predicted.iter().zip(labels).filter(|(p, label)| **p == Some(**label)).count();
    u32::try_from(hits).unwrap_or(u32::MAX)
}

/// Top-1 accuracy, [`correct`] over the number of labels, in 0..1; 0 for no labels.
///
/// A sample that has a label but no prediction counts as wrong.
pub fn top1(predicted: &[Option<u32>], labels: &[u32]) -> f64 {
    if labels.is_empty() { 0.0 } else { f64::from(correct(predicted, labels)) / labels.len() as f64 }
}

/// Share of samples, in 0..1, for which both sides predict the same class; 0 for no samples.
///
/// Two missing predictions do not agree, and slices of different lengths are compared over the longer one:
/// what one side lacks is a disagreement.
pub fn agreement(a: &[Option<u32>], b: &[Option<u32>]) -> f64 {
    let total = a.len().max(b.len());
    if total == 0 {
        return 0.0;
    }
    let same = a.iter().zip(b).filter(|(x, y)| x.is_some() && x == y).count();
    same as f64 / total as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argmax_takes_the_lowest_of_ties_and_refuses_nan() {
        assert_eq!(argmax(&[0.0, 2.0, 2.0]), Some(1));
        assert_eq!(argmax(&[f32::NEG_INFINITY, f32::NEG_INFINITY]), Some(0));
        assert_eq!(argmax(&[1.0, f32::INFINITY]), Some(1));
        assert_eq!(argmax(&[5.0, f32::NAN]), None);
        assert_eq!(argmax(&[f32::NAN, 5.0]), None);
        assert_eq!(argmax(&[]), None);
    }

    #[test]
    fn the_top_of_a_row_counts_ties_from_the_lowest_index() {
        let row = [1.0, 5.0, 3.0, 3.0];
        let top = |k| [0, 1, 2, 3, 4].map(|class| in_top(&row, class, k) == Some(true));
        assert_eq!(top(1), [false, true, false, false, false]);
        assert_eq!(top(2), [false, true, true, false, false]);
        assert_eq!(top(4), [true, true, true, true, false]);
        assert_eq!(in_top(&[1.0, f32::NAN], 0, 5), None);
        assert_eq!(in_top(&[], 0, 5), None);
    }

    #[test]
    fn shares() {
        let predicted = predictions(&[1.0, 0.0, 0.0, 1.0, f32::NAN, 0.0], 2);
        assert_eq!(predicted, [Some(0), Some(1), None]);
        assert_eq!(correct(&predicted, &[0, 0, 0]), 1);
        assert!((top1(&predicted, &[0, 1, 0]) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(top1(&predicted, &[]), 0.0);
        // None never agrees, not even with itself.
        assert!((agreement(&predicted, &predicted) - 2.0 / 3.0).abs() < 1e-12);
        assert!((agreement(&predicted, &[Some(0)]) - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(agreement(&[], &[]), 0.0);
        assert!(predictions(&[1.0], 0).is_empty());
    }
}
