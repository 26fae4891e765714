//! What quantization does to each site: SQNR, share clipped, share of codes used.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use calibench_engine::QuantSpec;
use calibench_engine::interpret::{CaptureTap, Interpreter, Processor};
use calibench_graph::{Graph, ValueId, placement};
use calibench_metrics::sqnr_db;
use calibench_quant::{Dtype, QParams, Range, Timing};
use calibench_store::SiteRow;

/// Compares every quantized activation and weight with its fp32 value.
///
/// Activations are those of the fp32 model on `inputs`, so that a site's figure is its own error and not
/// what it inherits. Dynamic ranges are those of this batch.
///
/// # Errors
/// When the graph does not run on `inputs`.
pub fn compare(
    cell: &str,
    graph: &Graph,
    spec: &QuantSpec,
    processor: &Processor,
    batch: usize,
    inputs: &[&[f32]],
) -> Result<Vec<SiteRow>> {
    let mut rows = Vec::new();
    let placement = placement(graph);
    if let (Some(format), true) = (spec.dtype.activation_format(), spec.timing != Timing::WeightOnly) {
        let values = capture(graph, processor, &placement.activations, batch, inputs)?;
        for id in &placement.activations {
            let Some(values) = values.get(id) else { continue };
            let name = &graph.value(*id).name;
            let qparams = match (spec.activations.get(id), Range::of(values)) {
                (Some(frozen), _) => frozen.clone(),
                (None, Some(range)) => QParams::from_range(name, range, format, spec.symmetry)?,
                (None, None) => continue,
            };
            rows.push(row(cell, name, "activation", values, values.len(), &qparams));
        }
    }
    for site in &placement.weights {
        if let (Some(qparams), Some(weight)) = (spec.weights.get(&site.param), graph.params.get(&site.param))
        {
            let per_channel = weight.len() / site.channels;
            rows.push(row(cell, &site.param, "weight", weight.data(), per_channel, qparams));
        }
    }
    Ok(rows)
}

fn capture(
    graph: &Graph,
    processor: &Processor,
    sites: &[ValueId],
    batch: usize,
    inputs: &[&[f32]],
) -> Result<BTreeMap<ValueId, Vec<f32>>> {
    let mut tap = CaptureTap::new(sites.iter().copied());
    Interpreter::on(processor, graph, Dtype::Fp32)?.run_slice(batch, inputs, &mut tap)?;
    Ok(tap.finish().into_iter().map(|(id, captured)| (id, captured.data)).collect())
}

/// One row; `per_channel` values belong to each channel in turn.
fn row(cell: &str, site: &str, role: &str, values: &[f32], per_channel: usize, qparams: &QParams) -> SiteRow {
    let channel = |i: usize| i / per_channel;
    let quantized: Vec<f32> =
        values.iter().enumerate().map(|(i, v)| qparams.fake_quantize(*v, channel(i))).collect();
    let clipped = values.iter().enumerate().filter(|(i, v)| is_clipped(**v, qparams, channel(*i))).count();
    let codes: BTreeSet<i32> =
        values.iter().enumerate().map(|(i, v)| qparams.quantize(*v, channel(i))).collect();
    let (q_min, q_max) = qparams.code_range();
    let thresholds: Vec<Range> = (0..qparams.scale.len()).map(|c| qparams.thresholds(c)).collect();
    let scales = qparams.scale.iter().copied().map(f64::from);
    SiteRow {
        cell: cell.to_owned(),
        site: site.to_owned(),
        role: role.to_owned(),
        sqnr_db: sqnr_db(values, &quantized),
        scale_min: scales.clone().fold(f64::INFINITY, f64::min),
        scale_max: scales.fold(0.0, f64::max),
        zero_point_min: qparams.zero_point.iter().copied().min().unwrap_or(0),
        zero_point_max: qparams.zero_point.iter().copied().max().unwrap_or(0),
        low: thresholds.iter().map(|r| f64::from(r.low)).fold(f64::INFINITY, f64::min),
        high: thresholds.iter().map(|r| f64::from(r.high)).fold(f64::NEG_INFINITY, f64::max),
        clipped_share: Some(clipped as f64 / values.len().max(1) as f64),
        codes_used_share: Some(codes.len() as f64 / f64::from(q_max - q_min + 1)),
    }
}

/// Beyond the outermost code by more than the half step that rounding would bring back.
fn is_clipped(v: f32, qparams: &QParams, channel: usize) -> bool {
    let Range { low, high } = qparams.thresholds(channel);
    let half = 0.5 * qparams.scale_of(channel);
    v < low - half || v > high + half
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::{IntFormat, Symmetry};

    #[test]
    fn clipping_and_code_use_are_counted() {
        let range = Range { low: 0.0, high: 255.0 };
        let qparams = QParams::from_range("s", range, IntFormat::INT8, Symmetry::Affine).unwrap();
        let row = row("c", "s", "activation", &[0.0, 255.0, 300.0, 255.4], 4, &qparams);
        assert_eq!(row.clipped_share, Some(0.25));
        assert_eq!(row.codes_used_share, Some(2.0 / 256.0));
        assert_eq!((row.low, row.high), (0.0, 255.0));
    }
}
