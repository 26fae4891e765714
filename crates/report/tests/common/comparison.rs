//! A made-up comparison with every verdict, and made-up histories.

use calibench_compare::{Absent, Budgets, Change, Comparison, Quantity, RunName, Verdict};
use calibench_metrics::{Direction, Interval};
use calibench_report::{History, HistoryChange, HistoryPoint};

/// The id of a cell as the harness forms it.
pub fn cell(model: &str, configuration: &str) -> String {
    format!("{model}/{configuration}/avx2/t1/s1")
}

/// A change of a random quantity, whose interval has that half width.
pub fn noisy(cell: &str, quantity: Quantity, figures: (f64, f64), (effect, half): (f64, f64)) -> Change {
    let budget = Budgets::default().of(quantity);
    let is_score = quantity == Quantity::Accuracy;
    let verdict = match effect {
        e if e - half > budget => Verdict::Regressed,
        e if e + half < 0.0 => Verdict::Improved,
        e if e + half <= budget => Verdict::Within,
        _ => Verdict::Unclear,
    };
    let reason = match (verdict, is_score) {
        (Verdict::Unclear, true) => {
            "too few samples to tell from 360 test samples; about 1900 would do (--limit 1900)"
        }
        (Verdict::Unclear, false) => {
            "too noisy to tell from 5 processes a cell; about 14 would do (--repeats 14)"
        }
        (_, true) => "paired on 360 test samples",
        (_, false) => "",
    };
    Change {
        cell: cell.to_owned(),
        batch: (!is_score).then_some(32),
        quantity,
        unit: if is_score { "share" } else { "1" }.to_owned(),
        before: Some(figures.0),
        after: Some(figures.1),
        effect: Some(effect),
        interval: Some(Interval { low: effect - half, high: effect + half }),
        p: Some(if verdict == Verdict::Regressed { 0.000_2 } else { 0.21 }),
        budget,
        verdict,
        reason: reason.to_owned(),
    }
}

/// A change of a quantity without chance.
pub fn exact(cell: &str, quantity: Quantity, unit: &str, figures: (Option<f64>, f64), effect: f64) -> Change {
    let budget = Budgets::default().of(quantity);
    let verdict = match effect {
        0.0 => Verdict::Identical,
        e if e > budget => Verdict::Regressed,
        e if e < -budget => Verdict::Improved,
        _ => Verdict::Within,
    };
    let reason = match quantity {
        Quantity::Answers => "of 360 test samples",
        Quantity::Ranges if effect != 0.0 => {
            "most of all activation block2.conv.out: -3.120000..4.870000 before, -3.120000..4.910000 now"
        }
        _ => "",
    };
    Change {
        cell: cell.to_owned(),
        batch: None,
        quantity,
        unit: unit.to_owned(),
        before: figures.0,
        after: Some(figures.1),
        effect: Some(effect),
        interval: None,
        p: None,
        budget,
        verdict,
        reason: reason.to_owned(),
    }
}

/// A comparison of nothing.
pub fn empty() -> Comparison {
    Comparison {
        before: RunName::default(),
        after: RunName::default(),
        budgets: Budgets::default(),
        machine_differences: Vec::new(),
        notes: Vec::new(),
        changes: Vec::new(),
        absent: Vec::new(),
        added: Vec::new(),
    }
}

