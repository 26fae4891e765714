//! `isotone`: the range that keeps the order of a classifier's two largest logits.

use calibench_quant::{Calibrator, Entry, Job, QParams, QuantError, Range, StatKind, TopTwo};

use crate::inputs;

/// Registry entry.
pub(crate) const ENTRY: Entry<dyn Calibrator> = Entry {
    id: "isotone",
    summary: "the range that keeps the two largest values of most samples in order: for a classifier's logits",
    source: "ppq.quantization.observer.TorchIsotoneObserver (PPQ 0.6)",
    construct: || Box::new(Isotone),
};

/// Candidates per octave of the upper threshold.
const PER_OCTAVE: i32 = 32;
/// Octaves below the observed range that are searched.
const OCTAVES: i32 = 12;

/// The range `[min(x, 0), T]` for which most samples keep their largest value apart from and above their second:
///
/// ```text
/// T = argmax  #{ i : q(first_i) > q(second_i) }      q: quantization with the range's scale and zero point
/// ```
///
/// Candidates are 32 thresholds an octave from the largest value seen down to 2⁻¹² of it; ties keep the widest.
/// Samples whose two largest are equal, and those of fewer than two finite values, have no order to keep.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`].
///
/// Source: PPQ's isotone observer, which solves for the scale from each pair instead of trying a grid. Limits:
/// it looks at the top-1 decision only: meant for the last layer of a classifier, senseless elsewhere.
struct Isotone;

impl Calibrator for Isotone {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Range, StatKind::TopTwo]
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        let observed = inputs::range(job)?;
        let pairs: Vec<TopTwo> =
            inputs::top_two(job)?.into_iter().filter(|top| top.first > top.second).collect();
        // Below the largest value, or, where all are negative, towards zero from the smallest.
        let end = f64::from(if observed.high > 0.0 { observed.high } else { observed.low });
        let candidate = |step: i32| {
            let share = (-f64::from(step) / f64::from(PER_OCTAVE)).exp2();
            let low = if end > 0.0 { f64::from(observed.low.min(0.0)) } else { end * share };
            inputs::clip(observed, low, end.max(0.0) * share)
        };
        let mut best = (kept(job, &pairs, observed)?, observed);
        for step in 1..=OCTAVES * PER_OCTAVE {
            if best.0 == pairs.len() {
                break;
            }
            let range = candidate(step);
            let kept = kept(job, &pairs, range)?;
            if kept > best.0 {
                best = (kept, range);
            }
        }
        Ok(best.1)
    }
}

/// Samples whose two largest keep their order.
fn kept(job: &Job<'_>, pairs: &[TopTwo], range: Range) -> Result<usize, QuantError> {
    let q = QParams::from_range(job.site, range, job.format, job.symmetry)?;
    Ok(pairs.iter().filter(|top| q.quantize(top.first, 0) > q.quantize(top.second, 0)).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::{IntFormat, Stats, Symmetry};
    use std::collections::BTreeMap;

    fn answer(pairs: &[(f32, f32)], observed: Range) -> Range {
        let top = pairs.iter().map(|(first, second)| TopTwo { first: *first, second: *second }).collect();
        let stats = Stats {
            elements: 100,
            range: Some(observed),
            top_two: Some(BTreeMap::from([(0, top)])),
            ..Stats::default()
        };
        let job = Job { site: "logits", stats: &stats, format: IntFormat::INT8, symmetry: Symmetry::Affine };
        Isotone.range(&job).unwrap()
    }

    #[test]
    fn close_pairs_pull_the_threshold_in_until_they_are_told_apart() {
        let observed = Range { low: 0.0, high: 100.0 };
        // A step of 100 / 255 = 0.39 tells 5.0 from 5.45 but not 5.1 from 5.2 nor 7.0 from 7.05.
        assert_eq!(answer(&[(100.0, 3.0), (5.45, 5.0)], observed), observed);
        let pairs = [(5.2, 5.1), (7.05, 7.0), (4.03, 3.99)];
        let range = answer(&pairs, observed);
        let kept = |range| {
            let q = QParams::from_range("t", range, IntFormat::INT8, Symmetry::Affine).unwrap();
            pairs.iter().filter(|(a, b)| q.quantize(*a, 0) > q.quantize(*b, 0)).count()
        };
        assert_eq!((kept(range), kept(observed)), (3, 0), "{range:?}");
    }

    #[test]
    fn without_an_order_to_keep_the_observed_range_stays() {
        let observed = Range { low: -1.0, high: 2.0 };
        assert_eq!(answer(&[(1.0, 1.0)], observed), observed);
        assert_eq!(answer(&[], observed), observed);
    }
}
