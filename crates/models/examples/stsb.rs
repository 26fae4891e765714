//! Spearman of a sentence model on pairs of sentences, in fp32, compiled and interpreted (which takes minutes): `cargo run --release --example
//! stsb -- MODEL_FOLDER PAIRS.csv [TOKENS [PAIRS]]`.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use calibench_engine::QuantSpec;
use calibench_engine::compile::{CompileOptions, Executable};
use calibench_engine::interpret::{Interpreter, NoTap};
use calibench_kernels::Kernels;
use calibench_models::SentenceModel;
use calibench_quant::Dtype;
use calibench_tasks::task_for;
use calibench_tasks::text::{SentenceTokenizer, stsb};

const BATCH: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder is the model in?")?;
    let csv = arguments.next().ok_or("which CSV file has the pairs?")?;
    let tokens = arguments.next().map_or(Ok(64), |n| n.parse())?;
    let pairs: usize = arguments.next().map_or(Ok(usize::MAX), |n| n.parse())?;

    let tokenizer = SentenceTokenizer::open(&Path::new(&folder).join("tokenizer.json"))?;
    let data = stsb(Path::new(&csv), &tokenizer, tokens)?;
    let count = data.samples.len().min(pairs.saturating_mul(2));
    let samples = data.samples.select(&(0..count).collect::<Vec<_>>());
    let model = SentenceModel::open(Path::new(&folder))?;
    let graph = model.graph(tokens)?;
    let interpreter = Interpreter::new(&graph)?;
    let options = CompileOptions { kernels: Kernels::best(), threads: 2, max_batch: BATCH };
    let mut plan = Executable::compile(&graph, &QuantSpec::float(Dtype::Fp32), options)?;

    let mut out = std::io::stdout().lock();
    data.notes.iter().try_for_each(|note| writeln!(out, "{note}"))?;
    let task = task_for(&samples, "spearman", model.width())?;
    for executor in ["compiled", "interpreted"] {
        let start = Instant::now();
        let mut outputs = Vec::with_capacity(count * model.width());
        for first in (0..count).step_by(BATCH) {
            let batch = BATCH.min(count - first);
            let inputs = samples.batch(first..first + batch);
            match executor {
                "compiled" => outputs.extend_from_slice(plan.run(batch, &inputs)?),
                _ => outputs.extend(interpreter.run_slice(batch, &inputs, &mut NoTap)?),
            }
        }
        let outcomes = task.outcomes(&outputs)?;
        let score = task.score(&outcomes).ok_or("Spearman is undefined")?;
        let (pairs, seconds) = (outcomes.len(), start.elapsed().as_secs_f64());
        writeln!(out, "{executor}: Spearman {score:.10} on {pairs} pairs, {seconds:.1} s")?;
        if let Some(interval) = task.interval(&outcomes) {
            writeln!(out, "95 % interval {:.4} to {:.4}", interval.low, interval.high)?;
        }
    }
    Ok(())
}
