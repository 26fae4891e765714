//! The registry of metrics: what each score and each measured column is, its unit, and which direction is better.

/// Which direction of a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A larger value is better.
    Higher,
    /// A smaller value is better.
    Lower,
    /// Neither: a count or a setting that explains the others.
    Neither,
}

/// One metric that a task scores outputs by, named in the column `metric` beside `score`; or one measured column of
/// the result tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricSpec {
    /// The value of `metric`, or the column's name; unique.
    pub id: &'static str,
    /// What a heading shows.
    pub name: &'static str,
    /// Unit of the stored value; `share` is 0..1.
    pub unit: &'static str,
    /// Which direction is better.
    pub direction: Direction,
    /// One sentence on what it measures.
    pub summary: &'static str,
}

impl MetricSpec {
    /// How much worse `score` is than `reference`, whichever direction is better: 0.01 is one percentage point of a share,
    /// and one percent of the reference for every other metric. Below zero it is better.
    ///
    /// `None` where neither direction is better, and where a relative drop has no meaning, because the reference is zero and
    /// the score is not.
    #[must_use]
    pub fn drop(&self, reference: f64, score: f64) -> Option<f64> {
        let worse = match self.direction {
            Direction::Higher => reference - score,
            Direction::Lower => score - reference,
            Direction::Neither => return None,
        };
        let drop = match reference.abs() {
            _ if self.unit == "share" || worse == 0.0 => worse,
            scale => worse / scale,
        };
        drop.is_finite().then_some(drop)
    }
}

const fn spec(
    id: &'static str,
    name: &'static str,
    unit: &'static str,
    direction: Direction,
    summary: &'static str,
) -> MetricSpec {
    MetricSpec { id, name, unit, direction, summary }
}

use Direction::{Higher, Lower, Neither};

