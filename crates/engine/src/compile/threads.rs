//! The threads of a plan.

use std::sync::atomic::{AtomicBool, Ordering};

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

    /// Does the work of a call with this batch: on one of the threads, while the others wait busily for their shares; or
    /// here, where no step is worth sharing.
    pub(super) fn run<R: Send>(
        &self,
        batch: usize,
        context: &mut Context,
        work: impl FnOnce(&mut Context) -> R + Send,
    ) -> R {
        match self.pool.as_ref().filter(|_| self.largest * batch as u64 >= ALONE as u64) {
            Some(pool) => {
                context.threads = pool.current_num_threads();
                let others = context.threads - 1;
                pool.install(|| {
                    let running = AtomicBool::new(true);
                    let (mut work, mut result) = (Some(work), None);
                    let mut once = || {
                        let _stop = Stop(&running);
                        result = work.take().map(|work| work(context));
                    };
                    beside(others, &running, rayon::current_thread_index(), &mut once);
                    result.expect("the work was done once")
                })
            }
            None => {
                context.threads = 1;
                work(context)
            }
        }
    }
}

/// Lets the others go when the work ends, however it does.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Works on this thread while so many others wait busily.
fn beside(others: usize, running: &AtomicBool, worker: Option<usize>, work: &mut (dyn FnMut() + Send)) {
    if others == 0 {
        return work();
    }
    rayon::join(|| beside(others - 1, running, worker, work), || wait(running, worker));
}

/// Does the shares of work that come up until it ends. Rayon's own waiting gives up after some microseconds, and the next share
/// then costs a call of the system, which on short steps takes as long as the work.
fn wait(running: &AtomicBool, worker: Option<usize>) {
    // The worker may come by here while it waits for a share, and must go on.
    while running.load(Ordering::Acquire) && rayon::current_thread_index() != worker {
        if rayon::yield_now() != Some(rayon::Yield::Executed) {
            std::hint::spin_loop();
        }
    }
}
