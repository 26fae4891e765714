//! The threads of a plan.

use super::CompileOptions;
use super::rows::ALONE;
use super::step::{Context, Planned};
use crate::EngineError;

/// Threads that share the work of steps.
#[derive(Debug)]
pub(super) struct Threads {
    pool: Option<rayon::ThreadPool>,
    /// Multiply-adds per sample of the largest step.
    largest: u64,
}

impl Threads {
    /// # Errors
    /// When they cannot be started.
    pub(super) fn new(options: CompileOptions, steps: &[Planned], model: &str) -> Result<Self, EngineError> {
        let pool = (options.threads > 1)
            .then(|| rayon::ThreadPoolBuilder::new().num_threads(options.threads).build())
            .transpose()
            .map_err(|e| EngineError::Unsupported {
                model: model.to_owned(),
                node: "threads".to_owned(),
                reason: format!("cannot start {} threads: {e}", options.threads),
            })?;
        let largest = steps.iter().map(|planned| planned.step.work(1).operations).max().unwrap_or(0);
        Ok(Self { pool, largest })
    }

    /// Does the work of a call with this batch: on one of the threads, so that a step only has to wake the others; or here,
    /// where no step is worth sharing.
    pub(super) fn run<R: Send>(
        &self,
        batch: usize,
        context: &mut Context,
        work: impl FnOnce(&mut Context) -> R + Send,
    ) -> R {
        match self.pool.as_ref().filter(|_| self.largest * batch as u64 >= ALONE as u64) {
            Some(pool) => {
                context.threads = pool.current_num_threads();
                pool.install(|| work(context))
            }
            None => {
                context.threads = 1;
                work(context)
            }
        }
    }
}
