//! `reports/schema.md` and the code say the same.

use std::collections::BTreeSet;

use calibench_store::{
    ColumnSpec, DatasetInfo, Exclusion, LatencyRow, Manifest, ModelInfo, OutcomeRow, Record, RoundRow, Row,
    SCHEMA_VERSION, SiteRow,
};

const SCHEMA: &str = include_str!("../../../reports/schema.md");

/// The first two cells of every table line under a heading: name without backticks, and type.
fn documented(heading: &str) -> Vec<(String, String)> {
    let start = SCHEMA.find(&format!("\n## {heading}\n")).expect("a section of this name");
    let section = &SCHEMA[start + 4..];
    let section = &section[..section.find("\n## ").unwrap_or(section.len())];
    section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            assert!(cells[3..cells.len() - 1].iter().all(|cell| !cell.is_empty()), "{line}");
            (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
        })
        .collect()
}

fn check<R: Record>() {
    let spec = |column: &ColumnSpec| {
        let mark = if column.nullable { "?" } else { "" };
        (column.name.to_owned(), format!("{}{mark}", column.kind.name()))
    };
    let mut want = vec![("schema_version".to_owned(), "u32".to_owned())];
    want.extend(R::COLUMNS.iter().map(spec));
    assert_eq!(documented(R::TABLE), want, "table {}", R::TABLE);
}

#[test]
fn every_column_is_documented_in_order_with_its_type() {
    check::<Row>();
    check::<LatencyRow>();
    check::<RoundRow>();
    check::<OutcomeRow>();
    check::<SiteRow>();
    assert!(SCHEMA.contains(&format!("Schema version {SCHEMA_VERSION}.")));
}

/// Paths of all fields; a list or a map of structures contributes `name.*.field`.
fn paths(value: &serde_json::Value, prefix: &str, into: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, field) in fields {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                if !path.ends_with(".*") && path != "machine" {
                    into.insert(path.clone());
                }
                paths(field, &path, into);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|i| paths(i, &format!("{prefix}.*"), into)),
        _ => {}
    }
}

#[test]
fn every_manifest_field_is_documented() {
    let mut manifest = Manifest::default();
    manifest.models.insert("*".into(), ModelInfo::default());
    manifest.datasets.insert("*".into(), DatasetInfo::default());
    manifest.excluded.push(Exclusion::default());
    let mut want = BTreeSet::new();
    paths(&serde_json::to_value(&manifest).unwrap(), "", &mut want);
    let got: BTreeSet<String> = documented("manifest").into_iter().map(|(name, _)| name).collect();
    assert_eq!(got, want);
}
