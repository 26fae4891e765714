//! How sure a threshold is: resampled thresholds, and thresholds against the number of samples.

use std::collections::BTreeSet;

use anyhow::Result;
use calibench_metrics::quantile;
use calibench_quant::{Calibrator, IntFormat, Job, QParams, Range, StatKind, Symmetry};
use calibench_tasks::tensors::Tensor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::oracle::squared_error;
use super::source::Case;
use crate::interrupt;

/// Draws of a subset of each size.
const DRAWS: usize = 8;

/// What is asked of a method.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The method.
    pub method: &'a dyn Calibrator,
    /// The integer format.
    pub format: IntFormat,
    /// Whether the zero point is free.
    pub symmetry: Symmetry,
}

/// 95 % percentile bootstrap intervals of both thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bootstrap {
    /// Resamples that gave an answer.
    pub resamples: u32,
    /// What was resampled: rows of the batch axis, or whole batches where a batch is one row.
    pub samples: usize,
    /// Interval of the low threshold.
    pub low: [f64; 2],
    /// Interval of the high threshold.
    pub high: [f64; 2],
}

/// Median answer for subsets of one size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Samples seen.
    pub samples: usize,
    /// Median low threshold over the draws.
    pub low: f64,
    /// Median high threshold over the draws.
    pub high: f64,
    /// Median, over the draws, of the mean squared error of *all* values with those parameters.
    pub mse: f64,
    /// Largest of these errors.
    pub worst_mse: f64,
}

/// Bootstrap over samples: as many as there are, drawn with replacement, in batches of the sizes at hand.
///
/// Methods are asked anew for each resample, from its own statistics, so that those that depend on batches
/// or their order are resampled as what they are. `None` when interrupted or without an answer.
///
/// # Errors
/// When observers fail.
pub fn bootstrap(
    case: &Case,
    question: Question<'_>,
    resamples: u32,
    seed: u64,
) -> Result<Option<Bootstrap>> {
    let samples: Vec<&[f32]> = case.samples().collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut lows, mut highs) = (Vec::new(), Vec::new());
    for _ in 0..resamples {
        if interrupt::interrupted() {
            return Ok(None);
        }
        let drawn = (0..samples.len()).map(|_| samples[rng.random_range(0..samples.len())]).collect();
        if let Some((range, _)) = answer(&rebatched(case, drawn), question)? {
            lows.push(f64::from(range.low));
            highs.push(f64::from(range.high));
        }
    }
    let interval = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        Some([quantile(values, 0.025)?, quantile(values, 0.975)?])
    };
    let resamples = lows.len() as u32;
    let (Some(low), Some(high)) = (interval(&mut lows), interval(&mut highs)) else { return Ok(None) };
    Ok(Some(Bootstrap { resamples, samples: samples.len(), low, high }))
}

