//! A short list of nodes to keep in fp32 so that the output comes close enough to fp32.

use std::collections::BTreeSet;

use anyhow::Result;
use serde::Serialize;

use super::site::Site;
use super::trials::{Effect, Trials};

/// Most nodes that are taken off a list again one by one.
const PRUNED: usize = 24;

/// The list, and what the output is with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Proposal {
    /// What the output is to reach.
    pub target_db: f64,
    /// Nodes to keep in fp32, in execution order.
    pub keep: Vec<String>,
    /// The output with them kept and all else converted.
    pub effect: Effect,
}

/// Keeps ranked sites, the worst first, until the output reaches the target, then takes those off again that it does without.
/// `None` when `go_on` ends it before a list is found.
///
/// # Errors
/// When the plan cannot be built or run.
pub(super) fn propose(
    trials: &mut Trials,
    ranked: &[Site],
    everything: Effect,
    target_db: f64,
    mut go_on: impl FnMut() -> bool,
) -> Result<Option<Proposal>> {
    if everything.reaches(target_db) {
        return Ok(Some(Proposal { target_db, keep: Vec::new(), effect: everything }));
    }
    let prefix = |n: usize| -> BTreeSet<String> { ranked[..n].iter().map(|s| s.name.clone()).collect() };
    // The shortest prefix that reaches the target, as far as more is better; all of them is fp32.
    let (mut short, mut enough) = (0, ranked.len());
    let mut effect = None;
    while enough - short > 1 {
        if !go_on() {
            return Ok(None);
        }
        let middle = short + (enough - short) / 2;
        let reached = trials.effect(&prefix(middle))?;
        if reached.reaches(target_db) {
            (enough, effect) = (middle, Some(reached));
        } else {
            short = middle;
        }
    }
    let mut keep = prefix(enough);
    let mut effect = match effect {
        Some(effect) => effect,
        None => trials.effect(&keep)?,
    };
    // The least harmful first; a few at the end of a long list are worth more tries than its worst ones.
    for site in ranked[..enough].iter().rev().take(PRUNED) {
        if !go_on() {
            break;
        }
        let mut fewer = keep.clone();
        fewer.remove(&site.name);
        let reached = trials.effect(&fewer)?;
        if reached.reaches(target_db) {
            (keep, effect) = (fewer, reached);
        }
    }
    let mut ordered: Vec<&Site> = ranked.iter().filter(|s| keep.contains(&s.name)).collect();
    ordered.sort_by_key(|s| s.depth);
    Ok(Some(Proposal { target_db, keep: ordered.into_iter().map(|s| s.name.clone()).collect(), effect }))
}
