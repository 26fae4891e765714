use super::*;
use crate::Feature;
use calibench_metrics::{Z95, wilson};

fn samples(targets: Targets) -> Samples {
    let count = targets.count().unwrap_or(1);
    Samples::new(vec![Feature { name: "x".into(), shape: vec![1], data: vec![0.0; count] }], targets).unwrap()
}

fn values(width: usize, data: &[f32]) -> Samples {
    samples(Targets::Values { width, data: data.to_vec() })
}

fn classes(labels: &[u32]) -> Samples {
    samples(Targets::Classes(labels.to_vec()))
}

/// Outcomes as (target, output), score and interval.
type Scores = (Vec<(Option<f64>, Option<f64>)>, Option<f64>, Option<Interval>);

fn scored(samples: &Samples, metric: &str, outputs: &[f32]) -> Scores {
    let task = task_for(samples, metric, outputs.len() / samples.len()).unwrap();
    assert_eq!(task.metric().id, metric);
    let outcomes = task.outcomes(outputs).unwrap();
    assert!(outcomes.iter().enumerate().all(|(i, o)| o.sample == i));
    let pairs = outcomes.iter().map(|o| (o.target, o.output)).collect();
    (pairs, task.score(&outcomes), task.interval(&outcomes))
}

#[track_caller]
fn close(got: Option<f64>, want: f64) {
    let got = got.expect("defined");
    assert!((got - want).abs() < 1e-6, "got {got}, want {want}");
}

