//! Datasets to samples to outcomes.
