//! Rewrites that keep what a graph computes.

mod fold_batch_norm;

pub use fold_batch_norm::fold_batch_norm;
