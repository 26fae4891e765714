//! One site of the lab and what was found of it.

use std::collections::BTreeMap;

use calibench_graph::{Graph, Node, holds_codes};
use calibench_store::SiteRow;
use serde::Serialize;

use super::constants::Loss;
use super::half::Half;
use super::statistics::{Statistics, is_site};
use super::trials::Effect;

/// A node whose precision can be chosen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Site {
    /// Its place among the sites in execution order, from 0.
    pub depth: usize,
    /// The node.
    pub name: String,
    /// Its operator.
    pub op: &'static str,
    /// Why it is where it is in the ranking, in words.
    pub reason: String,
    /// The output when this site alone is converted.
    pub alone: Option<Effect>,
    /// The output when all sites but this one are converted.
    pub all_but: Option<Effect>,
    /// SQNR of rounding what the site gives (half), or reads (integers; the worst operand), and nothing else.
    pub own_sqnr_db: Option<f64>,
    /// SQNR of what the site gives when everything before it is rounded too; half only.
    pub run_sqnr_db: Option<f64>,
    /// Counts; half only.
    pub statistics: Option<Statistics>,
    /// Constants that the format does not hold; half only.
    pub constants: Vec<Loss>,
    /// Each quantized operand; integers only.
    pub operands: Vec<Operand>,
}

/// A tensor that a product reads in integers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Operand {
    /// The site or the parameter.
    pub name: String,
    /// `activation` or `weight`.
    pub role: String,
    /// SQNR of quantizing it.
    pub sqnr_db: Option<f64>,
    /// Share of its values beyond the outermost codes.
    pub clipped: Option<f64>,
    /// Share of the codes that occur.
    pub codes_used: Option<f64>,
}

impl Site {
    fn new(depth: usize, node: &Node) -> Self {
        Self {
            depth,
            name: node.name.clone(),
            op: node.op.name(),
            reason: String::new(),
            alone: None,
            all_but: None,
            own_sqnr_db: None,
            run_sqnr_db: None,
            statistics: None,
            constants: Vec::new(),
            operands: Vec::new(),
        }
    }
}

/// Whether a node's precision can be chosen: every computing node in half precision, products in integers.
pub(super) fn chooses(graph: &Graph, node: &Node, half: bool) -> bool {
    if graph.float.contains(&node.name) {
        return false;
    }
    if half { is_site(graph, node) } else { holds_codes(graph, node) }
}

/// The sites of an execution of half precision, in execution order.
pub(super) fn of_half(
    graph: &Graph,
    half: Half,
    statistics: &BTreeMap<String, Statistics>,
    losses: &[Loss],
) -> Vec<Site> {
    let nodes = graph.nodes.iter().filter(|n| chooses(graph, n, true)).enumerate();
    let mut sites: Vec<Site> = nodes
        .map(|(depth, node)| {
            let statistics = statistics.get(&node.name).cloned();
            Site {
                own_sqnr_db: statistics.as_ref().and_then(Statistics::own_sqnr_db),
                run_sqnr_db: statistics.as_ref().and_then(Statistics::run_sqnr_db),
                statistics,
                constants: losses.iter().filter(|l| l.node == node.name).cloned().collect(),
                ..Site::new(depth, node)
            }
        })
        .collect();
    for site in &mut sites {
        site.reason = super::reason::of_half(site, half);
    }
    sites
}

/// The sites of an integer execution, in execution order; `rows` compare each quantized tensor with fp32.
pub(super) fn of_integers(graph: &Graph, rows: &[SiteRow]) -> Vec<Site> {
    let nodes = graph.nodes.iter().filter(|n| chooses(graph, n, false)).enumerate();
    let mut sites: Vec<Site> = nodes
        .map(|(depth, node)| {
            let activations = node.inputs.iter().map(|v| graph.value(*v).name.as_str());
            let names = activations.chain(node.params.first().map(String::as_str));
            let operands: Vec<Operand> = names
                .filter_map(|name| rows.iter().find(|r| r.site == name))
                .map(|r| Operand {
                    name: r.site.clone(),
                    role: r.role.clone(),
                    sqnr_db: r.sqnr_db,
                    clipped: r.clipped_share,
                    codes_used: r.codes_used_share,
                })
                .collect();
            let own_sqnr_db = operands.iter().filter_map(|o| o.sqnr_db).min_by(f64::total_cmp);
            Site { own_sqnr_db, operands, ..Site::new(depth, node) }
        })
        .collect();
    for site in &mut sites {
        site.reason = super::reason::of_integers(site);
    }
    sites
}
