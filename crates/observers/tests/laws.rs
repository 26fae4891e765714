//! Every registered observer keeps the laws of the testkit.

use calibench_quant::{PeerStat, StatKind};
use calibench_testkit::{hostile, laws};
use proptest::prelude::*;

#[test]
fn the_registry_is_in_order() {
    laws::registry(calibench_observers::ALL);
}

#[test]
fn an_observer_that_saw_nothing_says_so() {
    calibench_observers::ALL.iter().for_each(laws::observer::empty);
}

#[test]
fn what_is_not_finite_is_counted_and_nothing_else() {
    calibench_observers::ALL.iter().for_each(laws::observer::not_finite);
}

#[test]
fn every_statistic_has_its_provider() {
    for kind in StatKind::ALL {
        let provider = calibench_observers::provider(*kind);
        laws::observer::provides(provider, *kind);
        assert_eq!((provider.construct)().order_free(), kind.order_free(), "{kind}");
    }
    for stat in PeerStat::ALL {
        assert!(StatKind::ALL.contains(&StatKind::Peer(*stat)), "{stat}");
        assert_eq!(calibench_observers::provider(StatKind::Peer(*stat)).id, stat.id());
    }
}

#[test]
fn a_set_of_statistics_is_gathered_once_each_and_joined() {
    let kinds = [StatKind::TopTwo, StatKind::Histogram, StatKind::Range, StatKind::BatchRanges];
    let mut observers = calibench_observers::for_stats(kinds);
    assert_eq!(observers.len(), 2, "one pass serves histogram and ranges");
    for observer in &mut observers {
        observer.observe(&calibench_quant::Batch { index: 0, samples: 1, values: &[1.0, 2.0] });
    }
    let stats = calibench_observers::joined(&observers).unwrap();
    assert!(kinds.iter().all(|kind| laws::observer::gathered(&stats, *kind)), "{stats:?}");
    assert!(stats.batch_histograms.is_none());
    assert_eq!(calibench_observers::joined(&[]).unwrap(), calibench_quant::Stats::default());
}

#[test]
fn named_hostile_tensors_split_anywhere() {
    for (name, values) in hostile::named() {
        for entry in calibench_observers::ALL {
            let batches: Vec<&[f32]> = values.chunks(values.len().div_ceil(5).max(1)).collect();
            laws::observer::divided(entry, &batches, name.len() as u64);
            laws::observer::round_trip(entry, &batches);
        }
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same_bytes_or_is_refused(batches in hostile::batches(), seed in any::<u64>()) {
        let batches: Vec<&[f32]> = batches.iter().map(Vec::as_slice).collect();
        for entry in calibench_observers::ALL {
            laws::observer::divided(entry, &batches, seed);
        }
    }

    #[test]
    fn statistics_survive_serialisation(batches in hostile::batches()) {
        let batches: Vec<&[f32]> = batches.iter().map(Vec::as_slice).collect();
        for entry in calibench_observers::ALL {
            laws::observer::round_trip(entry, &batches);
        }
    }
}
