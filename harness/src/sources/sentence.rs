//! Sentence models with pairs of sentences.

use std::path::Path;

use anyhow::{Context, Result, bail};
use calibench_models::SentenceModel;
use calibench_tasks::Targets;
use calibench_tasks::data::DataSpec;
use calibench_tasks::text::{SentencePairs, SentenceTokenizer, stsb};

use super::{Given, Sources};

/// The name under which `--bind` takes the length of sentences.
const TOKENS: &str = "tokens";

/// The model of a folder, and sentences of the data's files as its tokens.
pub(super) fn read(sources: &Sources, folder: &Path, spec: &DataSpec) -> Result<Given> {
    let model = SentenceModel::open(folder)?;
    let tokenizer = SentenceTokenizer::open(&folder.join("tokenizer.json"))?;
    let test = file(spec)?;
    let calibration = sources.unread().map(file).transpose()?;
    let tokens = match sources.bind.get(TOKENS) {
        Some(tokens) => *tokens,
        None => longest(&model, &tokenizer, test)?,
    };
    let mut data = stsb(test, &tokenizer, tokens)?;
    if let (Some(limit), Targets::Pairs(scores)) = (spec.limit, &data.samples.targets) {
        let pairs = limit.min(scores.len());
        data.samples = data.samples.select(&(0..2 * pairs).collect::<Vec<_>>());
    }
    data.notes.push(format!(
        "sentences are filled up to {tokens} tokens; --bind {TOKENS}=N chooses another length"
    ));
    let calibration = match calibration {
        Some(path) => Some(stsb(path, &tokenizer, tokens).context("calibration data")?.samples),
        None => None,
    };
    Ok(Given { graph: model.graph(tokens)?, data, calibration, rebatched: false })
}

/// The one file of a description.
fn file(spec: &DataSpec) -> Result<&Path> {
    match &spec.path.0[..] {
        [path] => Ok(path),
        _ => bail!("a sentence model takes one CSV file of sentence 1, sentence 2 and score"),
    }
}

/// The length that holds every sentence of a file, in steps of 8.
fn longest(model: &SentenceModel, tokenizer: &SentenceTokenizer, path: &Path) -> Result<usize> {
    let sentences = SentencePairs::read(path)?.sentences;
    let longest = tokenizer.encode(&sentences, model.max_tokens())?.longest;
    Ok(longest.next_multiple_of(8).min(model.max_tokens()))
}
