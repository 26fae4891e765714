//! Laws of calibrators.

use calibench_quant::{
    Calibrator, Entry, IntFormat, Job, MIN_SCALE, QParams, QuantError, Range, StatKind, Stats, Symmetry,
};

type CalibratorEntry = Entry<dyn Calibrator>;

const SITE: &str = "block.3/relu";

/// Every combination of [`IntFormat::ALL`], and of the 8-bit formats with a reduced range, with
/// [`Symmetry::ALL`] over these statistics.
pub fn jobs(stats: &Stats) -> impl Iterator<Item = Job<'_>> {
    let reduced = [IntFormat::INT8.reduced(), IntFormat::UINT8.reduced()];
    IntFormat::ALL.iter().copied().chain(reduced).flat_map(move |format| {
        Symmetry::ALL.iter().map(move |symmetry| Job { site: SITE, stats, format, symmetry: *symmetry })
    })
}

/// The jobs of [`jobs`] that the method has an answer for.
fn supported<'a>(calibrator: &dyn Calibrator, stats: &'a Stats) -> Vec<Job<'a>> {
    jobs(stats).filter(|job| calibrator.unsupported(job.format, job.symmetry).is_none()).collect()
}

/// Whether the method reproduces a peer.
fn is_dialect(entry: &CalibratorEntry) -> bool {
    entry.id.contains('@')
}

/// A method answers for some combination of format and symmetry, an own one for all; for any other it
/// says why not in one line, and refuses with that reason.
///
/// `stats` hold every kind of statistic, over data with a finite value.
pub fn unsupported(entry: &CalibratorEntry, stats: &Stats) {
    let calibrator = (entry.construct)();
    assert!(!supported(calibrator.as_ref(), stats).is_empty(), "`{}` supports nothing", entry.id);
    for job in jobs(stats) {
        let Some(why) = calibrator.unsupported(job.format, job.symmetry) else { continue };
        let what = format!("`{}` {} {}", entry.id, job.format, job.symmetry.id());
        assert!(is_dialect(entry), "{what}: an own method answers for everything");
        assert!(!why.trim().is_empty() && !why.contains('\n'), "{what}: `{why}`");
        match calibrator.calibrate(&job) {
            Err(QuantError::Invalid { site, reason }) => {
                assert!(site == SITE && reason.contains(why), "{what}: {reason}");
            }
            other => panic!("{what} is unsupported, but the answer is {other:?}"),
        }
    }
}

/// With statistics of at least one finite value, for every format and symmetry that the method supports:
/// scale positive and finite, zero point in range, 0.0 exact, thresholds finite, the range within what
/// was observed, and the same answer twice.
pub fn well_formed(entry: &CalibratorEntry, stats: &Stats) {
    let calibrator = (entry.construct)();
    for job in supported(calibrator.as_ref(), stats) {
        let what = format!("`{}` {} {}", entry.id, job.format, job.symmetry.id());
        let q = calibrator.calibrate(&job).unwrap_or_else(|e| panic!("{what}: {e}"));
        let (q_min, q_max) = q.code_range();
        assert_eq!((q.format, q.symmetry), (job.format, job.symmetry), "{what}: answers another question");
        assert_eq!((q.scale.len(), q.zero_point.len()), (1, 1), "{what}: not per tensor");
        assert!(q.scale[0].is_finite() && q.scale[0] >= MIN_SCALE, "{what}: scale {}", q.scale[0]);
        assert!((q_min..=q_max).contains(&q.zero_point[0]), "{what}: zero point {}", q.zero_point[0]);
        if job.symmetry == Symmetry::Symmetric {
            // Peers put the zero of unsigned codes in their middle, rounded either way.
            let middle = is_dialect(entry) && !job.format.signed && (q.zero_point[0] - q_max / 2).abs() <= 1;
            assert!(q.zero_point[0] == 0 || middle, "{what}: zero point {}", q.zero_point[0]);
        }
        assert_eq!(q.fake_quantize(0.0, 0), 0.0, "{what}: 0.0 is not exact");
        let thresholds = q.thresholds(0);
        assert!(thresholds.low.is_finite() && thresholds.high.is_finite(), "{what}: {thresholds:?}");
        within_observed(&what, is_dialect(entry), calibrator.as_ref(), &job);
        if job.format == IntFormat::INT8 {
            pure(&what, entry, &job, &q);
        }
    }
}

