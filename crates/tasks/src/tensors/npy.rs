//! The NPY format, versions 1 to 3.
//!
//! Magic `\x93NUMPY`, version, header length (16 bits in version 1, else 32), then a Python dictionary of
//! exactly `descr`, `fortran_order` and `shape`, then the elements.
//!
//! Read here and not by a crate: npyz 0.9.1 and ndarray-npy 0.10.0 parse the dictionary with py_literal 0.4.0,
//! whose time doubles with each nested bracket (20 of them took 8 s, so 40 bytes hang it), and npyz allocates the
//! header length that a file claims, up to 4 GiB. Each also brings a second, older zip and more than 20 other
//! crates. The dictionary's few forms need no general parser.
//!
//! Source: NEP 1 and the documentation of `numpy.lib.format`.

use std::io::Read;

use super::dtype::allocate;
use super::error::{Fault, printable};
use super::{Dtype, elements};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The most that version 1 can say. Longer headers describe records, which are not read.
const LONGEST_HEADER: usize = u16::MAX as usize;

/// What comes before the elements.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) dtype: Dtype,
    pub(super) big_endian: bool,
    /// The first dimension varies fastest.
    pub(super) fortran: bool,
    pub(super) shape: Vec<usize>,
    /// Where the elements start.
    pub(super) data_at: u64,
}

/// Reads and checks the header of an array of `len` bytes in all.
///
/// A readable element type with this shape fills the array exactly.
pub(super) fn read_header(source: &mut dyn Read, len: u64) -> Result<Header, Fault> {
    let mut start = [0; 8];
    source.read_exact(&mut start)?;
    let [magic @ .., major, minor] = start;
    if &magic != MAGIC {
        return Err(Fault::malformed("it does not start as a .npy array does (\\x93NUMPY)"));
    }
    let (length, length_bytes) = match (major, minor) {
        (1, 0) => {
            let mut length = [0; 2];
            source.read_exact(&mut length)?;
            (usize::from(u16::from_le_bytes(length)), 2)
        }
        (2 | 3, 0) => {
            let mut length = [0; 4];
            source.read_exact(&mut length)?;
            (u32::from_le_bytes(length) as usize, 4)
        }
        _ => {
            let reason =
                format!("version {major}.{minor} of the NPY format is unknown; 1.0, 2.0 and 3.0 are read");
            return Err(Fault::malformed(reason));
        }
    };
    if length > LONGEST_HEADER {
        let reason = format!("it claims a header of {length} bytes; at most {LONGEST_HEADER} are read");
        return Err(Fault::malformed(reason));
    }
    let mut header = vec![0; length];
    source.read_exact(&mut header)?;
    let text = if major == 3 {
        String::from_utf8(header).map_err(|_| Fault::malformed("its header is not UTF-8"))?
    } else {
        header.into_iter().map(char::from).collect()
    };
    let data_at = (start.len() + length_bytes + length) as u64;
    let header = Scanner { rest: &text }.header(data_at)?;
    check_length(&header, len)?;
    Ok(header)
}

fn check_length(header: &Header, len: u64) -> Result<(), Fault> {
    let Some(size) = header.dtype.bytes() else { return Ok(()) };
    let shape = &header.shape;
    let needed = elements(shape).and_then(|n| n.checked_mul(size)).map(|n| n as u64);
    let there = len.saturating_sub(header.data_at);
    match needed {
        None => Err(Fault::malformed(format!("shape {shape:?} has more elements than can be counted"))),
        Some(needed) if needed > there => Err(Fault::malformed(format!(
            "shape {shape:?} of {} needs {needed} bytes, {there} are there",
            header.dtype
        ))),
        Some(needed) if needed < there => Err(Fault::malformed(format!(
            "{} bytes follow the array; one .npy holds one array, use .npz for several",
            there - needed
        ))),
        Some(_) => Ok(()),
    }
}

/// The header's dictionary, read from the front.
struct Scanner<'t> {
    rest: &'t str,
}

impl<'t> Scanner<'t> {
    fn header(mut self, data_at: u64) -> Result<Header, Fault> {
        let text = self.rest;
        let (mut element, mut fortran, mut shape) = (None, None, None);
        let mut parse = || -> Option<()> {
            self.expect('{')?;
            while !self.take('}') {
                let key = self.string()?;
                self.expect(':')?;
                let repeated = match key {
                    "descr" => element.replace(self.element()?).is_some(),
                    "fortran_order" => fortran.replace(self.boolean()?).is_some(),
                    "shape" => shape.replace(self.shape()?).is_some(),
                    _ => true,
                };
                let ended = !self.take(',') && !self.rest.starts_with('}');
                if repeated || ended {
                    return None;
                }
            }
            self.rest.trim_start().is_empty().then_some(())
        };
        let parsed = parse();
        match (parsed, element, fortran, shape) {
            (Some(()), Some((dtype, big_endian)), Some(fortran), Some(shape)) => {
                Ok(Header { dtype, big_endian, fortran, shape, data_at })
            }
            _ => Err(Fault::malformed(format!("its header is not what numpy writes: {}", printable(text)))),
        }
    }

