//! Where the time of a call goes, step by step.

use std::time::{Duration, Instant};

use super::{Executable, PlanLine};
use crate::EngineError;

/// Times of calls and of the steps in them. All in seconds, one entry a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// Each step with its times.
    pub steps: Vec<(PlanLine, Vec<f64>)>,
    /// Whole calls without a clock between their steps, interleaved with the others.
    pub calls: Vec<f64>,
}

impl Executable {
    /// Runs the inputs for about `budget`, in turn as a whole and step by step.
    ///
    /// Reading the clock between two steps costs some 50 ns, which is in no step's time.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn profile(
        &mut self,
        batch: usize,
        inputs: &[&[f32]],
        budget: Duration,
    ) -> Result<Profile, EngineError> {
        let mut profile = Profile {
            steps: self.plan(batch).into_iter().map(|line| (line, Vec::new())).collect(),
            calls: Vec::new(),
        };
        self.run(batch, inputs)?;
        let begun = Instant::now();
        while profile.calls.is_empty() || begun.elapsed() < budget {
            let start = Instant::now();
            std::hint::black_box(self.run(batch, std::hint::black_box(inputs))?);
            profile.calls.push(start.elapsed().as_secs_f64());
            self.accept(batch, inputs)?;
            let Self { steps, buffers, context, threads, .. } = &mut *self;
            threads.run(batch, context, |context| -> Result<(), EngineError> {
                for (planned, (_, times)) in steps.iter().zip(&mut profile.steps) {
                    let start = Instant::now();
                    planned.run(batch, buffers, context)?;
                    times.push(start.elapsed().as_secs_f64());
                }
                Ok(())
            })?;
        }
        Ok(profile)
    }
}
