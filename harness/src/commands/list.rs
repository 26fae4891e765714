//! `calibench list`: the registries, as they are.

use anyhow::Result;
use calibench_quant::{Dtype, Entry, Timing};
use serde_json::{Value, json};

use crate::cli::{Format, Registry};

/// The entries of a registry as text: a table of id, the facts that set entries apart, and the summary; the
/// source of each plug-in below it.
///
/// # Errors
/// When JSON cannot be written.
pub fn list(what: Registry, format: Format) -> Result<String> {
    let entries = entries(what);
    if format == Format::Json {
        return Ok(serde_json::to_string_pretty(&entries)?);
    }
    let columns: &[&str] = match what {
        Registry::Models => &["id", "dataset", "summary"],
        Registry::Kernels => &["id", "op", "dtypes", "isa", "available", "summary"],
        Registry::Metrics => &["id", "unit", "direction", "summary"],
        _ => &["id", "summary"],
    };
    let header = columns.iter().map(|c| (*c).to_owned()).collect();
    let rows = entries.iter().map(|entry| columns.iter().map(|c| text(&entry[c])).collect());
    let table: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&table[0])];
    for (entry, row) in entries.iter().zip(&table[1..]) {
        lines.push(line(row));
        // Kernels share a few sources, which would double the list: `--format json` has them.
        if let (Some(source), false) = (entry["source"].as_str(), what == Registry::Kernels) {
            lines.push(format!("{:<width$}  source: {source}", "", width = widths[0]));
        }
    }
    Ok(lines.join("\n"))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        other => other.to_string(),
    }
}

fn entries(what: Registry) -> Vec<Value> {
    match what {
        Registry::Models => calibench_models::every()
            .map(|m| json!({ "id": m.id, "summary": m.summary, "dataset": m.dataset }))
            .collect(),
        Registry::Datasets => {
            calibench_tasks::ALL.iter().map(|d| json!({ "id": d.id, "summary": d.summary })).collect()
        }
        Registry::Dtypes => {
            Dtype::ALL.iter().map(|d| json!({ "id": d.id(), "summary": d.summary() })).collect()
        }
        Registry::Timings => {
            Timing::ALL.iter().map(|t| json!({ "id": t.id(), "summary": t.summary() })).collect()
        }
        Registry::Observers => plug_ins(calibench_observers::ALL),
        Registry::Calibrators => plug_ins(calibench_calibrators::ALL),
        Registry::WeightCalibrators => plug_ins(calibench_calibrators::weights::ALL),
        Registry::Fp8Calibrators => plug_ins(calibench_calibrators::fp8::ALL),
        Registry::Kernels => calibench_kernels::ALL
            .iter()
            .map(|k| {
                json!({
                    "id": k.id, "summary": k.summary, "source": k.source, "op": k.op.id(), "dtypes": k.dtypes,
                    "isa": k.isa.id(), "tile": k.tile, "may_saturate": k.may_saturate,
                    "available": k.isa.is_available(),
                })
            })
            .collect(),
        Registry::Operators => calibench_onnx::OPERATORS
            .iter()
            .map(|o| json!({ "id": o, "summary": "ONNX default domain, opset 8 to 21" }))
            .collect(),
        Registry::Metrics => calibench_metrics::spec::ALL
            .iter()
            .map(|m| {
                json!({
                    "id": m.id, "summary": m.summary, "name": m.name, "unit": m.unit,
                    "direction": format!("{:?}", m.direction).to_lowercase(),
                })
            })
            .collect(),
    }
}

fn plug_ins<T: ?Sized>(registry: &[Entry<T>]) -> Vec<Value> {
    registry.iter().map(|e| json!({ "id": e.id, "summary": e.summary, "source": e.source })).collect()
}
