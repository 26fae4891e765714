//! Which values and parameters are quantized, and why.

use std::collections::BTreeSet;

use crate::{Graph, GraphError, HalfType, Node, Op, Padding, ValueId};

/// A quantized weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightSite {
    /// The node that uses it.
    pub node: String,
    /// The parameter's name; the site carries it.
    pub param: String,
    /// Output channels, or rows of a table: the size of axis 0.
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

/// The default policy: matrix products and convolutions are quantized, with the ReLU behind them; of embeddings the table,
/// with a scale for each row, as half of a sentence model is its words.
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
        if is_quantized(graph, node) {
            for input in &node.inputs {
                if !activations.contains(input) {
                    activations.push(*input);
                }
            }
        } else if let Some(reason) = float_reason(graph, node) {
            float_ops.push(FloatOp { node: node.name.clone(), op: node.op.name(), reason });
        }
        if holds_codes(graph, node)
            && let Some(param) = node.params.first()
        {
            let channels = graph.params.get(param).map_or(0, |t| t.shape()[0]);
            weights.push(WeightSite { node: node.name.clone(), param: param.clone(), channels });
        }
    }
    Placement { activations, weights, float_ops, padding: Padding::of(graph) }
}

/// Whether a node is a product that runs on integers in integer cells.
#[must_use]
pub fn is_quantized(graph: &Graph, node: &Node) -> bool {
    node.op.is_product() && !graph.float.contains(&node.name)
}

/// Whether a node's weight is held in codes in integer cells: that of a product on integers, and the table of an embedding.
#[must_use]
pub fn holds_codes(graph: &Graph, node: &Node) -> bool {
    is_quantized(graph, node) || is_lookup(node) && !graph.float.contains(&node.name)
}

/// Whether a node looks rows up in a table, whose codes no product reads.
#[must_use]
pub fn is_lookup(node: &Node) -> bool {
    node.op == Op::Embedding
}

/// The graph with some of its nodes kept in fp32: products in integer executions, any node that computes in those of
/// half precision.
///
/// A pattern is a node's name, in which `*` stands for any characters, or `op:` and an operator's name. With `=fp16` or `=bf16`
/// behind it, the parameters of these nodes are held as such halves. The last pattern that fits a node decides.
///
/// # Errors
/// [`GraphError::NoNode`] for a pattern that fits none.
pub fn keep_float(graph: &Graph, patterns: &[String]) -> Result<Graph, GraphError> {
    let mut kept = graph.clone();
    let nodes = || graph.nodes.iter().filter(|n| computes(n));
    for pattern in patterns {
        let half = HalfType::ALL.into_iter().find_map(|half| {
            let named = pattern.strip_suffix(half.id())?.strip_suffix('=')?;
            Some((named, half))
        });
        let (pattern, half) = half.map_or((pattern.as_str(), None), |(named, half)| (named, Some(half)));
        let fits = |n: &&Node| match pattern.strip_prefix("op:") {
            Some(op) => n.op.name().eq_ignore_ascii_case(op),
            None => matches(pattern, &n.name),
        };
        let mut found = nodes().filter(fits).peekable();
        if found.peek().is_none() {
            let names: Vec<&str> = nodes().filter(|n| n.op.is_product()).map(|n| n.name.as_str()).collect();
            let (pattern, known) = (pattern.to_owned(), names.join(", "));
            return Err(GraphError::NoNode { pattern, known });
        }
        for node in found {
            kept.float.insert(node.name.clone());
            kept.halves.remove(&node.name);
            kept.halves.extend(half.map(|half| (node.name.clone(), half)));
        }
    }
    Ok(kept)
}

/// Whether a node does arithmetic, or looks up what is stored: what a precision can be chosen for.
#[must_use]
pub fn computes(node: &Node) -> bool {
    !node.op.is_layout() && !matches!(node.op, Op::Constant { .. })
}

/// Names of the nodes whose results stay as fp32 in an execution of half precision: those of [`Graph::float`],
/// constants, and moves of nothing but such values or inputs. Their other readers round what they read.
#[must_use]
pub fn unrounded(graph: &Graph) -> BTreeSet<String> {
    let mut names = graph.float.clone();
    let mut wide = vec![false; graph.values.len()];
    wide[..graph.inputs].fill(true);
    for node in &graph.nodes {
        let moved = !computes(node) && node.inputs.iter().all(|v| wide[v.0]);
        if moved {
            names.insert(node.name.clone());
        }
        wide[node.output.0] = moved || names.contains(&node.name);
    }
    names
}