/// Every metric, in the order in which tables show them.
pub const ALL: &[MetricSpec] = &[
    spec("samples", "samples", "count", Neither, "Test samples evaluated."),
    spec("top1", "top-1", "share", Higher, "Share of test samples whose prediction equals the label."),
    spec(
        "agreement_fp32",
        "agreement with fp32",
        "share",
        Higher,
        "Share of test samples on which the cell predicts the class that the fp32 model predicts.",
    ),
    spec("cosine_fp32", "cosine", "1", Higher, "Cosine similarity of all outputs to the fp32 outputs."),
    spec("sqnr_db", "SQNR", "dB", Higher, "Signal-to-quantization-noise ratio against fp32, at most 200 dB."),
    spec("kl_fp32", "KL", "nats", Lower, "Mean KL divergence from the fp32 softmax to the cell's softmax."),
    spec(
        "integer_vs_fake_disagreement",
        "integer ≠ fake-quant",
        "share",
        Lower,
        "Share of test samples whose prediction differs between integer and fake-quant execution.",
    ),
    spec(
        "integer_vs_fake_max_abs",
        "integer − fake-quant",
        "output",
        Lower,
        "Largest absolute difference of an output between integer and fake-quant execution.",
    ),
    spec("weight_bytes", "weights", "bytes", Lower, "Bytes of all weights as stored for execution."),
    spec(
        "peak_activation_bytes",
        "peak activations",
        "bytes",
        Lower,
        "Largest sum of live activation bytes during one pass, by the executor's plan.",
    ),
    spec(
        "peak_resident_bytes",
        "peak resident",
        "bytes",
        Lower,
        "Peak resident memory of the process, as the kernel reports it.",
    ),
    spec(
        "heap_bytes",
        "heap",
        "bytes",
        Lower,
        "Heap that the executable holds after its first run, as the allocator counts it.",
    ),
    spec(
        "heap_left_bytes",
        "heap left",
        "bytes",
        Lower,
        "Heap still held after the executable was dropped, which is a leak.",
    ),
    spec("calibration_samples", "calibration samples", "count", Neither, "Samples seen by the observers."),
    spec("calibration_seconds", "calibration", "s", Lower, "Time of the calibration pass over the samples."),
    spec("solve_seconds", "solve", "s", Lower, "Time to turn statistics into scales and zero points."),
    spec(
        "load_seconds",
        "load",
        "s",
        Lower,
        "Time to build the executable model from its quantized weights.",
    ),
    spec("batch", "batch", "samples", Neither, "Samples per timed call."),
    spec("iterations", "iterations", "count", Neither, "Timed calls of the cell, over all blocks."),
    spec("blocks", "blocks", "count", Neither, "Interleaved blocks of timed calls."),
    spec("p50_us", "p50", "µs", Lower, "Median time of one call."),
    spec("p90_us", "p90", "µs", Lower, "90th percentile of the time of one call."),
    spec("p99_us", "p99", "µs", Lower, "99th percentile of the time of one call."),
    spec("twin_p50_us", "twin p50", "µs", Neither, "Median time of one call of the fp32 twin, interleaved."),
    spec("ratio", "latency ratio", "1", Lower, "Mean over rounds of cell / fp32 twin; below 1 is faster."),
    spec("ratio_low", "ratio low", "1", Lower, "Lower end of the ratio's 95 % interval."),
    spec("ratio_high", "ratio high", "1", Lower, "Upper end of the ratio's 95 % interval."),
    spec("processes", "processes", "count", Neither, "Processes that took part in timing a cell."),
    spec("operations", "operations", "count", Lower, "Multiply-adds of a call, by the plan."),
    spec(
        "traffic_bytes",
        "memory traffic",
        "bytes",
        Lower,
        "Bytes that the plan's steps read and write in a call.",
    ),
    spec("instructions", "instructions", "count", Lower, "Instructions that a call retires in user mode."),
    spec("outlier_share", "outliers", "share", Neither, "Share of a cell's blocks far outside the others."),
    spec("drift", "drift", "1", Neither, "Relative drift of a cell's block times from first to last."),
    spec("shifts", "shifts", "count", Neither, "Change points among a cell's block times."),
    spec(
        "clipped_share",
        "clipped",
        "share",
        Neither,
        "Share of a site's values beyond the outermost code by more than half a step.",
    ),
    spec("codes_used_share", "codes used", "share", Neither, "Share of a site's integer codes that occur."),
    spec(
        "top5",
        "top-5",
        "share",
        Higher,
        "Share of test samples whose label is among the five largest logits.",
    ),
    spec(
        "spearman",
        "Spearman",
        "1",
        Higher,
        "Rank correlation of predictions and gold values, ties averaged.",
    ),
    spec("pearson", "Pearson", "1", Higher, "Linear correlation of predictions and gold values."),
    spec("mse", "MSE", "value²", Lower, "Mean over samples of the mean squared error against the targets."),
    spec(
        "psnr",
        "PSNR",
        "dB",
        Higher,
        "Peak signal-to-noise ratio: the range of the targets, squared, over the MSE; at most 200 dB.",
    ),
    spec(
        "cross_entropy",
        "cross-entropy",
        "nats",
        Lower,
        "Mean negative log-probability of the right class.",
    ),
    spec("perplexity", "perplexity", "1", Lower, "Exponential of the mean cross-entropy."),
    spec(
        "auc",
        "AUC",
        "share",
        Higher,
        "Share of pairs of a positive and a negative sample that the scores put in order; ties count half.",
    ),
    spec(
        "fidelity",
        "fidelity",
        "1",
        Higher,
        "Mean over samples of the cosine similarity of the outputs to those of the fp32 model; needs no labels.",
    ),
];

/// The metric with this id, if there is one.
pub fn find(id: &str) -> Option<&'static MetricSpec> {
    ALL.iter().find(|metric| metric.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_metric_is_described_once() {
        let ids: BTreeSet<&str> = ALL.iter().map(|m| m.id).collect();
        assert_eq!(ids.len(), ALL.len());
        for metric in ALL {
            assert!(!metric.name.is_empty() && !metric.unit.is_empty(), "{}", metric.id);
            assert!(metric.summary.ends_with('.'), "{}", metric.id);
            assert_eq!(find(metric.id), Some(metric));
        }
        assert_eq!(find("top_1"), None);
    }

    #[test]
    fn a_drop_is_in_points_of_a_share_and_else_relative() {
        let drop = |id, reference, score| find(id).and_then(|m| m.drop(reference, score));
        assert_eq!(drop("top1", 0.75, 0.5), Some(0.25));
        assert_eq!(drop("spearman", 0.8, 0.6), Some((0.8 - 0.6) / 0.8));
        assert_eq!(drop("mse", 2.0, 3.0), Some(0.5));
        assert_eq!((drop("mse", 0.0, 0.0), drop("mse", 0.0, 1.0)), (Some(0.0), None));
        assert_eq!((drop("batch", 1.0, 2.0), drop("top1", f64::NAN, 0.5)), (None, None));
    }

    #[test]
    fn every_metric_is_documented() {
        let schema = include_str!("../../../reports/schema.md");
        for metric in ALL {
            assert!(schema.contains(&format!("| `{}` |", metric.id)), "{} is not in schema.md", metric.id);
        }
    }
}
