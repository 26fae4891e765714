//! Two runs to what changed, how surely, and whether that is within a budget.
//!
//! Pure functions over the tables of two runs: no files, no clock. [`compare`] is the whole of it.

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

pub use compare::compare;
pub use latency::by_process;
pub use quantity::{Budgets, Group, Quantity};
pub use side::Side;
pub use verdict::{Absent, Change, Comparison, Outcome, RunName, Verdict};
