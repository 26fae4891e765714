//! The findings of `support` as text.

use std::collections::BTreeMap;

use super::verdict::Verdict;
use super::{Finding, Findings, Mode};
use crate::commands::aligned;

/// One table for halves and one for integers, for each backend.
pub(super) fn tables(all: &Findings, modes: &[Mode]) -> String {
    let mut text = hardware(all);
    let mut backends: Vec<&str> = all.findings.iter().map(|f| f.backend.as_str()).collect();
    backends.dedup();
    for backend in backends {
        let of_backend: Vec<&Finding> = all.findings.iter().filter(|f| f.backend == backend).collect();
        let kernel = if backend == crate::backend::NATIVE {
            format!(", kernels {}", all.kernel)
        } else {
            String::new()
        };
        text.push_str(&format!("\n{backend}{kernel}, threads {}\n\n", all.threads));
        for integers in [false, true] {
            let chosen: Vec<Mode> =
                modes.iter().copied().filter(|m| m.dtype.is_integer() == integers).collect();
            if !chosen.is_empty() {
                text.push_str(&table(&of_backend, &chosen));
                text.push('\n');
            }
        }
        text.push_str(&notes(&of_backend));
    }
    text.push_str(
        "\nNumbers: time over that of fp32 on the same backend. fp32: nothing is rounded or quantized. exact: no rounding changes the\n\
         result. stored: operands or results are numbers of the format, the arithmetic is fp32's. emulated: rounded within, or codes\n\
         multiplied, by fp32 arithmetic. computed: arithmetic in the format. Operators that only move elements are not listed.\n",
    );
    if !all.complete {
        text.push_str("Interrupted: the rest was not looked at.\n");
    }
    text
}

fn hardware(all: &Findings) -> String {
    let features = all.features.iter().map(|f| {
        let has = if f.present { "yes" } else { "no" };
        vec![f.name.to_owned(), has.to_owned(), f.what.to_owned()]
    });
    let rows: Vec<Vec<String>> = features.collect();
    if rows.is_empty() { String::new() } else { format!("This CPU:\n\n{}", aligned(&rows, 0..3)) }
}

fn table(findings: &[&Finding], modes: &[Mode]) -> String {
    let find = |operator: &str, mode: &Mode| {
        let is = |f: &&&Finding| {
            f.operator == operator && f.dtype == mode.dtype.id() && f.timing == mode.timing.id()
        };
        findings.iter().find(is).copied()
    };
    // What no operator has is said once, below.
    let mut modes = modes.to_vec();
    modes.retain(|mode| {
        operators(findings).iter().any(|o| find(o, mode).is_some_and(|f| f.verdict != Verdict::Refused))
    });
    let heading = |mode: &Mode| {
        if mode.dtype.is_integer() {
            format!("{} {}", mode.dtype, mode.timing)
        } else {
            mode.dtype.to_string()
        }
    };
    let mut rows = vec![vec!["operator".to_owned()]];
    rows[0].extend(modes.iter().map(heading));
    let mut untouched = Vec::new();
    for operator in operators(findings) {
        let found: Vec<Option<&Finding>> = modes.iter().map(|mode| find(operator, mode)).collect();
        if found.iter().flatten().all(|f| f.verdict == Verdict::Fp32) {
            untouched.push(operator);
            continue;
        }
        let cells = found.iter().map(|f| f.map_or_else(String::new, cell));
        rows.push([operator.to_owned()].into_iter().chain(cells).collect());
    }
    let mut text = if rows.len() > 1 { aligned(&rows, 0..rows[0].len()) } else { String::new() };
    if !modes.is_empty() && !untouched.is_empty() {
        text.push_str(&filled(&format!("fp32 in all of these: {}", untouched.join(", "))));
    }
    text
}

/// A line, broken where it is longer than the tables are at most.
fn filled(words: &str) -> String {
    calibench_report::wrap(words, 120) + "\n"
}

fn cell(f: &Finding) -> String {
    let ratio = f.ratio.map_or_else(String::new, |ratio| format!(" {ratio:.2}"));
    let flag = if f.saturates == Some(true) { " saturates" } else { "" };
    format!("{}{ratio}{flag}", f.verdict.id())
}

/// What sums are taken in, what saturates, and why executions are refused: each once, with the operators and formats that it
/// holds for.
fn notes(findings: &[&Finding]) -> String {
    let mut operators_of: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for f in findings {
        let mode = if f.timing == "none" { f.dtype.to_owned() } else { format!("{} {}", f.dtype, f.timing) };
        let mut note = |what: String| {
            operators_of.entry((what, mode.clone())).or_default().push(&f.operator);
        };
        if let (Verdict::Refused, Some(reason)) = (f.verdict, &f.note) {
            note(format!("refused: {reason}"));
        }
        if let Some(sums) = f.sums.filter(|_| f.verdict != Verdict::Fp32) {
            note(format!("sums in {sums}"));
        }
        if f.saturates == Some(true) {
            note("large products are wrong: pairs of them saturate at 16 bits".to_owned());
        }
    }
    let mut modes_of: BTreeMap<(String, Vec<&str>), Vec<String>> = BTreeMap::new();
    for ((what, mode), operators) in operators_of {
        modes_of.entry((what, operators)).or_default().push(mode);
    }
    let all = operators(findings).len();
    let line = |((what, operators), modes): (&(String, Vec<&str>), &Vec<String>)| {
        let whose = if operators.len() == all && all > 1 {
            "every operator".to_owned()
        } else {
            operators.join(", ")
        };
        filled(&format!("{}: {what} ({whose})", modes.join(", ")))
    };
    modes_of.iter().map(line).collect()
}

fn operators<'f>(findings: &[&'f Finding]) -> Vec<&'f str> {
    let mut operators: Vec<&str> = findings.iter().map(|f| f.operator.as_str()).collect();
    operators.dedup();
    operators
}
