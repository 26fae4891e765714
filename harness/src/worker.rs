//! A cell in a process of its own: starting it, watching it, and what its end means.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::interrupt;

/// How a cell's process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It wrote its record.
    Done,
    /// It failed; the reason goes into the row.
    Failed(String),
    /// Ctrl-C; the cell is not recorded and a resumed sweep runs it.
    Interrupted,
}

/// How often the parent looks whether the process has ended.
const POLL: Duration = Duration::from_millis(5);
/// How long a signal that ended a child may take to reach our own handler.
const GRACE: Duration = Duration::from_millis(200);
/// Longest reason kept in a row, in characters.
const REASON_CHARS: usize = 600;

/// Runs `calibench cell` for one cell of a run folder, as its timing process number `process`, and waits for it.
///
/// The child holds one end of a pipe as its standard input: when this process dies, however it dies, the
/// pipe closes and the child ends too (see [`end_with_parent`]).
///
/// # Errors
/// When the process cannot be started.
pub fn run(run: &Path, cell: &str, process: u32, timeout: Duration) -> Result<Ending> {
    let binary = std::env::current_exe().context("cannot find the calibench binary")?;
    let mut child = Command::new(&binary)
        .arg("cell")
        .arg("--run")
        .arg(run)
        .arg("--id")
        .arg(cell)
        .arg("--process")
        .arg(process.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    let stderr = child.stderr.take();
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    let ending = wait(&mut child, timeout);
    let said = reader.join().unwrap_or_default();
    Ok(match ending? {
        Waited::Ended(status) if status.success() => Ending::Done,
        Waited::Ended(status) => Ending::Failed(reason(status, &said)),
        Waited::TimedOut => Ending::Failed(format!("took longer than {} s and was ended", timeout.as_secs())),
        Waited::Interrupted => Ending::Interrupted,
    })
}

enum Waited {
    Ended(ExitStatus),
    TimedOut,
    Interrupted,
}

fn wait(child: &mut Child, timeout: Duration) -> Result<Waited> {
    let start = Instant::now();
    let stopped = loop {
        if let Some(status) = child.try_wait().context("cannot wait for a cell's process")? {
            return Ok(if ended_by_interrupt(status) { Waited::Interrupted } else { Waited::Ended(status) });
        }
        if interrupt::interrupted() {
            break Waited::Interrupted;
        }
        if start.elapsed() > timeout {
            break Waited::TimedOut;
        }
        thread::sleep(POLL);
    };
    let _ = child.kill();
    child.wait().context("cannot wait for a cell's process")?;
    Ok(stopped)
}

/// Whether the child ended by the signal that interrupts this process too: Ctrl-C reaches the whole process
/// group, and the child may be gone before our own handler has run.
fn ended_by_interrupt(status: ExitStatus) -> bool {
    let start = Instant::now();
    while !interrupt::interrupted() && signal(status).is_some_and(is_interrupt) && start.elapsed() < GRACE {
        thread::sleep(POLL);
    }
    interrupt::interrupted()
}

/// SIGHUP, SIGINT or SIGTERM.
fn is_interrupt(signal: i32) -> bool {
    matches!(signal, 1 | 2 | 15)
}

/// The reason in words: the signal or status, and the end of what the process said.
fn reason(status: ExitStatus, said: &str) -> String {
    let said = said.trim();
    let cut = said.char_indices().rev().nth(REASON_CHARS).map_or(0, |(i, _)| i);
    let said = said[cut..].trim_start_matches("error: ");
    let how = match (status.code(), signal(status)) {
        (Some(1), _) if !said.is_empty() => return said.to_owned(),
        (Some(101), _) => "panicked".to_owned(),
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(9)) => "killed by signal 9 (by hand, or for lack of memory)".to_owned(),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended without a status".to_owned(),
    };
    if said.is_empty() { how } else { format!("{how}: {said}") }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// Ends this process as soon as its standard input closes, which is when its parent is gone.
pub fn end_with_parent() {
    thread::spawn(|| {
        let mut byte = [0];
        while let Ok(1..) = std::io::stdin().read(&mut byte) {}
        std::process::exit(i32::from(crate::EXIT_INTERRUPTED));
    });
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn reasons_are_in_words() {
        let status = |code: i32| ExitStatus::from_raw(code << 8);
        assert_eq!(reason(status(1), "error: no such file\n"), "no such file");
        assert_eq!(reason(status(101), "thread panicked at x"), "panicked: thread panicked at x");
        assert_eq!(reason(status(7), ""), "ended with status 7");
        assert!(reason(ExitStatus::from_raw(9), "").contains("signal 9"));
    }

    #[test]
    fn long_reasons_keep_their_end() {
        let said = format!("{}the end", "é".repeat(5000));
        let kept = reason(ExitStatus::from_raw(101 << 8), &said);
        assert!(kept.ends_with("the end") && kept.chars().count() < REASON_CHARS + 20);
    }
}
