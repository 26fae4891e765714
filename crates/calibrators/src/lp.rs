//! `lp-P`: the range with the least Lp norm of the quantization error.

use calibench_quant::{Calibrator, Cell, Entry, Histogram, Job, QParams, QuantError, Range, StatKind};

use crate::inputs;
use crate::search::{self, Steps};

/// Registry entry for the mean absolute error.
pub(crate) const ENTRY_1: Entry<dyn Calibrator> = Entry {
    id: "lp-1",
    summary: "the range with the least mean absolute error: clips outliers more than mse",
    source: "Choukroun et al. 2019, arXiv 1902.06822, §3",
    construct: || Box::new(Lp { p: 1.0 }),
};

/// Registry entry for p = 2.4.
pub(crate) const ENTRY_2_4: Entry<dyn Calibrator> = Entry {
    id: "lp-2.4",
    summary: "the range with the least L2.4 norm of the error: between mse and min-max",
    source: "Li et al. 2021, arXiv 2102.05426 (BRECQ), reference implementation",
    construct: || Box::new(Lp { p: 2.4 }),
};

/// Registry entry for p = 4.
pub(crate) const ENTRY_4: Entry<dyn Calibrator> = Entry {
    id: "lp-4",
    summary: "the range with the least L4 norm of the error: clips little, near min-max",
    source: "Nahshan et al. 2019, arXiv 1911.07190, §4 (LAPQ)",
    construct: || Box::new(Lp { p: 4.0 }),
};

/// The range that minimises `E |x − fake_quantize(x)|ᵖ` for x distributed as the histogram.
///
/// In code units `t = x / S` and with `r = clamp(round(t), q_min − Z, q_max − Z)`, `d = t − r`, the error has
/// the antiderivative
///
/// ```text
/// F(t) = r · 2 (½)ᵖ⁺¹ / (p + 1) + sign(d) |d|ᵖ⁺¹ / (p + 1)
/// ```
///
/// so that a bin of density ρ over `[a, b]` costs `ρ Sᵖ⁺¹ (F(b / S) − F(a / S))`, whatever lies in it. The
/// histogram is taken in bins of 2⁻⁵ of an octave. Candidates as for `mse`.
///
/// # Errors
/// [`QuantError::NoSample`], [`QuantError::MissingStat`].
///
/// Source: Nahshan et al. 2019 minimise the Lp error of each layer for several p; BRECQ uses 2.4. Limits: which
/// p serves a network best is not known beforehand.
struct Lp {
    p: f64,
}

/// Bins of the histogram that are taken as one: 2⁻⁵ of an octave is a quarter of an int8 code half way up.
const JOINED: i32 = 16;

impl Calibrator for Lp {
    fn needs(&self) -> &'static [StatKind] {
        &[StatKind::Range, StatKind::Histogram]
    }

    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError> {
        let observed = inputs::range(job)?;
        let cells = joined(inputs::histogram(job)?, observed);
        let clip = |low: f64, high: f64| inputs::clip(observed, -low, high);
        let cost = |low, high| {
            let q = QParams::from_range(job.site, clip(low, high), job.format, job.symmetry);
            q.map_or(f64::INFINITY, |q| self.error(&cells, &q))
        };
        // What lies a whole code beyond the range is clipped by at least the rest.
        let codes = f64::from(job.format.range(job.symmetry).1.max(1));
        let floor = |low: f64, high: f64| {
            let reach = (low + high) / codes;
            let beyond = |x: f64| (x - high - reach).max(-x - low - reach).max(0.0);
            let cost = |c: &Cell| c.count * beyond(c.low).min(beyond(c.high)).powf(self.p);
            let below = cells.iter().take_while(|c| -c.high > low + reach);
            below.chain(cells.iter().rev().take_while(|c| c.low > high + reach)).map(cost).sum()
        };
        Ok(search::thresholds(job, observed, Steps::FINE, clip, floor, cost))
    }
}

impl Lp {
    /// `Σ |x − fake_quantize(x)|ᵖ` over all elements.
    fn error(&self, cells: &[Cell], q: &QParams) -> f64 {
        let power = self.p + 1.0;
        let raised = |d: f64| match power {
            2.0 => d * d,
            5.0 => d.powi(5).abs(),
            _ => d.abs().powf(power),
        };
        let scale = f64::from(q.scale_of(0));
        let zero = q.zero_point_of(0);
        let (least, most) = (f64::from(q.q_min - zero), f64::from(q.q_max - zero));
        let whole = 2.0 * 0.5_f64.powf(power) / power;
        let split = |x: f64| {
            let t = x / scale;
            let r = t.round_ties_even().clamp(least, most);
            (r, t - r)
        };
        let antiderivative = |x: f64| {
            let (r, d) = split(x);
            r * whole + raised(d) / power * d.signum()
        };
        let scaled: f64 = cells
            .iter()
            .map(|cell| {
                if cell.high > cell.low {
                    let density = cell.count / (cell.high - cell.low);
                    density * scale * (antiderivative(cell.high) - antiderivative(cell.low))
                } else {
                    cell.count * split(cell.low).1.abs().powf(self.p)
                }
            })
            .sum();
        scaled * scale.powf(self.p)
    }
}

/// The histogram in coarser bins.
fn joined(histogram: &Histogram, observed: Range) -> Vec<Cell> {
    let mut cells: Vec<(i32, Cell)> = Vec::new();
    for ((bin, _), cell) in histogram.iter().zip(histogram.cells(observed)) {
        let coarse = bin.div_euclid(JOINED);
        match cells.last_mut() {
            // Within a coarse bin as if it were filled evenly, from its first value to its last.
            Some((same, joined)) if *same == coarse => {
                joined.high = cell.high;
                joined.count += cell.count;
            }
            _ => cells.push((coarse, cell)),
        }
    }
    cells.into_iter().map(|(_, cell)| cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::{IntFormat, Stats, Symmetry};
    use calibench_testkit::Random;

    fn stats(values: &[f32]) -> Stats {
        Stats {
            elements: values.len() as u64,
            range: Range::of(values),
            histogram: Histogram::of(values),
            ..Stats::default()
        }
    }

    #[test]
    fn the_integral_is_the_error_of_the_values() {
        let values = Random::new(1).many(100_000, Random::student_t);
        let stats = stats(&values);
        let cells = joined(stats.histogram.as_ref().unwrap(), stats.range.unwrap());
        for p in [1.0, 2.0, 2.4, 4.0] {
            for symmetry in Symmetry::ALL {
                let range = Range { low: -6.0, high: 5.0 };
                let q = QParams::from_range("t", range, IntFormat::INT8, *symmetry).unwrap();
                let got = Lp { p }.error(&cells, &q);
                let true_error: f64 =
                    values.iter().map(|v| f64::from((v - q.fake_quantize(*v, 0)).abs()).powf(p)).sum();
                assert!((got / true_error - 1.0).abs() < 0.02, "{p} {symmetry:?}: {got} {true_error}");
            }
        }
    }

    #[test]
    fn a_higher_power_clips_less() {
        let stats = stats(&Random::new(2).many(100_000, Random::student_t));
        for symmetry in Symmetry::ALL {
            let job = Job { site: "t", stats: &stats, format: IntFormat::INT8, symmetry: *symmetry };
            let bound = |p: f64| Lp { p }.range(&job).unwrap().bound();
            assert!(bound(1.0) < bound(2.4) && bound(2.4) < bound(4.0), "{symmetry:?}");
        }
    }
}
