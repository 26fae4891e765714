//! What is compared, and how much worse each may become.

use serde::{Deserialize, Serialize};

/// What is compared of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// The task's score, paired by sample.
    Accuracy,
    /// Share of test samples whose answer is another one, right or wrong.
    Answers,
    /// The calibrated ranges of the sites.
    Ranges,
    /// Latency as a ratio to the fp32 twin.
    Latency,
    /// Latency of the fp32 twin as a ratio to the fixed reference workload.
    Fp32Latency,
    /// Retired instructions of a call.
    Instructions,
    /// Multiply-adds of a call, by the plan.
    Operations,
    /// Bytes that the plan's steps read and write in a call.
    Traffic,
    /// Bytes of weights as stored for execution.
    Weights,
    /// Bytes of live activations, by the plan.
    Activations,
    /// Heap that the executable holds after its first run.
    Heap,
    /// Heap still held after the executable was dropped.
    HeapLeft,
    /// Peak resident memory of the process.
    Resident,
}

impl Quantity {
    /// Every quantity, in the order in which tables show them.
    pub const ALL: &'static [Self] = &[
        Self::Accuracy,
        Self::Answers,
        Self::Ranges,
        Self::Latency,
        Self::Fp32Latency,
        Self::Instructions,
        Self::Operations,
        Self::Traffic,
        Self::Weights,
        Self::Activations,
        Self::Heap,
        Self::HeapLeft,
        Self::Resident,
    ];

    /// What tables call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Answers => "answers",
            Self::Ranges => "ranges",
            Self::Latency => "latency",
            Self::Fp32Latency => "fp32 latency",
            Self::Instructions => "instructions",
            Self::Operations => "operations",
            Self::Traffic => "memory traffic",
            Self::Weights => "weights",
            Self::Activations => "activations",
            Self::Heap => "heap",
            Self::HeapLeft => "heap left",
            Self::Resident => "peak resident",
        }
    }

    /// What it belongs to.
    #[must_use]
    pub const fn group(self) -> Group {
        match self {
            Self::Accuracy | Self::Answers => Group::Accuracy,
            Self::Ranges => Group::Calibration,
            Self::Latency | Self::Fp32Latency => Group::Latency,
            Self::Instructions | Self::Operations | Self::Traffic => Group::Work,
            Self::Weights | Self::Activations | Self::Heap | Self::HeapLeft | Self::Resident => Group::Memory,
        }
    }
}

/// Quantities that belong together, as `--only` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Score and answers.
    Accuracy,
    /// The calibrated ranges.
    Calibration,
    /// Times, which vary from run to run.
    Latency,
    /// Instructions, operations and memory traffic, which hardly do.
    Work,
    /// Bytes held.
    Memory,
}

impl Group {
    /// Every group, in the order in which tables show them.
    pub const ALL: &'static [Self] =
        &[Self::Accuracy, Self::Calibration, Self::Latency, Self::Work, Self::Memory];

    /// The name in options.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Calibration => "calibration",
            Self::Latency => "latency",
            Self::Work => "work",
            Self::Memory => "memory",
        }
    }
}

/// How far resident memory lies apart in processes that do the same: where the allocator puts what, and which pages of the
/// program have been touched.
const RESIDENT_NOISE: f64 = 0.05;

/// How much worse each quantity may become: 0.01 is one percent, or one percentage point of a share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budgets {
    /// Of the score: points of a share, else relative.
    pub accuracy_drop: f64,
    /// Share of answers that may change.
    pub changed_answers: f64,
    /// Relative shift of the ranges of sites.
    pub range_shift: f64,
    /// Relative increase of latency.
    pub latency_increase: f64,
    /// Relative increase of instructions, operations and memory traffic.
    pub work_increase: f64,
    /// Relative increase of every memory figure; resident memory, which varies from process to process, may grow by five
    /// percent more.
    pub memory_increase: f64,
    /// The chance that a comparison without any real change reports a regression in accuracy or latency.
    pub false_alarm_rate: f64,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            accuracy_drop: 0.005,
            changed_answers: 0.005,
            range_shift: 0.000_5,
            latency_increase: 0.05,
            work_increase: 0.01,
            memory_increase: 0.02,
            false_alarm_rate: 0.05,
        }
    }
}

impl Budgets {
    /// The budget of a quantity.
    #[must_use]
    pub const fn of(&self, quantity: Quantity) -> f64 {
        match (quantity, quantity.group()) {
            (Quantity::Answers, _) => self.changed_answers,
            (_, Group::Accuracy) => self.accuracy_drop,
            (_, Group::Calibration) => self.range_shift,
            (_, Group::Latency) => self.latency_increase,
            (_, Group::Work) => self.work_increase,
            (Quantity::Resident, _) => self.memory_increase + RESIDENT_NOISE,
            (_, Group::Memory) => self.memory_increase,
        }
    }
}
