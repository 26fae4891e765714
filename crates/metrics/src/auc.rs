//! Area under the ROC curve.

use crate::ranks::{Ranked, average_ranks};

/// Area under the ROC curve, in 0..1: how often a positive sample scores above a negative one, where a tie counts
/// half. 0.5 is chance.
///
/// `(R − p(p + 1)/2) / (p·n)` for `p` positives with the sum of ranks `R`, and `n` negatives: the Mann–Whitney
/// statistic over the number of pairs.
///
/// `None` where undefined: lengths that differ, a NaN score, or labels of one class only.
///
/// Source: Hanley and McNeil, "The meaning and use of the area under a ROC curve", Radiology 143, 1982.
pub fn auc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    if scores.len() != positive.len() {
        return None;
    }
    let Ranked { levels, distinct } = Ranked::of(scores)?;
    let labelled: Vec<_> = levels.into_iter().zip(positive.iter().copied()).collect();
    auc_of_levels(&labelled, distinct)
}

/// [`auc`] of levels, as [`Ranked`] gives them, with whether the sample is positive, or of a resample of them, in
/// linear time.
pub fn auc_of_levels(labelled: &[(u32, bool)], distinct: usize) -> Option<f64> {
    let ranks = average_ranks(labelled.iter().map(|l| l.0), distinct);
    let (mut positives, mut sum) = (0.0, 0.0);
    for (level, _) in labelled.iter().filter(|l| l.1) {
        positives += 1.0;
        sum += ranks[*level as usize];
    }
    let pairs = positives * (labelled.len() as f64 - positives);
    (pairs > 0.0).then(|| (sum - positives * (positives + 1.0) / 2.0) / pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auc_by_counting_pairs() {
        // Positives 0.35 and 0.8 against 0.1 and 0.4: three of four pairs.
        assert_eq!(auc(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true]), Some(0.75));
        // One pair of each kind: above, tie, below, tie.
        assert_eq!(auc(&[1.0, 2.0, 1.0, 2.0], &[false, false, true, true]), Some(0.5));
        assert_eq!(auc(&[0.0, 0.0, 0.0, 1.0], &[false, false, true, true]), Some(0.75));
        assert_eq!(auc(&[2.0, 1.0], &[false, true]), Some(0.0));
        assert_eq!(auc(&[f64::NEG_INFINITY, 1.0], &[false, true]), Some(1.0));
    }

    #[test]
    fn undefined_inputs_give_none() {
        assert_eq!(auc(&[], &[]), None);
        assert_eq!(auc(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(auc(&[1.0, 2.0], &[false, false]), None);
        assert_eq!(auc(&[1.0, f64::NAN], &[true, false]), None);
        assert_eq!(auc(&[1.0], &[true, false]), None);
    }
}
