//! Samples: what a model is given, and what is right.

use std::ops::Range;

use crate::DatasetError;

/// One input of a model, for every sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// The model's name for the input.
    pub name: String,
    /// Shape of one sample, without the batch axis: `[1, 8, 8]`; empty for a single number.
    pub shape: Vec<usize>,
    /// Values, row-major `[samples, shape…]`. Integers, such as token ids, are held exactly: ±2²⁴ at most.
    pub data: Vec<f32>,
}

impl Feature {
    /// Number of values of one sample: the product of the shape.
    #[must_use]
    pub fn sample_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len() / self.sample_len().max(1)
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Values of the samples in `range`, row-major; the range is cut to the samples that exist.
    #[must_use]
    pub fn batch(&self, range: Range<usize>) -> &[f32] {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        &self.data[start * self.sample_len()..end * self.sample_len()]
    }
}

/// What is right for each sample.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// Nothing is known; only fidelity to the fp32 model can be measured.
    None,
    /// Class of each sample.
    Classes(Vec<u32>),
    /// `width` values for each sample.
    Values {
        /// Values of one sample, at least 1.
        width: usize,
        /// Values, row-major `[samples, width]`.
        data: Vec<f32>,
    },
    /// One gold score for each two samples in a row, 2k and 2k + 1: how alike they are.
    Pairs(Vec<f32>),
}

impl Targets {
    /// Number of samples; `None` where there are no targets.
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Classes(labels) => Some(labels.len()),
            Self::Values { width, data } => Some(data.len() / (*width).max(1)),
            Self::Pairs(scores) => Some(2 * scores.len()),
        }
    }

    /// In words, for messages.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Self::None => "no targets".to_owned(),
            Self::Classes(labels) => match labels.iter().max() {
                Some(greatest) => format!("classes 0 to {greatest}"),
                None => "classes".to_owned(),
            },
            Self::Values { width, .. } => format!("{width} target value(s) a sample"),
            Self::Pairs(_) => "a gold score for each pair of samples".to_owned(),
        }
    }
}

/// Samples of one split, in file order: the inputs of a model, and targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// The model's inputs, at least one, each with the same number of samples.
    pub inputs: Vec<Feature>,
    /// What is right, for as many samples.
    pub targets: Targets,
}

impl Samples {
    /// Samples of these inputs and targets.
    ///
    /// # Errors
    /// [`DatasetError::Counts`] without an input, and where the numbers of samples differ.
    pub fn new(inputs: Vec<Feature>, targets: Targets) -> Result<Self, DatasetError> {
        let samples = Self { inputs, targets };
        let wrong = |reason| Err(DatasetError::Counts { reason });
        let Some(first) = samples.inputs.first() else {
            return wrong("samples without an input; a model needs one at least".to_owned());
        };
        for input in &samples.inputs {
            let (size, got) = (input.sample_len(), input.data.len());
            if size == 0 || !got.is_multiple_of(size) {
                return wrong(format!(
                    "input `{}`: {got} values are no samples of shape {:?}",
                    input.name, input.shape
                ));
            }
            if input.len() != first.len() {
                let (a, b) = (first.len(), input.len());
                return wrong(format!("input `{}` has {a} samples, `{}` has {b}", first.name, input.name));
            }
        }
        if let Some(targets) = samples.targets.count().filter(|n| *n != first.len()) {
            let inputs = first.len();
            return wrong(format!("input `{}` has {inputs} samples, the targets have {targets}", first.name));
        }
        Ok(samples)
    }

