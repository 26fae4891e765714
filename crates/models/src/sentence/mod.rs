//! Sentence models: BERT, the mean over tokens, unit length, from a folder as sentence-transformers writes it.
//!
//! all-MiniLM-L6-v2 is one (6 layers of width 384, 12 heads; Apache-2.0). Reimers and Gurevych 2019 (arXiv 1908.10084) for
//! the pooling, Devlin et al. 2018 (arXiv 1810.04805) for the encoder.

mod config;
mod encoder;
mod error;
mod weights;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use std::path::Path;

use calibench_graph::{Dim, Element, Graph, GraphBuilder, Value};

use config::Config;
use encoder::Encoder;
use weights::Weights;

pub use error::SentenceError;

/// A sentence model: sentences of token ids to vectors of unit length, whose dot product is their cosine similarity.
///
/// # Example
/// ```no_run
/// use calibench_models::SentenceModel;
/// let model = SentenceModel::open("models/minilm".as_ref())?;
/// let graph = model.graph(64)?;
/// assert_eq!(graph.input_values().map(|v| &*v.name).collect::<Vec<_>>(), ["input_ids", "attention_mask"]);
/// # Ok::<(), calibench_models::SentenceError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SentenceModel {
    name: String,
    config: Config,
    weights: Weights,
}

impl SentenceModel {
    /// Reads `config.json` and `model.safetensors` of a folder, and of `modules.json` and `1_Pooling/config.json` those that
    /// are there: without them the mean is taken. Tensors may be called as in BERT alone, or with `bert.` in front.
    ///
    /// # Errors
    /// [`SentenceError`]: a file that is missing or does not parse; a model that is not BERT with absolute positions,
    /// GELU and mean pooling; a tensor that is missing or of another shape than the configuration says.
    pub fn open(folder: &Path) -> Result<Self, SentenceError> {
        let config = Config::read(folder)?;
        let weights = Weights::read(&folder.join("model.safetensors"), &config)?;
        let name =
            folder.file_name().map_or_else(|| "sentence".to_owned(), |n| n.to_string_lossy().into_owned());
        Ok(Self { name, config, weights })
    }

    /// The name of the folder.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The most tokens of a sentence: the positions that the model has learnt.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.config.max_position_embeddings
    }

    /// Tokens that the model knows: ids are below it.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.config.vocab_size
    }

    /// Numbers of one sentence's vector.
    #[must_use]
    pub fn width(&self) -> usize {
        self.config.hidden_size
    }

    /// The model for sentences padded or cut to `tokens`: `input_ids` and `attention_mask`, integers `[batch, tokens]`, to
    /// vectors `[batch, width]`. The mask is 1 at tokens and 0 at padding, and each sentence has a token at least.
    ///
    /// ```text
    /// x = LayerNorm(E[ids] + P + type 0), then per layer, with a = attention(x):
    /// x = LayerNorm(x + a), x = LayerNorm(x + W₂ · GELU(W₁ · x));  v = Σ mask · x / Σ mask;  output v / ‖v‖
    /// ```
    ///
    /// All graphs of a model share its weights in memory. Nodes are called as PyTorch calls its modules. Every token is of
    /// type 0, as in sentence-transformers.
    ///
    /// # Errors
    /// [`SentenceError::Tokens`] for none, or more than [`max_tokens`](Self::max_tokens).
    pub fn graph(&self, tokens: usize) -> Result<Graph, SentenceError> {
        let positions = self.max_tokens();
        if tokens == 0 || tokens > positions {
            return Err(SentenceError::Tokens { model: self.name.clone(), tokens, positions });
        }
        let input = |name: &str| Value {
            name: name.to_owned(),
            shape: vec![Dim::Batch, Dim::Fixed(tokens)],
            element: Element::Integer,
        };
        let inputs = vec![input("input_ids"), input("attention_mask")];
        let builder = GraphBuilder::with_inputs(&self.name, inputs);
        Ok(Encoder::new(builder, &self.config, &self.weights, tokens).build()?)
    }
}
