//! Counts a file's parts before they are decoded.
//!
//! Two bytes on the wire can be an empty node or tensor, which decoded is a hundred times as long. So the number of
//! parts is bounded first; contents (raw data, lists of numbers) grow thirteen times at most, one-byte numbers to i64.

use crate::error::Fault;

/// Most nodes, tensors, attributes, names and entries in one file. A node has about twenty with all that belongs to it,
/// so this is a graph of 50,000 nodes; if all were empty tensors, they would take 280 MB.
pub(super) const MOST_PARTS: usize = 1 << 20;

/// Messages, and which of their fields are messages in turn. Others (names, raw data) are parts without parts.
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    Leaf,
}

impl Message {
    fn field(&self, tag: u64) -> Self {
        match (self, tag) {
            (Self::Model, 7) => Self::Graph,
            (Self::Graph, 1) => Self::Node,
            (Self::Graph, 5) | (Self::Attribute, 5) | (Self::SparseTensor, 1) => Self::Tensor,
            (Self::Graph, 15) => Self::SparseTensor,
            (Self::Graph, 11 | 12) => Self::ValueInfo,
            (Self::Node, 5) => Self::Attribute,
            (Self::ValueInfo, 2) => Self::Type,
            (Self::Type, 1) => Self::TensorType,
            (Self::TensorType, 2) => Self::Shape,
            _ => Self::Leaf,
        }
    }
}

/// Refuses a file with more parts than [`MOST_PARTS`], or that is no sequence of protobuf fields.
pub(super) fn check(bytes: &[u8]) -> Result<(), Fault> {
    let mut left = MOST_PARTS;
    count(bytes, &Message::Model, &mut left)
}

fn count(mut bytes: &[u8], message: &Message, left: &mut usize) -> Result<(), Fault> {
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        match key & 7 {
            0 => drop(varint(&mut bytes)?),
            1 => drop(take(&mut bytes, 8)?),
            2 => {
                let length = varint(&mut bytes)?;
                let part = take(&mut bytes, length)?;
                *left = left.checked_sub(1).ok_or(Fault::TooManyParts { limit: MOST_PARTS })?;
                let field = message.field(key >> 3);
                if !matches!(field, Message::Leaf) {
                    count(part, &field, left)?;
                }
            }
            5 => drop(take(&mut bytes, 4)?),
            wire => return Err(undecodable(format!("wire type {wire} does not appear in ONNX"))),
        }
    }
    Ok(())
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Fault> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or_else(|| undecodable("it ends inside a field"))?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(undecodable("a number of more than 64 bits"))
}

fn take<'b>(bytes: &mut &'b [u8], length: u64) -> Result<&'b [u8], Fault> {
    let there = bytes.len();
    let split = usize::try_from(length).ok().and_then(|length| bytes.split_at_checked(length));
    let (part, rest) =
        split.ok_or_else(|| undecodable(format!("a field claims {length} bytes where {there} are left")))?;
    *bytes = rest;
    Ok(part)
}

fn undecodable(reason: impl Into<String>) -> Fault {
    Fault::Undecodable { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_empty_parts_is_refused_before_it_is_decoded() {
        let nodes = |count: usize| {
            let mut bytes = vec![0x3a]; // graph
            prost::encode_length_delimiter(2 * count, &mut bytes).unwrap();
            bytes.extend([0x0a, 0].repeat(count)); // empty nodes
            bytes
        };
        assert!(check(&nodes(MOST_PARTS - 1)).is_ok());
        assert!(matches!(check(&nodes(MOST_PARTS)), Err(Fault::TooManyParts { .. })));
    }

    #[test]
    fn damaged_fields_are_refused() {
        let reason = |bytes: &[u8]| check(bytes).unwrap_err().to_string();
        assert!(reason(&[0x3a]).contains("ends inside a field"));
        assert!(reason(&[0x3a, 5, 0]).contains("claims 5 bytes where 1 are left"));
        assert!(reason(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).contains("claims"));
        assert!(reason(&[0xff; 11]).contains("more than 64 bits"));
        assert!(reason(&[0x0b]).contains("wire type 3"));
        assert!(check(&[]).is_ok());
    }
}
