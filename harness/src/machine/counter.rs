//! Retired instructions, where the machine counts them: a second witness beside time, which hardly any noise reaches.

/// How many instructions a call of `work` retires in user mode on this thread, as the mean of `calls`.
///
/// `None` where the processor or the virtual machine has no such counter, where the system does not let this process
/// read it, and outside Linux. Errors of `work` end the counting and are given back.
///
/// # Errors
/// The first error of `work`.
pub fn instructions<E>(calls: u32, work: impl FnMut() -> Result<(), E>) -> Result<Option<f64>, E> {
    imp::instructions(calls, work)
}

#[cfg(target_os = "linux")]
mod imp {
    use perf_event::Builder;
    use perf_event::events::{Event, Hardware};

    pub(super) fn instructions<E>(calls: u32, work: impl FnMut() -> Result<(), E>) -> Result<Option<f64>, E> {
        count(Hardware::INSTRUCTIONS, calls, work)
    }

    /// Mean count of an event over calls, on this thread.
    pub(super) fn count<E>(
        event: impl Event,
        calls: u32,
        mut work: impl FnMut() -> Result<(), E>,
    ) -> Result<Option<f64>, E> {
        let Ok(mut counter) = Builder::new(event).exclude_kernel(true).exclude_hv(true).build() else {
            return Ok(None);
        };
        if calls == 0 || counter.enable().is_err() {
            return Ok(None);
        }
        for _ in 0..calls {
            work()?;
        }
        let stopped = counter.disable().is_ok();
        let total = counter.read().ok().filter(|total| stopped && *total > 0);
        Ok(total.map(|total| total as f64 / f64::from(calls)))
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    pub(super) fn instructions<E>(_: u32, _: impl FnMut() -> Result<(), E>) -> Result<Option<f64>, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spin(turns: u64) -> Result<(), String> {
        std::hint::black_box((0..turns).fold(1_u64, |x, i| std::hint::black_box(x.wrapping_mul(i | 1))));
        Ok(())
    }

    #[test]
    fn ten_times_the_work_retires_about_ten_times_the_instructions() {
        let one = instructions(10, || spin(10_000)).expect("spinning does not fail");
        let ten = instructions(10, || spin(100_000)).expect("spinning does not fail");
        if let (Some(one), Some(ten)) = (one, ten) {
            assert!((ten / one - 10.0).abs() < 0.5, "{one} and {ten}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_software_event_is_counted_where_hardware_ones_are_not() {
        // The same path as that of instructions, which virtual machines rarely have.
        let clock = imp::count(perf_event::events::Software::TASK_CLOCK, 3, || spin(100_000));
        if let Some(nanoseconds) = clock.expect("spinning does not fail") {
            assert!(nanoseconds > 1_000.0, "{nanoseconds} ns for a hundred thousand multiplications");
        }
    }

    #[test]
    fn an_error_of_the_work_is_given_back() {
        let result = instructions(3, || Err::<(), _>("no"));
        assert!(matches!(result, Err("no") | Ok(None)), "{result:?}");
    }
}