#[test]
fn a_nan_is_no_prediction_and_a_wrong_number_of_outputs_is_refused() {
    let samples = classes(&[1, 0, 1]);
    let task = task_for(&samples, "top1", 2).unwrap();
    let outcomes = task.outcomes(&[0.0, 1.0, 0.0, 1.0, f32::NAN, 1.0]).unwrap();
    assert_eq!(outcomes[0], Outcome { sample: 0, target: Some(1.0), output: Some(1.0) });
    assert_eq!(outcomes.iter().map(Outcome::correct).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(outcomes[2].output, None);
    close(task.score(&outcomes), 1.0 / 3.0);
    assert_eq!(task.interval(&outcomes), Some(wilson(1, 3, Z95)));
    assert_eq!((task.score(&[]), task.interval(&[])), (None, None));
    let error = task.outcomes(&[0.0; 5]).unwrap_err().to_string();
    assert_eq!(error, "3 samples of 2 outputs need 6 outputs, got 5");
}

#[test]
fn every_task_metric_is_in_the_registry() {
    for (id, metric) in TASK_METRICS.iter().zip(Metric::ALL) {
        assert!(spec::find(id).is_some(), "{id}");
        assert_eq!(TASK_METRICS[metric as usize], *id);
    }
}

#[test]
fn top5_counts_a_label_among_the_five_largest() {
    let row = [6.0, 5.0, 4.0, 3.0, 2.0, 1.0];
    let samples = classes(&[4, 5, 0]);
    let outputs = [row, row, [f32::NAN; 6]].concat();
    let (outcomes, score, interval) = scored(&samples, "top5", &outputs);
    assert_eq!(outcomes, [(Some(4.0), Some(4.0)), (Some(5.0), Some(0.0)), (Some(0.0), None)]);
    close(score, 1.0 / 3.0);
    assert_eq!(interval, Some(wilson(1, 3, Z95)));
}

#[test]
fn perplexity_of_a_uniform_guess_is_the_number_of_classes() {
    let samples = classes(&[0, 3]);
    let (outcomes, score, interval) = scored(&samples, "perplexity", &[0.0; 8]);
    assert_eq!(outcomes[0].0, Some(1.0));
    close(score, 4.0);
    close(interval.map(|i| i.high), 4.0);
    close(scored(&samples, "cross_entropy", &[0.0; 8]).1, 4.0_f64.ln());
    assert_eq!(scored(&samples, "cross_entropy", &[0.0, 0.0, 0.0, f32::NAN, 0.0, 0.0, 0.0, 0.0]).1, None);
}

#[test]
fn ignored_positions_have_no_part_in_the_mean() {
    // Losses ln 2 and ln(4/3) in the first sample, ln 4 in the second: the mean is over three positions.
    let ln3 = 3.0_f32.ln();
    let samples = values(2, &[0.0, 1.0, IGNORED, 0.0]);
    let (outcomes, score, _) =
        scored(&samples, "cross_entropy", &[0.0, 0.0, 0.0, ln3, 9.0, f32::NAN, 0.0, ln3]);
    assert_eq!(outcomes.iter().map(|o| o.0).collect::<Vec<_>>(), [Some(2.0), Some(1.0)]);
    let want = (2.0_f64.ln() + (4.0_f64 / 3.0).ln() + 4.0_f64.ln()) / 3.0;
    close(score, want);
    let all_ignored = values(1, &[IGNORED]);
    assert_eq!(scored(&all_ignored, "perplexity", &[0.0, 0.0]).1, None);
}

#[test]
fn correlations_keep_gold_and_prediction() {
    let samples = values(1, &[1.0, 2.0, 3.0, 4.0]);
    let (outcomes, score, interval) = scored(&samples, "spearman", &[1.0, 8.0, 27.0, 64.0]);
    assert_eq!(outcomes[1], (Some(2.0), Some(8.0)));
    close(score, 1.0);
    // Of four samples some resamples repeat one four times, which has no correlation.
    assert_eq!(interval, None);
    close(scored(&samples, "pearson", &[0.0, 0.0, 1.0, 3.0]).1, 5.0 / 30.0_f64.sqrt());
    assert_eq!(scored(&samples, "spearman", &[1.0, 8.0, f32::NAN, 64.0]).1, None);
    assert_eq!(scored(&samples, "pearson", &[1.0; 4]).1, None);
}

#[test]
fn bootstrap_intervals_hold_the_score_and_repeat() {
    let gold: Vec<f32> = (0..200).map(|i| i as f32).collect();
    let noisy: Vec<f32> = gold.iter().map(|g| g + 40.0 * (g * 12.9898).sin()).collect();
    let samples = values(1, &gold);
    for metric in ["spearman", "pearson", "mse", "psnr"] {
        let (_, score, interval) = scored(&samples, metric, &noisy);
        let (score, interval) = (score.unwrap(), interval.unwrap());
        assert!(interval.low < score && score < interval.high, "{metric}: {score} {interval:?}");
        assert_eq!(scored(&samples, metric, &noisy).2, Some(interval));
    }
    let labels: Vec<u32> = (0..200).map(|i| u32::from(i > 90)).collect();
    let (_, score, interval) = scored(&classes(&labels), "auc", &noisy);
    let interval = interval.unwrap();
    assert!(interval.low < score.unwrap() && score.unwrap() < interval.high);
}

#[test]
fn errors_are_those_of_samples_and_psnr_knows_the_range_of_the_targets() {
    // Squared errors 1, 1 and 0, 4 over a range of 10.
    let samples = values(2, &[0.0, 10.0, 5.0, 5.0]);
    let (outcomes, score, _) = scored(&samples, "mse", &[1.0, 9.0, 5.0, 7.0]);
    assert_eq!(outcomes, [(None, Some(1.0)), (None, Some(2.0))]);
    close(score, 1.5);
    close(scored(&samples, "psnr", &[1.0, 9.0, 5.0, 7.0]).1, 10.0 * (100.0_f64 / 1.5).log10());
    assert_eq!(scored(&samples, "psnr", &[0.0, 10.0, 5.0, 5.0]).1, Some(200.0));
    assert_eq!(scored(&samples, "mse", &[f32::INFINITY, 9.0, 5.0, 7.0]).1, None);
}

#[test]
fn auc_takes_a_score_or_two_logits() {
    let samples = classes(&[0, 0, 1, 1]);
    close(scored(&samples, "auc", &[0.1, 0.4, 0.35, 0.8]).1, 0.75);
    let (outcomes, score, _) = scored(&samples, "auc", &[0.0, 0.1, 1.0, 1.4, 0.0, 0.35, -1.0, -0.2]);
    close(outcomes[1].1, 0.4);
    close(score, 0.75);
    assert_eq!(scored(&classes(&[1, 1]), "auc", &[0.1, 0.2]).1, None);
}

#[test]
fn fidelity_is_the_mean_cosine_to_the_reference() {
    let samples = values(2, &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let (outcomes, score, _) = scored(&samples, "fidelity", &[1.0, 1.0, 0.0, 0.0, 0.0, 5.0]);
    close(outcomes[0].1, 0.5_f64.sqrt());
    assert_eq!([outcomes[1].1, outcomes[2].1], [Some(1.0), Some(0.0)]);
    close(score, (0.5_f64.sqrt() + 1.0) / 3.0);
    assert_eq!(scored(&samples, "fidelity", &[1.0, 1.0, 0.0, 0.0, f32::NAN, 5.0]).1, None);
}

#[test]
fn a_metric_that_does_not_fit_says_what_it_needs_and_what_there_is() {
    let refused =
        |samples: &Samples, metric, width| task_for(samples, metric, width).err().unwrap().to_string();
    let three = classes(&[0, 2]);
    assert_eq!(
        refused(&three, "spearman", 3),
        "metric `spearman` needs one target value for each sample, and one output; or a gold score for each pair of \
         samples; the data have classes 0 to 2, the model gives 3 output(s) a sample"
    );
    assert!(refused(&three, "top1", 2).contains("below the number of outputs; the data have classes 0 to 2"));
    assert!(refused(&three, "top5", 5).contains("more than five"));
    assert!(refused(&three, "auc", 2).contains("class 0 or 1"));
    assert!(refused(&values(2, &[0.0; 4]), "mse", 3).contains("2 target value(s) a sample"));
    assert!(refused(&values(1, &[0.0; 4]), "psnr", 1).contains("not all of them equal"));
    assert!(refused(&values(1, &[0.5]), "perplexity", 4).contains("one for each position"));
    assert!(refused(&samples(Targets::None), "top1", 3).contains("the data have no targets"));
    assert!(refused(&three, "top_5", 3).contains("did you mean `top5`"));
}

#[test]
fn a_pair_is_scored_by_the_cosine_similarity_of_its_outputs() {
    let gold = samples(Targets::Pairs(vec![5.0, 1.0, 3.0]));
    // Cosines 1, -1 and 0, whatever the lengths.
    let outputs = [1.0, 1.0, 4.0, 4.0, 2.0, 0.0, -1.0, 0.0, 0.0, 3.0, 1.0, 0.0];
    let (pairs, score, _) = scored(&gold, "spearman", &outputs);
    assert_eq!(pairs.iter().map(|p| p.0).collect::<Vec<_>>(), [Some(5.0), Some(1.0), Some(3.0)]);
    for ((_, got), want) in pairs.iter().zip([1.0, -1.0, 0.0]) {
        close(*got, want);
    }
    close(score, 1.0);
    // Pearson of (5, 1, 3) and (1, -1, 0).
    close(scored(&gold, "pearson", &outputs).1, 1.0);
    let zeros = [&outputs[..10], &[0.0, 0.0]].concat();
    let (pairs, score, interval) = scored(&gold, "spearman", &zeros);
    assert_eq!((pairs[2].1, score, interval), (None, None, None));
    assert!(task_for(&gold, "top1", 2).err().unwrap().to_string().contains("each pair of samples"));
}
