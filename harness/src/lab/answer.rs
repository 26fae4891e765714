//! What one method answers for one case.

use std::collections::BTreeSet;

use anyhow::Result;
use calibench_calibrators::per_channel;
use calibench_metrics::{Density, Distances, UniformQuantizer};
use calibench_quant::{
    Calibrator, IntFormat, Job, QParams, QuantError, Range, StatKind, Stats, Symmetry, find,
};
use serde::Serialize;

use super::certainty::{self, Bootstrap, Point, Question};
use super::options::{Calibrate, Target};
use super::oracle;
use super::source::{self, Case};
use crate::axes::answerable;

/// A case with its statistics: one set, or one for each channel.
#[derive(Debug)]
pub struct Subject {
    case: Case,
    stats: Vec<Stats>,
    /// All finite values; empty where there are only statistics.
    values: Vec<f32>,
    alone: bool,
}

impl Subject {
    /// Observes a case as the options ask.
    ///
    /// # Errors
    /// When it has no such axis.
    pub fn of_case(options: &Calibrate, case: Case, kinds: &BTreeSet<StatKind>) -> Result<Self> {
        let stats = match options.axis {
            Some(axis) if !options.weights => case.observe_channels(kinds, axis)?,
            _ => vec![case.observe(kinds, 0)?],
        };
        let values = case.finite();
        Ok(Self { case, stats, values, alone: false })
    }

    /// A case of which only statistics are left.
    #[must_use]
    pub fn of_stats(name: String, stats: Stats) -> Self {
        Self { case: Case { name, batches: vec![] }, stats: vec![stats], values: vec![], alone: false }
    }

    /// The same, being the only case.
    #[must_use]
    pub fn only_one(self, alone: bool) -> Self {
        Self { alone, ..self }
    }

    /// The case's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.case.name
    }

    /// Whether there is no other case.
    #[must_use]
    pub fn alone(&self) -> bool {
        self.alone
    }

    /// The statistics of the whole tensor, where they were not gathered by channel.
    #[must_use]
    pub fn stats(&self) -> Option<&Stats> {
        if self.stats.len() == 1 { self.stats.first() } else { None }
    }
}

/// One number for the tensor, or one for each channel or group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// For the tensor.
    One(f64),
    /// For each channel or group in turn.
    Many(Vec<f64>),
}

