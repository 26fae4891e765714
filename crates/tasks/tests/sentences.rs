//! Text to samples: a small WordPiece tokenizer, and pairs of sentences in CSV files.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic")]

use std::fs;
use std::path::PathBuf;

use calibench_tasks::Targets;
use calibench_tasks::text::{SentencePairs, SentenceTokenizer, stsb};
use tempfile::TempDir;

const TOKENIZER: &str = r###"{
  "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
    "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}, "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
  "decoder": null,
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    "vocab": {"[UNK]": 0, "[PAD]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "man": 5, "sing": 6, "##s": 7, ".": 8}}
}"###;

fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn tokenizer(folder: &TempDir) -> SentenceTokenizer {
    SentenceTokenizer::open(&file(folder, "tokenizer.json", TOKENIZER)).unwrap()
}

#[test]
fn sentences_become_ids_between_special_tokens_padded_and_cut() {
    let folder = TempDir::new().unwrap();
    let encoded = tokenizer(&folder).encode(&["A man sings.", "Man!", ""], 6).unwrap();
    let [ids, mask] = &encoded.inputs[..] else { panic!("two inputs") };
    assert_eq!((&*ids.name, &*mask.name, &ids.shape), ("input_ids", "attention_mask", &vec![6]));
    // [CLS] a man sing ##s . [SEP] is one too many: the end of the text goes, the special tokens stay.
    assert_eq!(ids.batch(0..1), [2.0, 4.0, 5.0, 6.0, 7.0, 3.0]);
    assert_eq!(ids.batch(1..2), [2.0, 5.0, 0.0, 3.0, 1.0, 1.0]);
    assert_eq!(mask.batch(1..3), [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!((encoded.truncated, encoded.longest), (1, 6));
    let short = tokenizer(&folder).encode(&["a"], 2).unwrap_err().to_string();
    assert!(short.contains("`tokens`") && short.contains("2 special tokens"), "{short}");
}

#[test]
fn a_file_that_is_no_tokenizer_is_named() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "tokenizer.json", "{}");
    let error = SentenceTokenizer::open(&path).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("not a tokenizer"), "{error}");
}

#[test]
fn pairs_are_read_with_and_without_a_header() {
    let folder = TempDir::new().unwrap();
    let bare = file(&folder, "bare.csv", "A man sings.,\"a man, a man\",2.5\nA,man,0\n");
    let pairs = SentencePairs::read(&bare).unwrap();
    assert_eq!(pairs.sentences, ["A man sings.", "a man, a man", "A", "man"]);
    assert_eq!(pairs.scores, [2.5, 0.0]);
    let header = file(&folder, "header.tsv", "s1\ts2\tscore\nA\tman\t0\n");
    assert_eq!(SentencePairs::read(&header).unwrap().scores, [0.0]);

    let data = stsb(&bare, &tokenizer(&folder), 6).unwrap();
    assert_eq!((data.samples.len(), &data.samples.targets), (4, &Targets::Pairs(vec![2.5, 0.0])));
    assert!(data.notes.iter().any(|n| n.contains("2 of 4 cut")), "{:?}", data.notes);
}

#[test]
fn a_fault_in_a_pair_names_record_and_column() {
    let folder = TempDir::new().unwrap();
    let refused = |text: &str| SentencePairs::read(&file(&folder, "p.csv", text)).unwrap_err().to_string();
    assert!(refused("a,b,1\nc,d,high\n").contains("`score`, row 1: `high` is not a finite number"));
    assert!(refused("a,b,1\nc,d,inf\n").contains("`score`, row 1"));
    assert!(refused("a,b,1\nc, ,2\n").contains("`sentence 2`, row 1: is empty"));
    assert!(refused("a,b,1\nc,d\n").contains("record 1 has 2 fields"));
    assert!(refused("a,b,score\n").contains("no pair"));
    assert!(
        SentencePairs::read(&folder.path().join("none.csv")).unwrap_err().to_string().contains("none.csv")
    );
}
