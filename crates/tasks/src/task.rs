//! What a model is asked to do with samples, and how well it did.

use calibench_metrics::{
    Interval, Measured, MetricSpec, argmax, cosine, cross_entropy, in_top, is_right, measure, mse, spec,
};
use calibench_quant::{QuantError, nearest};

use crate::{DatasetError, Samples, Targets};

/// A position whose class is this has no target and adds nothing to cross-entropy, as in PyTorch (`ignore_index`).
pub const IGNORED: f32 = -100.0;

/// What a model answered on one sample. Kept per sample: paired tests need it.
///
/// | metric | `target` | `output` |
/// |---|---|---|
/// | `top1` | the class | the predicted class |
/// | `top5` | the class | the class where it is among the five largest logits, else the predicted class |
/// | `cross_entropy`, `perplexity` | number of positions that have a class: 1 for classification | their mean loss in nats |
/// | `auc` | 0 or 1 | the score of class 1 |
/// | `spearman`, `pearson` | the gold value | the prediction; of a pair, the cosine similarity of its two outputs |
/// | `mse`, `psnr` | none | the sample's mean squared error |
/// | `fidelity` | none | cosine similarity of the sample's outputs to those of fp32 |
///
/// An output is `None` where it is undefined, which includes every sample whose outputs hold a NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Index of the sample in its split; under [`Targets::Pairs`] of the pair.
    pub sample: usize,
    /// What is right.
    pub target: Option<f64>,
    /// What the model gave, or how far off it was.
    pub output: Option<f64>,
}

impl Outcome {
    /// Whether the output is the target: under `top1` and `top5`, whether the sample counts. No output is wrong.
    #[must_use]
    pub fn correct(&self) -> bool {
        is_right(&(self.target, self.output))
    }
}

/// Turns a model's outputs on samples into outcomes and a score.
pub trait Task {
    /// The samples.
    fn samples(&self) -> &Samples;

    /// Outputs of one sample: the classes of a classifier.
    fn width(&self) -> usize;

    /// Name, unit and direction of the score.
    fn metric(&self) -> &'static MetricSpec;

    /// One outcome per sample, or per pair under [`Targets::Pairs`], from the outputs `[samples, width]`, row-major, in sample order.
    ///
    /// # Errors
    /// [`DatasetError::Outputs`] when their number does not fit the samples.
    fn outcomes(&self, outputs: &[f32]) -> Result<Vec<Outcome>, DatasetError>;

    /// The score of these outcomes, in the metric's unit; `None` where it is undefined.
    ///
    /// A sample without output is wrong where the score counts right ones (`top1`, `top5`); every other score is
    /// undefined with it, because leaving the sample out would flatter the model.
    fn score(&self, outcomes: &[Outcome]) -> Option<f64>;

    /// The 95 % interval of [`score`](Self::score); `None` where that is undefined.
    ///
    /// Wilson's for `top1` and `top5`. For the others the percentile bootstrap over samples, seeded, so the same
    /// outcomes give the same interval; `None` also where a resample has no score, as AUC without a positive sample.
    fn interval(&self, outcomes: &[Outcome]) -> Option<Interval>;
}

/// The metrics that score a task, as in the registry of `calibench-metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metric {
    Top1,
    Top5,
    CrossEntropy,
    Perplexity,
    Auc,
    Spearman,
    Pearson,
    Mse,
    Psnr,
    Fidelity,
}

/// Ids of the metrics that [`task_for`] knows, in the order in which lists show them.
pub const TASK_METRICS: &[&str] =
    &["top1", "top5", "cross_entropy", "perplexity", "auc", "spearman", "pearson", "mse", "psnr", "fidelity"];

impl Metric {
    /// In the order of [`TASK_METRICS`].
    const ALL: [Self; TASK_METRICS.len()] = [
        Self::Top1,
        Self::Top5,
        Self::CrossEntropy,
        Self::Perplexity,
        Self::Auc,
        Self::Spearman,
        Self::Pearson,
        Self::Mse,
        Self::Psnr,
        Self::Fidelity,
    ];

