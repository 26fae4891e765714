//! Built-in models as graph builders, and their training.
//!
//! A model is an untrained [`Graph`] from a seed and a [`Recipe`]. [`load_or_train`]
//! trains it the first time it is needed and caches it by content hash; [`qat`] fine-tunes a trained one with
//! fake quantization. Everything random is seeded: the same seed gives the same bytes.
//!
//! [`SentenceModel`] is a transformer with weights from elsewhere: sentences to vectors, as all-MiniLM-L6-v2.

mod adamw;
mod cache;
mod cnn;
mod error;
mod half_examples;
mod init;
mod mlp;
mod qat;
mod sentence;
mod train;
mod vit;

use calibench_graph::{Graph, GraphError, passes::fold_batch_norm};
use calibench_quant::nearest;

pub use cache::Cache;
pub use error::ModelError;
pub use qat::{QatConfig, QatResult, qat};
pub use sentence::{SentenceError, SentenceModel};
pub use train::{Progress, Recipe, Trained, load_or_train};

/// A registered model.
#[derive(Debug, Clone, Copy)]
pub struct ModelEntry {
    /// Kebab-case name.
    pub id: &'static str,
    /// One line of help.
    pub summary: &'static str,
    /// The dataset it is trained and tested on.
    pub dataset: &'static str,
    /// Builds the graph with initial parameters from a seed.
    pub build: fn(u64) -> Result<Graph, GraphError>,
    /// How it is trained.
    pub recipe: Recipe,
}

impl ModelEntry {
    /// The untrained graph in its inference form, batch normalisation folded: the structure that is
    /// quantized.
    ///
    /// # Errors
    /// [`ModelError::Graph`] when the builder is wrong.
    pub fn inference_graph(&self, seed: u64) -> Result<Graph, ModelError> {
        Ok(fold_batch_norm(&(self.build)(seed)?)?)
    }
}

/// The built-in models that a sweep measures when none is named, in the order in which lists show them.
pub const ALL: &[ModelEntry] = &[mlp::ENTRY, cnn::ENTRY, vit::ENTRY];

/// Built-in models that are examples of a failure, measured only when they are named.
pub const EXAMPLES: &[ModelEntry] = &[half_examples::EPSILON, half_examples::ENERGY];

/// Every built-in model.
pub fn every() -> impl Iterator<Item = &'static ModelEntry> {
    ALL.iter().chain(EXAMPLES)
}

/// The model called `id`.
///
/// # Errors
/// [`ModelError::Unknown`] with the nearest name.
pub fn find(id: &str) -> Result<&'static ModelEntry, ModelError> {
    every().find(|m| m.id == id).ok_or_else(|| ModelError::Unknown {
        name: id.to_owned(),
        suggestion: nearest(id, every().map(|m| m.id)).map(str::to_owned),
        known: every().map(|m| m.id).collect::<Vec<_>>().join(", "),
    })
}
