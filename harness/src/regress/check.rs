//! `calibench check`: measures what a baseline measured, and says whether anything became worse.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use calibench_compare::{Budgets, Comparison, Group, Quantity, Side, Verdict, compare};
use calibench_report::{comparison_annotations, comparison_junit, comparison_markdown, comparison_text};
use calibench_store::{Baseline, RunFolder, write_atomic};

use super::options::Check;
use super::{json, read};
use crate::commands::{configuration, dry_run};
use crate::config::Config;
use crate::plan::plan;
use crate::sources::Sources;
use crate::sweep::{Target, measure};
use crate::{EXIT_COULD_NOT_RUN, EXIT_INTERRUPTED, EXIT_OK, console};

/// Checks a run, or measures one, against a baseline. Exit status: 0 clean, 1 regression, 2 could not tell, 3 could not run,
/// 130 interrupted.
#[must_use]
pub fn check(options: &Check) -> u8 {
    match checked(options) {
        Ok(status) => status,
        Err(error) => {
            console::error(&error);
            EXIT_COULD_NOT_RUN
        }
    }
}

fn checked(options: &Check) -> Result<u8> {
    let entry = Baseline::new(&options.baseline).entry(options.entry.as_deref())?;
    let before = read(&entry).context("the baseline cannot be compared with")?;
    let judge = Judge { options, before };
    if options.sweep.dry_run {
        let (config, sources) = judge.asked()?;
        console::result(&dry_run(&plan(&config, sources)?)?);
        return Ok(EXIT_OK);
    }
    let comparison = match &options.run {
        Some(run) => judge.compare(&RunFolder::open(run)?, 1)?,
        None => match judge.measure()? {
            Some(comparison) => comparison,
            None => return Ok(EXIT_INTERRUPTED),
        },
    };
    report(&comparison, options)?;
    Ok(comparison.outcome().exit_status())
}

struct Judge<'a> {
    options: &'a Check,
    before: Side,
}

impl Judge<'_> {
    /// The comparison with a run. Of several looks at growing data each has its share of the false alarms.
    fn compare(&self, run: &RunFolder, looks: usize) -> Result<Comparison> {
        let budgets = self.options.budgets.budgets();
        let budgets = Budgets { false_alarm_rate: budgets.false_alarm_rate / looks as f64, ..budgets };
        Ok(compare(&self.before, &read(run)?, budgets, &self.options.budgets.only()))
    }

    /// What is to be measured: what the options of a sweep name, over what the baseline measured.
    fn asked(&self) -> Result<(Config, Sources)> {
        let recorded = || -> Result<Config> {
            serde_json::from_value(self.before.manifest.config.clone()).context(
                "the baseline's configuration is not one of this version; name one with --config, or save a new baseline",
            )
        };
        let named = self.options.sweep.config.is_some();
        configuration(&self.options.sweep, if named { None } else { Some(recorded()?) })
    }

    /// Measures and compares; where latency is too noisy to tell, measures it in more processes and compares again. `None`
    /// when it was interrupted.
    fn measure(&self) -> Result<Option<Comparison>> {
        let (config, sources) = self.asked()?;
        let sweep = &self.options.sweep;
        let mut target =
            Target { out: sweep.out.clone(), resume: sweep.resume.clone(), quiet: true, repeats: None };
        let (base, looks) = (config.measure.repeats.max(1), looks(self.options.patience));
        let mut repeats = base;
        loop {
            let (folder, status) = measure(&config, sources.clone(), &target)?;
            if status == EXIT_INTERRUPTED {
                return Ok(None);
            }
            let comparison = self.compare(&folder, looks)?;
            let next = (repeats * 2).min(base * self.options.patience);
            if next <= repeats || !has_unclear_latency(&comparison) {
                return Ok(Some(comparison));
            }
            console::note(&format!("latency is too noisy to tell; measuring it in {next} processes a cell"));
            repeats = next;
            target = Target {
                out: None,
                resume: Some(folder.root().to_path_buf()),
                quiet: true,
                repeats: Some(repeats),
            };
        }
    }
}

/// How often a check compares when its patience is that many times the first measurement, doubled each time.
fn looks(patience: usize) -> usize {
    let mut looks = 1;
    let mut reached = 1;
    while reached < patience {
        reached *= 2;
        looks += 1;
    }
    looks
}

fn has_unclear_latency(comparison: &Comparison) -> bool {
    let unclear = |q: Quantity, v: Verdict| q.group() == Group::Latency && v == Verdict::Unclear;
    comparison.machine_differences.is_empty()
        && comparison.changes.iter().any(|c| unclear(c.quantity, c.verdict))
}

/// Prints the comparison and writes the files that were asked for; on GitHub also annotations and the step's summary.
fn report(comparison: &Comparison, options: &Check) -> Result<()> {
    console::result(&comparison_text(comparison, console::width(), options.all));
    let write = |path: &Option<PathBuf>, text: &dyn Fn() -> Result<String>| -> Result<()> {
        if let Some(path) = path {
            write_atomic(path, text()?.as_bytes())?;
        }
        Ok(())
    };
    write(&options.markdown, &|| Ok(comparison_markdown(comparison)))?;
    write(&options.junit, &|| Ok(comparison_junit(comparison)))?;
    write(&options.json, &|| json(comparison))?;
    if std::env::var_os("GITHUB_ACTIONS").is_some_and(|v| v == "true") {
        console::result(&comparison_annotations(comparison));
        if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") {
            append(Path::new(&path), &comparison_markdown(comparison))?;
        }
    }
    Ok(())
}

fn append(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| writeln!(file, "{text}"))
        .with_context(|| format!("cannot write the step's summary to {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::looks;

    #[test]
    fn repeats_double_until_the_patience_is_spent() {
        assert_eq!([1, 2, 3, 4, 5, 8].map(looks), [1, 2, 3, 3, 4, 4]);
    }
}
