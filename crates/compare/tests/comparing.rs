//! What `compare` finds, and what it does not: each injected change is named, and nothing else is.

// Helpers of tests may panic as tests do; clippy's setting only knows functions marked #[test].
#![allow(clippy::unwrap_used)]

mod common;

use calibench_compare::{Budgets, Change, Comparison, Group, Outcome, Quantity, Side, Verdict, compare};
use common::{each_round, id, rename, row, side};

fn against(after: &Side) -> Comparison {
    compare(&side(0), after, Budgets::default(), &[])
}

/// What has a verdict, as cells, quantities and reasons.
fn with(comparison: &Comparison, verdict: Verdict) -> Vec<(&str, Quantity)> {
    let found = comparison.changes.iter().filter(|c| c.verdict == verdict);
    found.map(|c| (c.cell.as_str(), c.quantity)).collect()
}

fn of<'a>(comparison: &'a Comparison, cell: &str, quantity: Quantity) -> &'a Change {
    comparison.changes.iter().find(|c| c.cell == cell && c.quantity == quantity).unwrap()
}

#[test]
fn a_run_against_itself_is_identical_but_for_times_which_are_within() {
    let comparison = against(&side(0));
    assert_eq!(comparison.outcome(), Outcome::Clean);
    for change in &comparison.changes {
        let expected =
            if change.quantity.group() == Group::Latency { Verdict::Within } else { Verdict::Identical };
        assert_eq!(change.verdict, expected, "{change:?}");
    }
    let quantities: std::collections::BTreeSet<_> = comparison.changes.iter().map(|c| c.quantity).collect();
    // All but instructions, which this run did not count.
    assert_eq!(quantities.len(), Quantity::ALL.len() - 1);
}

#[test]
fn another_run_of_the_same_is_clean() {
    for run in 1..20 {
        let comparison = against(&side(run));
        assert_eq!(comparison.outcome(), Outcome::Clean, "{comparison:#?}");
    }
}

#[test]
fn a_kernel_that_is_ten_percent_slower_is_named_with_its_cell() {
    let mut after = side(1);
    each_round(&mut after, &id("cnn", "int8"), |r| r.ratio *= 1.1);
    let comparison = against(&after);
    assert_eq!(with(&comparison, Verdict::Regressed), [(id("cnn", "int8").as_str(), Quantity::Latency)]);
    let change = of(&comparison, &id("cnn", "int8"), Quantity::Latency);
    let (effect, interval) = (change.effect.unwrap(), change.interval.unwrap());
    assert!((effect - 0.1).abs() < 0.01 && interval.low > 0.08 && interval.high < 0.12, "{change:?}");
    assert_eq!((change.batch, comparison.outcome()), (Some(1), Outcome::Regression));
}

#[test]
fn a_slower_fp32_kernel_does_not_hide_in_the_ratio() {
    let mut after = side(1);
    // Everything that is fp32 takes longer, the twins of int8 cells too, whose ratio looks better for it.
    for round in &mut after.tables.rounds {
        round.twin_us *= 1.1;
        round.ratio /= if round.cell.contains("int8") { 1.1 } else { 1.0 };
    }
    let comparison = against(&after);
    let regressed = with(&comparison, Verdict::Regressed);
    let (cnn, mlp) = (id("cnn", "fp32"), id("mlp", "fp32"));
    assert_eq!(regressed, [(cnn.as_str(), Quantity::Fp32Latency), (mlp.as_str(), Quantity::Fp32Latency)]);
}

#[test]
fn memory_that_is_held_left_or_planned_is_named() {
    let cell = id("mlp", "int8");
    type Injection = (fn(&mut calibench_store::Row), Quantity);
    let changes: [Injection; 5] = [
        (|r| r.weight_bytes += 300, Quantity::Weights),
        (|r| r.peak_activation_bytes += 100, Quantity::Activations),
        (|r| r.heap_bytes = Some(20_500), Quantity::Heap),
        (|r| r.heap_left_bytes = Some(1_000), Quantity::HeapLeft),
        (|r| r.peak_resident_bytes = Some(31_000_000), Quantity::Resident),
    ];
    for (change, quantity) in changes {
        let mut after = side(1);
        change(row(&mut after, &cell));
        assert_eq!(with(&against(&after), Verdict::Regressed), [(cell.as_str(), quantity)]);
    }
}

#[test]
fn more_work_of_the_plan_is_named_whatever_the_clock_says() {
    let mut after = side(1);
    after.tables.latency[1].operations = Some(1_020_000);
    after.tables.latency[3].traffic_bytes = Some(60_000);
    let (cnn, mlp) = (id("cnn", "int8"), id("mlp", "int8"));
    let regressed = [(cnn.as_str(), Quantity::Operations), (mlp.as_str(), Quantity::Traffic)];
    assert_eq!(with(&against(&after), Verdict::Regressed), regressed);
}

