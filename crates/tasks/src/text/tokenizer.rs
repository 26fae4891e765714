//! Text to token ids.

use std::fs;
use std::path::{Path, PathBuf};

use tokenizers::{Tokenizer, TruncationParams};

use crate::Feature;
use crate::data::DataError;

/// Names of a model's inputs, as its exporters call them.
const IDS: &str = "input_ids";
const MASK: &str = "attention_mask";

/// The tokenizer of a sentence model, as its `tokenizer.json` describes it.
#[derive(Debug)]
pub struct SentenceTokenizer {
    path: PathBuf,
    tokenizer: Tokenizer,
    /// What fills a sentence up; the mask hides it.
    padding: u32,
    /// Tokens around every sentence, such as `[CLS]` and `[SEP]`.
    added: usize,
}

/// Sentences as a model's inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// `input_ids` and `attention_mask`, each `[sentences, tokens]`; the mask is 1 for a token, 0 for padding.
    pub inputs: Vec<Feature>,
    /// How many sentences were longer and lost their ends.
    pub truncated: usize,
    /// Tokens of the longest sentence, at most as many as asked for.
    pub longest: usize,
}

impl SentenceTokenizer {
    /// Reads a `tokenizer.json`. The truncation and padding in it are left aside.
    ///
    /// # Errors
    /// [`DataError::Io`]; [`DataError::Malformed`] for a file that the `tokenizers` crate does not take.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let bytes = fs::read(path).map_err(DataError::io(path))?;
        let refused = |e: tokenizers::Error| {
            let reason = format!("not a tokenizer that is read: {e}; give the model's tokenizer.json");
            DataError::malformed(path, reason)
        };
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(refused)?;
        let given = tokenizer.get_padding().map(|p| p.pad_id);
        let padding = given.or_else(|| tokenizer.token_to_id("[PAD]")).unwrap_or(0);
        tokenizer.with_padding(None).with_truncation(None).map_err(refused)?;
        let added = tokenizer.encode("", true).map_err(refused)?.len();
        Ok(Self { path: path.to_owned(), tokenizer, padding, added })
    }

    /// Encodes sentences to `tokens` ids each, special tokens included: longer ones lose their ends, shorter ones are
    /// filled up behind.
    ///
    /// # Errors
    /// [`DataError::Entry`] where `tokens` leaves no room for text; [`DataError::Value`] for a sentence that cannot be
    /// encoded.
    pub fn encode<S: AsRef<str>>(&self, sentences: &[S], tokens: usize) -> Result<Encoded, DataError> {
        if tokens <= self.added {
            let reason = format!("{tokens} leaves no room beside {} special tokens; give more", self.added);
            return Err(DataError::Entry { key: "tokens", reason });
        }
        let mut tokenizer = self.tokenizer.clone();
        let truncation = TruncationParams { max_length: tokens, ..TruncationParams::default() };
        tokenizer
            .with_truncation(Some(truncation))
            .map_err(|e| DataError::Entry { key: "tokens", reason: e.to_string() })?;
        let feature = |name: &str| Feature {
            name: name.to_owned(),
            shape: vec![tokens],
            data: Vec::with_capacity(sentences.len() * tokens),
        };
        let (mut ids, mut mask) = (feature(IDS), feature(MASK));
        let (mut truncated, mut longest) = (0, 0);
        for (row, sentence) in sentences.iter().enumerate() {
            let encoding = tokenizer.encode(sentence.as_ref(), true).map_err(|e| DataError::Value {
                path: self.path.clone(),
                array: "sentences".to_owned(),
                row,
                column: String::new(),
                reason: format!("cannot be encoded: {e}"),
            })?;
            let padding = tokens - encoding.len();
            ids.data.extend(encoding.get_ids().iter().map(|id| *id as f32));
            ids.data.extend(std::iter::repeat_n(self.padding as f32, padding));
            mask.data.extend(std::iter::repeat_n(1.0, encoding.len()));
            mask.data.extend(std::iter::repeat_n(0.0, padding));
            truncated += usize::from(!encoding.get_overflowing().is_empty());
            longest = longest.max(encoding.len());
        }
        Ok(Encoded { inputs: vec![ids, mask], truncated, longest })
    }
}
