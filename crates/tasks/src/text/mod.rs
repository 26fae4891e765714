//! Sentences to samples for models of text.
//!
//! [`SentenceTokenizer`] turns text into token ids as a model's `tokenizer.json` says, [`stsb`] reads pairs of sentences with
//! a gold score of how alike they are. Together they give what the STS benchmark is scored on: [`Targets::Pairs`].
//!
//! [`Targets::Pairs`]: crate::Targets::Pairs

mod pairs;
mod tokenizer;

pub use pairs::{SentencePairs, stsb};
pub use tokenizer::{Encoded, SentenceTokenizer};