/// Answers for 1, 2, 4, … samples up to all, each from eight random subsets.
///
/// # Errors
/// When observers fail.
pub fn curve(case: &Case, question: Question<'_>, seed: u64) -> Result<Vec<Point>> {
    let samples: Vec<&[f32]> = case.samples().collect();
    let all = case.finite();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut points = Vec::new();
    let sizes = (0..).map(|i| 1_usize << i).take_while(|n| *n < samples.len()).chain([samples.len()]);
    for size in sizes {
        let (mut lows, mut highs, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        let draws = if size == samples.len() { 1 } else { DRAWS };
        for _ in 0..draws {
            if interrupt::interrupted() {
                return Ok(points);
            }
            let drawn = subset(&mut rng, samples.len(), size).into_iter().map(|i| samples[i]).collect();
            if let Some((range, q)) = answer(&rebatched(case, drawn), question)? {
                lows.push(f64::from(range.low));
                highs.push(f64::from(range.high));
                errors.push(squared_error(&all, &q) / all.len().max(1) as f64);
            }
        }
        let median = |values: &[f64]| calibench_metrics::median(values);
        if let (Some(low), Some(high), Some(mse)) = (median(&lows), median(&highs), median(&errors)) {
            let worst_mse = errors.iter().copied().fold(mse, f64::max);
            points.push(Point { samples: size, low, high, mse, worst_mse });
        }
    }
    Ok(points)
}

/// `size` of `count` indices, in their order.
fn subset(rng: &mut ChaCha8Rng, count: usize, size: usize) -> BTreeSet<usize> {
    // Floyd's algorithm: each subset is as likely as any other.
    let mut chosen = BTreeSet::new();
    for last in count - size..count {
        let pick = rng.random_range(0..=last);
        if !chosen.insert(pick) {
            chosen.insert(last);
        }
    }
    chosen
}

/// These samples in batches of the case's sizes, as long as they last.
fn rebatched(case: &Case, samples: Vec<&[f32]>) -> Case {
    let mut rest = samples.into_iter();
    let mut batches = Vec::new();
    for batch in &case.batches {
        let rows: Vec<&[f32]> = rest.by_ref().take(Case::samples_of(batch)).collect();
        if rows.is_empty() {
            break;
        }
        let mut shape = batch.shape.clone();
        if shape.len() > 1 {
            shape[0] = rows.len();
        }
        batches.push(Tensor { name: batch.name.clone(), shape, values: rows.concat(), overflowed: 0 });
    }
    Case { name: case.name.clone(), batches }
}

/// Range and parameters; `None` when the samples hold nothing to calibrate on.
fn answer(case: &Case, question: Question<'_>) -> Result<Option<(Range, QParams)>> {
    let kinds: BTreeSet<StatKind> = question.method.needs().iter().copied().collect();
    let stats = case.observe(&kinds, 0)?;
    let job = Job { site: &case.name, stats: &stats, format: question.format, symmetry: question.symmetry };
    let range = question.method.range(&job);
    Ok(range.and_then(|range| Ok((range, question.method.calibrate(&job)?))).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::find;

    fn case(samples: usize) -> Case {
        // Sample i holds −i and i: the range of a subset is that of its largest index.
        let values: Vec<f32> = (1..=samples).flat_map(|i| [-(i as f32), i as f32]).collect();
        let batch = Tensor::new("t.0", &[samples, 2], values).unwrap();
        Case { name: "t".to_owned(), batches: vec![batch] }
    }

    fn minmax() -> Box<dyn Calibrator> {
        (find(calibench_calibrators::ALL, "calibrator", "minmax").unwrap().construct)()
    }

    fn question(method: &dyn Calibrator) -> Question<'_> {
        Question { method, format: IntFormat::INT8, symmetry: Symmetry::Affine }
    }

    #[test]
    fn the_interval_of_a_maximum_reaches_up_to_it_and_repeats() {
        let (case, method) = (case(100), minmax());
        let got = bootstrap(&case, question(method.as_ref()), 200, 1).unwrap().unwrap();
        // A resample of 100 misses the k largest with probability (1 − k/100)^100 ≈ e^−k: 2.5 % at k = 3.7.
        assert_eq!((got.resamples, got.samples, got.high[1]), (200, 100, 100.0));
        assert!((95.0..99.0).contains(&got.high[0]), "{got:?}");
        assert_eq!(got, bootstrap(&case, question(method.as_ref()), 200, 1).unwrap().unwrap());
        assert_ne!(got, bootstrap(&case, question(method.as_ref()), 50, 2).unwrap().unwrap());
    }

    #[test]
    fn the_curve_ends_at_all_samples_and_its_thresholds_grow() {
        let (case, method) = (case(50), minmax());
        let points = curve(&case, question(method.as_ref()), 3).unwrap();
        assert_eq!(points.iter().map(|p| p.samples).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 50]);
        assert!(points.windows(2).all(|w| w[1].high >= w[0].high * 0.9), "{points:?}");
        let last = points.last().unwrap();
        assert_eq!((last.low, last.high), (-50.0, 50.0));
        assert!(last.mse <= points[0].mse);
    }

    #[test]
    fn a_subset_has_its_size_and_every_index_can_be_in_it() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let subset = subset(&mut rng, 10, 3);
            assert_eq!(subset.len(), 3);
            seen.extend(subset);
        }
        assert_eq!(seen, (0..10).collect());
    }
}