impl OneOrMany {
    fn of(mut values: Vec<f64>, many: bool) -> Self {
        if many || values.len() != 1 { Self::Many(values) } else { Self::One(values.remove(0)) }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn one(&self) -> Option<f64> {
        if let Self::One(value) = self { Some(*value) } else { None }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[f64] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// One integer for the tensor, or one for each channel or group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ZeroPoint {
    /// For the tensor.
    One(i32),
    /// For each channel or group in turn.
    Many(Vec<i32>),
}

/// A method's answer for a case: an object of the JSON output.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Answer {
    /// The case.
    pub case: String,
    /// The method.
    pub calibrator: String,
    /// Number format of the codes.
    pub dtype: String,
    /// `affine` or `symmetric`: a method that has only symmetric answers gives one where affine was asked.
    pub symmetry: &'static str,
    /// Elements seen.
    pub elements: u64,
    /// Of them NaN; left out.
    pub nan: u64,
    /// Of them infinite; left out.
    pub infinite: u64,
    /// Low threshold, in units of the tensor.
    pub low: Option<OneOrMany>,
    /// High threshold.
    pub high: Option<OneOrMany>,
    /// Units of the tensor per code.
    pub scale: Option<OneOrMany>,
    /// The code of 0.0.
    pub zero_point: Option<ZeroPoint>,
    /// Lowest code.
    pub q_min: Option<i32>,
    /// Highest code.
    pub q_max: Option<i32>,
    /// Between the tensor and what quantization makes of it; expected ones where only a histogram is left.
    #[serde(flatten)]
    pub distances: Distances,
    /// Mean squared error over the least that any threshold was found to reach; 1 is the optimum.
    pub oracle_gap: Option<f64>,
    /// Resampled thresholds, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Bootstrap>,
    /// Thresholds and error against the number of samples, where asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<Point>,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a method answers; that it has no answer is part of the answer.
///
/// # Errors
/// When the method's name is unknown or observers fail.
pub fn answer(options: &Calibrate, subject: &Subject, method: &str) -> Result<Answer> {
    let sum = |count: fn(&Stats) -> u64| subject.stats.iter().map(count).sum();
    let mut answer = Answer {
        case: subject.name().to_owned(),
        calibrator: method.to_owned(),
        elements: sum(|s| s.elements),
        nan: sum(|s| s.nan),
        infinite: sum(|s| s.infinite),
        ..Answer::default()
    };
    match options.dtype {
        Target::Fp8(format) => {
            answer.dtype = format.to_string();
            answer.symmetry = Symmetry::Symmetric.id();
            let entry = find(calibench_calibrators::fp8::ALL, "fp8 calibrator", method)?;
            match (entry.construct)().scale(subject.name(), &subject.stats[0], format) {
                Err(error) => answer.error = Some(error.to_string()),
                Ok(scale) => {
                    let bound = f64::from(scale) * f64::from(format.largest());
                    answer.low = Some(OneOrMany::One(-bound));
                    answer.high = Some(OneOrMany::One(bound));
                    answer.scale = Some(OneOrMany::One(f64::from(scale)));
                    if !subject.values.is_empty() {
                        let quantized: Vec<f32> =
                            subject.values.iter().map(|v| format.fake_quantize(*v, scale)).collect();
                        answer.distances = Distances::between(&subject.values, &quantized);
                    }
                }
            }
        }
        Target::Int(format) => {
            let format = if options.reduce_range { format.reduced() } else { format };
            answer.dtype = format.to_string();
            if options.weights {
                weights(options, subject, method, format, &mut answer)?;
            } else {
                activations(options, subject, method, format, &mut answer)?;
            }
        }
    }
    Ok(answer)
}

fn activations(
    options: &Calibrate,
    subject: &Subject,
    method: &str,
    format: IntFormat,
    answer: &mut Answer,
) -> Result<()> {
    let calibrator = (find(calibench_calibrators::ALL, "calibrator", method)?.construct)();
    let asked = if options.symmetric { Symmetry::Symmetric } else { Symmetry::Affine };
    let symmetry = answerable(calibrator.as_ref(), format, asked);
    answer.symmetry = symmetry.id();
    match solve(calibrator.as_ref(), subject, options.axis.is_some(), format, symmetry) {
        Err(error) => answer.error = Some(error.to_string()),
        Ok((ranges, q)) => {
            let many = options.axis.is_some();
            let ends = |end: fn(&Range) -> f32| ranges.iter().map(|r| f64::from(end(r))).collect();
            answer.low = Some(OneOrMany::of(ends(|r| r.low), many));
            answer.high = Some(OneOrMany::of(ends(|r| r.high), many));
            parameters(answer, &q, many);
            answer.distances = distances(options, subject, &q)?;
            let question = Question { method: calibrator.as_ref(), format, symmetry };
            if let Some(resamples) = options.bootstrap {
                answer.bootstrap = certainty::bootstrap(&subject.case, question, resamples, options.seed)?;
            }
            if options.curve {
                answer.curve = certainty::curve(&subject.case, question, options.seed)?;
            }
        }
    }
    Ok(())
}

fn solve(
    calibrator: &dyn Calibrator,
    subject: &Subject,
    by_channel: bool,
    format: IntFormat,
    symmetry: Symmetry,
) -> Result<(Vec<Range>, QParams), QuantError> {
    let site = subject.name();
    let job = |stats| Job { site, stats, format, symmetry };
    let ranges = subject.stats.iter().map(|stats| calibrator.range(&job(stats))).collect::<Result<_, _>>()?;
    let q = if by_channel {
        per_channel(calibrator, site, &subject.stats, format, symmetry)?
    } else {
        calibrator.calibrate(&job(&subject.stats[0]))?
    };
    Ok((ranges, q))
}

fn parameters(answer: &mut Answer, q: &QParams, many: bool) {
    answer.scale = Some(OneOrMany::of(q.scale.iter().copied().map(f64::from).collect(), many));
    answer.zero_point = Some(match &q.zero_point[..] {
        [one] if !many => ZeroPoint::One(*one),
        all => ZeroPoint::Many(all.to_vec()),
    });
    (answer.q_min, answer.q_max) = (Some(q.q_min), Some(q.q_max));
}

/// Scales of weights: the tensor's own values, batch after batch being one tensor each.
fn weights(
    options: &Calibrate,
    subject: &Subject,
    method: &str,
    format: IntFormat,
    answer: &mut Answer,
) -> Result<()> {
    answer.symmetry = Symmetry::Symmetric.id();
    let entry = find(calibench_calibrators::weights::ALL, "weight calibrator", method)?;
    // Channels are moved to the front, so that each is one run of values.
    let mut values = Vec::new();
    let mut chunk = 0;
    for tensor in &subject.case.batches {
        match options.axis {
            Some(axis) => {
                let channels = source::layout(tensor, axis)?.split(&tensor.values);
                chunk = channels.first().map_or(0, Vec::len);
                values.extend(channels.into_iter().flatten());
            }
            None => values.extend_from_slice(&tensor.values),
        }
    }
    if options.axis.is_none() {
        chunk = options.group_size.unwrap_or(values.len());
    }
    match (entry.construct)().calibrate(subject.name(), &values, chunk, format) {
        Err(error) => answer.error = Some(error.to_string()),
        Ok(q) => {
            let many = options.axis.is_some() || options.group_size.is_some();
            let bounds: Vec<f64> = (0..q.scale.len()).map(|c| f64::from(q.thresholds(c).high)).collect();
            answer.low = Some(OneOrMany::of(bounds.iter().map(|b| -b).collect(), many));
            answer.high = Some(OneOrMany::of(bounds, many));
            parameters(answer, &q, many);
            let quantized: Vec<f32> =
                values.iter().enumerate().map(|(i, v)| q.fake_quantize(*v, i / chunk)).collect();
            answer.distances = Distances::between(&values, &quantized);
        }
    }
    Ok(())
}

/// Distances on the values, or on the histogram where only that is left.
fn distances(options: &Calibrate, subject: &Subject, q: &QParams) -> Result<Distances> {
    if let Some(axis) = options.axis {
        let (mut reference, mut candidate) = (Vec::new(), Vec::new());
        for tensor in &subject.case.batches {
            let channels = source::layout(tensor, axis)?.split(&tensor.values);
            for (channel, values) in channels.into_iter().enumerate() {
                let finite = values.into_iter().filter(|v| v.is_finite());
                for v in finite {
                    reference.push(v);
                    candidate.push(q.fake_quantize(v, channel));
                }
            }
        }
        return Ok(Distances::between(&reference, &candidate));
    }
    let quantizer = UniformQuantizer::new(q.scale[0], q.zero_point[0], q.q_min, q.q_max)?;
    if !subject.values.is_empty() {
        return Ok(Distances::of_quantizer(&subject.values, &quantizer));
    }
    let stats = &subject.stats[0];
    let (Some(histogram), Some(observed)) = (&stats.histogram, stats.range) else {
        return Ok(Distances::default());
    };
    Ok(Distances::of_quantized_density(&density(histogram, observed)?, &quantizer))
}

/// The histogram as a density: its bins, and empty ones between those that are apart.
fn density(histogram: &calibench_quant::Histogram, observed: Range) -> Result<Density> {
    let (mut edges, mut mass): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    for cell in histogram.cells(observed) {
        match edges.last() {
            None => edges.push(cell.low),
            Some(last) if *last < cell.low => {
                mass.push(0.0);
                edges.push(cell.low);
            }
            Some(_) => {}
        }
        mass.push(cell.count);
        edges.push(cell.high);
    }
    Ok(Density::new(edges, mass)?)
}

/// Sets the oracle gap of the case's answers, per tensor and on values: each one's mean squared error over the
/// least that was found.
pub fn compare_with_oracle(options: &Calibrate, subject: &Subject, answers: &mut [Answer]) {
    let Target::Int(format) = options.dtype else { return };
    if options.axis.is_some() || options.weights || subject.values.is_empty() {
        return;
    }
    let format = if options.reduce_range { format.reduced() } else { format };
    for symmetry in Symmetry::ALL {
        let mut group: Vec<&mut Answer> = answers
            .iter_mut()
            .filter(|a| a.case == subject.name() && a.symmetry == symmetry.id() && a.error.is_none())
            .collect();
        if group.is_empty() {
            continue;
        }
        let mse = find(calibench_calibrators::ALL, "calibrator", "mse").map(|e| (e.construct)());
        let start = mse.and_then(|mse| {
            mse.range(&Job { site: subject.name(), stats: &subject.stats[0], format, symmetry: *symmetry })
        });
        let found =
            start.ok().and_then(|start| oracle::least_error(&subject.values, start, format, *symmetry));
        let reached = group.iter().filter_map(|a| a.distances.mse);
        let least = reached.chain(found).fold(f64::INFINITY, f64::min);
        for answer in &mut group {
            answer.oracle_gap = match answer.distances.mse {
                Some(mse) if mse == least => Some(1.0),
                Some(mse) if least > 0.0 => Some(mse / least),
                _ => None,
            };
        }
    }
}