/// Whether the pattern, in which `*` stands for any characters, is the whole name.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|name| {
            let starts = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            starts.into_iter().any(|at| matches(rest, &name[at..]))
        }),
    }
}

fn float_reason(graph: &Graph, node: &Node) -> Option<&'static str> {
    match &node.op {
        op if op.is_product() => Some("kept in floating point as asked"),
        Op::Embedding if graph.float.contains(&node.name) => Some("kept in floating point as asked"),
        op if op.is_layout() => None,
        // Fused into the product before it when nothing else reads the product.
        Op::Relu => {
            let product = graph.producer(node.inputs[0]).is_some_and(|p| is_quantized(graph, p));
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
        Op::Embedding => None,
        _ => Some("elementwise; costs little next to the products"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dim, GraphBuilder, Tensor};

    fn two_products() -> Graph {
        let mut g = GraphBuilder::new("t", vec![Dim::Batch, Dim::Fixed(2)]);
        let x = g.input();
        let weight = || Tensor::new([2, 2], vec![1.0; 4]).unwrap();
        let y = g.add("block.1.fc", Op::Linear, &[x], vec![("a", weight())]).unwrap();
        let y = g.add("head", Op::Linear, &[y], vec![("b", weight())]).unwrap();
        g.finish(y)
    }

    #[test]
    fn products_are_kept_by_name_pattern_and_operator() {
        let graph = two_products();
        let weights = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
            let kept = keep_float(&graph, &patterns).unwrap();
            placement(&kept).weights.into_iter().map(|w| w.node).collect::<Vec<_>>()
        };
        assert_eq!(weights(&[]), ["block.1.fc", "head"]);
        assert_eq!(weights(&["head"]), ["block.1.fc"]);
        assert_eq!(weights(&["block.*.fc"]), ["head"]);
        assert!(weights(&["op:linear"]).is_empty());
        assert!(weights(&["*"]).is_empty());
    }

    #[test]
    fn kept_parameters_may_be_halves_and_the_last_pattern_decides() {
        let patterns = ["*=bf16", "head=fp16"].map(str::to_owned);
        let kept = keep_float(&two_products(), &patterns).unwrap();
        let halves = [("block.1.fc".to_owned(), HalfType::Bf16), ("head".to_owned(), HalfType::Fp16)];
        assert_eq!((kept.float.len(), &kept.halves), (2, &halves.into()));
        let wide = keep_float(&kept, &["head".to_owned()]).unwrap();
        assert_eq!(wide.halves.len(), 1);
        assert_ne!(wide.content_hash(), kept.content_hash());
    }

    #[test]
    fn a_table_is_held_in_codes_unless_it_is_kept() {
        let mut g = GraphBuilder::with_inputs(
            "t",
            vec![crate::Value {
                name: "ids".to_owned(),
                shape: vec![Dim::Batch],
                element: crate::Element::Integer,
            }],
        );
        let table = Tensor::new([3, 2], vec![1.0; 6]).unwrap();
        let ids = g.input();
        let rows = g.add("words", Op::Embedding, &[ids], vec![("table", table)]).unwrap();
        let graph = g.finish(rows);
        let found = placement(&graph);
        assert!(
            found.activations.is_empty() && found.float_ops.is_empty(),
            "nothing is quantized while it runs"
        );
        let site = WeightSite { node: "words".to_owned(), param: "table".to_owned(), channels: 3 };
        assert_eq!(found.weights, [site]);
        let kept = placement(&keep_float(&graph, &["words".to_owned()]).unwrap());
        assert!(kept.weights.is_empty() && kept.float_ops[0].reason.contains("as asked"));
    }

    #[test]
    fn what_is_kept_is_listed_with_its_reason() {
        let kept = keep_float(&two_products(), &["head".to_owned()]).unwrap();
        let placement = placement(&kept);
        assert_eq!(placement.activations, [ValueId(0)]);
        assert_eq!(placement.float_ops[0].node, "head");
        assert!(placement.float_ops[0].reason.contains("as asked"));
    }

    #[test]
    fn a_pattern_that_names_nothing_lists_what_there_is() {
        let error = keep_float(&two_products(), &["haed".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("`haed`") && error.contains("block.1.fc, head"), "{error}");
    }
}
