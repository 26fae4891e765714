//! Reading a job's statistics: presence, and sense where they came from a file.

use std::collections::BTreeMap;

use calibench_quant::{Histogram, Job, PeerHistogram, PeerStat, QuantError, Range, StatKind, TopTwo};

/// The observed range.
pub(crate) fn range(job: &Job<'_>) -> Result<Range, QuantError> {
    let range = *present(job, StatKind::Range, job.stats.range.as_ref())?;
    sensible(job, range)?;
    Ok(range)
}

/// The range of each batch; at least one.
pub(crate) fn batch_ranges<'a>(job: &Job<'a>) -> Result<&'a BTreeMap<u64, Range>, QuantError> {
    let ranges = present(job, StatKind::BatchRanges, job.stats.batch_ranges.as_ref())?;
    ranges.values().try_for_each(|r| sensible(job, *r))?;
    if ranges.is_empty() { Err(job.stats.no_sample(job.site)) } else { Ok(ranges) }
}

/// The histogram; at least one element, and bins that there are.
pub(crate) fn histogram<'a>(job: &Job<'a>) -> Result<&'a Histogram, QuantError> {
    let histogram = present(job, StatKind::Histogram, job.stats.histogram.as_ref())?;
    if let Some(fault) = histogram.fault() {
        let reason = format!("the histogram has {fault}; gather the statistics again");
        return Err(QuantError::Invalid { site: job.site.to_owned(), reason });
    }
    Ok(histogram)
}

/// The two largest of every sample that has two; possibly none.
pub(crate) fn top_two(job: &Job<'_>) -> Result<Vec<TopTwo>, QuantError> {
    let batches = present(job, StatKind::TopTwo, job.stats.top_two.as_ref())?;
    if job.stats.elements <= job.stats.nan + job.stats.infinite {
        return Err(job.stats.no_sample(job.site));
    }
    Ok(batches.values().flatten().filter(|top| top.second > f32::NEG_INFINITY).copied().collect())
}

/// The histogram of each batch; at least one.
pub(crate) fn batch_histograms<'a>(job: &Job<'a>) -> Result<&'a BTreeMap<u64, Histogram>, QuantError> {
    let histograms = present(job, StatKind::BatchHistograms, job.stats.batch_histograms.as_ref())?;
    if let Some((index, fault)) = histograms.iter().find_map(|(index, h)| Some((index, h.fault()?))) {
        let reason = format!("the histogram of batch {index} has {fault}; gather the statistics again");
        return Err(QuantError::Invalid { site: job.site.to_owned(), reason });
    }
    if histograms.is_empty() { Err(job.stats.no_sample(job.site)) } else { Ok(histograms) }
}

/// What a peer's collector holds, with the edges that it must have.
pub(crate) fn peer<'a>(job: &Job<'a>, stat: PeerStat) -> Result<&'a PeerHistogram, QuantError> {
    let held = present(job, StatKind::Peer(stat), job.stats.peers.get(&stat))?;
    if let Some(fault) = held.fault(stat) {
        let reason = format!("{stat} holds {fault}; gather the statistics again");
        return Err(QuantError::Invalid { site: job.site.to_owned(), reason });
    }
    Ok(held)
}

/// A statistic that is not there was not gathered, unless there was nothing to gather.
fn present<'a, T>(job: &Job<'a>, kind: StatKind, stat: Option<&'a T>) -> Result<&'a T, QuantError> {
    stat.ok_or_else(|| {
        if job.stats.elements <= job.stats.nan + job.stats.infinite {
            job.stats.no_sample(job.site)
        } else {
            QuantError::MissingStat { site: job.site.to_owned(), kind }
        }
    })
}

fn sensible(job: &Job<'_>, range: Range) -> Result<(), QuantError> {
    if range.low.is_finite() && range.high.is_finite() && range.low <= range.high {
        return Ok(());
    }
    Err(QuantError::Invalid {
        site: job.site.to_owned(),
        reason: format!("[{}, {}] is not a finite range; gather the statistics again", range.low, range.high),
    })
}

/// The range of values between thresholds, held to the observed range (with 0.0, which every format
/// represents).
pub(crate) fn clip(observed: Range, low: f64, high: f64) -> Range {
    let (least, most) = (observed.low.min(0.0), observed.high.max(0.0));
    let held = |v: f64| (v.clamp(f64::from(least), f64::from(most))) as f32;
    Range { low: held(low), high: held(high) }
}
