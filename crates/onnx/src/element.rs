//! Element types of ONNX tensors.

use crate::model::DataType;

/// An element type that is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementType {
    /// `float`.
    F32,
    /// `float16`.
    F16,
    /// `bfloat16`.
    Bf16,
    /// `double`.
    F64,
    /// `int8`.
    I8,
    /// `int16`.
    I16,
    /// `int32`.
    I32,
    /// `int64`.
    I64,
    /// `uint8`.
    U8,
    /// `uint16`.
    U16,
    /// `uint32`.
    U32,
    /// `uint64`.
    U64,
    /// `bool`.
    Bool,
}

/// Element type, its code in the specification's `TensorProto.DataType`, bytes of an element, how it is held.
const ALL: &[(ElementType, i32, usize, DataType)] = &[
    (ElementType::F32, 1, 4, DataType::F32),
    (ElementType::U8, 2, 1, DataType::I64),
    (ElementType::I8, 3, 1, DataType::I64),
    (ElementType::U16, 4, 2, DataType::I64),
    (ElementType::I16, 5, 2, DataType::I64),
    (ElementType::I32, 6, 4, DataType::I64),
    (ElementType::I64, 7, 8, DataType::I64),
    (ElementType::Bool, 9, 1, DataType::Bool),
    (ElementType::F16, 10, 2, DataType::F32),
    (ElementType::F64, 11, 8, DataType::F32),
    (ElementType::U32, 12, 4, DataType::I64),
    (ElementType::U64, 13, 8, DataType::I64),
    (ElementType::Bf16, 16, 2, DataType::F32),
];

/// Codes that are known and not read, for messages.
const OTHERS: &[(i32, &str)] = &[
    (0, "undefined"),
    (8, "string"),
    (14, "complex64"),
    (15, "complex128"),
    (17, "float8e4m3fn"),
    (18, "float8e4m3fnuz"),
    (19, "float8e5m2"),
    (20, "float8e5m2fnuz"),
    (21, "uint4"),
    (22, "int4"),
    (23, "float4e2m1"),
    (24, "float8e8m0"),
];

impl ElementType {
    /// The type of a code; for others, what to call it in a message.
    pub(crate) fn from_code(code: Option<i32>) -> Result<Self, String> {
        let code = code.unwrap_or_default();
        let found = ALL.iter().find(|(_, known, ..)| *known == code).map(|(element, ..)| *element);
        found.ok_or_else(|| {
            let name = OTHERS.iter().find(|(known, _)| *known == code);
            name.map_or_else(|| format!("number {code}"), |(_, name)| (*name).to_owned())
        })
    }

    fn row(self) -> &'static (ElementType, i32, usize, DataType) {
        ALL.iter().find(|(element, ..)| *element == self).expect("every element type is in the table")
    }

    /// Its code in the specification.
    pub(crate) fn code(self) -> i32 {
        self.row().1
    }

    /// Bytes of one element in raw data.
    pub(crate) fn width(self) -> usize {
        self.row().2
    }

    /// How its elements are held.
    pub fn dtype(self) -> DataType {
        self.row().3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_specification_is_read_or_named() {
        let read = ALL.iter().map(|(element, code, width, dtype)| {
            assert_eq!(ElementType::from_code(Some(*code)), Ok(*element));
            assert_eq!((element.code(), element.width(), element.dtype()), (*code, *width, *dtype));
            *code
        });
        let mut codes: Vec<i32> = read.chain(OTHERS.iter().map(|(code, _)| *code)).collect();
        codes.sort_unstable();
        assert_eq!(codes, (0..=24).collect::<Vec<_>>());
        assert_eq!(ElementType::from_code(Some(8)), Err("string".to_owned()));
        assert_eq!(ElementType::from_code(Some(99)), Err("number 99".to_owned()));
        assert_eq!(ElementType::from_code(None), Err("undefined".to_owned()));
    }
}