    /// Whether `wanted` comes next, after spaces; it is consumed.
    fn take(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, wanted: char) -> Option<()> {
        self.take(wanted).then_some(())
    }

    /// A string without escapes, which no key and no plain element type has.
    fn string(&mut self) -> Option<&'t str> {
        let quote = if self.take('\'') { '\'' } else { self.expect('"').map(|()| '"')? };
        let (text, rest) = self.rest.split_once(quote)?;
        self.rest = rest;
        (!text.contains('\\')).then_some(text)
    }

    fn boolean(&mut self) -> Option<bool> {
        self.rest = self.rest.trim_start();
        let (value, rest) = (self.rest.strip_prefix("True").map(|rest| (true, rest)))
            .or_else(|| self.rest.strip_prefix("False").map(|rest| (false, rest)))?;
        self.rest = rest;
        Some(value)
    }

    /// `()`, `(3,)`, `(3, 4)`; from Python 2 also `(3L, 4L)`.
    fn shape(&mut self) -> Option<Vec<usize>> {
        self.expect('(')?;
        let mut shape = Vec::new();
        while !self.take(')') {
            let digits = self.rest.len() - self.rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, rest) = self.rest.split_at(digits);
            shape.push(number.parse().ok()?);
            self.rest = rest.strip_prefix('L').unwrap_or(rest);
            if !self.take(',') && !self.rest.starts_with(')') {
                return None;
            }
        }
        Some(shape)
    }

    /// The element type, and whether its bytes are big-endian.
    fn element(&mut self) -> Option<(Dtype, bool)> {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('[') {
            self.skip_list()?;
            return Some((Dtype::Unsupported("record".to_owned()), false));
        }
        Some(element(self.string()?))
    }

    /// Skips a list with all that is nested in it.
    fn skip_list(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        let mut quote = None;
        let mut characters = self.rest.char_indices();
        while let Some((at, c)) = characters.next() {
            match (quote, c) {
                (Some(_), '\\') => {
                    characters.next();
                }
                (Some(open), _) => quote = quote.filter(|_| c != open),
                (None, '\'' | '"') => quote = Some(c),
                (None, '[' | '(') => depth += 1,
                (None, ']' | ')') => depth = depth.checked_sub(1)?,
                _ => {}
            }
            if depth == 0 {
                self.rest = &self.rest[at + c.len_utf8()..];
                return Some(());
            }
        }
        None
    }
}

/// `<f4` and the like: byte order, kind, bytes. One byte has no order, which is written `|`.
fn element(descr: &str) -> (Dtype, bool) {
    let big_endian = descr.starts_with('>');
    let ordered = descr.strip_prefix(['<', '>']);
    let code = ordered.or_else(|| descr.strip_prefix('|').filter(|code| code.ends_with('1')));
    let dtype = match code.unwrap_or_default() {
        "f8" => Dtype::F64,
        "f4" => Dtype::F32,
        "f2" => Dtype::F16,
        "i8" => Dtype::I64,
        "i4" => Dtype::I32,
        "i2" => Dtype::I16,
        "i1" => Dtype::I8,
        "u8" => Dtype::U64,
        "u4" => Dtype::U32,
        "u2" => Dtype::U16,
        "u1" => Dtype::U8,
        "b1" => Dtype::Bool,
        _ => Dtype::Unsupported(printable(descr)),
    };
    (dtype, big_endian)
}

/// Values whose first dimension varies fastest, reordered so that the last does.
pub(super) fn row_major(values: &[f32], shape: &[usize]) -> Result<Vec<f32>, Fault> {
    let mut reordered = allocate(values.len())?;
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for size in shape {
        strides.push(stride);
        stride *= size;
    }
    let mut index = vec![0; shape.len()];
    let mut from = 0;
    for _ in 0..values.len() {
        reordered.push(values[from]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            from += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            from -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    Ok(reordered)
}

/// The header of little-endian f32 in row-major order, version 1, with the elements aligned to 64
/// bytes as numpy does.
pub(super) fn f32_header(shape: &[usize]) -> Vec<u8> {
    let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let text =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{comma}), }}", sizes.join(", "));
    let before = MAGIC.len() + 4;
    let length = (before + text.len() + 1).next_multiple_of(64) - before;
    let mut header = MAGIC.to_vec();
    header.extend([1, 0]);
    header.extend((length as u16).to_le_bytes());
    header.extend(format!("{text:<width$}\n", width = length - 1).bytes());
    header
}

#[cfg(test)]
#[path = "npy_tests.rs"]
mod tests;
