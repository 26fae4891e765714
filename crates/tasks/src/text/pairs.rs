//! Pairs of sentences with a gold score: the STS benchmark, and files like it.

use std::fs;
use std::path::Path;

use super::{Encoded, SentenceTokenizer};
use crate::data::csv::records;
use crate::data::{Data, DataError, content_hash};
use crate::{Samples, Targets};

const COLUMNS: [&str; 3] = ["sentence 1", "sentence 2", "score"];

/// Pairs of sentences, and how alike people found them.
#[derive(Debug, Clone, PartialEq)]
pub struct SentencePairs {
    /// The two sentences of each pair, one after the other.
    pub sentences: Vec<String>,
    /// One a pair: 0 (nothing in common) to 5 (the same) in the STS benchmark.
    pub scores: Vec<f32>,
}

impl SentencePairs {
    /// Reads a CSV file of sentence 1, sentence 2 and score, with or without a header.
    ///
    /// The first record is a header where its third field is no number. Sentences are taken without the spaces around them.
    ///
    /// # Errors
    /// [`DataError::Io`]; [`DataError::Malformed`] for a record that has not three fields, and for a file without pairs;
    /// [`DataError::Value`], with record and column, for an empty sentence and for a score that is not a finite number.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = fs::read(path).map_err(DataError::io(path))?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let tab = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tsv"));
        let mut pairs = Self { sentences: Vec::new(), scores: Vec::new() };
        records(path, bytes, if tab { b'\t' } else { b',' }, |row, fields| {
            let &[first, second, score] = fields else {
                let reason = format!(
                    "record {row} has {} fields; give sentence 1, sentence 2 and score, and quote sentences with commas",
                    fields.len()
                );
                return Err(DataError::malformed(path, reason));
            };
            let number = score.parse::<f32>().ok();
            if row == 0 && number.is_none() {
                return Ok(());
            }
            let wrong = |column: usize, reason: String| DataError::Value {
                path: path.to_owned(),
                array: COLUMNS[column].to_owned(),
                row,
                column: String::new(),
                reason,
            };
            if let Some(column) = [first, second].iter().position(|s| s.is_empty()) {
                return Err(wrong(column, "is empty; a pair needs two sentences".to_owned()));
            }
            let number = number.filter(|n| n.is_finite()).ok_or_else(|| {
                let shown: String = score.chars().take(40).collect();
                wrong(2, format!("`{shown}` is not a finite number; mend the score, or leave the pair out"))
            })?;
            pairs.sentences.extend([first.to_owned(), second.to_owned()]);
            pairs.scores.push(number);
            Ok(())
        })?;
        if pairs.scores.is_empty() {
            return Err(DataError::malformed(path, "it holds no pair of sentences"));
        }
        Ok(pairs)
    }
}

/// The pairs of a CSV file as samples: two for each pair, one after the other, of `tokens` ids and their mask.
///
/// The notes say how many sentences were cut.
///
/// # Errors
/// As [`SentencePairs::read`] and [`SentenceTokenizer::encode`].
pub fn stsb(path: &Path, tokenizer: &SentenceTokenizer, tokens: usize) -> Result<Data, DataError> {
    let pairs = SentencePairs::read(path)?;
    let Encoded { inputs, truncated, longest } = tokenizer.encode(&pairs.sentences, tokens)?;
    let notes = vec![
        format!("{} pairs of sentences of {}", pairs.scores.len(), path.display()),
        format!(
            "longest sentence: {longest} of {tokens} tokens; {truncated} of {} cut",
            pairs.sentences.len()
        ),
    ];
    let samples = Samples::new(inputs, Targets::Pairs(pairs.scores))?;
    Ok(Data { sha256: content_hash(&samples), samples, class_names: Vec::new(), notes })
}
