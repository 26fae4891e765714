//! `calibench list`: the registries, as they are.

use anyhow::Result;
use calibench_quant::{Dtype, Entry, Timing};
use serde_json::{Value, json};

use crate::cli::{Format, Registry};

/// The entries of a registry as text.
///
/// # Errors
/// When JSON cannot be written.
pub fn list(what: Registry, format: Format) -> Result<String> {
    let entries = entries(what);
    if format == Format::Json {
        return Ok(serde_json::to_string_pretty(&entries)?);
    }
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let width = entries.iter().map(|e| text(e, "id").chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for entry in &entries {
        lines.push(format!("{:<width$}  {}", text(entry, "id"), text(entry, "summary")));
        let source = text(entry, "source");
        if !source.is_empty() {
            lines.push(format!("{:<width$}  source: {source}", ""));
        }
    }
    Ok(lines.join("\n"))
}

fn entries(what: Registry) -> Vec<Value> {
    match what {
        Registry::Models => calibench_models::ALL
            .iter()
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
