//! The effect of each site on the output: converted alone, and left out of the conversion.

use std::collections::BTreeSet;

use anyhow::Result;

use super::site::Site;
use super::trials::{Effect, Trials};

/// Measures both effects of every site; stops early where `go_on` says so, with what is known by then.
///
/// # Errors
/// When the plan cannot be built or run.
pub(super) fn measure(
    trials: &mut Trials,
    sites: &mut [Site],
    mut go_on: impl FnMut(usize) -> bool,
) -> Result<()> {
    let all: BTreeSet<String> = sites.iter().map(|s| s.name.clone()).collect();
    for (index, site) in sites.iter_mut().enumerate() {
        if !go_on(2 * index) {
            return Ok(());
        }
        let mut keep = all.clone();
        keep.remove(&site.name);
        site.alone = Some(trials.effect(&keep)?);
        if !go_on(2 * index + 1) {
            return Ok(());
        }
        site.all_but = Some(trials.effect(&BTreeSet::from([site.name.clone()]))?);
    }
    Ok(())
}

/// The most harmful alone first; among equals, the one without which the rest is best.
pub(super) fn rank(sites: &mut [Site]) {
    let unknown = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    let badness = |e: &Option<Effect>| e.map_or(unknown, |e| e.badness());
    let descending = |a: (f64, f64), b: (f64, f64)| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1));
    sites.sort_by(|a, b| {
        descending(badness(&a.alone), badness(&b.alone))
            .then(descending(badness(&b.all_but), badness(&a.all_but)))
            .then(a.depth.cmp(&b.depth))
    });
}
