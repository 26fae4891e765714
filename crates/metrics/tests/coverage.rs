//! What intervals and tests promise, checked by simulation: 95 % intervals cover between 93 and 97 %, tests at 5 % do not
//! reject more often. `--nocapture` shows the table; NOTES.md keeps it.

// Helpers of tests may panic as tests do; clippy's setting only knows functions marked #[test].
#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "the table of coverages is for whoever runs this by hand")]

use calibench_metrics::{
    Discordant, Interval, LogMean, Observation, aggregate, bca, label_test, mcnemar_exact,
    paired_share_interval, ratio_of_processes, spearman, swap_test, t_interval, welch,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of random numbers.
struct Random(ChaCha8Rng);

impl Random {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    /// Standard normal, by Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn normals(&mut self, n: usize, sd: f64) -> Vec<f64> {
        (0..n).map(|_| sd * self.normal()).collect()
    }
}

fn holds(interval: Interval, truth: f64) -> bool {
    interval.low <= truth && truth <= interval.high
}

/// Share of `trials` in which the interval holds the truth, which must be between 93 and 97 %.
#[track_caller]
fn covers(what: &str, trials: u64, mut trial: impl FnMut(&mut Random) -> bool) {
    let share = share_of(trials, &mut trial);
    println!("{what:<72} {:.1} % of {trials}", 100.0 * share);
    assert!((0.93..=0.97).contains(&share), "{what}: {share}");
}

/// Share of `trials` in which a test at 5 % rejects: no more than that, and two standard deviations of the simulation.
#[track_caller]
fn rejects_at_most(what: &str, trials: u64, mut trial: impl FnMut(&mut Random) -> bool) {
    let share = share_of(trials, &mut trial);
    println!("{what:<72} {:.1} % of {trials}", 100.0 * share);
    let slack = 2.0 * (0.05 * 0.95 / trials as f64).sqrt();
    assert!(share <= 0.05 + slack, "{what}: {share}");
}

fn share_of(trials: u64, trial: &mut impl FnMut(&mut Random) -> bool) -> f64 {
    (0..trials).filter(|i| trial(&mut Random::new(*i))).count() as f64 / trials as f64
}

fn mean(units: &[&f64]) -> f64 {
    units.iter().copied().sum::<f64>() / units.len() as f64
}

#[test]
fn bca_of_means_and_correlations() {
    covers("BCa of the mean of 60 normal values", 2_000, |r| {
        holds(bca(&r.normals(60, 1.0), 1_000, 0.95, 1, mean).unwrap(), 0.0)
    });
    covers("BCa of the mean of 200 losses, exponential", 2_000, |r| {
        let losses: Vec<f64> = (0..200).map(|_| -(1.0 - r.uniform()).ln()).collect();
        holds(bca(&losses, 1_000, 0.95, 1, mean).unwrap(), 1.0)
    });
    covers("BCa of the difference of two Spearman correlations, 80 paired samples", 2_000, |r| {
        // Both models see the gold value through noise of the same size: the true difference is zero.
        let units: Vec<[f64; 3]> = (0..80)
            .map(|_| {
                let (gold, shared) = (r.normal(), r.normal());
                [gold, gold + 0.5 * shared + 0.5 * r.normal(), gold + 0.5 * shared + 0.5 * r.normal()]
            })
            .collect();
        let statistic = |units: &[&[f64; 3]]| {
            let column = |i: usize| units.iter().map(|u| u[i]).collect::<Vec<_>>();
            let gold = column(0);
            spearman(&gold, &column(2)).unwrap() - spearman(&gold, &column(1)).unwrap()
        };
        holds(bca(&units, 400, 0.95, 1, statistic).unwrap(), 0.0)
    });
}

/// One model is right on `p` more of the samples, and the two differ on `discordance` of them.
fn answers(r: &mut Random, n: u64, p: f64, discordance: f64) -> Discordant {
    let second = f64::midpoint(discordance, p);
    let mut d = Discordant::default();
    for _ in 0..n {
        let x = r.uniform();
        d.only_second += u64::from(x < second);
        d.only_first += u64::from((second..discordance).contains(&x));
    }
    d
}