#[test]
fn a_range_that_moved_by_a_bin_is_named_with_its_site() {
    let mut after = side(1);
    after.tables.sites[0].high += 4.0 / 1024.0;
    let comparison = against(&after);
    let cell = id("cnn", "int8");
    assert_eq!(with(&comparison, Verdict::Regressed), [(cell.as_str(), Quantity::Ranges)]);
    let reason = &of(&comparison, &cell, Quantity::Ranges).reason;
    assert!(reason.contains("conv1.out") && reason.contains("3.003906"), "{reason}");
}

/// Makes the first `count` right answers of a cell wrong.
fn spoil(side: &mut Side, cell: &str, count: usize) {
    let right = side.tables.outcomes.iter_mut().filter(|o| o.cell == cell && o.output == o.target);
    right.take(count).for_each(|o| o.output = Some(99.0));
    let score = row(side, cell).score.as_mut().unwrap();
    *score -= count as f64 / f64::from(common::SAMPLES);
}

#[test]
fn one_percent_of_changed_answers_is_named_though_accuracy_cannot_tell() {
    let mut after = side(1);
    let cell = id("cnn", "int8");
    spoil(&mut after, &cell, 5);
    let comparison = against(&after);
    assert_eq!(with(&comparison, Verdict::Regressed), [(cell.as_str(), Quantity::Answers)]);
    let accuracy = of(&comparison, &cell, Quantity::Accuracy);
    assert_eq!((accuracy.verdict, accuracy.effect), (Verdict::Unclear, Some(0.01)));
    assert!(accuracy.reason.contains("500 samples are too few"), "{}", accuracy.reason);
}

#[test]
fn accuracy_lost_beyond_chance_and_budget_is_named() {
    let mut after = side(1);
    let cell = id("cnn", "int8");
    spoil(&mut after, &cell, 20);
    let comparison = compare(&side(0), &after, Budgets::default(), &[Quantity::Accuracy]);
    assert_eq!(with(&comparison, Verdict::Regressed), [(cell.as_str(), Quantity::Accuracy)]);
    let change = of(&comparison, &cell, Quantity::Accuracy);
    assert_eq!((change.effect, change.budget), (Some(0.04), 0.005));
    assert!(change.p.unwrap() < 1e-4 && change.interval.unwrap().low > 0.02);
}

#[test]
fn a_correlation_is_compared_by_resampling() {
    let correlated = |noise: f64, run| {
        let mut side = side(run);
        let cell = id("cnn", "int8");
        let entry = row(&mut side, &cell);
        (entry.metric, entry.score) = ("spearman".to_owned(), Some(0.9));
        for o in side.tables.outcomes.iter_mut().filter(|o| o.cell == cell) {
            let gold = f64::from(o.sample * 37 % 500) / 500.0;
            let error = f64::from(o.sample * 7_919 % 1_009) / 1_009.0 - 0.5;
            (o.target, o.output) = (Some(gold), Some(gold + noise * error));
        }
        side
    };
    let only = [Quantity::Accuracy];
    let worse = compare(&correlated(0.1, 0), &correlated(1.0, 1), Budgets::default(), &only);
    let change = of(&worse, &id("cnn", "int8"), Quantity::Accuracy);
    assert_eq!(change.verdict, Verdict::Regressed, "{change:?}");
    assert!(change.effect.unwrap() > 0.1 && change.interval.unwrap().low > 0.1);
    let same = compare(&correlated(0.1, 0), &correlated(0.1, 1), Budgets::default(), &only);
    assert_eq!(of(&same, &id("cnn", "int8"), Quantity::Accuracy).verdict, Verdict::Identical);
}

#[test]
fn on_another_machine_a_ratio_is_no_regression_and_times_are_not_compared() {
    let mut after = side(1);
    after.manifest.machine.cpu_model = "another CPU".to_owned();
    each_round(&mut after, &id("cnn", "int8"), |r| r.ratio *= 1.3);
    row(&mut after, &id("cnn", "int8")).peak_resident_bytes = Some(60_000_000);
    let comparison = against(&after);
    assert_eq!(comparison.machine_differences, ["CPU: a CPU before, another CPU now"]);
    assert!(comparison.notes.iter().any(|n| n.contains("ratio to the fp32 twin")), "{:?}", comparison.notes);
    let cell = id("cnn", "int8");
    assert_eq!(with(&comparison, Verdict::Unclear), [(cell.as_str(), Quantity::Latency)]);
    let absolute = [Quantity::Fp32Latency, Quantity::Resident];
    assert!(comparison.changes.iter().all(|c| !absolute.contains(&c.quantity)));
    assert_eq!(comparison.outcome(), Outcome::CannotTell);
}

