//! Runtimes against each other: the latency of each cell as a ratio to each runtime's own fp32.

use calibench_store::{LatencyRow, Row};

use crate::section::Section;
use crate::select::{CellNames, FP32, is_ok, is_usable};
use crate::text;

/// Executors that are other people's, with the names that people know them by.
const RUNTIMES: [(&str, &str); 3] =
    [("onnxruntime", "ONNX Runtime"), ("openvino", "OpenVINO"), ("cuda", "candle on a GPU")];

const EXPLANATION: &str = "Each cell was timed in turn with the same fp32 plan of calibench, in the same process and on the \
    same inputs; a ratio here is the quotient of two such ratios, its 95 % interval from theirs. Below 1 is faster. Whether \
    outputs agree is in the column of the cells that compares them with fp32. Other runtimes get int8 models with uint8 activations \
    and int8 weights, or uint8 weights on x86 CPUs without VNNI, where their kernels for int8 weights saturate.";

/// The runtimes that executed an fp32 cell, and the lines; no lines where there is none.
fn lines(rows: &[Row], latency: &[LatencyRow], names: &CellNames) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let executed = |id: &str| rows.iter().any(|r| is_ok(r) && r.isa == id && r.dtype == FP32);
    let there: Vec<(&str, &'static str)> = RUNTIMES.into_iter().filter(|(id, _)| executed(id)).collect();
    let mut lines = Vec::new();
    if there.is_empty() {
        return (Vec::new(), lines);
    }
    let of = |row: &Row, batch: u32| {
        latency.iter().find(|l| l.cell == row.cell && l.batch == batch && is_usable(l))
    };
    for row in rows.iter().filter(|row| is_ok(row)) {
        for l in latency.iter().filter(|l| l.cell == row.cell && is_usable(l)) {
            let mut cells = vec![
                row.model.clone(),
                names.name(row),
                l.batch.to_string(),
                row.threads.to_string(),
                text::significant(l.p50_us / 1000.0, 3),
            ];
            for (id, _) in &there {
                let same_setting = |r: &&Row| {
                    is_ok(r)
                        && (&r.model, r.dtype.as_str(), r.isa.as_str()) == (&row.model, FP32, *id)
                        && (r.threads, r.seed) == (row.threads, row.seed)
                };
                let reference = rows.iter().find(same_setting).and_then(|r| of(r, l.batch));
                cells.push(reference.map_or_else(|| text::MISSING.to_owned(), |r| quotient(l, r)));
            }
            lines.push(cells);
        }
    }
    (there.into_iter().map(|(_, name)| name).collect(), lines)
}

/// `a / b` of two ratios to the same twin, with the interval of independent estimates on the logarithmic scale.
fn quotient(a: &LatencyRow, b: &LatencyRow) -> String {
    let half = |l: &LatencyRow| (l.ratio_high / l.ratio_low).ln() / 2.0;
    let ratio = a.ratio / b.ratio;
    let half = half(a).hypot(half(b));
    let shown = |value: f64| text::significant(value, 3);
    format!("{}× ({} to {})", shown(ratio), shown(ratio * (-half).exp()), shown(ratio * half.exp()))
}

fn headings(runtimes: &[&str]) -> Vec<String> {
    let fixed = ["Model", "Configuration", "Batch", "Threads", "ms"].map(str::to_owned);
    fixed.into_iter().chain(runtimes.iter().map(|name| format!("of {name} fp32"))).collect()
}

/// The section; nothing where no other runtime took part.
pub(crate) fn section(rows: &[Row], latency: &[LatencyRow], names: &CellNames) -> Section {
    let (runtimes, rows) = lines(rows, latency, names);
    Section {
        id: "peers",
        title: "Against other runtimes",
        headings: headings(&runtimes),
        rows,
        explanation: EXPLANATION,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cell: &str, dtype: &str, isa: &str) -> Row {
        Row {
            cell: cell.to_owned(),
            model: "m".to_owned(),
            dtype: dtype.to_owned(),
            isa: isa.to_owned(),
            status: "ok".to_owned(),
            threads: 1,
            ..Row::default()
        }
    }

    fn latency(cell: &str, ratio: f64) -> LatencyRow {
        LatencyRow {
            cell: cell.to_owned(),
            batch: 1,
            p50_us: 1000.0 * ratio,
            ratio,
            ratio_low: ratio / 1.03,
            ratio_high: ratio * 1.03,
            ..LatencyRow::default()
        }
    }

    #[test]
    fn ratios_to_the_same_twin_are_divided_and_their_intervals_joined() {
        let rows = [row("a", "int8", "avx2"), row("b", FP32, "onnxruntime"), row("c", "int8", "onnxruntime")];
        let latency = [latency("a", 0.4), latency("b", 0.8), latency("c", 0.6)];
        let section = section(&rows, &latency, &CellNames::new(&rows));
        let text = section.markdown();
        // 1.03^√2 either way.
        assert!(text.contains("| 0.400 | 0.500× (0.480 to 0.521) |"), "{text}");
        assert!(text.contains("of ONNX Runtime fp32") && !text.contains("OpenVINO"), "{text}");
        assert!(section.html().contains("0.500× (0.480 to 0.521)"));
    }

    #[test]
    fn a_run_without_other_runtimes_has_no_such_section() {
        let rows = [row("a", FP32, "avx2")];
        assert_eq!(section(&rows, &[latency("a", 1.0)], &CellNames::new(&rows)).markdown(), "");
    }
}
