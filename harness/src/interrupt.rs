//! Ctrl-C: a flag that long work looks at, so that it stops between steps and keeps what it has.

use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Starts to listen. A second Ctrl-C ends the process at once.
///
/// # Errors
/// When the handler cannot be installed.
pub fn listen() -> anyhow::Result<()> {
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
