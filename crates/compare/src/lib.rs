//! Two runs to what changed, how surely, and whether that is within a budget.
//!
//! Pure functions over the tables of two runs: no files, no clock. [`compare`] is the whole of it; [`score_drop`] is its
//! test of a score, for answers that are in no table.

mod accuracy;
mod compare;
mod decide;
mod exact;
mod latency;
mod machines;
mod matching;
mod quantity;
mod side;
mod verdict;

pub use accuracy::{ScoreDrop, score_drop};
pub use compare::compare;
pub use latency::by_process;
pub use quantity::{Budgets, Group, Quantity};
pub use side::Side;
pub use verdict::{Absent, Change, Comparison, Outcome, RunName, Verdict};
