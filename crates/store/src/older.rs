//! Runs of older schema versions, read as of today's.
//!
//! Version 1 knew one metric, top-1, and named its columns after it; outcomes were classes, as integers. JSON
//! files of version 1 are read by serde aliases beside the fields, and by the default of `metric`.

use polars::prelude::{DataFrame, DataType, IntoColumn, NamedFrom, Series};

use crate::frames::SCHEMA_VERSION;

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

/// Brings a table of an older version to today's columns. What does not fit stays, so that the reader names it.
pub(crate) fn upgrade(frame: &mut DataFrame) {
    for (old, new) in RENAMED {
        let values = frame.column(old).and_then(|column| column.strict_cast(&DataType::Float64));
        if let Ok(values) = values {
            let _ = frame.with_column(values.with_name(new.into()));
        }
    }
    if frame.column("score").is_ok() {
        let metric = vec![metric(); frame.height()];
        let _ = frame.with_column(Series::new("metric".into(), metric).into_column());
    }
}
