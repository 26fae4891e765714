//! Where a measuring process runs: pinned to CPUs, so that it is not moved between them while it is timed.

/// Pins this process to as many of its CPUs as it has threads, the idlest ones; those that it gets.
///
/// Threads that start later inherit it. `None`, and nothing changes, where the process would keep all its CPUs anyway, and
/// where the system does not let it choose.
#[must_use]
pub fn pin(threads: usize) -> Option<Vec<usize>> {
    imp::pin(threads)
}

#[cfg(target_os = "linux")]
mod imp {
    use std::thread::sleep;
    use std::time::Duration;

    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    /// How long the CPUs are watched for which is idle.
    const WATCH: Duration = Duration::from_millis(30);

    pub(super) fn pin(threads: usize) -> Option<Vec<usize>> {
        let allowed = sched_getaffinity(None).ok()?;
        let cpus: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
        if threads == 0 || threads >= cpus.len() {
            return None;
        }
        let stat = || std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let before = stat();
        sleep(WATCH);
        let chosen = idlest(&cpus, &before, &stat(), threads);
        let mut set = CpuSet::new();
        chosen.iter().for_each(|cpu| set.set(*cpu));
        sched_setaffinity(None, &set).ok()?;
        Some(chosen)
    }

    /// The `count` CPUs with the most idle time between two readings of /proc/stat, in ascending order. Among equals the
    /// last, since interrupts are often served by the first.
    pub(super) fn idlest(cpus: &[usize], before: &str, after: &str, count: usize) -> Vec<usize> {
        let idle = |cpu: &usize| {
            idle_ticks(after, *cpu).unwrap_or(0).saturating_sub(idle_ticks(before, *cpu).unwrap_or(0))
        };
        let mut by_idleness: Vec<usize> = cpus.to_vec();
        by_idleness.sort_by_key(|cpu| std::cmp::Reverse((idle(cpu), *cpu)));
        by_idleness.truncate(count);
        by_idleness.sort_unstable();
        by_idleness
    }

    /// Idle and waiting ticks of a CPU: the fourth and fifth number of its line.
    fn idle_ticks(stat: &str, cpu: usize) -> Option<u64> {
        let name = format!("cpu{cpu}");
        let mut fields = stat.lines().find_map(|line| {
            let mut fields = line.split_whitespace();
            (fields.next() == Some(name.as_str())).then_some(fields)
        })?;
        let idle: u64 = fields.nth(3)?.parse().ok()?;
        let waiting: u64 = fields.next().and_then(|f| f.parse().ok()).unwrap_or(0);
        Some(idle + waiting)
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    pub(super) fn pin(_: usize) -> Option<Vec<usize>> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::imp::idlest;

    const BEFORE: &str = "cpu  9 9 9 9\ncpu0 1 0 1 100 5 0\ncpu1 1 0 1 100 5 0\ncpu2 0 0 0 50 0 0\nintr 1\n";

    #[test]
    fn the_idlest_cpus_are_chosen_and_the_last_among_equals() {
        let after = "cpu  9 9 9 9\ncpu0 3 0 1 100 5 0\ncpu1 1 0 1 102 5 0\ncpu2 0 0 0 52 0 0\n";
        assert_eq!(idlest(&[0, 1, 2], BEFORE, after, 1), [2]);
        assert_eq!(idlest(&[0, 1, 2], BEFORE, after, 2), [1, 2]);
        assert_eq!(idlest(&[0, 1], BEFORE, after, 1), [1], "CPU 2 is not ours");
    }

    #[test]
    fn without_readings_the_last_are_chosen() {
        assert_eq!(idlest(&[0, 1, 5], "", "", 1), [5]);
    }
}
