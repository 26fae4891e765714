//! Ctrl-C: a flag that long work looks at, so that it stops between steps and keeps what it has.

use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static LISTENING: AtomicBool = AtomicBool::new(false);

/// Starts to listen, unless this process already does: a check may measure several times. A second Ctrl-C ends the process at
/// once.
///
/// # Errors
/// When the handler cannot be installed.
pub fn listen() -> anyhow::Result<()> {
    if LISTENING.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(crate::EXIT_INTERRUPTED));
        }
    })
    .map_err(|e| anyhow::anyhow!("cannot listen for Ctrl-C: {e}"))
}

/// Whether Ctrl-C (or SIGTERM) came.
#[must_use]
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

#[cfg(test)]
mod tests {
    #[test]
    fn listening_again_is_no_error() {
        super::listen().unwrap();
        super::listen().unwrap();
    }
}
