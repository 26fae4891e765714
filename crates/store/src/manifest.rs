//! What a run was: enough to judge whether two runs may be compared, and to repeat one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::frames::SCHEMA_VERSION;
use crate::machine::Machine;
use crate::older;

/// The manifest of a run, `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the tables and of this file.
    pub schema_version: u32,
    /// When the run began, RFC 3339 in UTC.
    pub created_utc: String,
    /// When the run ended, RFC 3339 in UTC; `None` while it runs and after an interruption.
    pub finished_utc: Option<String>,
    /// Version of calibench.
    pub calibench_version: String,
    /// Git commit of the source; `None` outside a checkout.
    pub commit: Option<String>,
    /// The command line, program first.
    pub command: Vec<String>,
    /// The machine.
    pub machine: Machine,
    /// The compiler, as `rustc --version` prints it.
    pub rustc: Option<String>,
    /// Versions of the packages that results depend on.
    pub packages: BTreeMap<String, String>,
    /// Versions of the backends other than our own that took part. Empty in runs of versions that did not look.
    #[serde(default)]
    pub backends: BTreeMap<String, String>,
    /// Instruction set that the kernels ran on.
    pub isa: String,
    /// How much the fixed reference workload swung before the first cell: (p90 − p10) / median of its times. `None` in runs
    /// of versions that did not look.
    #[serde(default)]
    pub noise: Option<f64>,
    /// Seeds of the sweep.
    pub seeds: Vec<u64>,
    /// Models, by `model/seed`.
    pub models: BTreeMap<String, ModelInfo>,
    /// Datasets, by name.
    pub datasets: BTreeMap<String, DatasetInfo>,
    /// How often the calibration data passed through the float model, by `model/seed`.
    pub calibration_passes: BTreeMap<String, u32>,
    /// The sweep's configuration, after defaults.
    pub config: serde_json::Value,
    /// Combinations that the plan left out, and why.
    pub excluded: Vec<Exclusion>,
    /// Whether the run was stopped before its last cell.
    pub interrupted: bool,
}

impl Default for Manifest {
    /// Empty, of the current schema version.
    fn default() -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            created_utc: String::new(),
            finished_utc: None,
            calibench_version: String::new(),
            commit: None,
            command: Vec::new(),
            machine: Machine::default(),
            rustc: None,
            packages: BTreeMap::new(),
            backends: BTreeMap::new(),
            isa: String::new(),
            noise: None,
            seeds: Vec::new(),
            models: BTreeMap::new(),
            datasets: BTreeMap::new(),
            calibration_passes: BTreeMap::new(),
            config: serde_json::Value::Null,
            excluded: Vec::new(),
            interrupted: false,
        }
    }
}

/// One trained model of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Content hash of architecture and weights.
    pub hash: String,
    /// Number of parameters.
    pub parameters: u64,
    /// What `fp32_score` is: the id of a metric, such as `top1`.
    #[serde(default = "older::metric")]
    pub metric: String,
    /// Score of the float model on the test split, in the metric's unit.
    #[serde(alias = "fp32_top1")]
    pub fp32_score: Option<f64>,
    /// Seed of the training.
    pub seed: u64,
    /// Seconds of training; `None` where the model came from the cache.
    pub trained_seconds: Option<f64>,
}

/// One dataset of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DatasetInfo {
    /// Hex SHA-256 of the data file's bytes.
    pub sha256: String,
    /// Version of the preparation.
    pub version: String,
    /// SPDX identifier of the licence.
    pub licence: String,
    /// Samples per split.
    pub splits: BTreeMap<String, u32>,
}

/// Combinations that the plan left out for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    /// What was left out.
    pub what: String,
    /// Why.
    pub reason: String,
    /// How many combinations.
    pub count: u32,
}
