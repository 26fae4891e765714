//! The safetensors format: header length in 64 bits, a JSON header, then the elements, little-endian.
//!
//! Source: <https://github.com/huggingface/safetensors>.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::fmt;
use std::fs::File;
use std::io::Read;

use ::safetensors::tensor::{Dtype as Stored, Metadata, TensorInfo as StoredInfo};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::error::{Fault, printable};
use super::{Dtype, Entry, TensorInfo};

/// Some 160,000 tensors. Parsing takes a few times the header's size.
const LONGEST_HEADER: u64 = 1 << 24;

/// Reads and checks the header of a file of `len` bytes.
pub(super) fn open(file: &mut File, len: u64) -> Result<BTreeMap<String, Entry>, Fault> {
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let rest = len.saturating_sub(8);
    if length > rest {
        let reason =
            format!("it claims a header of {length} bytes, {rest} are there; this is no safetensors file");
        return Err(Fault::malformed(reason));
    }
    if length > LONGEST_HEADER {
        let reason = format!("its header has {length} bytes; at most {LONGEST_HEADER} are read");
        return Err(Fault::malformed(reason));
    }
    let mut text = vec![0; length as usize];
    file.read_exact(&mut text)?;
    let Header(tensors) = serde_json::from_slice(&text)
        .map_err(|e| Fault::malformed(format!("its header does not parse: {}", printable(&e.to_string()))))?;
    let data_at = 8 + length;
    let mut entries = BTreeMap::new();
    for (name, stored) in &tensors {
        let entry = list(name, stored, data_at).map_err(|fault| fault.in_tensor(name))?;
        entries.insert(name.clone(), entry);
    }
    check_layout(tensors, len - data_at)?;
    Ok(entries)
}

fn list(name: &str, stored: &StoredInfo, data_at: u64) -> Result<Entry, Fault> {
    let info = TensorInfo::new(name.to_owned(), dtype(stored.dtype), stored.shape.clone())?;
    let (start, end) = stored.data_offsets;
    if let Some(size) = info.dtype.bytes() {
        let claimed = end.checked_sub(start);
        if claimed.is_none() || info.elements().checked_mul(size) != claimed {
            let reason =
                format!("shape {:?} of {} does not fill its bytes, {start} to {end}", info.shape, info.dtype);
            return Err(Fault::malformed(reason));
        }
    }
    let data_at = data_at.saturating_add(start as u64);
    Ok(Entry { info, big_endian: false, fortran: false, member: 0, data_at })
}

/// The tensors fill the rest of the file, without gaps or overlaps.
fn check_layout(tensors: BTreeMap<String, StoredInfo>, rest: u64) -> Result<(), Fault> {
    let mut tensors: Vec<_> = tensors.into_iter().collect();
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let metadata = Metadata::new(None, tensors).map_err(|e| Fault::malformed(printable(&e.to_string())))?;
    let described = metadata.data_len() as u64;
    if described != rest {
        let reason = format!("its header describes {described} bytes of elements, {rest} are there");
        return Err(Fault::malformed(reason));
    }
    Ok(())
}

fn dtype(stored: Stored) -> Dtype {
    match stored {
        Stored::F64 => Dtype::F64,
        Stored::F32 => Dtype::F32,
        Stored::F16 => Dtype::F16,
        Stored::BF16 => Dtype::Bf16,
        Stored::I64 => Dtype::I64,
        Stored::I32 => Dtype::I32,
        Stored::I16 => Dtype::I16,
        Stored::I8 => Dtype::I8,
        Stored::U64 => Dtype::U64,
        Stored::U32 => Dtype::U32,
        Stored::U16 => Dtype::U16,
        Stored::U8 => Dtype::U8,
        Stored::BOOL => Dtype::Bool,
        other => Dtype::Unsupported(other.to_string()),
    }
}

/// The JSON header. The crate's own reader takes the last of several tensors with one name, and needs the
/// whole file in memory.
struct Header(BTreeMap<String, StoredInfo>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one entry per tensor")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut tensors = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let info = map.next_value().map_err(|e| A::Error::custom(format!("tensor `{name}`: {e}")))?;
            match tensors.entry(name) {
                Slot::Vacant(slot) => slot.insert(info),
                Slot::Occupied(slot) => {
                    return Err(A::Error::custom(format!("tensor `{}` occurs twice", slot.key())));
                }
            };
        }
        Ok(Header(tensors))
    }
}
