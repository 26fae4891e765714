//! Laws of observers.

use calibench_quant::{Batch, Entry, Observer, QuantError, StatKind, Stats};

use crate::Random;

type ObserverEntry = Entry<dyn Observer>;

fn batch<'a>(index: usize, values: &'a [f32]) -> Batch<'a> {
    Batch { index: index as u64, samples: 1, values }
}

fn observed(entry: &ObserverEntry, batches: &[&[f32]]) -> Stats {
    let mut observer = (entry.construct)();
    for (i, values) in batches.iter().enumerate() {
        observer.observe(&batch(i, values));
    }
    observer.stats()
}

/// The serialised form: what "the same bytes" means.
fn bytes(entry: &ObserverEntry, stats: &Stats) -> String {
    serde_json::to_string(stats).unwrap_or_else(|e| panic!("`{}`: stats do not serialise: {e}", entry.id))
}

/// Before any batch nothing is counted and no statistic claims data; absorbing nothing changes nothing.
pub fn empty(entry: &ObserverEntry) {
    let fresh = observed(entry, &[]);
    assert_eq!((fresh.samples, fresh.elements, fresh.nan, fresh.infinite), (0, 0, 0, 0), "`{}`", entry.id);
    for kind in StatKind::ALL {
        assert!(!gathered(&fresh, *kind), "`{}` claims a {kind} it never saw", entry.id);
    }

    let seen = observed(entry, &[&[1.0, -2.0], &[]]);
    for other in [Stats::default(), fresh.clone()] {
        let mut observer = (entry.construct)();
        observer.observe(&batch(0, &[1.0, -2.0]));
        observer.observe(&batch(1, &[]));
        absorb(entry, observer.as_mut(), &other);
        assert_eq!(
            bytes(entry, &observer.stats()),
            bytes(entry, &seen),
            "`{}`: nothing is neutral",
            entry.id
        );
    }
    let mut observer = (entry.construct)();
    absorb(entry, observer.as_mut(), &seen);
    assert_eq!(bytes(entry, &observer.stats()), bytes(entry, &seen), "`{}`: absorbed into nothing", entry.id);
}

/// NaN and ±Inf are counted and leave no other trace.
pub fn not_finite(entry: &ObserverEntry) {
    let hostile = [f32::NAN, 1.5, f32::INFINITY, -0.25, f32::NEG_INFINITY, -f32::NAN];
    let with = observed(entry, &[&hostile]);
    assert_eq!((with.elements, with.nan, with.infinite), (6, 2, 2), "`{}`", entry.id);
    let mut without = observed(entry, &[&[1.5, -0.25]]);
    without.elements = 6;
    without.nan = 2;
    without.infinite = 2;
    assert_eq!(with, without, "`{}`: a value that is not finite left a trace", entry.id);

    let nothing = observed(entry, &[&[f32::NAN, f32::INFINITY]]);
    for kind in StatKind::ALL {
        let claimed = gathered(&nothing, *kind) && *kind != StatKind::TopTwo;
        assert!(!claimed, "`{}` gathered a {kind} from non-numbers", entry.id);
    }
}

/// After finite data the statistic is there.
pub fn provides(entry: &ObserverEntry, kind: StatKind) {
    let stats = observed(entry, &[&[1.0]]);
    assert!(gathered(&stats, kind), "`{}` does not gather {kind}", entry.id);
}

/// Whether the statistic is there and holds data.
#[must_use]
pub fn gathered(stats: &Stats, kind: StatKind) -> bool {
    match kind {
        StatKind::Range => stats.range.is_some(),
        StatKind::BatchRanges => stats.batch_ranges.as_ref().is_some_and(|r| !r.is_empty()),
        StatKind::Histogram => stats.histogram.is_some(),
        StatKind::BatchHistograms => stats.batch_histograms.as_ref().is_some_and(|h| !h.is_empty()),
        StatKind::TopTwo => stats.top_two.as_ref().is_some_and(|t| !t.is_empty()),
        StatKind::Peer(stat) => stats.peers.contains_key(&stat),
    }
}

/// How an observer may be split over data: freely, or not at all.
pub fn divided(entry: &ObserverEntry, batches: &[&[f32]], seed: u64) {
    if (entry.construct)().order_free() {
        split_and_merge(entry, batches, seed);
    } else {
        one_sees_all(entry, batches);
    }
}

/// An observer that depends on the order of batches refuses to merge what two of its kind saw and says
/// why; taken over by one that saw nothing, it goes on where it was; and the same batches give the same
/// bytes.
fn one_sees_all(entry: &ObserverEntry, batches: &[&[f32]]) {
    let expected = observed(entry, batches);
    assert_eq!(bytes(entry, &observed(entry, batches)), bytes(entry, &expected), "`{}`: twice", entry.id);

    let (first, second) = batches.split_at(batches.len() / 2);
    let (first, second) = (observed(entry, first), observed(entry, second));
    let claims = |stats: &Stats| StatKind::ALL.iter().any(|kind| gathered(stats, *kind));
    let mut observer = (entry.construct)();
    absorb(entry, observer.as_mut(), &first);
    if claims(&first) && claims(&second) {
        let Err(QuantError::Merge { reason }) = observer.absorb(&second) else {
            panic!("`{}` merges what depends on the order of batches", entry.id);
        };
        assert!(reason.contains("order"), "`{}` does not say why it refuses: {reason}", entry.id);
    }
    for (i, values) in batches.iter().enumerate().skip(batches.len() / 2) {
        observer.observe(&batch(i, values));
    }
    assert_eq!(bytes(entry, &observer.stats()), bytes(entry, &expected), "`{}`: taken over", entry.id);
}

/// Any split of the batches over observers, seen in any order, with batches seen in pieces, merged in
/// any order and shape, gives the same bytes.
fn split_and_merge(entry: &ObserverEntry, batches: &[&[f32]], seed: u64) {
    let expected = bytes(entry, &observed(entry, batches));
    let mut random = Random::new(seed);

    let mut order: Vec<usize> = (0..batches.len()).collect();
    random.shuffle(&mut order);
    let mut parts: Vec<Box<dyn Observer>> = (0..3).map(|_| (entry.construct)()).collect();
    for index in order {
        let part = random.below(parts.len());
        let values = batches[index];
        let cut = random.below(values.len() + 1);
        // One batch in two pieces: its sample is counted with the first.
        parts[part].observe(&batch(index, &values[..cut]));
        parts[part].observe(&Batch { samples: 0, ..batch(index, &values[cut..]) });
    }
    while parts.len() > 1 {
        let other = parts.swap_remove(random.below(parts.len()));
        let into = random.below(parts.len());
        absorb(entry, parts[into].as_mut(), &other.stats());
    }
    let merged = bytes(entry, &parts[0].stats());
    assert_eq!(merged, expected, "`{}`: split and merged (seed {seed})", entry.id);
}

/// Statistics survive being written and read: the same value, and the same bytes when written again.
pub fn round_trip(entry: &ObserverEntry, batches: &[&[f32]]) {
    let stats = observed(entry, batches);
    let written = bytes(entry, &stats);
    let read: Stats = serde_json::from_str(&written)
        .unwrap_or_else(|e| panic!("`{}`: own stats do not parse: {e}\n{written:.2000}", entry.id));
    assert_eq!(read, stats, "`{}`: read back differently", entry.id);
    assert_eq!(bytes(entry, &read), written, "`{}`: written again differently", entry.id);
}

fn absorb(entry: &ObserverEntry, observer: &mut dyn Observer, other: &Stats) {
    observer.absorb(other).unwrap_or_else(|e| panic!("`{}`: {e}", entry.id));
}
