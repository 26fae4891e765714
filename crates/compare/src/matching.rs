//! Which cell of the later run is which of the earlier one.

use std::collections::{BTreeMap, BTreeSet};

use calibench_store::Row;

use crate::side::Index;
use crate::verdict::Absent;

/// The cells of two runs, put together.
#[derive(Default)]
pub(crate) struct Matched<'a> {
    /// Rows that both runs measured, earlier and later.
    pub pairs: Vec<(&'a Row, &'a Row)>,
    pub absent: Vec<Absent>,
    pub added: Vec<String>,
    pub notes: Vec<String>,
}

/// The keys of a cell but for its model's name and who executed it.
type Rest<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, u32, u64, u32);

fn rest(row: &Row) -> Rest<'_> {
    (
        &row.dtype,
        &row.timing,
        &row.calibrator,
        &row.granularity,
        &row.symmetry,
        row.threads,
        row.seed,
        row.draw,
    )
}

/// Puts the cells of two runs together: by id, by the model's content where its name has changed, and with another
/// instruction set of our own kernels where the machine has others.
pub(crate) fn matched<'a>(before: &Index<'a>, after: &Index<'a>) -> Matched<'a> {
    let mut matched = Matched::default();
    let renamed = renamed(before, after);
    for (old, new) in &renamed {
        matched
            .notes
            .push(format!("model `{old}` is called `{new}` in the later run: its content is the same"));
    }
    let mut taken = BTreeSet::new();
    let mut kernels = BTreeSet::new();
    for row in before.rows {
        if row.status != "ok" {
            matched
                .notes
                .push(format!("{} has no measurement in the earlier run ({})", row.cell, row.status));
            continue;
        }
        let model = renamed.get(row.model.as_str()).copied().unwrap_or(&row.model);
        let same = |other: &&Row| other.model == model && rest(other) == rest(row);
        let exact = after.rows.iter().filter(same).find(|other| other.isa == row.isa);
        let mut kin = after.rows.iter().filter(same).filter(|o| is_kernel(&o.isa) && is_kernel(&row.isa));
        let found = exact.or_else(|| match (kin.next(), kin.next()) {
            (Some(only), None) => {
                kernels
                    .insert(format!("kernels are `{}` in the later run, which were `{}`", only.isa, row.isa));
                Some(only)
            }
            _ => None,
        });
        let Some(found) = found else {
            matched.absent.push(Absent {
                cell: row.cell.clone(),
                reason: why_missing(row, before, after),
                failed: false,
            });
            continue;
        };
        taken.insert(found.cell.as_str());
        let failure = found.failure.clone().unwrap_or_else(|| "no reason is recorded".to_owned());
        match found.status.as_str() {
            "ok" => matched.pairs.push((row, found)),
            "failed" => matched.absent.push(Absent {
                cell: found.cell.clone(),
                reason: format!("it was measured before and fails now: {failure}"),
                failed: true,
            }),
            _ => matched.absent.push(Absent {
                cell: found.cell.clone(),
                reason: format!("it was not measured: {failure}"),
                failed: false,
            }),
        }
    }
    matched.notes.extend(kernels);
    let added = after.rows.iter().filter(|r| !taken.contains(r.cell.as_str()));
    matched.added = added.map(|r| r.cell.clone()).collect();
    matched
}

/// Whether cells of it ran on our own kernels, not in another runtime.
pub(crate) fn is_kernel(isa: &str) -> bool {
    !matches!(isa, "onnxruntime" | "openvino" | "cuda")
}

/// Models whose name is gone, with the new one that has the same content.
fn renamed<'a>(before: &Index<'a>, after: &Index<'a>) -> BTreeMap<&'a str, &'a str> {
    let names =
        |index: &Index<'a>| -> BTreeSet<&'a str> { index.rows.iter().map(|r| r.model.as_str()).collect() };
    let (old, new) = (names(before), names(after));
    let mut renamed = BTreeMap::new();
    for row in before.rows.iter().filter(|r| !new.contains(r.model.as_str())) {
        let hash = before.model_hash(row);
        let same =
            |r: &&Row| !old.contains(r.model.as_str()) && hash.is_some() && after.model_hash(r) == hash;
        if let Some(found) = after.rows.iter().find(same) {
            renamed.insert(row.model.as_str(), found.model.as_str());
        }
    }
    renamed
}

fn why_missing(row: &Row, before: &Index<'_>, after: &Index<'_>) -> String {
    let models: BTreeSet<&str> = after.rows.iter().map(|r| r.model.as_str()).collect();
    if models.contains(row.model.as_str()) {
        return "the later run has no such cell; measure it, or save a baseline without it".to_owned();
    }
    let there = models.into_iter().map(|m| format!("`{m}`")).collect::<Vec<_>>().join(", ");
    let hash = before.model_hash(row).map_or(String::new(), |hash| format!(" with content {hash}"));
    format!(
        "the later run has no model `{}`, and none of its models ({there}) has that one's content{hash}; if it was renamed \
         and changed, save a new baseline",
        row.model
    )
}