#[test]
fn paired_shares() {
    for (n, p, discordance) in
        [(500, 0.0, 0.02), (500, 0.01, 0.03), (500, 0.0, 0.10), (2_000, -0.01, 0.02), (100, 0.05, 0.20)]
    {
        let what = format!("Tango, {n} samples, difference {p}, discordance {discordance}");
        covers(&what, 4_000, |r| {
            let d = answers(r, n, p, discordance);
            holds(paired_share_interval(d, n, 0.95).unwrap(), p)
        });
    }
    rejects_at_most("exact McNemar, 500 samples, discordance 0.04, no difference", 4_000, |r| {
        mcnemar_exact(answers(r, 500, 0.0, 0.04)) < 0.05
    });
}

#[test]
fn means_of_few_values() {
    covers("t interval of 5 values", 4_000, |r| holds(t_interval(&r.normals(5, 1.0), 0.95).unwrap(), 0.0));
    for (n_a, n_b, sd) in [(5, 5, 1.0), (3, 3, 1.0), (5, 3, 3.0)] {
        let what = format!("Welch, {n_a} against {n_b} values, standard deviations 1 and {sd}");
        covers(&what, 4_000, |r| {
            let test = welch(&r.normals(n_a, 1.0), &r.normals(n_b, sd)).unwrap();
            holds(test.interval(0.95).unwrap(), 0.0)
        });
    }
    covers("mean over 4 seeds of 3 calibration sets each", 4_000, |r| {
        let observations: Vec<Observation> = (0..4)
            .flat_map(|seed| {
                let training = r.normal();
                let draws = r.normals(3, 0.5);
                (0..3).map(move |draw| Observation { seed, draw, value: training + draws[draw as usize] })
            })
            .collect();
        holds(aggregate(&observations, true).unwrap().interval.unwrap(), 0.0)
    });
}

/// Ratios of rounds in processes: each process has a level of its own, each round too.
fn processes(r: &mut Random, count: usize, between: f64, within: f64) -> Vec<Vec<f64>> {
    let mut process = || {
        let level = between * r.normal();
        r.normals(8, within).into_iter().map(|round| (level + round).exp()).collect()
    };
    (0..count).map(|_| process()).collect()
}

#[test]
fn latency_ratios() {
    covers("ratio of one process of 8 rounds", 4_000, |r| {
        let ratio = ratio_of_processes(&processes(r, 1, 0.0, 0.01)).unwrap();
        holds(Interval { low: ratio.low, high: ratio.high }, 1.0)
    });
    // As measured: processes differ by half a percent, rounds by one.
    for (count, between, within) in [(3, 0.005, 0.01), (5, 0.005, 0.01), (5, 0.02, 0.005)] {
        let what = format!("ratio of {count} processes, sd {between} between, {within} within");
        covers(&what, 4_000, |r| {
            let ratio = ratio_of_processes(&processes(r, count, between, within)).unwrap();
            holds(Interval { low: ratio.low, high: ratio.high }, 1.0)
        });
        let what = format!("change between two runs of {count} such processes");
        let change = |r: &mut Random| {
            let before = LogMean::of(&processes(r, count, between, within)).unwrap();
            before.change_to(&LogMean::of(&processes(r, count, between, within)).unwrap()).unwrap()
        };
        covers(&what, 4_000, |r| holds(change(r).interval(0.95).unwrap(), 0.0));
        rejects_at_most(&format!("{what}, as a test"), 4_000, |r| change(r).p < 0.05);
    }
}

#[test]
fn permutation_tests() {
    rejects_at_most("swap test of 40 paired losses", 1_000, |r| {
        let differences: Vec<f64> = r.normals(40, 1.0).into_iter().map(|d| d.powi(3)).collect();
        let statistic = |swapped: &[bool]| {
            differences.iter().zip(swapped).map(|(d, s)| if *s { -d } else { *d }).sum::<f64>()
        };
        swap_test(40, 499, 1, statistic).unwrap() < 0.05
    });
    rejects_at_most("label test of 4 against 5 values", 2_000, |r| {
        label_test(&r.normals(4, 1.0), &r.normals(5, 1.0), 500, 1).unwrap() < 0.05
    });
}
