//! Every value defined once, and before it is read.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::error::{Fault, shown};
use crate::model::{Constant, Input, Node};

/// Where a value comes from.
#[derive(Clone, Copy)]
enum Definition {
    Input,
    Initializer,
    Node(usize),
}

impl Definition {
    fn describe(self, nodes: &[Node]) -> String {
        match self {
            Self::Input => "a model input".to_owned(),
            Self::Initializer => "an initializer".to_owned(),
            Self::Node(index) => format!("node `{}`", shown(&nodes[index].name)),
        }
    }
}

/// Puts the nodes in execution order: the file's, where that is one already.
///
/// # Errors
///
/// A value defined twice, or read and never defined; nodes in a cycle.
pub(super) fn sort(
    nodes: Vec<Node>,
    inputs: &[Input],
    initializers: &BTreeMap<String, Constant>,
    outputs: &[String],
) -> Result<Vec<Node>, Fault> {
    let definitions = definitions(&nodes, inputs, initializers)?;
    for output in outputs {
        if !definitions.contains_key(output.as_str()) {
            return Err(Fault::Undefined { value: output.clone(), reader: "the model returns".to_owned() });
        }
    }
    let mut sources = Vec::with_capacity(nodes.len());
    for node in &nodes {
        let mut before = Vec::new();
        for value in node.inputs.iter().flatten() {
            match definitions.get(value.as_str()) {
                Some(Definition::Node(index)) => before.push(*index),
                Some(_) => {}
                None => {
                    let reader = format!("node `{}` reads", shown(&node.name));
                    return Err(Fault::Undefined { value: value.clone(), reader });
                }
            }
        }
        sources.push(before);
    }

    let (order, waiting) = schedule(&sources);
    if order.len() < nodes.len() {
        let nodes = cycle(&sources, &waiting).into_iter().map(|index| nodes[index].name.clone()).collect();
        return Err(Fault::Cycle { nodes });
    }
    let mut nodes: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|index| nodes[index].take()).collect())
}

fn definitions<'m>(
    nodes: &'m [Node],
    inputs: &'m [Input],
    initializers: &'m BTreeMap<String, Constant>,
) -> Result<BTreeMap<&'m str, Definition>, Fault> {
    let mut definitions = BTreeMap::new();
    let of_nodes = nodes.iter().enumerate().flat_map(|(index, node)| {
        node.outputs.iter().flatten().map(move |value| (value.as_str(), Definition::Node(index)))
    });
    let all = (inputs.iter().map(|input| (input.name.as_str(), Definition::Input)))
        .chain(initializers.keys().map(|name| (name.as_str(), Definition::Initializer)))
        .chain(of_nodes);
    for (value, definition) in all {
        if let Some(first) = definitions.insert(value, definition) {
            let [first, second] = [first, definition].map(|d| d.describe(nodes));
            return Err(Fault::Duplicate { value: value.to_owned(), first, second });
        }
    }
    Ok(definitions)
}

/// An order in which each node follows its `sources`, lowest index first; and of how many sources each still waits.
fn schedule(sources: &[Vec<usize>]) -> (Vec<usize>, Vec<usize>) {
    let mut readers = vec![Vec::new(); sources.len()];
    for (reader, before) in sources.iter().enumerate() {
        for source in before {
            readers[*source].push(reader);
        }
    }
    let mut waiting: Vec<usize> = sources.iter().map(Vec::len).collect();
    let free = waiting.iter().enumerate().filter(|(_, count)| **count == 0);
    let mut ready: BinaryHeap<Reverse<usize>> = free.map(|(index, _)| Reverse(index)).collect();
    let mut order = Vec::with_capacity(sources.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for reader in &readers[index] {
            waiting[*reader] -= 1;
            if waiting[*reader] == 0 {
                ready.push(Reverse(*reader));
            }
        }
    }
    (order, waiting)
}

/// One cycle among nodes that wait for ever: each waits for another of them, so going back must come round.
fn cycle(sources: &[Vec<usize>], waiting: &[usize]) -> Vec<usize> {
    let mut path = Vec::new();
    let mut position = vec![None; sources.len()];
    let mut next = waiting.iter().position(|count| *count > 0);
    while let Some(index) = next {
        if let Some(start) = position[index] {
            path.drain(..start);
            break;
        }
        position[index] = Some(path.len());
        path.push(index);
        next = sources[index].iter().copied().find(|source| waiting[*source] > 0);
    }
    path.reverse();
    path
}
