//! The command line of comparisons: budgets, baselines, checks, histories.

use std::path::PathBuf;

use calibench_compare::{Budgets, Group, Quantity};
use clap::{Args, Subcommand, ValueEnum};

use crate::cli::{Sweep, names};

/// Where baselines are kept unless another folder is named.
pub const BASELINE: &str = "reports/baseline";

/// How a comparison is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ComparisonFormat {
    /// For a terminal
    Text,
    /// For a pull request
    Markdown,
    /// For programs
    Json,
}

/// How much worse each quantity may become, and which of them count.
#[derive(Debug, Args)]
pub struct BudgetOptions {
    /// Of the score: percentage points of a share, else percent of it
    #[arg(long, value_name = "PERCENT", default_value = "0.5%", value_parser = percent, help_heading = "Budgets")]
    pub max_accuracy_drop: f64,
    /// Test samples whose answer may be another one
    #[arg(long, value_name = "PERCENT", default_value = "0.5%", value_parser = percent, help_heading = "Budgets")]
    pub max_changed_answers: f64,
    /// Shift of a calibrated range, of its width
    #[arg(long, value_name = "PERCENT", default_value = "0.05%", value_parser = percent, help_heading = "Budgets")]
    pub max_range_shift: f64,
    /// Latency
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = percent, help_heading = "Budgets")]
    pub max_latency_increase: f64,
    /// Instructions, operations and memory traffic of a call
    #[arg(long, value_name = "PERCENT", default_value = "1%", value_parser = percent, help_heading = "Budgets")]
    pub max_work_increase: f64,
    /// Every figure of memory
    #[arg(long, value_name = "PERCENT", default_value = "2%", value_parser = percent, help_heading = "Budgets")]
    pub max_memory_increase: f64,
    /// Chance that two runs without any difference are said to differ in accuracy or latency, all cells together
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = percent, help_heading = "Budgets")]
    pub false_alarm_rate: f64,
    /// Compare these only
    #[arg(long, value_delimiter = ',', value_name = "NAME", help_heading = "Budgets", value_parser = names(Group::ALL.iter().map(|g| g.id())))]
    pub only: Vec<String>,
}

impl BudgetOptions {
    /// The budgets.
    #[must_use]
    pub fn budgets(&self) -> Budgets {
        Budgets {
            accuracy_drop: self.max_accuracy_drop,
            changed_answers: self.max_changed_answers,
            range_shift: self.max_range_shift,
            latency_increase: self.max_latency_increase,
            work_increase: self.max_work_increase,
            memory_increase: self.max_memory_increase,
            false_alarm_rate: self.false_alarm_rate,
        }
    }

    /// The quantities of the groups that are named; none when none is, which means all.
    #[must_use]
    pub fn only(&self) -> Vec<Quantity> {
        let named = |q: &&Quantity| self.only.iter().any(|id| id == q.group().id());
        Quantity::ALL.iter().filter(named).copied().collect()
    }
}

/// `0.5%` as 0.005.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').map(|number| number.trim().parse::<f64>());
    match number {
        Some(Ok(number)) if (0.0..=1e6).contains(&number) => Ok(number / 100.0),
        _ => Err("a percentage is needed, such as 0.5%".to_owned()),
    }
}

/// Options of `compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// The earlier run: a run folder, an entry of a baseline, or a baseline (its newest entry)
    pub before: PathBuf,
    /// The later run, likewise
    pub after: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value_t = ComparisonFormat::Text)]
    pub format: ComparisonFormat,
    /// Also show what is within its budget or identical
    #[arg(long)]
    pub all: bool,
    /// What may change
    #[command(flatten)]
    pub budgets: BudgetOptions,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The baseline to compare with
    #[arg(long, value_name = "DIR", default_value = BASELINE, help_heading = "Comparing")]
    pub baseline: PathBuf,
    /// The entry of the baseline: its name, or a commit in it [default: the newest]
    #[arg(long, value_name = "NAME", help_heading = "Comparing")]
    pub entry: Option<String>,
    /// Judge this run instead of measuring one
    #[arg(long, value_name = "DIR", help_heading = "Comparing")]
    pub run: Option<PathBuf>,
    /// Measure up to this many times as many processes a cell where latency is too noisy to tell
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = "Comparing")]
    pub patience: usize,
    /// Also show what is within its budget or identical
    #[arg(long, help_heading = "Comparing")]
    pub all: bool,
    /// Write the comparison as Markdown, for a pull request
    #[arg(long, value_name = "FILE", help_heading = "Comparing")]
    pub markdown: Option<PathBuf>,
    /// Write it as JUnit XML, for other CI
    #[arg(long, value_name = "FILE", help_heading = "Comparing")]
    pub junit: Option<PathBuf>,
    /// Write it as JSON
    #[arg(long, value_name = "FILE", help_heading = "Comparing")]
    pub json: Option<PathBuf>,
    /// What may change
    #[command(flatten)]
    pub budgets: BudgetOptions,
    /// What to measure; nothing named means what the baseline measured
    #[command(flatten)]
    pub sweep: Sweep,
}

/// What to do with baselines.
#[derive(Debug, Subcommand)]
pub enum BaselineCommand {
    /// Add a run to a baseline, as its newest entry
    Save {
        /// The run folder
        run: PathBuf,
        /// The baseline
        #[arg(long, value_name = "DIR", default_value = BASELINE)]
        to: PathBuf,
    },
    /// List the entries of a baseline, oldest first
    List {
        /// The baseline
        #[arg(long, value_name = "DIR", default_value = BASELINE)]
        from: PathBuf,
    },
    /// Show what an entry of a baseline measured
    Show {
        /// Its name, or a commit in it [default: the newest]
        entry: Option<String>,
        /// The baseline
        #[arg(long, value_name = "DIR", default_value = BASELINE)]
        from: PathBuf,
    },
}

/// A figure that a history shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Figure {
    /// The score of the model's metric
    Accuracy,
    /// Latency as a ratio to the fp32 twin
    Latency,
    /// Heap that the executable holds
    Memory,
}

/// Options of `history`.
#[derive(Debug, Args)]
pub struct History {
    /// The baseline
    #[arg(long, value_name = "DIR", default_value = BASELINE)]
    pub baseline: PathBuf,
    /// Cells to show: ids, or parts of them joined by / [default: all]
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    pub cell: Vec<String>,
    /// Figures to show [default: all]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME")]
    pub figure: Vec<Figure>,
    /// Folder to write a plot of each figure of each cell to
    #[arg(long, value_name = "DIR")]
    pub plots: Option<PathBuf>,
    /// Print Markdown instead of a table for the terminal
    #[arg(long)]
    pub markdown: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_need_their_sign() {
        assert_eq!(percent("0.5%"), Ok(0.005));
        assert_eq!(percent(" 5 % "), Ok(0.05));
        for wrong in ["0.5", "-1%", "x%", "%", "nan%"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }
}
