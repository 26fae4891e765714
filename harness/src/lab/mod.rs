//! The calibration lab: methods on tensors and statistics, without a model.

pub mod answer;
pub mod certainty;
pub mod options;
pub mod oracle;
pub mod print;
pub mod source;
pub mod stats_file;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use calibench_quant::{Histogram, Range, StatKind};
use calibench_report::{SiteHistogram, Threshold, calibration_plot};
use calibench_store::write_atomic;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Format;
use crate::{EXIT_ERROR, EXIT_INTERRUPTED, EXIT_OK, console, interrupt};
use answer::{Answer, Subject};
use options::{Calibrate, Merge, Observe, Target};
use stats_file::StatsFile;

/// `calibench observe`.
///
/// # Errors
/// When the tensors cannot be read or the file cannot be written.
pub fn observe(options: &Observe) -> Result<()> {
    let methods =
        if options.calibrator.is_empty() { source::own_methods() } else { options.calibrator.clone() };
    let kinds = source::needs(&methods)?;
    let mut file = StatsFile::new();
    for case in source::read(&options.tensors, options.case.as_deref())? {
        let stats = case.observe(&kinds, options.first_batch)?;
        file.cases.insert(case.name, stats);
    }
    file.write(&options.out)?;
    told(&file, &options.out);
    Ok(())
}

/// `calibench merge`.
///
/// # Errors
/// When a file cannot be read or written, or statistics cannot be combined; names file and case.
pub fn merge(options: &Merge) -> Result<()> {
    let mut merged = StatsFile::new();
    for path in &options.stats {
        let file = StatsFile::read(path)?;
        merged.absorb(file).with_context(|| format!("cannot merge {}", path.display()))?;
    }
    merged.write(&options.out)?;
    told(&merged, &options.out);
    Ok(())
}

fn told(file: &StatsFile, path: &Path) {
    let elements: u64 = file.cases.values().map(|s| s.elements).sum();
    let samples: u64 = file.cases.values().map(|s| s.samples).sum();
    console::result(&format!(
        "{}: {} cases, {samples} samples, {elements} elements",
        path.display(),
        file.cases.len()
    ));
}

/// `calibench calibrate`: gives the exit status.
///
/// # Errors
/// When the input cannot be read or a name is unknown.
pub fn calibrate(options: &Calibrate) -> Result<u8> {
    interrupt::listen()?;
    let methods = methods(options)?;
    let mut answers = Vec::new();
    for_each_case(options, &methods, |subject, bar| {
        for method in &methods {
            if interrupt::interrupted() {
                break;
            }
            bar.set_message(format!("{} {method}", subject.name()));
            answers.push(answer::answer(options, subject, method)?);
            bar.inc(1);
        }
        answer::compare_with_oracle(options, subject, &mut answers);
        plot(options, subject, &answers)
    })?;
    match options.format {
        Format::Json => console::result(&serde_json::to_string_pretty(&answers)?),
        Format::Table => console::result(&print::table(&answers, console::width())),
    }
    if interrupt::interrupted() {
        return Ok(EXIT_INTERRUPTED);
    }
    Ok(if answers.iter().all(|a| a.error.is_some()) { EXIT_ERROR } else { EXIT_OK })
}

/// The methods asked for, or all that the format has; names checked.
fn methods(options: &Calibrate) -> Result<Vec<String>> {
    let check = |known: Vec<&'static str>, what: &'static str| -> Result<Vec<String>> {
        for id in &options.calibrator {
            if !known.contains(&id.as_str()) {
                return Err(crate::axes::unknown(what, id, known.iter().copied()).into());
            }
        }
        let named = options.calibrator.clone();
        Ok(if named.is_empty() { known.into_iter().map(str::to_owned).collect() } else { named })
    };
    match options.dtype {
        Target::Fp8(_) if options.weights || options.axis.is_some() => {
            bail!("--weights and --axis are for integer formats; fp8 has one scale a tensor here")
        }
        Target::Fp8(_) if options.bootstrap.is_some() || options.curve || options.plot.is_some() => {
            bail!("--bootstrap, --curve and --plot are for integer formats")
        }
        Target::Fp8(_) => {
            check(calibench_calibrators::fp8::ALL.iter().map(|e| e.id).collect(), "fp8 calibrator")
        }
        Target::Int(_) if options.weights => {
            check(calibench_calibrators::weights::ALL.iter().map(|e| e.id).collect(), "weight calibrator")
        }
        Target::Int(_) if options.calibrator.is_empty() => Ok(source::own_methods()),
        Target::Int(_) => check(calibench_calibrators::ALL.iter().map(|e| e.id).collect(), "calibrator"),
    }
}

