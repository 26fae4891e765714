//! What a comparison says: of one quantity, and of two runs as a whole.

use calibench_metrics::Interval;
use serde::{Deserialize, Serialize};

use crate::quantity::{Budgets, Quantity};

/// What can be said of one quantity of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Worse by more than the budget, and not by chance.
    Regressed,
    /// Too few samples or too much noise to say whether the budget is kept.
    Unclear,
    /// Better, and not by chance.
    Improved,
    /// Not worse than the budget allows.
    Within,
    /// The same to the last bit.
    Identical,
}

impl Verdict {
    /// The word that tables show.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::Unclear => "unclear",
            Self::Improved => "improved",
            Self::Within => "within budget",
            Self::Identical => "identical",
        }
    }
}

/// One quantity of one cell, before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The cell's id in the later run.
    pub cell: String,
    /// Samples per call, for what is measured per batch size.
    pub batch: Option<u32>,
    /// What was compared.
    pub quantity: Quantity,
    /// Its unit in `before` and `after`, as in `reports/schema.md`; `share` is 0..1.
    pub unit: String,
    /// In the earlier run; `None` where it is undefined or says nothing by itself.
    pub before: Option<f64>,
    /// In the later run.
    pub after: Option<f64>,
    /// How much worse it is, whichever direction is better: 0.01 is one percent, or one percentage point of a share.
    /// Below zero it is better. `None` where one of the two is undefined.
    pub effect: Option<f64>,
    /// The 95 % interval of `effect`; `None` for what has no chance in it.
    pub interval: Option<Interval>,
    /// p-value of "no change", after Holm's correction over the comparison; `None` for what has no chance in it.
    pub p: Option<f64>,
    /// The largest `effect` that is allowed.
    pub budget: f64,
    /// What follows.
    pub verdict: Verdict,
    /// Why, in a sentence without a full stop; of an unclear one, what would make it clear.
    pub reason: String,
}

/// A cell of the earlier run that has nothing to be compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// The cell's id in the earlier run.
    pub cell: String,
    /// Why, and what to do.
    pub reason: String,
    /// Whether it was measured and failed, which is a regression; else it was not measured.
    pub failed: bool,
}

/// Which run a side of the comparison is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunName {
    /// Folder or baseline entry.
    pub name: String,
    /// Git commit of calibench.
    pub commit: Option<String>,
    /// When it was begun, RFC 3339 in UTC.
    pub date: String,
}

/// Two runs compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The earlier run.
    pub before: RunName,
    /// The later one.
    pub after: RunName,
    /// What was allowed.
    pub budgets: Budgets,
    /// In what the machines differ, a line each; empty for machines alike.
    pub machine_differences: Vec<String>,
    /// What else a reader must know: what was matched how, what could not be compared and why.
    pub notes: Vec<String>,
    /// Every quantity of every cell in both runs, in the order of the later run.
    pub changes: Vec<Change>,
    /// Cells of the earlier run without a counterpart.
    pub absent: Vec<Absent>,
    /// Cells of the later run without a counterpart.
    pub added: Vec<String>,
}

/// What follows from a comparison as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every budget is kept.
    Clean,
    /// A budget is exceeded.
    Regression,
    /// No budget is seen to be exceeded, but of some that cannot be told.
    CannotTell,
    /// Something could not be compared at all.
    CannotRun,
}

impl Outcome {
    /// Exit status of `calibench check`: 0 clean, 1 regression, 2 could not tell, 3 could not run.
    #[must_use]
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Regression => 1,
            Self::CannotTell => 2,
            Self::CannotRun => 3,
        }
    }
}

impl Comparison {
    /// What follows as a whole. A regression outweighs what could not be compared, and that what could not be told.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let any = |verdict| self.changes.iter().any(|c| c.verdict == verdict);
        if any(Verdict::Regressed) || self.absent.iter().any(|a| a.failed) {
            Outcome::Regression
        } else if !self.absent.is_empty() || self.changes.is_empty() {
            Outcome::CannotRun
        } else if any(Verdict::Unclear) {
            Outcome::CannotTell
        } else {
            Outcome::Clean
        }
    }

    /// How many changes have that verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.changes.iter().filter(|c| c.verdict == verdict).count()
    }
}
