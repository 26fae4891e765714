//! Nodes and their attributes.

use std::collections::{BTreeMap, BTreeSet};

use super::external::External;
use super::tensor;
use crate::error::Fault;
use crate::model::{Attribute, Node};
use crate::proto::{AttributeProto, AttributeType, FunctionProto, NodeProto};

/// The default domain has two spellings.
pub(super) fn domain(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// Domain and name of the functions that the model defines.
type Functions<'p> = BTreeSet<(&'p str, &'p str)>;

/// Reads the nodes, in the file's order.
pub(super) fn nodes(
    protos: Vec<NodeProto>,
    functions: &[FunctionProto],
    external: &mut External,
) -> Result<Vec<Node>, Fault> {
    let functions: Functions = functions.iter().map(|f| (domain(f.domain()), f.name())).collect();
    let names = names(&protos);
    let named = protos.into_iter().zip(names);
    named.map(|(proto, name)| node(proto, name, &functions, external)).collect()
}

/// A unique name for every node: the file's, where no node before has it, else made from the operator and the index.
fn names(protos: &[NodeProto]) -> Vec<String> {
    let given: BTreeSet<&str> = protos.iter().filter_map(|proto| proto.name.as_deref()).collect();
    let mut taken = BTreeSet::new();
    let name = |(index, proto): (usize, &NodeProto)| {
        let own = proto.name.clone().filter(|name| !name.is_empty());
        let mut name = own.unwrap_or_default();
        if name.is_empty() || taken.contains(&name) {
            name = format!("{}_{index}", proto.op_type());
            while given.contains(name.as_str()) || taken.contains(&name) {
                name.push('_');
            }
        }
        taken.insert(name.clone());
        name
    };
    protos.iter().enumerate().map(name).collect()
}

fn node(
    proto: NodeProto,
    name: String,
    functions: &Functions,
    external: &mut External,
) -> Result<Node, Fault> {
    let (op, domain) = (proto.op_type().to_owned(), domain(proto.domain()));
    if functions.contains(&(domain, op.as_str())) {
        return Err(Fault::Function { node: name, function: op });
    }
    if !domain.is_empty() {
        return Err(Fault::Domain { node: name, op, domain: domain.to_owned() });
    }
    if op.is_empty() {
        return Err(Fault::node(&name, "it names no operator"));
    }
    let mut attributes = BTreeMap::new();
    for proto in proto.attribute {
        let key = proto.name.clone().unwrap_or_default();
        if key.is_empty() {
            return Err(Fault::Unnamed {
                what: format!("an attribute of node `{}`", crate::error::shown(&name)),
            });
        }
        let value = attribute(proto, &name, &op, &key, external)?;
        if attributes.insert(key.clone(), value).is_some() {
            return Err(attribute_fault(&name, &key, "is given twice; export the model again"));
        }
    }
    let optional =
        |values: Vec<String>| values.into_iter().map(|value| (!value.is_empty()).then_some(value)).collect();
    Ok(Node { name, op, inputs: optional(proto.input), outputs: optional(proto.output), attributes })
}

fn attribute_fault(node: &str, attribute: &str, reason: &str) -> Fault {
    Fault::Attribute { node: node.to_owned(), attribute: attribute.to_owned(), reason: reason.to_owned() }
}

fn attribute(
    proto: AttributeProto,
    node: &str,
    op: &str,
    key: &str,
    external: &mut External,
) -> Result<Attribute, Fault> {
    let fault = |reason: &str| attribute_fault(node, key, reason);
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes).map_err(|_| fault("is a text that is not UTF-8; export the model again"))
    };
    if proto.ref_attr_name.as_deref().is_some_and(|name| !name.is_empty()) {
        return Err(fault("refers to a function's attribute outside of a function; export the model again"));
    }
    Ok(match kind(&proto) {
        AttributeType::Float => Attribute::Float(proto.f()),
        AttributeType::Int => Attribute::Int(proto.i()),
        AttributeType::String => Attribute::String(text(proto.s.unwrap_or_default())?),
        AttributeType::Tensor => {
            let tensor = proto.t.ok_or_else(|| fault("holds no tensor; export the model again"))?;
            Attribute::Tensor(tensor::constant(tensor, &format!("{node}.{key}"), external)?)
        }
        AttributeType::Floats => Attribute::Floats(proto.floats),
        AttributeType::Ints => Attribute::Ints(proto.ints),
        AttributeType::Strings => {
            Attribute::Strings(proto.strings.into_iter().map(text).collect::<Result<_, _>>()?)
        }
        AttributeType::Graph | AttributeType::Graphs => {
            return Err(Fault::SubGraph {
                node: node.to_owned(),
                op: op.to_owned(),
                attribute: key.to_owned(),
            });
        }
        AttributeType::Undefined => return Err(fault("has no known type; export the model again")),
        other => {
            return Err(fault(&format!(
                "is of type {other:?}, which is not read; export the model without it"
            )));
        }
    })
}

/// The type that an attribute states; old files leave it to the one field that is filled.
fn kind(proto: &AttributeProto) -> AttributeType {
    let stated = proto.r#type.map_or(Ok(AttributeType::Undefined), AttributeType::try_from);
    match stated {
        Ok(AttributeType::Undefined) => {}
        Ok(kind) => return kind,
        Err(_) => return AttributeType::Undefined,
    }
    let fields = [
        (proto.f.is_some(), AttributeType::Float),
        (proto.i.is_some(), AttributeType::Int),
        (proto.s.is_some(), AttributeType::String),
        (proto.t.is_some(), AttributeType::Tensor),
        (proto.g.is_some(), AttributeType::Graph),
        (!proto.floats.is_empty(), AttributeType::Floats),
        (!proto.ints.is_empty(), AttributeType::Ints),
        (!proto.strings.is_empty(), AttributeType::Strings),
        (!proto.graphs.is_empty(), AttributeType::Graphs),
    ];
    let mut filled = fields.into_iter().filter_map(|(filled, kind)| filled.then_some(kind));
    match (filled.next(), filled.next()) {
        (Some(kind), None) => kind,
        _ => AttributeType::Undefined,
    }
}