/// Gives each case, observed, to `visit`.
fn for_each_case(
    options: &Calibrate,
    methods: &[String],
    mut visit: impl FnMut(&Subject, &ProgressBar) -> Result<()>,
) -> Result<()> {
    let kinds = kinds(options, methods)?;
    let subjects: Vec<Subject> = match (&options.tensors, &options.stats) {
        (Some(path), _) => {
            let cases = source::read(path, options.case.as_deref())?;
            cases.into_iter().map(|case| Subject::of_case(options, case, &kinds)).collect::<Result<_>>()?
        }
        (None, Some(path)) => {
            let mut file = StatsFile::read(path)?;
            file.only(options.case.as_deref(), path)?;
            file.cases.into_iter().map(|(name, stats)| Subject::of_stats(name, stats)).collect()
        }
        (None, None) => bail!("name --tensors or --stats"),
    };
    let bar = ProgressBar::new((subjects.len() * methods.len()) as u64);
    bar.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}")
            .expect("templates are literals, tested by every run"),
    );
    let alone = subjects.len() == 1;
    for subject in subjects {
        visit(&subject.only_one(alone), &bar)?;
        if interrupt::interrupted() {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

fn kinds(options: &Calibrate, methods: &[String]) -> Result<BTreeSet<StatKind>> {
    // The histogram is what distances, the plot and the oracle start from; channels have none of these.
    let mut kinds = BTreeSet::from([StatKind::Range]);
    if options.axis.is_none() {
        kinds.insert(StatKind::Histogram);
    }
    if let Target::Int(_) = options.dtype
        && !options.weights
    {
        kinds.extend(source::needs(methods)?);
    }
    Ok(kinds)
}

/// Draws the case's histogram with the thresholds of its answers.
fn plot(options: &Calibrate, subject: &Subject, answers: &[Answer]) -> Result<()> {
    let (Some(path), Some(stats)) = (&options.plot, subject.stats()) else { return Ok(()) };
    let (Some(histogram), Some(observed)) = (&stats.histogram, stats.range) else { return Ok(()) };
    let (first_bin, bin_width, counts) = linear(histogram, observed);
    let of_case = |a: &&Answer| a.case == subject.name();
    let thresholds = answers.iter().filter(of_case).filter_map(|a| {
        let (low, high) = (a.low.as_ref()?.one()?, a.high.as_ref()?.one()?);
        let clipped_share = a.distances.clipped_share?;
        Some(Threshold {
            calibrator: a.calibrator.clone(),
            low: low as f32,
            high: high as f32,
            clipped_share,
        })
    });
    let tensor = SiteHistogram {
        model: origin(options),
        site: subject.name().to_owned(),
        bin_width,
        first_bin,
        counts,
        thresholds: thresholds.collect(),
    };
    let Some(svg) = calibration_plot(&tensor)? else { return Ok(()) };
    let path = if subject.alone() { path.clone() } else { with_case(path, subject.name()) };
    write_atomic(&path, svg.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    console::note(&format!("plot: {}", path.display()));
    Ok(())
}

/// The file that the data came from, without its folder.
fn origin(options: &Calibrate) -> String {
    let path = options.tensors.as_ref().or(options.stats.as_ref());
    path.and_then(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// `out.svg` and case `a/b` → `out-a_b.svg`.
fn with_case(path: &Path, case: &str) -> PathBuf {
    let safe: String =
        case.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{safe}.{extension}"))
}

/// A histogram in some 2,000 equal bins, one of whose edges is zero: the first, their width, elements in each.
#[must_use]
pub fn linear(histogram: &Histogram, observed: Range) -> (i64, f64, Vec<u64>) {
    const BINS: f64 = 2000.0;
    let (low, high) = (f64::from(observed.low), f64::from(observed.high));
    let span = (high - low).max(high.abs().max(low.abs()) * 1e-3).max(f64::from(f32::MIN_POSITIVE));
    let width = span / BINS;
    let first = (low / width).floor();
    let bins = (high / width).floor() - first + 1.0;
    let counts = histogram.rebinned(observed, first * width, (first + bins) * width, bins as usize);
    // Bins of the histogram that were cut leave parts of elements: running totals are rounded, so none is lost.
    let (mut exact, mut whole) = (0.0_f64, 0_u64);
    let counts = counts.into_iter().map(|n| {
        exact += n;
        let before = std::mem::replace(&mut whole, exact.round() as u64);
        whole - before
    });
    (first as i64, width, counts.collect())
}