/// The range of an own method reaches no further than the observed range (with 0.0) by more than a bin;
/// that of a dialect reaches where the peer's does, which golden vectors pin.
fn within_observed(what: &str, is_dialect: bool, calibrator: &dyn Calibrator, job: &Job<'_>) {
    let range = calibrator.range(job).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(range.low.is_finite() && range.high.is_finite() && range.low <= range.high, "{what}: {range:?}");
    let Some(observed) = job.stats.range.filter(|_| !is_dialect) else { return };
    let observed = observed.union(Range { low: 0.0, high: 0.0 });
    // The outermost bins are wider than what was seen in them.
    let bin = f64::from(observed.bound()) * 2.0_f64.powi(-(calibench_quant::MANTISSA_BITS as i32));
    let inside = f64::from(range.low) >= f64::from(observed.low) - bin
        && f64::from(range.high) <= f64::from(observed.high) + bin;
    assert!(inside, "{what}: {range:?} reaches beyond the observed {observed:?}");
}

/// The same job gives the same bytes from another instance.
fn pure(what: &str, entry: &CalibratorEntry, job: &Job<'_>, expected: &QParams) {
    let calibrator = (entry.construct)();
    let again = calibrator.calibrate(job).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(again.scale[0].to_bits(), expected.scale[0].to_bits(), "{what}: not pure");
    assert_eq!(again.zero_point, expected.zero_point, "{what}: not pure");
}

/// Statistics without a finite value are [`QuantError::NoSample`], and the message names the site.
///
/// `stats` come from the observers that the calibrator needs, over data without a finite value.
pub fn no_sample(entry: &CalibratorEntry, stats: &Stats) {
    let calibrator = (entry.construct)();
    for job in supported(calibrator.as_ref(), stats) {
        let error = calibrator.calibrate(&job).expect_err("no finite value was seen");
        assert!(
            matches!(&error, QuantError::NoSample { site, .. } if site == SITE),
            "`{}`: {error}",
            entry.id
        );
        assert!(error.to_string().contains(SITE), "`{}`: {error}", entry.id);
    }
}

/// Each statistic that [`Calibrator::needs`] names is really needed, its absence is
/// [`QuantError::MissingStat`] with the site, and nothing else is needed.
///
/// `stats` hold every kind of statistic, over data with a finite value.
pub fn needs(entry: &CalibratorEntry, stats: &Stats) {
    let calibrator = (entry.construct)();
    let needs = calibrator.needs();
    assert!(!needs.is_empty(), "`{}` needs nothing", entry.id);
    for kind in StatKind::ALL.iter().copied() {
        let mut without = stats.clone();
        match kind {
            StatKind::Range => without.range = None,
            StatKind::BatchRanges => without.batch_ranges = None,
            StatKind::Histogram => without.histogram = None,
            StatKind::BatchHistograms => without.batch_histograms = None,
            StatKind::TopTwo => without.top_two = None,
            StatKind::Peer(stat) => {
                without.peers.remove(&stat);
            }
        }
        for job in supported(calibrator.as_ref(), &without) {
            let answer = calibrator.calibrate(&job);
            if needs.contains(&kind) {
                let expected = QuantError::MissingStat { site: SITE.to_owned(), kind };
                assert_eq!(answer, Err(expected), "`{}` without {kind}", entry.id);
            } else {
                let whole = calibrator.calibrate(&Job { stats, ..job });
                assert_eq!(answer, whole, "`{}` reads {kind} without saying so", entry.id);
            }
        }
    }
}