    /// What targets and outputs it takes, for the error that neither is.
    fn needs(self) -> &'static str {
        match self {
            Self::Top1 => "a class for each sample, below the number of outputs",
            Self::Top5 => {
                "a class for each sample, below the number of outputs, of which there are more than five"
            }
            Self::CrossEntropy | Self::Perplexity => {
                "a class for each sample, or one for each position of a sample (-100 for none), below the number of \
                 outputs for it"
            }
            Self::Auc => {
                "class 0 or 1 for each sample, and one output (the score of class 1) or two (logits)"
            }
            Self::Spearman | Self::Pearson => {
                "one target value for each sample, and one output; or a gold score for each pair of samples"
            }
            Self::Mse => "as many target values for each sample as outputs",
            Self::Psnr => "as many target values for each sample as outputs, not all of them equal",
            Self::Fidelity => "the outputs of the fp32 model as target values",
        }
    }

    /// Whether targets and outputs are what it needs.
    fn fits(self, targets: &Targets, width: usize) -> bool {
        match (self, targets) {
            (Self::Top1 | Self::CrossEntropy | Self::Perplexity, Targets::Classes(labels)) => {
                width >= 2 && labels.iter().all(|l| (*l as usize) < width)
            }
            (Self::Top5, Targets::Classes(labels)) => {
                width > 5 && labels.iter().all(|l| (*l as usize) < width)
            }
            (Self::Auc, Targets::Classes(labels)) => matches!(width, 1 | 2) && labels.iter().all(|l| *l <= 1),
            (Self::CrossEntropy | Self::Perplexity, Targets::Values { width: positions, data }) => {
                let classes = width / (*positions).max(1);
                let is_class = |v: &f32| *v >= 0.0 && v.fract() == 0.0 && (*v as usize) < classes;
                width.is_multiple_of(*positions)
                    && classes >= 2
                    && data.iter().all(|v| *v == IGNORED || is_class(v))
            }
            (Self::Spearman | Self::Pearson, Targets::Values { width: 1, .. }) => width == 1,
            (Self::Spearman | Self::Pearson, Targets::Pairs(_)) => width >= 1,
            (Self::Mse | Self::Fidelity, Targets::Values { width: values, .. }) => *values == width,
            (Self::Psnr, Targets::Values { width: values, data }) => *values == width && range(data) > 0.0,
            _ => false,
        }
    }
}

/// Greatest less least value; 0 of none.
fn range(values: &[f32]) -> f64 {
    let fold = |start, pick: fn(f32, f32) -> f32| f64::from(values.iter().copied().fold(start, pick));
    (fold(f32::NEG_INFINITY, f32::max) - fold(f32::INFINITY, f32::min)).max(0.0)
}

/// The task of scoring `width` outputs a sample by a metric of [`TASK_METRICS`].
///
/// - Classes of the samples: `top1`, `top5`, `cross_entropy`, `perplexity`, `auc`.
/// - A class for each of several positions, as of a language model: target values that are whole numbers, or
///   [`IGNORED`]; outputs are logits `[positions, classes]`. `cross_entropy`, `perplexity`.
/// - One value a sample and one output: `spearman`, `pearson`.
/// - A gold score for each pair of samples ([`Targets::Pairs`]), and any outputs: `spearman`, `pearson` between the scores
///   and the cosine similarities of the pairs' outputs. A pair with an output of zeros has no similarity.
/// - As many values as outputs: `mse`; `psnr`, whose peak is the range of all targets (greatest less least).
/// - `fidelity` needs no labels: its target values are the outputs of the fp32 model, set before the task is made.
///   Where both sides of a sample are zero its cosine is 1; where one is, 0.
///
/// # Errors
/// [`DatasetError::Unknown`] with the nearest name; [`DatasetError::Metric`] that says what the metric needs.
pub fn task_for<'d>(
    samples: &'d Samples,
    metric: &str,
    width: usize,
) -> Result<Box<dyn Task + 'd>, DatasetError> {
    let Some(place) = TASK_METRICS.iter().position(|id| *id == metric) else {
        return Err(unknown_metric(metric).into());
    };
    let metric = Metric::ALL[place];
    if !metric.fits(&samples.targets, width) {
        return Err(DatasetError::Metric {
            metric: TASK_METRICS[place],
            needs: metric.needs(),
            targets: samples.targets.kind(),
            outputs: width,
        });
    }
    let peak = match &samples.targets {
        Targets::Values { data, .. } if metric == Metric::Psnr => range(data),
        _ => 0.0,
    };
    Ok(Box::new(Scored { samples, metric, width, peak }))
}

/// The error for a metric that scores no task, with the nearest that does.
pub(crate) fn unknown_metric(name: &str) -> QuantError {
    QuantError::Unknown {
        what: "task metric",
        name: name.to_owned(),
        suggestion: nearest(name, TASK_METRICS.iter().copied()).map(str::to_owned),
        known: TASK_METRICS.join(", "),
    }
}

/// Samples, and targets that fit the metric.
struct Scored<'d> {
    samples: &'d Samples,
    metric: Metric,
    width: usize,
    /// Of PSNR.
    peak: f64,
}

