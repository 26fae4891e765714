//! From a row type to columns and back: what a field can be, and what a table is.

use std::path::Path;

use polars::prelude::{Column, DataFrame, DataType, IntoColumn, NamedFrom, Series};

use crate::error::StoreError;

/// The type of a column, as the schema names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// 32-bit unsigned integer.
    U32,
    /// 64-bit unsigned integer.
    U64,
    /// 32-bit signed integer.
    I32,
    /// 64-bit float.
    F64,
}

impl Kind {
    /// The name in `reports/schema.md` and in error messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::I32 => "i32",
            Self::F64 => "f64",
        }
    }

    pub(crate) fn dtype(self) -> DataType {
        match self {
            Self::Text => DataType::String,
            Self::U32 => DataType::UInt32,
            Self::U64 => DataType::UInt64,
            Self::I32 => DataType::Int32,
            Self::F64 => DataType::Float64,
        }
    }
}

/// One column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// The column's name: the field's.
    pub name: &'static str,
    /// Type of the values.
    pub kind: Kind,
    /// Whether a null may stand in it.
    pub nullable: bool,
}

/// A value that a column can hold.
pub trait Field: Sized {
    /// Type of the column.
    const KIND: Kind;
    /// Whether the field is an `Option`.
    const NULLABLE: bool = false;
    /// The column of these values.
    #[doc(hidden)]
    fn series<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Series
    where
        Self: 'a;
    /// The values of a column of the right type; `None` stands for a null.
    #[doc(hidden)]
    fn values(series: &Series) -> Option<Vec<Option<Self>>>;
    /// Whether a required number is finite; an optional one that is not becomes a null.
    fn is_storable(&self) -> bool {
        true
    }
}

macro_rules! number_field {
    ($type:ty, $kind:expr, $getter:ident, $storable:expr) => {
        impl Field for $type {
            const KIND: Kind = $kind;
            fn series<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Series {
                Series::new(name.into(), values.copied().collect::<Vec<_>>())
            }
            fn values(series: &Series) -> Option<Vec<Option<Self>>> {
                Some(series.$getter().ok()?.iter().collect())
            }
            fn is_storable(&self) -> bool {
                $storable(*self)
            }
        }
        impl Field for Option<$type> {
            const KIND: Kind = $kind;
            const NULLABLE: bool = true;
            fn series<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Series {
                let values: Vec<Self> = values.map(|value| value.filter(|v| $storable(*v))).collect();
                Series::new(name.into(), values)
            }
            fn values(series: &Series) -> Option<Vec<Option<Self>>> {
                Some(series.$getter().ok()?.iter().map(Some).collect())
            }
        }
    };
}

number_field!(u32, Kind::U32, u32, |_| true);
number_field!(u64, Kind::U64, u64, |_| true);
number_field!(i32, Kind::I32, i32, |_| true);
number_field!(f64, Kind::F64, f64, |value: f64| value.is_finite());

impl Field for String {
    const KIND: Kind = Kind::Text;
    fn series<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Series {
        Series::new(name.into(), values.map(String::as_str).collect::<Vec<&str>>())
    }
    fn values(series: &Series) -> Option<Vec<Option<Self>>> {
        Some(series.str().ok()?.iter().map(|value| value.map(str::to_owned)).collect())
    }
}

impl Field for Option<String> {
    const KIND: Kind = Kind::Text;
    const NULLABLE: bool = true;
    fn series<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Series {
        Series::new(name.into(), values.map(Option::as_deref).collect::<Vec<Option<&str>>>())
    }
    fn values(series: &Series) -> Option<Vec<Option<Self>>> {
        Some(series.str().ok()?.iter().map(|value| Some(value.map(str::to_owned))).collect())
    }
}

/// A row type: the table that holds it, and its columns in order.
pub trait Record: Sized {
    /// The table's name; its file is `<name>.parquet`.
    const TABLE: &'static str;
    /// The columns, without `schema_version`.
    const COLUMNS: &'static [ColumnSpec];
    /// The columns of these rows.
    #[doc(hidden)]
    fn columns(rows: &[Self]) -> Vec<Column>;
    /// The rows of a frame.
    #[doc(hidden)]
    fn rows(frame: &DataFrame, origin: &Path) -> Result<Vec<Self>, StoreError>;
    /// The first required number that is NaN or infinite, if there is one.
    fn not_finite(&self) -> Option<&'static str>;
}

/// The spec of the field that `_get` reads; the closure only carries the type.
pub(crate) const fn column_spec<R, T: Field>(name: &'static str, _get: fn(&R) -> &T) -> ColumnSpec {
    ColumnSpec { name, kind: T::KIND, nullable: T::NULLABLE }
}

/// The column of one field over all rows.
pub(crate) fn write_field<R, T: Field>(name: &str, rows: &[R], get: fn(&R) -> &T) -> Column {
    T::series(name, rows.iter().map(get)).into_column()
}

/// The values of one column, after checking that it is there, of the right type and without unexpected nulls.
pub(crate) fn read_field<T: Field>(
    frame: &DataFrame,
    name: &str,
    origin: &Path,
) -> Result<Vec<T>, StoreError> {
    let wrong = |got: String| StoreError::Column {
        path: origin.to_path_buf(),
        column: name.to_owned(),
        expected: T::KIND.name().to_owned(),
        got,
    };
    let column = frame.column(name).map_err(|_| wrong("no such column".to_owned()))?;
    let series = column.as_materialized_series();
    if *series.dtype() != T::KIND.dtype() {
        return Err(wrong(series.dtype().to_string()));
    }
    let values = T::values(series).ok_or_else(|| wrong(series.dtype().to_string()))?;
    values
        .into_iter()
        .enumerate()
        .map(|(row, value)| {
            value.ok_or_else(|| StoreError::Null { path: origin.to_path_buf(), column: name.to_owned(), row })
        })
        .collect()
}

/// Implements [`Record`] from the list of a struct's fields; a forgotten field does not compile.
macro_rules! record {
    ($row:ident, $table:literal, [$($field:ident),+ $(,)?]) => {
        impl $crate::record::Record for $row {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [$crate::record::ColumnSpec] =
                &[$($crate::record::column_spec(stringify!($field), |row: &$row| &row.$field)),+];
            fn columns(rows: &[Self]) -> Vec<polars::prelude::Column> {
                vec![$($crate::record::write_field(stringify!($field), rows, |row| &row.$field)),+]
            }
            fn rows(
                frame: &polars::prelude::DataFrame,
                origin: &std::path::Path,
            ) -> Result<Vec<Self>, $crate::error::StoreError> {
                $(let mut $field =
                    $crate::record::read_field(frame, stringify!($field), origin)?.into_iter();)+
                // Every column has the frame's height, so no iterator ends early.
                Ok((0..frame.height()).map_while(|_| Some($row { $($field: $field.next()?),+ })).collect())
            }
            fn not_finite(&self) -> Option<&'static str> {
                $(if !$crate::record::Field::is_storable(&self.$field) {
                    return Some(stringify!($field));
                })+
                None
            }
        }
    };
}

pub(crate) use record;
