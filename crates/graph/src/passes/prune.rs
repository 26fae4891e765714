//! Removes what the output does not need.

use std::collections::BTreeSet;

use crate::Graph;

/// Removes nodes that the output does not need, and parameters that no node reads.
#[must_use]
pub fn prune(graph: &Graph) -> Graph {
    let mut pruned = graph.clone();
    let mut wanted = BTreeSet::from([graph.output]);
    let mut kept: Vec<_> = graph
        .nodes
        .iter()
        .rev()
        .filter(|node| {
            let needed = wanted.contains(&node.output);
            if needed {
                wanted.extend(node.inputs.iter().copied());
            }
            needed
        })
        .cloned()
        .collect();
    kept.reverse();
    let params: BTreeSet<&String> = kept.iter().flat_map(|n| &n.params).collect();
    pruned.params.retain(|name, _| params.contains(name));
    pruned.nodes = kept;
    pruned
}