#[test]
fn too_much_noise_cannot_tell_and_says_how_many_repeats_would_do() {
    let noisy = |run: u32| {
        let mut side = side(run);
        for round in &mut side.tables.rounds {
            round.ratio *= 1.0 + 0.05 * f64::from((round.process + run) % 3);
        }
        side
    };
    let comparison = compare(&noisy(0), &noisy(1), Budgets::default(), &[Quantity::Latency]);
    assert_eq!(comparison.outcome(), Outcome::CannotTell);
    let change = of(&comparison, &id("cnn", "int8"), Quantity::Latency);
    assert!(change.reason.contains("--repeats"), "{}", change.reason);
}

#[test]
fn runs_without_rounds_are_compared_by_their_summaries() {
    let mut before = side(0);
    before.tables.rounds.clear();
    let mut after = side(1);
    each_round(&mut after, &id("mlp", "int8"), |r| r.ratio *= 1.2);
    let comparison = compare(&before, &after, Budgets::default(), &[Quantity::Latency]);
    assert_eq!(with(&comparison, Verdict::Regressed), [(id("mlp", "int8").as_str(), Quantity::Latency)]);
}

#[test]
fn a_missing_cell_could_not_be_compared_and_a_failed_one_is_a_regression() {
    let mut after = side(1);
    after.tables.rows.retain(|r| r.cell != id("cnn", "int8"));
    let comparison = against(&after);
    assert_eq!(comparison.outcome(), Outcome::CannotRun);
    assert_eq!(comparison.absent[0].cell, id("cnn", "int8"));
    assert!(comparison.absent[0].reason.contains("no such cell"), "{:?}", comparison.absent);

    let mut after = side(1);
    let failed = row(&mut after, &id("cnn", "int8"));
    (failed.status, failed.failure) = ("failed".to_owned(), Some("out of memory".to_owned()));
    let comparison = against(&after);
    assert_eq!(comparison.outcome(), Outcome::Regression);
    assert!(comparison.absent[0].failed && comparison.absent[0].reason.contains("out of memory"));
}

#[test]
fn a_renamed_model_is_found_by_its_content_and_a_changed_one_is_not() {
    let mut after = side(1);
    rename(&mut after, "cnn", "resnet");
    let comparison = against(&after);
    assert_eq!(comparison.outcome(), Outcome::Clean, "{comparison:#?}");
    assert!(
        comparison.notes.iter().any(|n| n.contains("`cnn` is called `resnet`")),
        "{:?}",
        comparison.notes
    );

    after.manifest.models.get_mut("resnet/0").unwrap().hash = "another".to_owned();
    let comparison = against(&after);
    assert_eq!(comparison.outcome(), Outcome::CannotRun);
    let reason = &comparison.absent[0].reason;
    assert!(reason.contains("no model `cnn`") && reason.contains("`resnet`"), "{reason}");
    assert_eq!(comparison.added.len(), 2);
}

#[test]
fn other_weights_other_data_and_other_metrics_are_said() {
    let mut after = side(1);
    after.manifest.models.get_mut("cnn/0").unwrap().hash = "another".to_owned();
    after.tables.sites[0].high = 9.0;
    let comparison = against(&after);
    assert_eq!(comparison.outcome(), Outcome::Clean);
    assert!(comparison.notes.iter().any(|n| n.contains("other weights")), "{:?}", comparison.notes);

    let mut after = side(1);
    after.manifest.datasets.get_mut("digits").unwrap().sha256 = "d2".to_owned();
    let comparison = against(&after);
    let change = of(&comparison, &id("cnn", "int8"), Quantity::Accuracy);
    assert_eq!((change.verdict, change.reason.contains("SHA-256")), (Verdict::Unclear, true));

    let mut after = side(1);
    row(&mut after, &id("cnn", "int8")).metric = "auc".to_owned();
    let reason = &of(&against(&after), &id("cnn", "int8"), Quantity::Accuracy).reason.clone();
    assert_eq!(reason, "scored by top1 before, by auc now");
}

#[test]
fn kernels_of_another_instruction_set_are_matched_and_noted() {
    let mut after = side(1);
    let cell = id("cnn", "int8");
    row(&mut after, &cell).isa = "generic".to_owned();
    let comparison = against(&after);
    assert!(comparison.absent.is_empty());
    assert!(comparison.notes.iter().any(|n| n.contains("`generic`")), "{:?}", comparison.notes);
}

#[test]
fn only_what_is_asked_for_is_compared() {
    let comparison = compare(&side(0), &side(1), Budgets::default(), &[Quantity::Heap]);
    assert!(comparison.changes.iter().all(|c| c.quantity == Quantity::Heap));
    assert_eq!(comparison.changes.len(), 4);
}

#[test]
fn a_comparison_survives_json() {
    let comparison = against(&side(1));
    let text = serde_json::to_string(&comparison).unwrap();
    assert_eq!(serde_json::from_str::<Comparison>(&text).unwrap(), comparison);
}
