//! Which values and parameters are quantized, and why.

use crate::{Graph, Node, Op, Padding, ValueId};

/// A quantized weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightSite {
    /// The node that uses it.
    pub node: String,
    /// The parameter's name; the site carries it.
    pub param: String,
    /// Output channels: the size of axis 0.
    pub channels: usize,
}

/// An operator that stays in floating point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloatOp {
    /// The node.
    pub node: String,
    /// Its operator's name.
    pub op: &'static str,
    /// Why it is not quantized.
    pub reason: &'static str,
}

/// The decision for a whole graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Quantized activations in execution order: every value that a quantized product reads. Such a
    /// value is replaced by its quantized self for all of its readers.
    pub activations: Vec<ValueId>,
    /// Quantized weights in execution order. Products of two activations have none.
    pub weights: Vec<WeightSite>,
    /// What stays in floating point.
    pub float_ops: Vec<FloatOp>,
    /// What of the activations is padding, where the graph has a mask.
    pub padding: Option<Padding>,
}

/// The default policy: matrix products and convolutions are quantized, with the ReLU behind them.
///
/// They hold nearly all of the arithmetic and gain from integers. Softmax, normalisation and GELU keep
/// fp32: their results depend on small differences that 8 bits do not hold, and they cost little. (Wu et
/// al. 2020, §4 quantizes the same set.)
#[must_use]
pub fn placement(graph: &Graph) -> Placement {
    let mut activations = Vec::new();
    let mut weights = Vec::new();
    let mut float_ops = Vec::new();
    for node in &graph.nodes {
        if node.op.is_product() {
            for input in &node.inputs {
                if !activations.contains(input) {
                    activations.push(*input);
                }
            }
            if let Some(param) = node.params.first() {
                let channels = graph.params.get(param).map_or(0, |t| t.shape()[0]);
                weights.push(WeightSite { node: node.name.clone(), param: param.clone(), channels });
            }
        } else if let Some(reason) = float_reason(graph, node) {
            float_ops.push(FloatOp { node: node.name.clone(), op: node.op.name(), reason });
        }
    }
    Placement { activations, weights, float_ops, padding: Padding::of(graph) }
}

fn float_reason(graph: &Graph, node: &Node) -> Option<&'static str> {
    match &node.op {
        op if op.is_product() || op.is_layout() => None,
        // Fused into the product before it when nothing else reads the product.
        Op::Relu => {
            let product = graph.producer(node.inputs[0]).is_some_and(|p| p.op.is_product());
            let fused = product && graph.consumers(node.inputs[0]).count() == 1;
            (!fused).then_some("follows a floating-point operation")
        }
        Op::Constant { .. } | Op::Cast { .. } => None,
        Op::Softmax | Op::LogSoftmax => Some("exponentials span more orders of magnitude than integer codes"),
        Op::LayerNorm { .. } | Op::BatchNorm2d { .. } => Some("mean and variance need more than 8 bits"),
        Op::Gelu => Some("no integer form; runs between dequantize and quantize"),
        Op::Add => Some("sums of differently scaled inputs; costs little next to the products"),
        Op::MaxPool2d(_) | Op::AvgPool2d { .. } | Op::GlobalAvgPool | Op::MeanTokens | Op::Reduce { .. } => {
            Some("pooling; costs little")
        }
        Op::Embedding => Some("looks rows up; no arithmetic to gain from"),
        _ => Some("elementwise; costs little next to the products"),
    }
}
