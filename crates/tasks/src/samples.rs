//! Samples of one split.

use std::ops::Range;

/// Features and labels of one split, in file order.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// Shape of one sample, without the batch axis: `[1, 8, 8]`.
    pub shape: Vec<usize>,
    /// Features, row-major `[len, shape…]`, in units of the dataset's scale.
    pub features: Vec<f32>,
    /// Class of each sample, below the number of classes.
    pub labels: Vec<u32>,
}

impl Samples {
    /// No samples yet, of this shape.
    pub(crate) fn empty(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), features: Vec::new(), labels: Vec::new() }
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Number of features of one sample.
    #[must_use]
    pub fn sample_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Features of the samples in `range`, row-major; the range is cut to the samples that exist.
    #[must_use]
    pub fn batch(&self, range: Range<usize>) -> &[f32] {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        &self.features[start * self.sample_len()..end * self.sample_len()]
    }
}
