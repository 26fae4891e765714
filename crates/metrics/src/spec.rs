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
    spec("ratio", "latency ratio", "1", Lower, "Median over blocks of cell / fp32 twin; below 1 is faster."),
    spec("ratio_low", "ratio low", "1", Lower, "Lower end of the ratio's 95 % bootstrap interval."),
    spec("ratio_high", "ratio high", "1", Lower, "Upper end of the ratio's 95 % bootstrap interval."),
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
    fn every_metric_is_documented() {
        let schema = include_str!("../../../reports/schema.md");
        for metric in ALL {
            assert!(schema.contains(&format!("| `{}` |", metric.id)), "{} is not in schema.md", metric.id);
        }
    }
}
