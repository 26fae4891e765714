//! Scales for 8-bit floating-point formats.

use calibench_quant::{Entry, Fp8Calibrator, Fp8Format, Job, QuantError, StatKind, Stats};

use crate::inputs;
use crate::side::{Moments, Side, Sum};

/// Every method for fp8, in the order of help texts.
pub const ALL: &[Entry<dyn Fp8Calibrator>] = &[
    Entry {
        id: "max",
        summary: "the largest magnitude becomes the format's largest value",
        source: "Micikevicius et al. 2022, arXiv 2209.05433, §4",
        construct: || Box::new(Max),
    },
    Entry {
        id: "distribution",
        summary: "the standard deviation becomes that of the format's own values",
        source: "onnxruntime.quantization.calibrate.DistributionCalibrater",
        construct: || Box::new(Distribution),
    },
];

/// `S = max |x| / largest`. Limits: an outlier costs the others exponent range, but, unlike with integers,
/// no relative precision until they become subnormal.
struct Max;

/// `S = std(x) / std(format)`, the latter over all finite values of the format, each once: 100.06 for e4m3
/// and 11,840 or so for e5m2.
///
/// Source: ONNX Runtime, for e4m3. Limits: assumes that x has the shape of the format's own distribution; what
/// lies beyond S times the largest value saturates.
struct Distribution;

impl Fp8Calibrator for Max {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Range]
    }

    fn scale(&self, site: &str, stats: &Stats, format: Fp8Format) -> Result<f32, QuantError> {
        let bound = inputs::range(&job(site, stats))?.bound();
        Ok(positive(f64::from(bound) / f64::from(format.largest())))
    }
}

impl Fp8Calibrator for Distribution {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Range, StatKind::Histogram]
    }

    fn scale(&self, site: &str, stats: &Stats, format: Fp8Format) -> Result<f32, QuantError> {
        let job = job(site, stats);
        let observed = inputs::range(&job)?;
        let histogram = inputs::histogram(&job)?;
        let (positive_side, negative): (Side<Moments>, Side<Moments>) =
            (Side::positive(histogram, observed), Side::negative(histogram, observed));
        let all = positive_side.all().plus(negative.all());
        let mean = (positive_side.all().sum - negative.all().sum) / all.count;
        let variance = (all.squares / all.count - mean * mean).max(0.0);
        Ok(positive(variance.sqrt() / spread(format)))
    }
}

/// Standard deviation of the format's finite values, both zeros among them.
fn spread(format: Fp8Format) -> f64 {
    let values: Vec<f64> = format.magnitudes().map(f64::from).collect();
    (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt()
}

/// The format and symmetry of a job matter to integers only.
fn job<'a>(site: &'a str, stats: &'a Stats) -> Job<'a> {
    let format = calibench_quant::IntFormat::INT8;
    Job { site, stats, format, symmetry: calibench_quant::Symmetry::Symmetric }
}

/// A scale by which one can divide.
fn positive(scale: f64) -> f32 {
    (scale as f32).clamp(calibench_quant::MIN_SCALE, f32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::{Histogram, Range};
    use calibench_testkit::Random;

    #[test]
    fn scales_of_a_normal_tensor() {
        let values = Random::new(1).many(200_000, |r| 3.0 + 2.0 * r.normal());
        let stats = Stats {
            elements: values.len() as u64,
            range: Range::of(&values),
            histogram: Histogram::of(&values),
            ..Stats::default()
        };
        let most = stats.range.unwrap().bound();
        for format in Fp8Format::ALL {
            assert_eq!(Max.scale("t", &stats, *format).unwrap(), most / format.largest());
            let scale = f64::from(Distribution.scale("t", &stats, *format).unwrap());
            assert!((scale * spread(*format) - 2.0).abs() < 0.02, "{format}");
        }
        // numpy.std of all finite e4m3 values, as ONNX Runtime takes it.
        assert!((spread(Fp8Format::E4M3) - 100.057_556).abs() < 1e-3, "{}", spread(Fp8Format::E4M3));
    }

    #[test]
    fn a_site_without_values_is_an_error_and_zeros_give_a_scale() {
        for entry in ALL {
            let method = (entry.construct)();
            let error = method.scale("relu", &Stats::default(), Fp8Format::E4M3).unwrap_err();
            assert!(error.to_string().contains("relu"), "{error}");
            let stats = Stats {
                elements: 1,
                range: Range::of(&[0.0]),
                histogram: Histogram::of(&[0.0]),
                ..Stats::default()
            };
            assert!(method.scale("relu", &stats, Fp8Format::E4M3).unwrap() > 0.0, "{}", entry.id);
        }
    }
}
