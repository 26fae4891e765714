//! The rows of the five result tables. `reports/schema.md` says what every column means.
//!
//! The serde attributes of some fields read cells of older schema versions; `older.rs` does so for tables.

use serde::{Deserialize, Serialize};

use crate::older;

/// One cell: its keys, then accuracy, memory and calibration cost.
///
/// Shares are 0..1. `None` says that a value is undefined or was not measured, never zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The cell's id: its keys joined by `/`.
    pub cell: String,
    /// Model.
    pub model: String,
    /// Dataset.
    pub dataset: String,
    /// Number format.
    pub dtype: String,
    /// Quantization timing mode.
    pub timing: String,
    /// Calibrator.
    pub calibrator: String,
    /// Granularity of the scales.
    pub granularity: String,
    /// Symmetry of the codes.
    pub symmetry: String,
    /// Instruction set that the kernels ran on, or the other runtime that executed the cell.
    pub isa: String,
    /// Worker threads.
    pub threads: u32,
    /// Seed of the model's training.
    pub seed: u64,
    /// Which calibration set was drawn; 0 is the one that is taken without drawing.
    #[serde(default)]
    pub draw: u32,
    /// `ok`, `failed`, or `skipped` where its runtime is not installed.
    pub status: String,
    /// Why the cell failed; `None` where it did not.
    pub failure: Option<String>,
    /// Test samples evaluated.
    pub samples: u32,
    /// What `score` is: the id of a metric, such as `top1`.
    #[serde(default = "older::metric")]
    pub metric: String,
    /// The score on the test samples, in the metric's unit.
    #[serde(alias = "top1")]
    pub score: Option<f64>,
    /// Lower end of the 95 % interval of `score`.
    #[serde(alias = "top1_low")]
    pub score_low: Option<f64>,
    /// Upper end of the 95 % interval of `score`.
    #[serde(alias = "top1_high")]
    pub score_high: Option<f64>,
    /// The score of the fake-quant execution.
    #[serde(alias = "top1_fake_quant")]
    pub score_fake_quant: Option<f64>,
    /// Share of samples with the class that fp32 predicts; `None` where outputs are not class scores.
    pub agreement_fp32: Option<f64>,
    /// Cosine similarity of the outputs to those of fp32.
    pub cosine_fp32: Option<f64>,
    /// SQNR of the outputs against fp32, in dB.
    pub sqnr_db: Option<f64>,
    /// Mean KL divergence of the softmax from fp32, in nats; `None` where outputs are not class scores.
    pub kl_fp32: Option<f64>,
    /// Share of samples whose prediction differs between integer and fake-quant execution; `None` where
    /// outputs are not class scores.
    pub integer_vs_fake_disagreement: Option<f64>,
    /// Largest absolute output difference between integer and fake-quant execution.
    pub integer_vs_fake_max_abs: Option<f64>,
    /// Operators left in float, comma-separated.
    pub float_ops: String,
    /// Bytes of all weights as stored for execution.
    pub weight_bytes: u64,
    /// Largest sum of live activation bytes, by the executor's plan.
    pub peak_activation_bytes: u64,
    /// Peak resident bytes of the process.
    pub peak_resident_bytes: Option<u64>,
    /// Heap that the executable holds after its first run.
    #[serde(default)]
    pub heap_bytes: Option<u64>,
    /// Heap still held after the executable was dropped.
    #[serde(default)]
    pub heap_left_bytes: Option<u64>,
    /// Samples that the observers saw.
    pub calibration_samples: u32,
    /// Seconds of the calibration pass.
    pub calibration_seconds: Option<f64>,
    /// Seconds from statistics to scales and zero points.
    pub solve_seconds: Option<f64>,
    /// Seconds to build the executable model.
    pub load_seconds: Option<f64>,
}

/// Latency of one cell at one batch size, interleaved with its fp32 twin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyRow {
    /// The cell's id.
    pub cell: String,
    /// Samples per call.
    pub batch: u32,
    /// Timed calls of the cell.
    pub iterations: u32,
    /// Interleaved blocks.
    pub blocks: u32,
    /// Processes that took part, each with rounds of its own.
    #[serde(default = "older::processes")]
    pub processes: u32,
    /// Median of a call, in µs.
    pub p50_us: f64,
    /// 90th percentile of a call, in µs.
    pub p90_us: f64,
    /// 99th percentile of a call, in µs.
    pub p99_us: f64,
    /// Median of a call of the twin, in µs.
    pub twin_p50_us: f64,
    /// Mean over rounds of cell / twin; below 1 is faster.
    pub ratio: f64,
    /// Lower end of the ratio's 95 % interval.
    pub ratio_low: f64,
    /// Upper end of the ratio's 95 % interval.
    pub ratio_high: f64,
    /// Multiply-adds of a call, by the plan; `None` for another runtime.
    #[serde(default)]
    pub operations: Option<u64>,
    /// Bytes that the plan's steps read and write in a call; `None` for another runtime.
    #[serde(default)]
    pub traffic_bytes: Option<u64>,
    /// Instructions that a call retires in user mode; `None` where the machine does not count them.
    #[serde(default)]
    pub instructions: Option<f64>,
    /// Share of the cell's blocks whose times lie far outside the others.
    #[serde(default)]
    pub outlier_share: Option<f64>,
    /// Relative drift of the cell's block times from the first to the last.
    #[serde(default)]
    pub drift: Option<f64>,
    /// Change points among the cell's block times, summed over processes.
    #[serde(default)]
    pub shifts: Option<u32>,
}

/// One round of a latency measurement: both executables built anew, and timed in turns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoundRow {
    /// The cell's id.
    pub cell: String,
    /// Samples per call.
    pub batch: u32,
    /// The process, from 0.
    pub process: u32,
    /// The round within the process, from 0.
    pub round: u32,
    /// Interleaved block pairs.
    pub blocks: u32,
    /// `cell_us / twin_us`.
    pub ratio: f64,
    /// Lower quartile over blocks of the cell's mean call, in µs.
    pub cell_us: f64,
    /// The same of the fp32 twin.
    pub twin_us: f64,
    /// Time of the fixed reference workload beside the round, in µs.
    pub reference_us: f64,
}

/// What one cell answered on one test sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OutcomeRow {
    /// The cell's id.
    pub cell: String,
    /// Index of the sample in the test split, from 0.
    pub sample: u32,
    /// What is right: a class or a value; `None` where the metric needs none.
    #[serde(alias = "label")]
    pub target: Option<f64>,
    /// What the cell gave: a class, a value, or how far off it was; `None` where that is undefined.
    #[serde(alias = "predicted")]
    pub output: Option<f64>,
}

/// The quantization of one site of one cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SiteRow {
    /// The cell's id.
    pub cell: String,
    /// The site's name in the graph.
    pub site: String,
    /// `activation` or `weight`.
    pub role: String,
    /// SQNR of the site's values after quantize and dequantize, in dB.
    pub sqnr_db: Option<f64>,
    /// Smallest scale over the site's channels or groups.
    pub scale_min: f64,
    /// Largest scale over the site's channels or groups.
    pub scale_max: f64,
    /// Smallest zero point.
    pub zero_point_min: i32,
    /// Largest zero point.
    pub zero_point_max: i32,
    /// Lowest value that the codes represent, over all channels or groups.
    pub low: f64,
    /// Highest value that the codes represent, over all channels or groups.
    pub high: f64,
    /// Share of values outside the representable range.
    pub clipped_share: Option<f64>,
    /// Share of the codes that occur.
    pub codes_used_share: Option<f64>,
}
