//! Element types, and their elements as f32.

use std::fmt;
use std::io::{self, Read};

use half::{bf16, f16};

/// The type of a tensor's elements in the file.
///
/// As f32: `F32`, `F16`, `BF16` and the 8- and 16-bit integers keep their value. `F64` and the wider integers
/// are rounded to the nearest f32, ties to even; an f64 beyond f32's range becomes ±infinity and is counted.
/// `Bool` becomes 0 or 1. NaN stays NaN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE 754 double precision.
    F64,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of an f32.
    Bf16,
    /// Signed 64-bit integer.
    I64,
    /// Signed 32-bit integer.
    I32,
    /// Signed 16-bit integer.
    I16,
    /// Signed 8-bit integer.
    I8,
    /// Unsigned 64-bit integer.
    U64,
    /// Unsigned 32-bit integer.
    U32,
    /// Unsigned 16-bit integer.
    U16,
    /// Unsigned 8-bit integer.
    U8,
    /// One byte; any but 0 is true.
    Bool,
    /// A type that is listed, not read: complex numbers, text, objects, records, fp8 and smaller. As the file
    /// calls it.
    Unsupported(String),
}

impl Dtype {
    /// Bytes per element; `None` for a type that is not read.
    #[must_use]
    pub fn bytes(&self) -> Option<usize> {
        match self {
            Self::F64 | Self::I64 | Self::U64 => Some(8),
            Self::F32 | Self::I32 | Self::U32 => Some(4),
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => Some(2),
            Self::I8 | Self::U8 | Self::Bool => Some(1),
            Self::Unsupported(_) => None,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::I16 => "i16",
            Self::I8 => "i8",
            Self::U64 => "u64",
            Self::U32 => "u32",
            Self::U16 => "u16",
            Self::U8 => "u8",
            Self::Bool => "bool",
            Self::Unsupported(name) => name,
        })
    }
}

/// Values as f32, and how many finite ones became infinite.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) values: Vec<f32>,
    pub(crate) overflowed: usize,
}

/// Room for `count` values, or an error instead of an abort.
pub(super) fn allocate(count: usize) -> io::Result<Vec<f32>> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| io::ErrorKind::OutOfMemory)?;
    Ok(values)
}

/// Reads `count` elements. Beside the values it holds 64 KiB.
///
/// The caller has checked that `source` can hold that many, because all values are allocated at once.
pub(crate) fn read_values(
    source: &mut dyn Read,
    dtype: &Dtype,
    big_endian: bool,
    count: usize,
) -> io::Result<Values> {
    /// A multiple of every element's size.
    const CHUNK: usize = 1 << 16;
    let size = dtype.bytes().ok_or(io::ErrorKind::Unsupported)?;
    let mut read = Values { values: allocate(count)?, overflowed: 0 };
    let mut chunk = vec![0; CHUNK.min(count * size)];
    let mut left = count * size;
    while left > 0 {
        let bytes = &mut chunk[..left.min(CHUNK)];
        source.read_exact(bytes)?;
        left -= bytes.len();
        read.append(dtype, big_endian, bytes);
    }
    Ok(read)
}

impl Values {
    fn append(&mut self, dtype: &Dtype, big_endian: bool, bytes: &[u8]) {
        macro_rules! append {
            ($number:ty, $value:ident => $as_f32:expr) => {{
                let (elements, _) = bytes.as_chunks::<{ size_of::<$number>() }>();
                self.values.extend(elements.iter().map(|element| {
                    let $value = if big_endian {
                        <$number>::from_be_bytes(*element)
                    } else {
                        <$number>::from_le_bytes(*element)
                    };
                    $as_f32
                }));
            }};
        }
        match dtype {
            Dtype::F64 => append!(f64, wide => {
                let narrow = wide as f32;
                self.overflowed += usize::from(wide.is_finite() && narrow.is_infinite());
                narrow
            }),
            Dtype::F32 => append!(f32, v => v),
            Dtype::F16 => append!(f16, v => v.to_f32()),
            Dtype::Bf16 => append!(bf16, v => v.to_f32()),
            Dtype::I64 => append!(i64, v => v as f32),
            Dtype::I32 => append!(i32, v => v as f32),
            Dtype::I16 => append!(i16, v => f32::from(v)),
            Dtype::I8 => append!(i8, v => f32::from(v)),
            Dtype::U64 => append!(u64, v => v as f32),
            Dtype::U32 => append!(u32, v => v as f32),
            Dtype::U16 => append!(u16, v => f32::from(v)),
            Dtype::U8 => append!(u8, v => f32::from(v)),
            Dtype::Bool => append!(u8, v => f32::from(v != 0)),
            Dtype::Unsupported(_) => {}
        }
    }
}
