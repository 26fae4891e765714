//! ONNX files with the user's data.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail};
use calibench_engine::interpret::{Interpreter, NoTap};
use calibench_graph::Graph;
use calibench_onnx::{ConvertOptions, Converted, InputDim, Model, Signature};
use calibench_tasks::Samples;
use calibench_tasks::data::{Data, DataSpec, InputSignature};

use super::{Given, Sources};

/// The model of a file, and the data made to fit it.
pub(super) fn read(sources: &Sources, path: &Path, spec: &DataSpec) -> Result<Given> {
    let model = Model::load(path)?;
    let at_model = || format!("model {}", path.display());
    let signature = model.signature().with_context(at_model)?;
    let wanted: Vec<InputSignature> = signature.iter().map(|s| wanted(sources, s)).collect();
    let data = Data::load(spec, &wanted)?;
    let bind = bound(sources, &signature, &data.samples)?;
    let options = ConvertOptions { bind, output: sources.output.clone() };
    let Converted { graph, rebatched } = model.to_graph(&options).with_context(at_model)?;
    let calibration = match sources.unread() {
        Some(spec) => Some(Data::load(spec, &wanted).context("calibration data")?.samples),
        None => None,
    };
    Ok(Given { graph, data, calibration, rebatched })
}

/// The shape that data for an input must have: bound sizes where known, any where a symbol is free.
fn wanted(sources: &Sources, signature: &Signature) -> InputSignature {
    let size = |dim: &InputDim| match dim {
        InputDim::Fixed(n) => Some(*n),
        InputDim::Symbol(symbol) => sources.bind.get(symbol).copied(),
    };
    InputSignature { name: signature.name.clone(), shape: signature.sample.iter().map(size).collect() }
}

/// Sizes of symbols: those given, and those that the data have.
fn bound(sources: &Sources, signature: &[Signature], samples: &Samples) -> Result<BTreeMap<String, usize>> {
    let mut bind = sources.bind.clone();
    for (input, feature) in signature.iter().zip(&samples.inputs) {
        for (dim, size) in input.sample.iter().zip(&feature.shape) {
            let InputDim::Symbol(symbol) = dim else { continue };
            let known = *bind.entry(symbol.clone()).or_insert(*size);
            if known != *size {
                bail!("dimension `{symbol}` is {known}, but the data for input `{}` have {size}", input.name);
            }
        }
    }
    Ok(bind)
}

/// A file with a batch of 1 must give each of two samples what it gives them alone.
pub(super) fn check_rebatched(graph: &Graph, test: &Samples) -> Result<()> {
    let interpreter = Interpreter::new(graph)?;
    let run = |range: Range<usize>| interpreter.run_slice(range.len(), &test.batch(range), &mut NoTap);
    if test.len() < 2 {
        return Ok(());
    }
    let (together, alone) = (run(0..2)?, [run(0..1)?, run(1..2)?].concat());
    let scale = alone.iter().fold(1e-6_f32, |m, v| m.max(v.abs()));
    let differ = together.iter().zip(&alone).any(|(x, y)| (x - y).abs() > 1e-4 * scale);
    if differ || together.len() != alone.len() {
        bail!(
            "it fixes the batch at 1, and two samples together give other outputs than each alone; \
             export it with a dynamic batch"
        );
    }
    Ok(())
}
