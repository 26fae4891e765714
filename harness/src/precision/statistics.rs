//! What rounding to half precision does at each site, counted over samples.

use std::collections::BTreeMap;

use anyhow::Result;
use calibench_engine::interpret::{CaptureTap, Captured, Interpreter, Processor};
use calibench_graph::{Binary, Element, Graph, Node, Op, ValueId, computes};
use calibench_quant::Dtype;
use calibench_tasks::Samples;
use serde::Serialize;

use super::half::Half;

/// Samples that run together: all values of a run are held at once.
const BATCH: usize = 4;

/// Counts over the values that one node gives. "Becomes" is rounding the fp32 value to the format, unless it says
/// otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Statistics {
    /// Values seen.
    pub values: u64,
    /// The largest magnitude; 0 where there is none.
    pub max_abs: f32,
    /// The smallest magnitude above 0; infinite where there is none.
    #[serde(serialize_with = "finite_or_null")]
    pub min_abs: f32,
    /// Finite values that become infinite.
    pub overflow: u64,
    /// Values that are not 0 and become 0.
    pub flushed: u64,
    /// Values that become subnormal: they keep fewer bits.
    pub subnormal: u64,
    /// Values that are not finite in fp32 already.
    pub not_finite: u64,
    /// `Σ x²` and `Σ (x − rounded)²` over what stays finite.
    #[serde(skip)]
    own: [f64; 2],
    /// The same between fp32 and the execution that rounds everything.
    #[serde(skip)]
    run: [f64; 2],
    /// Values that are not finite in the execution that rounds everything.
    pub half_not_finite: u64,
    /// Of those, the ones of batches whose inputs to this node were all finite: they come about here.
    pub born: u64,
    /// Of an addition: pairs of values that are not 0.
    pub additions: u64,
    /// Those whose sum is the larger of both.
    pub absorbed: u64,
    /// Of a layer normalisation.
    pub norm: Option<Norm>,
}

/// Rows of a layer normalisation, computed in the format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Norm {
    /// Rows seen.
    pub rows: u64,
    /// Rows whose variance is 0.
    pub no_variance: u64,
    /// Rows for which variance + epsilon is the variance, which is not 0.
    pub absorbed: u64,
    /// Rows in which the square of a deviation is infinite.
    pub square_overflow: u64,
    /// The largest deviation from a row's mean.
    pub max_deviation: f32,
}

fn finite_or_null<S: serde::Serializer>(v: &f32, s: S) -> Result<S::Ok, S::Error> {
    v.is_finite().then_some(*v).serialize(s)
}

impl Statistics {
    /// SQNR of rounding this site's values and nothing else.
    pub(super) fn own_sqnr_db(&self) -> Option<f64> {
        (self.overflow == 0).then(|| decibels(self.own))?
    }

    /// SQNR of this site's values when everything before it is rounded too.
    pub(super) fn run_sqnr_db(&self) -> Option<f64> {
        (self.half_not_finite == 0).then(|| decibels(self.run))?
    }
}

fn decibels([signal, noise]: [f64; 2]) -> Option<f64> {
    let cap = calibench_metrics::SQNR_CAP_DB;
    match (signal > 0.0, noise > 0.0) {
        (_, false) => Some(cap),
        (true, true) => Some((10.0 * (signal / noise).log10()).min(cap)),
        (false, true) => None,
    }
}

/// Statistics of every node that computes, by its name.
///
/// # Errors
/// When the graph does not run; what `tick` gives, which is called after each batch with the samples so far.
pub(super) fn gather(
    graph: &Graph,
    half: Half,
    samples: &Samples,
    processor: &Processor,
    mut tick: impl FnMut(usize) -> Result<()>,
) -> Result<BTreeMap<String, Statistics>> {
    let wide = Interpreter::on(processor, graph, Dtype::Fp32)?;
    let narrow = Interpreter::on(processor, graph, half.compute())?;
    let sites: Vec<ValueId> = (0..graph.values.len()).map(ValueId).collect();
    let mut all: BTreeMap<String, Statistics> = BTreeMap::new();
    for first in (0..samples.len()).step_by(BATCH) {
        let count = BATCH.min(samples.len() - first);
        let inputs = samples.batch(first..first + count);
        let mut exact = CaptureTap::new(sites.iter().copied());
        wide.run_slice(count, &inputs, &mut exact)?;
        let mut rounded = CaptureTap::new(sites.iter().copied());
        narrow.run_slice(count, &inputs, &mut rounded)?;
        let (exact, rounded) = (exact.finish(), rounded.finish());
        for node in graph.nodes.iter().filter(|n| is_site(graph, n)) {
            let empty = || Statistics { min_abs: f32::INFINITY, ..Statistics::default() };
            let statistics = all.entry(node.name.clone()).or_insert_with(empty);
            statistics.add(graph, node, half, &exact, &rounded);
        }
        tick(first + count)?;
    }
    Ok(all)
}

/// Whether rounding can do something to what a node gives.
pub(super) fn is_site(graph: &Graph, node: &Node) -> bool {
    computes(node) && graph.value(node.output).element == Element::Float
}

