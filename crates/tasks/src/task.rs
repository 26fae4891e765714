//! What a model is asked to do with samples.

use calibench_metrics::{MetricSpec, predictions, spec, top1};

use crate::{DatasetError, Samples};

/// What a model answered on one sample. Kept per sample: paired tests need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Index of the sample in its split.
    pub sample: usize,
    /// The right class.
    pub label: u32,
    /// The predicted class; `None` when the logits hold a NaN.
    pub predicted: Option<u32>,
}

impl Outcome {
    /// Whether the prediction is right; no prediction is wrong.
    #[must_use]
    pub fn correct(&self) -> bool {
        self.predicted == Some(self.label)
    }
}

/// Turns a model's outputs on samples into outcomes and a score.
pub trait Task {
    /// The samples.
    fn samples(&self) -> &Samples;

    /// Name, unit and direction of the score.
    fn metric(&self) -> &'static MetricSpec;

    /// One outcome per sample, from outputs in sample order.
    ///
    /// # Errors
    /// [`DatasetError::Logits`] when the number of outputs does not fit the samples.
    fn outcomes(&self, outputs: &[f32]) -> Result<Vec<Outcome>, DatasetError>;

    /// The score of these outcomes, in the metric's unit.
    fn score(&self, outcomes: &[Outcome]) -> f64;
}

/// One class per sample; outputs are logits `[samples, classes]`, the score is top-1 in 0..1.
#[derive(Debug, Clone, Copy)]
pub struct Classification<'d> {
    /// The samples.
    pub samples: &'d Samples,
    /// Number of classes.
    pub classes: usize,
}

impl Task for Classification<'_> {
    fn samples(&self) -> &Samples {
        self.samples
    }

    fn metric(&self) -> &'static MetricSpec {
        spec::find("top1").expect("the metrics crate lists top1")
    }

    fn outcomes(&self, logits: &[f32]) -> Result<Vec<Outcome>, DatasetError> {
        let (samples, classes) = (self.samples.len(), self.classes);
        let expected = samples * classes;
        if logits.len() != expected {
            return Err(DatasetError::Logits { samples, classes, expected, got: logits.len() });
        }
        let predicted = predictions(logits, classes);
        let labelled = self.samples.labels.iter().zip(predicted).enumerate();
        Ok(labelled.map(|(sample, (&label, predicted))| Outcome { sample, label, predicted }).collect())
    }

    fn score(&self, outcomes: &[Outcome]) -> f64 {
        let predicted: Vec<_> = outcomes.iter().map(|o| o.predicted).collect();
        let labels: Vec<_> = outcomes.iter().map(|o| o.label).collect();
        top1(&predicted, &labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nan_is_no_prediction_and_a_wrong_number_of_logits_is_refused() {
        let samples = Samples { shape: vec![1], features: vec![0.0; 3], labels: vec![1, 0, 1] };
        let task = Classification { samples: &samples, classes: 2 };
        let outcomes = task.outcomes(&[0.0, 1.0, 0.0, 1.0, f32::NAN, 1.0]).unwrap();
        assert_eq!(outcomes[0], Outcome { sample: 0, label: 1, predicted: Some(1) });
        assert_eq!(outcomes.iter().map(Outcome::correct).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(outcomes[2].predicted, None);
        assert!((task.score(&outcomes) - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(task.metric().id, "top1");
        let error = task.outcomes(&[0.0; 5]).unwrap_err().to_string();
        assert_eq!(error, "3 samples of 2 classes need 6 logits, got 5");
    }
}