/// Two models, every verdict, cells that only one side has.
pub fn every_verdict() -> Comparison {
    let run = |name: &str, commit: &str, date: &str| RunName {
        name: name.to_owned(),
        commit: Some(commit.to_owned()),
        date: date.to_owned(),
    };
    let mse = cell("digits-cnn", "int8/static/mse/per-channel/affine");
    let percentile = cell("digits-vit", "int8/static/percentile-99.99/per-channel/affine");
    let half = cell("digits-cnn", "fp16-storage/none/none/none/none");
    let kib = 1024.0;
    let mut changes = vec![
        noisy(&mse, Quantity::Latency, (0.712, 0.782), (0.098, 0.016)),
        noisy(&mse, Quantity::Accuracy, (0.9777, 0.9749), (0.002_8, 0.006)),
        exact(&mse, Quantity::Answers, "share", (None, 0.031), 0.031),
        exact(&mse, Quantity::Ranges, "share", (None, 0.005), 0.005),
        exact(&mse, Quantity::Weights, "bytes", (Some(12.3 * kib), 12.3 * kib), 0.0),
        exact(&mse, Quantity::Activations, "bytes", (Some(96.0 * kib), 64.0 * kib), -0.3333),
        noisy(&percentile, Quantity::Latency, (0.81, 0.83), (0.021, 0.048)),
        noisy(&percentile, Quantity::Accuracy, (0.95, 0.925), (0.025, 0.01)),
        exact(&percentile, Quantity::Instructions, "count", (Some(12_345_678.0), 12_401_234.0), 0.004_5),
        exact(&percentile, Quantity::Weights, "bytes", (Some(40_960.0), 40_960.0), 0.0),
        noisy(&half, Quantity::Latency, (1.02, 0.98), (-0.04, 0.012)),
        noisy(&half, Quantity::Accuracy, (0.98, 0.98), (0.0, 0.002)),
        exact(&half, Quantity::Heap, "bytes", (Some(51_200.0), 51_712.0), 0.01),
    ];
    changes[8].batch = Some(32);
    Comparison {
        before: run("baseline/digits", "0123456789abcdef", "2026-11-20T14:03:59Z"),
        after: run("20261126T081500Z-host-89abcde", "89abcdef01234567", "2026-11-26T08:15:00Z"),
        machine_differences: vec!["compiler: rustc 1.95.0 before, rustc 1.96.0 now".to_owned()],
        notes: vec![
            "model `digits-vit`, seed 1, has other weights than before: its answers and ranges are not \
                     compared one by one"
                .to_owned(),
        ],
        changes,
        absent: vec![
            Absent {
                cell: cell("digits-mlp", "int8/dynamic/none/per-channel/affine"),
                reason: "it was measured before and fails now: killed by signal 9\nout of memory".to_owned(),
                failed: true,
            },
            Absent {
                cell: cell("digits-mlp", "int16/static/entropy/per-channel/symmetric"),
                reason: "it is not in the later run; measure it, or save a new baseline".to_owned(),
                failed: false,
            },
        ],
        added: vec![cell("digits-cnn", "int8/static/isotone/per-channel/affine")],
        ..empty()
    }
}

/// Of [`every_verdict`] only what that rule keeps; every cell is there.
pub fn only(keep: impl Fn(Verdict) -> bool) -> Comparison {
    let mut comparison = every_verdict();
    comparison.changes.retain(|c| keep(c.verdict));
    comparison.absent.clear();
    comparison
}

/// A history of `commits` values: noise around a level that rises by 9.8 % at two thirds and falls by 4 % at five sixths.
pub fn history(commits: usize) -> History {
    let (rise, fall) = (commits * 2 / 3, commits * 5 / 6);
    let level = |i: usize| {
        if i < rise {
            0.712
        } else if i < fall {
            0.782
        } else {
            0.751
        }
    };
    let point = |i: usize| {
        let noise = ((i * 7919 % 13) as f64 - 6.0) / 6.0 * 0.008;
        let value = level(i) + noise;
        HistoryPoint {
            label: format!("{:07x}", (i + 1) * 0x9e_3779 % 0xfff_ffff),
            date: format!("2026-{:02}-{:02}T10:00:00Z", 9 + i / 28, 1 + i % 28),
            value,
            low: Some(value - 0.012),
            high: Some(value + 0.012),
        }
    };
    let change = |index: usize| HistoryChange { index, before: level(index - 1), after: level(index) };
    History {
        title: "digits-cnn int8 static mse: latency, batch 32".to_owned(),
        unit: "×".to_owned(),
        direction: Direction::Lower,
        budget: Some(0.05),
        points: (0..commits).map(point).collect(),
        changes: vec![change(rise), change(fall)],
    }
}

/// A history of an accuracy without a change and of few commits.
pub fn steady() -> History {
    let point = |(i, share): (usize, f64)| HistoryPoint {
        label: format!("{i}abcde0"),
        date: format!("2026-11-{:02}T10:00:00Z", 10 + i),
        value: share,
        low: Some(share - 0.015),
        high: Some(share + 0.01),
    };
    History {
        title: "digits-vit int8 static entropy: accuracy".to_owned(),
        unit: "share".to_owned(),
        direction: Direction::Higher,
        budget: Some(0.005),
        points: [0.972, 0.972, 0.9694, 0.9722].into_iter().enumerate().map(point).collect(),
        changes: Vec::new(),
    }
}