impl Scored<'_> {
    /// Target and output of a sample, or of a pair, whose row is both outputs.
    fn compare(&self, sample: usize, row: &[f32]) -> (Option<f64>, Option<f64>) {
        match &self.samples.targets {
            Targets::None => (None, None),
            Targets::Pairs(scores) => {
                let (a, b) = row.split_at(self.width);
                (Some(f64::from(scores[sample])), cosine(a, b).filter(|c| c.is_finite()))
            }
            Targets::Classes(labels) => self.compare_class(labels[sample], row),
            Targets::Values { width, data } => {
                self.compare_values(&data[sample * width..(sample + 1) * width], row)
            }
        }
    }

    fn compare_class(&self, label: u32, row: &[f32]) -> (Option<f64>, Option<f64>) {
        let class = Some(f64::from(label));
        match self.metric {
            Metric::Top5 => match in_top(row, label, 5) {
                Some(true) => (class, class),
                _ => (class, argmax(row).map(f64::from)),
            },
            Metric::CrossEntropy | Metric::Perplexity => (Some(1.0), cross_entropy(row, label as usize)),
            Metric::Auc => {
                let score = match row {
                    // Increases with the probability of class 1.
                    [zero, one] => f64::from(*one) - f64::from(*zero),
                    _ => f64::from(row[0]),
                };
                (class, Some(score).filter(|s| !s.is_nan()))
            }
            _ => (class, argmax(row).map(f64::from)),
        }
    }

    fn compare_values(&self, targets: &[f32], row: &[f32]) -> (Option<f64>, Option<f64>) {
        match self.metric {
            Metric::CrossEntropy | Metric::Perplexity => {
                let logits = row.chunks_exact(self.width / targets.len());
                let scored = targets.iter().zip(logits).filter(|(class, _)| **class != IGNORED);
                let losses: Option<Vec<f64>> =
                    scored.map(|(class, logits)| cross_entropy(logits, *class as usize)).collect();
                let count = targets.iter().filter(|class| **class != IGNORED).count();
                let mean = losses.map(|l| l.iter().sum::<f64>() / (count as f64).max(1.0));
                (Some(count as f64), mean)
            }
            Metric::Spearman | Metric::Pearson => {
                (Some(f64::from(targets[0])), Some(f64::from(row[0])).filter(|v| !v.is_nan()))
            }
            Metric::Fidelity => (None, similarity(targets, row)),
            _ => (None, mse(targets, row)),
        }
    }

    fn measure(&self, outcomes: &[Outcome], interval: bool) -> Measured {
        let pairs: Vec<_> = outcomes.iter().map(|o| (o.target, o.output)).collect();
        measure(TASK_METRICS[self.metric as usize], self.peak, &pairs, interval)
    }
}

/// Cosine similarity, defined for zeros: equal are alike, and one alone is like nothing.
fn similarity(reference: &[f32], row: &[f32]) -> Option<f64> {
    let zero = |values: &[f32]| values.iter().all(|v| *v == 0.0);
    match (zero(reference), zero(row)) {
        (true, true) => Some(1.0),
        (true, false) | (false, true) if row.iter().chain(reference).all(|v| v.is_finite()) => Some(0.0),
        _ => cosine(reference, row),
    }
}

impl Task for Scored<'_> {
    fn samples(&self) -> &Samples {
        self.samples
    }

    fn width(&self) -> usize {
        self.width
    }

    fn metric(&self) -> &'static MetricSpec {
        spec::find(TASK_METRICS[self.metric as usize]).expect("the metrics crate lists every task metric")
    }

    fn outcomes(&self, outputs: &[f32]) -> Result<Vec<Outcome>, DatasetError> {
        let (samples, width) = (self.samples.len(), self.width);
        let expected = samples * width;
        if outputs.len() != expected {
            return Err(DatasetError::Outputs { samples, width, expected, got: outputs.len() });
        }
        let outcome = |(sample, row)| {
            let (target, output) = self.compare(sample, row);
            Outcome { sample, target, output }
        };
        let row = if matches!(self.samples.targets, Targets::Pairs(_)) { 2 * width } else { width };
        Ok(outputs.chunks_exact(row).enumerate().map(outcome).collect())
    }

    fn score(&self, outcomes: &[Outcome]) -> Option<f64> {
        self.measure(outcomes, false).score
    }

    fn interval(&self, outcomes: &[Outcome]) -> Option<Interval> {
        self.measure(outcomes, true).interval
    }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