    /// One input named `input`, and the class of each sample: what the built-in datasets hold.
    #[must_use]
    pub fn classified(shape: &[usize], features: Vec<f32>, labels: Vec<u32>) -> Self {
        let input = Feature { name: "input".to_owned(), shape: shape.to_vec(), data: features };
        Self { inputs: vec![input], targets: Targets::Classes(labels) }
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.first().map_or(0, Feature::len)
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values of the samples in `range`, one slice for each input; the range is cut to the samples that exist.
    #[must_use]
    pub fn batch(&self, range: Range<usize>) -> Vec<&[f32]> {
        self.inputs.iter().map(|input| input.batch(range.clone())).collect()
    }

    /// Samples that belong together: two where targets are of pairs.
    #[must_use]
    pub fn unit(&self) -> usize {
        if matches!(self.targets, Targets::Pairs(_)) { 2 } else { 1 }
    }

    /// How many whole units there are.
    #[must_use]
    pub fn units(&self) -> usize {
        self.len() / self.unit()
    }

    /// The samples of these units, in this order.
    #[must_use]
    pub fn select_units(&self, units: &[usize]) -> Self {
        let unit = self.unit();
        self.select(&units.iter().flat_map(|u| u * unit..(u + 1) * unit).collect::<Vec<_>>())
    }

    /// The samples with these indices, in their order; indices may repeat. Where the targets are pairs, both of a pair
    /// must follow one another; a score goes with the first.
    ///
    /// # Panics
    /// Where an index is not below [`len`](Self::len), and where a pair is torn.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        let gather = |data: &[f32], width: usize| {
            let rows = indices.iter().map(|i| &data[i * width..(i + 1) * width]);
            rows.flatten().copied().collect::<Vec<f32>>()
        };
        let input = |input: &Feature| Feature {
            name: input.name.clone(),
            shape: input.shape.clone(),
            data: gather(&input.data, input.sample_len()),
        };
        let targets = match &self.targets {
            Targets::None => Targets::None,
            Targets::Classes(labels) => Targets::Classes(indices.iter().map(|i| labels[*i]).collect()),
            Targets::Values { width, data } => Targets::Values { width: *width, data: gather(data, *width) },
            Targets::Pairs(scores) => {
                let (pairs, rest) = indices.as_chunks::<2>();
                let whole = |[a, b]: &[usize; 2]| a.is_multiple_of(2) && *b == a + 1;
                assert!(rest.is_empty() && pairs.iter().all(whole), "{indices:?} tears a pair of samples");
                Targets::Pairs(pairs.iter().map(|[a, _]| scores[a / 2]).collect())
            }
        };
        Self { inputs: self.inputs.iter().map(input).collect(), targets }
    }

    /// The first input: the only one of the built-in datasets.
    ///
    /// # Panics
    /// Where there is none, which [`new`](Self::new) refuses.
    #[must_use]
    pub fn input(&self) -> &Feature {
        self.inputs.first().expect("samples have an input")
    }

    /// Class of each sample, where the targets are classes.
    #[must_use]
    pub fn labels(&self) -> Option<&[u32]> {
        match &self.targets {
            Targets::Classes(labels) => Some(labels),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(name: &str, shape: &[usize], data: &[f32]) -> Feature {
        Feature { name: name.to_owned(), shape: shape.to_vec(), data: data.to_vec() }
    }

    fn two_inputs() -> Samples {
        let ids = feature("ids", &[2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let targets = Targets::Values { width: 1, data: vec![0.1, 0.2, 0.3] };
        Samples::new(vec![ids, feature("mask", &[], &[0.0, 1.0, 2.0])], targets).unwrap()
    }

    #[test]
    fn a_batch_has_a_slice_for_each_input_and_ends_with_the_samples() {
        let samples = two_inputs();
        assert_eq!(samples.len(), 3);
        assert_eq!(samples.batch(1..9), [&[3.0, 4.0, 5.0, 6.0][..], &[1.0, 2.0]]);
        assert!(samples.batch(7..9).iter().all(|slice| slice.is_empty()));
    }

    #[test]
    fn selected_samples_keep_the_order_asked_for() {
        let chosen = two_inputs().select(&[2, 0, 2]);
        assert_eq!(chosen.inputs[0].data, [5.0, 6.0, 1.0, 2.0, 5.0, 6.0]);
        assert_eq!(chosen.inputs[1].data, [2.0, 0.0, 2.0]);
        assert_eq!(chosen.targets, Targets::Values { width: 1, data: vec![0.3, 0.1, 0.3] });
        let classes = Samples::classified(&[1], vec![0.0, 1.0], vec![7, 8]).select(&[1]);
        assert_eq!(classes.labels(), Some(&[8][..]));
    }

    #[test]
    fn a_pair_is_selected_whole_with_its_score() {
        let pairs = Targets::Pairs(vec![0.5, 4.0]);
        let samples = Samples::new(vec![feature("x", &[], &[0.0, 1.0, 2.0, 3.0])], pairs).unwrap();
        let chosen = samples.select(&[2, 3]);
        assert_eq!(
            (&chosen.input().data[..], &chosen.targets),
            (&[2.0, 3.0][..], &Targets::Pairs(vec![4.0]))
        );
        assert!(std::panic::catch_unwind(|| samples.select(&[1, 2])).is_err());
        assert!(Samples::new(samples.inputs, Targets::Pairs(vec![0.5])).is_err());
    }

    #[test]
    fn numbers_of_samples_that_differ_are_refused() {
        let refused = |inputs, targets| Samples::new(inputs, targets).unwrap_err().to_string();
        let a = || feature("a", &[2], &[0.0; 4]);
        assert!(refused(vec![], Targets::None).contains("without an input"));
        assert!(
            refused(vec![a(), feature("b", &[], &[0.0; 3])], Targets::None)
                .contains("`a` has 2 samples, `b` has 3")
        );
        assert!(refused(vec![a()], Targets::Classes(vec![0; 3])).contains("the targets have 3"));
        assert!(refused(vec![feature("a", &[2], &[0.0; 3])], Targets::None).contains("no samples of shape"));
        assert!(refused(vec![feature("a", &[0], &[])], Targets::None).contains("no samples of shape"));
    }
}
