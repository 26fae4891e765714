//! CSV: records of fields between separators, quoted as RFC 4180 says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use calibench_store::{Column, ColumnTable};
use csv_core::{ReadRecordResult, ReaderBuilder};

use super::{DataError, DataSpec};

/// What the fields of a column can all be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Int,
    Float,
    Text,
}

impl Type {
    /// The narrowest type of this field and of those before.
    fn and(self, field: &str) -> Self {
        match self {
            Self::Int if field.parse::<i64>().is_ok() => Self::Int,
            Self::Int | Self::Float if field.parse::<f64>().is_ok() => Self::Float,
            _ => Self::Text,
        }
    }
}

/// What is in a file, learnt from a first pass over it.
#[derive(Default)]
struct Survey {
    names: Vec<String>,
    types: Vec<Type>,
    has_header: bool,
    rows: usize,
}

/// Reads a file. A column is of integers, else numbers, else text, by all of its fields.
///
/// The text is parsed twice, first for the types: that takes less memory than keeping every field as text.
pub(super) fn read(path: &Path, spec: &DataSpec) -> Result<ColumnTable, DataError> {
    let bytes = fs::read(path).map_err(DataError::io(path))?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let tab = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tsv"));
    let separator = spec.separator.unwrap_or(if tab { '\t' } else { ',' }) as u8;
    let Survey { names, types, has_header, rows } = survey(path, bytes, separator, spec.header)?;

    let empty = |kind: &Type| match kind {
        Type::Int => Column::Int(Vec::with_capacity(rows)),
        Type::Float => Column::Float(Vec::with_capacity(rows)),
        Type::Text => Column::Str(Vec::with_capacity(rows)),
    };
    let mut columns: Vec<Column> = types.iter().map(empty).collect();
    records(path, bytes, separator, |record, fields| {
        if record == 0 && has_header {
            return Ok(());
        }
        for (column, field) in columns.iter_mut().zip(fields) {
            // The first pass has parsed the same fields as these types.
            match column {
                Column::Int(values) => values.push(field.parse().unwrap_or_default()),
                Column::Float(values) => values.push(field.parse().unwrap_or(f64::NAN)),
                Column::Str(values) => values.push((*field).to_owned()),
                Column::Bool(_) => {}
            }
        }
        Ok(())
    })?;
    Ok(ColumnTable { names, columns, rows })
}

fn survey(path: &Path, bytes: &[u8], separator: u8, header: Option<bool>) -> Result<Survey, DataError> {
    let mut survey = Survey::default();
    let Survey { names, types, has_header, rows } = &mut survey;
    records(path, bytes, separator, |record, fields| {
        if record == 0 {
            let numbers = fields.iter().all(|f| f.parse::<f64>().is_ok());
            *has_header = header.unwrap_or(!numbers);
            let name = |(place, field): (usize, &&str)| match has_header {
                true => (*field).to_owned(),
                false => place.to_string(),
            };
            *names = fields.iter().enumerate().map(name).collect();
            *types = vec![Type::Int; fields.len()];
            if *has_header {
                return Ok(());
            }
        }
        if fields.len() != names.len() {
            let reason =
                format!("record {record} has {} fields, the first has {}", fields.len(), names.len());
            return Err(DataError::malformed(path, reason));
        }
        for (kind, field) in types.iter_mut().zip(fields) {
            *kind = kind.and(field);
        }
        *rows += 1;
        Ok(())
    })?;
    if *rows == 0 {
        return Err(DataError::malformed(path, "it holds no record beside the header"));
    }
    let mut seen = BTreeSet::new();
    if let Some(name) = names.iter().find(|name| !seen.insert(*name)) {
        return Err(DataError::malformed(path, format!("two columns are named `{name}`; rename one")));
    }
    Ok(survey)
}

/// Calls `each` with the number of a record, from 0, and its fields, without spaces around them.
pub(crate) fn records(
    path: &Path,
    mut bytes: &[u8],
    separator: u8,
    mut each: impl FnMut(usize, &[&str]) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut reader = ReaderBuilder::new().delimiter(separator).build();
    // No record is longer than the file.
    let mut text = vec![0; bytes.len() + 1];
    let mut ends = vec![0; 64];
    let (mut written, mut ended, mut record) = (0, 0, 0);
    loop {
        let (result, read, wrote, end) = reader.read_record(bytes, &mut text[written..], &mut ends[ended..]);
        bytes = &bytes[read..];
        (written, ended) = (written + wrote, ended + end);
        match result {
            // Called again with nothing left, the reader gives the last record.
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull => text.resize(text.len() * 2, 0),
            ReadRecordResult::OutputEndsFull => ends.resize(ends.len() * 2, 0),
            ReadRecordResult::End => return Ok(()),
            ReadRecordResult::Record => {
                let utf8 = std::str::from_utf8(&text[..written]);
                let not_text = |_| DataError::malformed(path, format!("record {record} is not UTF-8"));
                let utf8 = utf8.map_err(not_text)?;
                let mut start = 0;
                let mut fields = Vec::with_capacity(ended);
                for &end in &ends[..ended] {
                    let field = utf8
                        .get(start..end)
                        .ok_or_else(|| DataError::malformed(path, format!("record {record} is not UTF-8")))?;
                    fields.push(field.trim());
                    start = end;
                }
                each(record, &fields)?;
                (written, ended, record) = (0, 0, record + 1);
            }
        }
    }
}