type Values = BTreeMap<ValueId, Captured>;

impl Statistics {
    fn add(&mut self, graph: &Graph, node: &Node, half: Half, exact: &Values, rounded: &Values) {
        let (Some(output), Some(run)) = (exact.get(&node.output), rounded.get(&node.output)) else { return };
        self.values += output.data.len() as u64;
        let smallest_normal = half.format().smallest_normal() as f32;
        for (&x, &r) in output.data.iter().zip(&run.data) {
            let (magnitude, own) = (x.abs(), half.round(x));
            if !x.is_finite() {
                self.not_finite += 1;
                continue;
            }
            self.max_abs = self.max_abs.max(magnitude);
            if magnitude > 0.0 {
                self.min_abs = self.min_abs.min(magnitude);
                self.overflow += u64::from(own.is_infinite());
                self.flushed += u64::from(own == 0.0);
                self.subnormal += u64::from(own != 0.0 && own.abs() < smallest_normal);
            }
            let error = |y: f32| f64::from(x - y).powi(2);
            let signal = f64::from(x).powi(2);
            if own.is_finite() {
                self.own = [self.own[0] + signal, self.own[1] + error(own)];
            }
            if r.is_finite() {
                self.run = [self.run[0] + signal, self.run[1] + error(r)];
            }
        }
        let not_finite = |values: &Captured| values.data.iter().filter(|v| !v.is_finite()).count() as u64;
        let lost = not_finite(run);
        self.half_not_finite += lost;
        if node.inputs.iter().filter_map(|v| rounded.get(v)).all(|v| not_finite(v) == 0) {
            self.born += lost;
        }
        self.look_inside(graph, node, half, exact);
    }

    /// What the operator's intermediates do in the format, given exact inputs.
    fn look_inside(&mut self, graph: &Graph, node: &Node, half: Half, exact: &Values) {
        let input = |i: usize| node.inputs.get(i).and_then(|v| exact.get(v)).map(|v| &v.data[..]);
        let param = |i: usize| node.params.get(i).and_then(|p| graph.params.get(p)).map(|t| t.data());
        let Some(x) = input(0) else { return };
        match &node.op {
            Op::LayerNorm { epsilon } => {
                let width = param(0).map_or(1, <[f32]>::len);
                let norm = self.norm.get_or_insert_default();
                x.chunks_exact(width).for_each(|row| norm.add(row, *epsilon, half));
            }
            Op::Add | Op::Binary(Binary::Sub) => {
                if let Some(y) = input(1).filter(|y| y.len() == x.len()) {
                    self.absorb(x, y, half);
                }
            }
            Op::AddParam => {
                if let Some(p) = param(0) {
                    x.chunks_exact(p.len()).for_each(|x| self.absorb(x, p, half));
                }
            }
            _ => {}
        }
    }

    fn absorb(&mut self, x: &[f32], y: &[f32], half: Half) {
        for (x, y) in x.iter().zip(y) {
            let (x, y) = (half.round(*x).abs(), half.round(*y).abs());
            if x == 0.0 || y == 0.0 || !x.is_finite() || !y.is_finite() {
                continue;
            }
            self.additions += 1;
            self.absorbed += u64::from(half.round(x.max(y) + x.min(y)) == x.max(y));
        }
    }
}

impl Norm {
    fn add(&mut self, row: &[f32], epsilon: f32, half: Half) {
        let round = |v: f32| half.round(v);
        let n = row.len() as f32;
        let mean = round(row.iter().map(|x| round(*x)).sum::<f32>() / n);
        let deviation = |x: &f32| round(round(*x) - mean).abs();
        let largest = row.iter().map(deviation).fold(0.0, f32::max);
        let variance = round(row.iter().map(|x| round(deviation(x) * deviation(x))).sum::<f32>() / n);
        self.rows += 1;
        self.max_deviation = self.max_deviation.max(largest);
        self.no_variance += u64::from(variance == 0.0);
        self.square_overflow += u64::from(largest.is_finite() && round(largest * largest).is_infinite());
        self.absorbed += u64::from(variance != 0.0 && round(variance + round(epsilon)) == variance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_without_variance_and_one_whose_squares_overflow_are_counted() {
        let mut norm = Norm::default();
        norm.add(&[2.0; 4], 1e-12, Half::Fp16);
        norm.add(&[0.0, 1000.0, 0.0, 0.0], 1e-12, Half::Fp16);
        norm.add(&[0.0, 100.0, 0.0, 0.0], 1e-5, Half::Fp16);
        assert_eq!((norm.rows, norm.no_variance, norm.square_overflow), (3, 1, 1));
        assert_eq!(norm.absorbed, 2, "inf and 1875 absorb the epsilon");
        assert_eq!(norm.max_deviation, 750.0);
    }

    #[test]
    fn a_small_number_added_to_a_large_one_is_absorbed() {
        let mut s = Statistics::default();
        s.absorb(&[2048.0, 2048.0, 0.0], &[1.0, 2.0, 5.0], Half::Fp16);
        assert_eq!((s.additions, s.absorbed), (2, 1));
    }
}
