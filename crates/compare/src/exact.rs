//! What is the same at every repetition: answers, ranges, memory, operations.

use std::collections::BTreeMap;

use calibench_store::{LatencyRow, Row, SiteRow};

use crate::accuracy::changed_answers;
use crate::quantity::Quantity;
use crate::side::Index;

/// An exact change before it is judged.
#[derive(Clone, Debug)]
pub(crate) struct ExactChange {
    pub batch: Option<u32>,
    pub quantity: Quantity,
    pub before: Option<f64>,
    pub after: Option<f64>,
    pub effect: f64,
    /// What changed, where the figures do not say it.
    pub detail: String,
}

impl ExactChange {
    fn of(quantity: Quantity, before: f64, after: f64) -> Option<Self> {
        let effect = relative(before, after)?;
        Some(Self {
            batch: None,
            quantity,
            before: Some(before),
            after: Some(after),
            effect,
            detail: String::new(),
        })
    }
}

/// `(after − before) / before`; of nothing, no change or all of it.
fn relative(before: f64, after: f64) -> Option<f64> {
    let change = if before == 0.0 { f64::from(u8::from(after != 0.0)) } else { after / before - 1.0 };
    change.is_finite().then_some(change)
}

/// The exact changes of one cell. Resident memory only where the machine is the same; answers and ranges only where the model
/// and the data are.
pub(crate) fn exact_changes(
    (old, new): (&Row, &Row),
    before: &Index<'_>,
    after: &Index<'_>,
    same_machine: bool,
) -> Vec<ExactChange> {
    let mut changes = Vec::new();
    let model = before.model_hash(old);
    let same_model = model.is_some() && model == after.model_hash(new);
    if same_model && before.data_hash(old) == after.data_hash(new) {
        let (a, b) = (before.answers(&old.cell), after.answers(&new.cell));
        if let Some(share) = changed_answers(&new.metric, &a, &b) {
            changes.push(ExactChange {
                batch: None,
                quantity: Quantity::Answers,
                before: None,
                after: Some(share),
                effect: share,
                detail: format!("of {} test samples", a.len()),
            });
        }
        if old.calibration_samples == new.calibration_samples {
            changes.extend(ranges(before.sites(&old.cell), after.sites(&new.cell)));
        }
    }
    changes.extend(work(before.latency(&old.cell), after.latency(&new.cell)));
    let bytes = |n: u64| n as f64;
    if old.peak_activation_bytes > 0 && new.peak_activation_bytes > 0 {
        changes.extend(ExactChange::of(
            Quantity::Activations,
            bytes(old.peak_activation_bytes),
            bytes(new.peak_activation_bytes),
        ));
    }
    changes.extend(ExactChange::of(Quantity::Weights, bytes(old.weight_bytes), bytes(new.weight_bytes)));
    let both = |pick: fn(&Row) -> Option<u64>| Some((bytes(pick(old)?), bytes(pick(new)?)));
    if let Some((a, b)) = both(|r| r.heap_bytes) {
        changes.extend(ExactChange::of(Quantity::Heap, a, b));
    }
    if let Some((a, b)) = both(|r| r.heap_left_bytes) {
        // Of the heap that the executable holds: nothing is left behind by a program without leaks.
        let whole = bytes(new.heap_bytes.unwrap_or(new.weight_bytes)).max(1.0);
        let change = ExactChange::of(Quantity::HeapLeft, a, b);
        changes.extend(change.map(|change| ExactChange { effect: (b - a) / whole, ..change }));
    }
    if let (true, Some((a, b))) = (same_machine, both(|r| r.peak_resident_bytes)) {
        changes.extend(ExactChange::of(Quantity::Resident, a, b));
    }
    changes
}

/// The largest shift of a site's range, relative to the width that it had.
fn ranges(before: &[&SiteRow], after: &[&SiteRow]) -> Option<ExactChange> {
    let key = |s: &&SiteRow| (s.site.clone(), s.role.clone());
    let old: BTreeMap<_, _> = before.iter().map(|s| (key(s), *s)).collect();
    let shifts = after.iter().filter_map(|new| {
        let old = old.get(&key(new))?;
        let width = (old.high - old.low).abs();
        let shift = (new.low - old.low).abs().max((new.high - old.high).abs());
        let shift = if shift == 0.0 { 0.0 } else { shift / width };
        shift.is_finite().then_some((shift, *old, *new))
    });
    let (shift, old, new) = shifts.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let detail = match shift {
        0.0 => String::new(),
        _ => format!(
            "most of all {} {}: {:.6}..{:.6} before, {:.6}..{:.6} now",
            new.role, new.site, old.low, old.high, new.low, new.high
        ),
    };
    Some(ExactChange {
        batch: None,
        quantity: Quantity::Ranges,
        before: None,
        after: Some(shift),
        effect: shift,
        detail,
    })
}

/// Operations, traffic and instructions by batch size.
fn work(before: &[&LatencyRow], after: &[&LatencyRow]) -> Vec<ExactChange> {
    let mut changes = Vec::new();
    for new in after {
        let Some(old) = before.iter().find(|l| l.batch == new.batch) else { continue };
        let count = |pick: fn(&LatencyRow) -> Option<u64>| Some((pick(old)? as f64, pick(new)? as f64));
        let figures = [
            (Quantity::Operations, count(|l| l.operations)),
            (Quantity::Traffic, count(|l| l.traffic_bytes)),
            (Quantity::Instructions, old.instructions.zip(new.instructions)),
        ];
        for (quantity, figures) in figures {
            let change = figures.and_then(|(a, b)| ExactChange::of(quantity, a, b));
            changes.extend(change.map(|change| ExactChange { batch: Some(new.batch), ..change }));
        }
    }
    changes
}
