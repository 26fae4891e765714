//! A fixed workload that no change of calibench touches: how fast and how steady the machine is right now.

use std::hint::black_box;
use std::time::{Duration, Instant};

use calibench_metrics::quantile;

/// Elements that the workload passes over: 16 KiB, so that running it between two measurements takes little from their caches.
const LEN: usize = 4 * 1024;
/// Passes over them.
const PASSES: usize = 8;
/// How long [`noise`] watches.
const WATCH: Duration = Duration::from_millis(250);

/// The workload with its memory.
#[derive(Debug)]
pub struct Reference {
    values: Vec<f32>,
}

impl Default for Reference {
    fn default() -> Self {
        Self { values: (0..LEN).map(|i| i as f32 / LEN as f32).collect() }
    }
}

impl Reference {
    /// Seconds of one run: a multiplication and an addition for each element and pass, then a chain of as many dependent
    /// integer steps, so that loads, vector units and clock frequency all take part.
    pub fn seconds(&mut self) -> f64 {
        let start = Instant::now();
        for _ in 0..PASSES {
            for value in black_box(&mut self.values) {
                *value = *value * 0.999 + 0.000_5;
            }
        }
        let steps = (LEN * PASSES) as u64;
        let chain = (0..steps).fold(1_u64, |x, i| black_box(x).wrapping_mul(0x5851_f42d_4c95_7f2d) ^ i);
        black_box((chain, &self.values));
        start.elapsed().as_secs_f64()
    }
}

/// How much the machine swings: (p90 − p10) / median of the workload's times over a quarter of a second.
///
/// A quiet machine is below 0.02; above 0.10 something else is running, or the frequency is changing.
#[must_use]
pub fn noise() -> Option<f64> {
    let mut reference = Reference::default();
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < 20 || start.elapsed() < WATCH {
        times.push(reference.seconds());
    }
    times.sort_by(f64::total_cmp);
    let [p10, p50, p90] = [0.1, 0.5, 0.9].map(|q| quantile(&times, q));
    Some((p90? - p10?) / p50?).filter(|swing| swing.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workload_takes_time_and_keeps_its_values_finite() {
        let mut reference = Reference::default();
        for _ in 0..1_000 {
            assert!(reference.seconds() > 0.0);
        }
        assert!(reference.values.iter().all(|v| (0.0..=1.0).contains(v)));
    }

    #[test]
    fn noise_is_a_share() {
        assert!(noise().is_some_and(|swing| swing >= 0.0));
    }
}
