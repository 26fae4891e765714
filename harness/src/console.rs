//! The only place that prints: results to stdout, everything else to stderr.

use std::io::Write;

/// A line of results. A closed pipe (`calibench list | head`) is not an error.
pub fn result(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end_matches('\n'));
}

/// A note about progress or about something that needs attention.
pub fn note(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "{text}");
}

/// An error with its causes, each on a line. A cause that its parent already quotes is left out.
pub fn error(error: &anyhow::Error) {
    note(&describe(error));
}

/// The text of [`error`].
#[must_use]
pub fn describe(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(&format!("\n  caused by: {cause}"));
        }
    }
    text
}

/// Columns of the terminal: `COLUMNS`, else what the terminal says; 120 when results go elsewhere.
#[must_use]
pub fn width() -> u16 {
    let told = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let asked = || terminal_size::terminal_size().map(|(width, _)| width.0);
    told.or_else(asked).filter(|width| *width > 0).unwrap_or(120)
}
