//! Regressions: two runs compared, baselines kept, a run checked against one, and how a figure went over commits.

mod baseline;
mod check;
mod history;
pub mod options;

use std::path::Path;

use anyhow::Result;
use calibench_compare::{Comparison, RunName, Side, compare};
use calibench_report::{comparison_markdown, comparison_text};
use calibench_store::{Baseline, RunFolder};

use crate::console;
use options::{Compare, ComparisonFormat};

pub use baseline::baseline;
pub use check::check;
pub use history::history;

/// Compares two runs and prints what changed.
///
/// # Errors
/// When a run or baseline cannot be read.
pub fn compare_runs(options: &Compare) -> Result<()> {
    let (before, after) = (side(&options.before)?, side(&options.after)?);
    let comparison = compare(&before, &after, options.budgets.budgets(), &options.budgets.only());
    console::result(&match options.format {
        ComparisonFormat::Text => comparison_text(&comparison, console::width(), options.all),
        ComparisonFormat::Markdown => comparison_markdown(&comparison),
        ComparisonFormat::Json => json(&comparison)?,
    });
    Ok(())
}

/// The comparison for programs, with what follows from it as a whole.
fn json(comparison: &Comparison) -> Result<String> {
    let mut value = serde_json::to_value(comparison)?;
    value["outcome"] = serde_json::to_value(comparison.outcome())?;
    Ok(serde_json::to_string_pretty(&value)?)
}

/// The run at a path: a run folder, an entry of a baseline, or the newest entry of a baseline.
fn side(path: &Path) -> Result<Side> {
    if path.join("manifest.json").is_file() {
        return read(&RunFolder::open(path)?);
    }
    match Baseline::new(path).entry(None) {
        Ok(entry) => read(&entry),
        // A folder of neither kind: what was most probably meant is a run.
        Err(_) => read(&RunFolder::open(path)?),
    }
}

fn read(folder: &RunFolder) -> Result<Side> {
    let manifest = folder.read_manifest()?;
    let tables = folder.load_tables()?;
    let name = RunName {
        name: folder.root().display().to_string(),
        commit: manifest.commit.clone(),
        date: manifest.created_utc.clone(),
    };
    Ok(Side { name, manifest, tables })
}
