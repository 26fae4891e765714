//! Which configuration is recommended, and what the sentence says.

mod common;

use calibench_report::{Choice, DEFAULT_MAX_DROP, Recommendation, recommend, terminal_summary};
use calibench_store::{LatencyRow, Row, Tables};

/// A small run of one model: fp32 and int8 cells that run different code, given as (top-1, ratio, half width, bytes).
fn small(cells: &[(f64, f64, f64, u64)]) -> (Vec<Row>, Vec<LatencyRow>) {
    let (mut rows, mut latency) = (Vec::new(), Vec::new());
    let float = ["fp32", "none", "none", "none", "none"].map(str::to_owned);
    let mut reference = common::cell("m", &float, 1);
    common::set_top1(&mut reference, 0.98);
    rows.push(reference);
    for (i, (top1, ratio, half, bytes)) in cells.iter().enumerate() {
        let name = ["int8", "qat", &format!("method-{i}"), "per-channel", "affine"].map(str::to_owned);
        let mut row = common::cell("m", &name, 1);
        common::set_top1(&mut row, *top1);
        row.weight_bytes = *bytes;
        latency.push(common::latency(&row.cell, 1, *ratio, *half));
        latency.push(common::latency(&row.cell, 8, 0.1, 0.01));
        rows.push(row);
    }
    (rows, latency)
}

fn choose((rows, latency): &(Vec<Row>, Vec<LatencyRow>)) -> Recommendation {
    recommend("m", rows, latency, DEFAULT_MAX_DROP)
}

#[test]
fn the_fastest_within_the_allowed_drop_wins() {
    let run = small(&[(0.975, 0.6, 0.02, 26_000), (0.96, 0.3, 0.02, 26_000), (0.979, 0.7, 0.02, 26_000)]);
    let chosen = choose(&run);
    assert_eq!(chosen.choice, Choice::Faster);
    assert_eq!(chosen.configuration.as_deref(), Some("int8 qat method-0 per-channel affine"));
    assert_eq!(chosen.batch, Some(1));
    for part in ["97.5 %", "0.5 points below fp32 (98.0 %)", "0.60× the fp32 latency [0.58, 0.62] at batch 1"]
    {
        assert!(chosen.sentence.contains(part), "{part} in {}", chosen.sentence);
    }
}

#[test]
fn of_cells_as_fast_within_the_noise_the_closest_to_fp32_wins() {
    let mut run = small(&[0.50, 0.53, 0.54, 0.55, 0.56].map(|ratio| (0.98, ratio, 0.001, 26_000)));
    for (row, sqnr_db) in run.0[1..].iter_mut().zip([30.0, 41.8, 40.0, 60.0, 60.0]) {
        row.sqnr_db = Some(sqnr_db);
    }
    // Nothing says how large the noise is: the fastest wins, whatever its SQNR.
    assert_eq!(choose(&run).configuration.as_deref(), Some("int8 qat method-0 per-channel affine"));
    // The same code: a difference of 8.6 % is noise, and two are slower than that.
    for row in &mut run.0[1..] {
        row.timing = "static".to_owned();
    }
    let chosen = choose(&run);
    assert_eq!(chosen.configuration.as_deref(), Some("int8 static method-1 per-channel affine"));
    let why = "of 3 int8 static cells that are as fast within the noise (8.6 %), the closest to fp32 (SQNR 41.8 dB).";
    assert!(chosen.sentence.ends_with(why), "{}", chosen.sentence);
}

#[test]
fn a_drop_of_exactly_the_limit_is_allowed() {
    assert_eq!(choose(&small(&[(0.97, 0.5, 0.01, 26_000)])).choice, Choice::Faster);
}

/// The same run, with scores of another metric: the fp32 cell's first.
fn rescored(
    mut run: (Vec<Row>, Vec<LatencyRow>),
    metric: &str,
    scores: &[f64],
) -> (Vec<Row>, Vec<LatencyRow>) {
    for (row, score) in run.0.iter_mut().zip(scores) {
        row.metric = metric.to_owned();
        row.score = Some(*score);
        (row.score_low, row.score_high) = (None, None);
    }
    run
}

#[test]
fn of_a_metric_that_is_no_share_one_percent_of_fp32s_score_may_be_lost() {
    let two = || small(&[(0.0, 0.4, 0.01, 26_000), (0.0, 0.5, 0.01, 26_000)]);
    // 0.792 is 1 % below 0.8, 0.79 more.
    let chosen = choose(&rescored(two(), "spearman", &[0.8, 0.79, 0.792]));
    assert_eq!(chosen.configuration.as_deref(), Some("int8 qat method-1 per-channel affine"));
    assert!(chosen.sentence.contains("Spearman 0.7920, 1.0 % below fp32 (0.8000)"), "{}", chosen.sentence);
    let kept = choose(&rescored(two(), "spearman", &[0.8, 0.7, 0.76]));
    assert_eq!(kept.choice, Choice::KeepFp32);
    assert!(
        kept.sentence.contains("within 1.0 % of it") && kept.sentence.contains("loses 5.0 %"),
        "{}",
        kept.sentence
    );
}

