//! What a sentence model's configuration files say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::SentenceError;

/// The keys of BERT's `config.json` that shape the graph.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Config {
    model_type: String,
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_attention_heads: usize,
    pub num_hidden_layers: usize,
    pub max_position_embeddings: usize,
    pub type_vocab_size: usize,
    pub vocab_size: usize,
    pub layer_norm_eps: f32,
}

/// What a configuration without the key means.
fn absolute() -> String {
    "absolute".to_owned()
}

/// One entry of `modules.json`.
#[derive(Deserialize)]
struct Module {
    #[serde(rename = "type")]
    kind: String,
}

impl Config {
    /// Reads a folder's `config.json`, and checks that what it and the other files describe is built in.
    pub(super) fn read(folder: &Path) -> Result<Self, SentenceError> {
        let path = folder.join("config.json");
        let config: Self = read(&path)?;
        let check = |key, found: &str, fits: bool, supported| match fits {
            true => Ok(()),
            false => Err(unsupported(&path, key, format!("`{found}`"), supported)),
        };
        check("model_type", &config.model_type, config.model_type == "bert", "only BERT is built in")?;
        let gelu = config.hidden_act == "gelu";
        check("hidden_act", &config.hidden_act, gelu, "only GELU by the error function (gelu) is built in")?;
        let positions = &config.position_embedding_type;
        let learnt = positions == "absolute";
        check(
            "position_embedding_type",
            positions,
            learnt,
            "only absolute position embeddings are built in",
        )?;
        for (key, size) in [
            ("hidden_size", config.hidden_size),
            ("intermediate_size", config.intermediate_size),
            ("num_attention_heads", config.num_attention_heads),
            ("max_position_embeddings", config.max_position_embeddings),
            ("type_vocab_size", config.type_vocab_size),
            ("vocab_size", config.vocab_size),
        ] {
            if size == 0 {
                return Err(unsupported(&path, key, "0".to_owned(), "it must be at least 1"));
            }
        }
        if !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            let heads = config.num_attention_heads.to_string();
            return Err(unsupported(&path, "num_attention_heads", heads, "it must divide hidden_size"));
        }
        check_pooling(&folder.join("1_Pooling").join("config.json"))?;
        check_modules(&folder.join("modules.json"))?;
        Ok(config)
    }
}

/// That the pooling, where it is described, is the mean over tokens.
fn check_pooling(path: &Path) -> Result<(), SentenceError> {
    const KEY: &str = "pooling_mode";
    if !path.exists() {
        return Ok(());
    }
    let config: BTreeMap<String, Value> = read(path)?;
    // Earlier versions of sentence-transformers have a truth value for each mode, later ones may name the modes.
    let flags = config.iter().filter(|(_, on)| **on == Value::Bool(true));
    let flags = flags.filter_map(|(key, _)| key.strip_prefix("pooling_mode_"));
    let named = match config.get(KEY) {
        Some(Value::String(mode)) => vec![mode.as_str()],
        Some(Value::Array(modes)) => modes.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let modes: Vec<&str> = flags.chain(named).collect();
    let mean = !modes.is_empty() && modes.iter().all(|mode| matches!(*mode, "mean_tokens" | "mean"));
    let found = if modes.is_empty() { "nothing".to_owned() } else { format!("`{}`", modes.join(", ")) };
    if mean { Ok(()) } else { Err(unsupported(path, KEY, found, "only the mean over tokens is built in")) }
}

/// That nothing but pooling and normalisation follows the transformer.
fn check_modules(path: &Path) -> Result<(), SentenceError> {
    if !path.exists() {
        return Ok(());
    }
    let modules: Vec<Module> = read(path)?;
    let name = |m: &Module| m.kind.rsplit('.').next().unwrap_or_default().to_owned();
    let other = modules.iter().map(name).find(|m| !matches!(&**m, "Transformer" | "Pooling" | "Normalize"));
    other.map_or(Ok(()), |kind| {
        let supported = "only Transformer, Pooling and Normalize are built in";
        Err(unsupported(path, "type", format!("`{kind}`"), supported))
    })
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, SentenceError> {
    let bytes = fs::read(path).map_err(|source| SentenceError::Io { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| SentenceError::Config { path: path.to_owned(), source })
}

fn unsupported(path: &Path, key: &'static str, found: String, supported: &'static str) -> SentenceError {
    SentenceError::Unsupported { path: path.to_owned(), key, found, supported }
}
