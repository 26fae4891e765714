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

/// All built-in models, in the order in which lists show them.
pub const ALL: &[ModelEntry] = &[mlp::ENTRY, cnn::ENTRY, vit::ENTRY];

/// The model called `id`.
///
/// # Errors
/// [`ModelError::Unknown`] with the nearest name.
pub fn find(id: &str) -> Result<&'static ModelEntry, ModelError> {
    ALL.iter().find(|m| m.id == id).ok_or_else(|| ModelError::Unknown {
        name: id.to_owned(),
        suggestion: nearest(id, ALL.iter().map(|m| m.id)).map(str::to_owned),
        known: ALL.iter().map(|m| m.id).collect::<Vec<_>>().join(", "),
    })
}