#[test]
fn a_lower_error_is_better() {
    let three = || small(&[(0.0, 0.3, 0.01, 26_000), (0.0, 0.4, 0.01, 26_000), (0.0, 0.5, 0.01, 26_000)]);
    // The fastest errs more, the next less than fp32.
    let chosen = choose(&rescored(three(), "mse", &[0.04, 0.05, 0.03, 0.0404]));
    assert_eq!(chosen.configuration.as_deref(), Some("int8 qat method-1 per-channel affine"));
    assert!(chosen.sentence.contains("MSE 0.03000, 25.0 % below fp32 (0.04000)"), "{}", chosen.sentence);
    assert!(chosen.drop.is_some_and(|drop| (drop + 25.0).abs() < 1e-9), "{:?}", chosen.drop);
    let chosen = choose(&rescored(three(), "mse", &[0.04, 0.05, 0.06, 0.0404]));
    assert_eq!(chosen.configuration.as_deref(), Some("int8 qat method-2 per-channel affine"));
    assert!(chosen.sentence.contains("1.0 % above fp32"), "{}", chosen.sentence);
}

#[test]
fn a_metric_that_is_not_known_gives_no_recommendation() {
    let chosen = choose(&rescored(small(&[(0.0, 0.3, 0.01, 26_000)]), "of-tomorrow", &[0.5, 0.5]));
    assert_eq!(chosen.choice, Choice::NoReference);
    assert!(chosen.sentence.contains("does not know the metric"), "{}", chosen.sentence);
}

#[test]
fn the_terminal_names_each_models_metric_and_what_is_better() {
    let shown = terminal_summary(&common::manifest(&[1]), &common::mixed(&[1]), 130);
    for part in
        ["top-1 ±", "drop, pt", "agree", "Spearman ±", "drop, %", "SQNR", "MSE ±", "lower MSE is better"]
    {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert_eq!(shown.matches("agree").count(), 1, "{shown}");
}

#[test]
fn an_interval_that_reaches_one_is_not_faster() {
    let chosen = choose(&small(&[(0.98, 0.97, 0.05, 26_000), (0.98, 1.2, 0.01, 13_000)]));
    assert_eq!(chosen.choice, Choice::Smaller);
    assert_eq!(chosen.configuration.as_deref(), Some("int8 qat method-1 per-channel affine"));
    assert!(chosen.sentence.contains("nothing within 1.0 points of fp32 was faster"), "{}", chosen.sentence);
    assert!(chosen.sentence.contains("[0.92, 1.02] at batch 1 reaches 1"), "{}", chosen.sentence);
}

#[test]
fn nothing_faster_and_nothing_smaller_keeps_fp32() {
    let chosen = choose(&small(&[(0.98, 1.3, 0.05, 100_000)]));
    assert_eq!(chosen.choice, Choice::KeepFp32);
    assert!(chosen.cell.is_some_and(|cell| cell.contains("fp32")));
}

#[test]
fn too_inaccurate_keeps_fp32_and_names_the_closest() {
    let chosen = choose(&small(&[(0.90, 0.5, 0.05, 26_000), (0.94, 0.5, 0.05, 26_000)]));
    assert_eq!(chosen.choice, Choice::KeepFp32);
    assert!(chosen.sentence.contains("method-1"), "{}", chosen.sentence);
    assert!(chosen.sentence.contains("loses 4.0 points"), "{}", chosen.sentence);
}

#[test]
fn missing_and_nan_never_qualify() {
    let mut run = small(&[(0.98, 0.5, 0.01, 26_000), (0.98, 0.4, 0.01, 26_000), (0.98, 0.9, 0.01, 26_000)]);
    run.0[1].score = Some(f64::NAN);
    run.0[2].score = None;
    let chosen = choose(&run);
    assert_eq!(chosen.configuration.as_deref(), Some("int8 qat method-2 per-channel affine"));
    for l in &mut run.1 {
        l.ratio = f64::NAN;
    }
    let chosen = choose(&run);
    assert_eq!(chosen.choice, Choice::Smaller);
    assert!(chosen.sentence.contains("no latency was measured"), "{}", chosen.sentence);
    assert!(!chosen.sentence.contains("NaN"));
}

#[test]
fn all_failed_and_no_reference_give_no_recommendation() {
    let mut run = small(&[(0.98, 0.5, 0.01, 26_000)]);
    run.0[0].status = "failed".to_owned();
    let chosen = choose(&run);
    assert_eq!((chosen.choice, chosen.cell), (Choice::NoReference, None));
    assert!(chosen.sentence.contains("no fp32 cell"), "{}", chosen.sentence);
    run.0[1].status = "failed".to_owned();
    assert!(choose(&run).sentence.contains("2 cells failed"));
    assert_eq!(recommend("absent", &run.0, &run.1, 1.0).choice, Choice::NoReference);
}

#[test]
fn the_drop_is_measured_against_the_same_seed() {
    let mut run = small(&[(0.95, 0.5, 0.01, 26_000)]);
    let mut other = run.0[0].clone();
    other.seed = 2;
    other.cell.push_str("-2");
    common::set_top1(&mut other, 0.955);
    run.0.push(other);
    assert_eq!(choose(&run).choice, Choice::KeepFp32);
    run.0[1].seed = 2;
    assert_eq!(choose(&run).choice, Choice::Faster);
}

#[test]
fn the_terminal_shows_reference_choice_and_failures_in_its_width() {
    let tables: Tables = common::run(&[1]);
    for width in [80u16, 120] {
        let shown = terminal_summary(&common::manifest(&[1]), &tables, width);
        assert!(shown.lines().all(|line| line.chars().count() <= width.into()), "{shown}");
        assert!(shown.contains("killed by signal 9"));
        assert_eq!(shown.matches('→').count(), 3, "{shown}");
        assert!(shown.contains("digits-cnn: choose int8"), "{shown}");
    }
}
