//! Runs of older schema versions, read as of today's.
//!
//! Version 1 knew one metric, top-1, and named its columns after it; outcomes were classes, as integers. JSON
//! files of version 1 are read by serde aliases beside the fields, and by the default of `metric`. Version 2 had no draws,
//! no rounds, one process a cell, and fewer measurements: those that it lacks are null.

use polars::prelude::{DataFrame, DataType, IntoColumn, NamedFrom, Series};

use crate::frames::SCHEMA_VERSION;
use crate::record::Record;

/// The oldest version that this build reads.
const OLDEST: u32 = 1;

/// The columns of version 1 under their names of today. Classes, which were integers, become floats.
const RENAMED: [(&str, &str); 6] = [
    ("top1", "score"),
    ("top1_low", "score_low"),
    ("top1_high", "score_high"),
    ("top1_fake_quant", "score_fake_quant"),
    ("label", "target"),
    ("predicted", "output"),
];

/// The metric of every version that does not name one.
pub(crate) fn metric() -> String {
    "top1".to_owned()
}

/// Whether this build reads files of that version.
pub(crate) fn is_read(version: u32) -> bool {
    (OLDEST..=SCHEMA_VERSION).contains(&version)
}

/// How many processes measured a cell's latency, before that was a choice.
pub(crate) fn processes() -> u32 {
    1
}

/// Brings a table of an older version to today's columns. What does not fit stays, so that the reader names it.
pub(crate) fn upgrade<R: Record>(frame: &mut DataFrame) {
    for (old, new) in RENAMED {
        let values = frame.column(old).and_then(|column| column.strict_cast(&DataType::Float64));
        if let Ok(values) = values {
            let _ = frame.with_column(values.with_name(new.into()));
        }
    }
    let height = frame.height();
    for column in R::COLUMNS {
        let name = column.name.into();
        let missing = match column.name {
            _ if frame.column(column.name).is_ok() => continue,
            "metric" => Series::new(name, vec![metric(); height]),
            "draw" => Series::new(name, vec![0_u32; height]),
            "processes" => Series::new(name, vec![processes(); height]),
            _ if column.nullable => Series::full_null(name, height, &column.kind.dtype()),
            _ => continue,
        };
        let _ = frame.with_column(missing.into_column());
    }
}
