//! all-MiniLM-L6-v2 gives what sentence-transformers gives. NOTES.md has the run over all of STS-B dev.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of a test fail by panic, and say what they skip"
)]

use std::path::{Path, PathBuf};

use calibench_engine::QuantSpec;
use calibench_engine::compile::{CompileOptions, Executable};
use calibench_kernels::Kernels;
use calibench_models::SentenceModel;
use calibench_quant::Dtype;
use calibench_tasks::task_for;
use calibench_tasks::text::{SentenceTokenizer, stsb};

/// Spearman of the first 100 pairs of STS-B dev: sentence-transformers 6.2.0, PyTorch 2.15.0, SciPy 1.17.1.
const SPEARMAN_OF_100: f64 = 0.943_330_209_920_190_5;

/// The first numbers of its vector for `A man with a hard hat is dancing.`
const FIRST_VECTOR: [f32; 6] =
    [0.029_718_595, -0.060_039_52, -0.009_814_546, -0.026_688_837, -0.024_261_001, 0.012_101_953];

const TOKENS: usize = 64;

/// The weights, where this machine has them: `CALIBENCH_MINILM`, else where `just minilm` puts them.
fn weights() -> Option<PathBuf> {
    let of = |variable| std::env::var_os(variable).map(PathBuf::from);
    let cache = || of("XDG_CACHE_HOME").or_else(|| Some(of("HOME")?.join(".cache")));
    let cache = of("CALIBENCH_CACHE").or_else(|| Some(cache()?.join("calibench")));
    existing(of("CALIBENCH_MINILM").or_else(|| Some(cache?.join("models/minilm")))?)
}

fn existing(path: PathBuf) -> Option<PathBuf> {
    if !path.exists() {
        println!("skipped: {} is not on this machine", path.display());
    }
    path.exists().then_some(path)
}

#[test]
fn the_first_pairs_of_the_sts_benchmark_score_as_in_sentence_transformers() {
    let shared = std::env::var_os("CALIBENCH_SHARED_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let (Some(folder), Some(csv)) = (weights(), existing(shared.join("stsb/stsb-en-dev.csv"))) else {
        return;
    };
    let tokenizer = SentenceTokenizer::open(&folder.join("tokenizer.json")).unwrap();
    let data = stsb(&csv, &tokenizer, TOKENS).unwrap();
    assert!(data.notes.iter().any(|n| n.contains("longest sentence: 53 of 64 tokens; 0 of 3000 cut")));
    let samples = data.samples.select(&(0..200).collect::<Vec<_>>());

    let model = SentenceModel::open(&folder).unwrap();
    let graph = model.graph(TOKENS).unwrap();
    let options = CompileOptions { kernels: Kernels::best(), threads: 1, max_batch: 20 };
    let mut plan = Executable::compile(&graph, &QuantSpec::float(Dtype::Fp32), options).unwrap();
    let mut outputs = Vec::new();
    for first in (0..200).step_by(20) {
        outputs.extend_from_slice(plan.run(20, &samples.batch(first..first + 20)).unwrap());
    }
    for (got, want) in outputs.iter().zip(FIRST_VECTOR) {
        assert!((got - want).abs() < 1e-6, "got {got}, want {want}");
    }
    let task = task_for(&samples, "spearman", model.width()).unwrap();
    let score = task.score(&task.outcomes(&outputs).unwrap()).unwrap();
    assert!((score - SPEARMAN_OF_100).abs() < 1e-4, "got {score}, want {SPEARMAN_OF_100}");
}
