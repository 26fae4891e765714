//! `calibench baseline`: runs kept to compare later ones with.

use std::path::Path;

use anyhow::{Result, bail};
use calibench_report::{terminal_summary, text_table};
use calibench_store::{Baseline, RunFolder};

use super::options::BaselineCommand;
use crate::console;

/// Saves, lists or shows baselines.
///
/// # Errors
/// When a run or an entry cannot be read, or the entry to be saved is there already.
pub fn baseline(command: &BaselineCommand) -> Result<()> {
    match command {
        BaselineCommand::Save { run, to } => save(run, to),
        BaselineCommand::List { from } => list(from),
        BaselineCommand::Show { entry, from } => {
            let folder = Baseline::new(from).entry(entry.as_deref())?;
            let (manifest, tables) = (folder.read_manifest()?, folder.load_tables()?);
            console::result(&terminal_summary(&manifest, &tables, console::width()));
            Ok(())
        }
    }
}

fn save(run: &Path, to: &Path) -> Result<()> {
    let folder = RunFolder::open(run)?;
    let manifest = folder.read_manifest()?;
    if manifest.finished_utc.is_none() {
        bail!("{} is not finished; `calibench sweep --resume {}` finishes it", run.display(), run.display());
    }
    let tables = folder.load_tables()?;
    for row in tables.rows.iter().filter(|r| r.status != "ok") {
        console::note(&format!(
            "warning: {} has no measurement ({}); nothing will be compared with it",
            row.cell, row.status
        ));
    }
    if manifest.commit.as_deref().is_none_or(|commit| commit.ends_with("-dirty")) {
        console::note(
            "warning: the run was made by a build that no commit describes; its place in the history is uncertain",
        );
    }
    let entry = Baseline::new(to).save(&manifest, &tables)?;
    console::result(&format!("saved {} cells as {}", tables.rows.len(), to.join(entry).display()));
    Ok(())
}

fn list(from: &Path) -> Result<()> {
    let baseline = Baseline::new(from);
    let mut rows = Vec::new();
    for name in baseline.entries()? {
        let folder = baseline.entry(Some(&name))?;
        let manifest = folder.read_manifest()?;
        let tables = folder.load_tables()?;
        let mut models: Vec<&str> = tables.rows.iter().map(|r| r.model.as_str()).collect();
        models.dedup();
        rows.push(vec![
            name,
            manifest.created_utc,
            manifest.commit.unwrap_or_default(),
            tables.rows.len().to_string(),
            models.join(", "),
            manifest.machine.cpu_model,
        ]);
    }
    let header = ["entry", "date", "commit", "cells", "models", "CPU"];
    console::result(&text_table(&header, &rows, header.len(), console::width()));
    Ok(())
}
