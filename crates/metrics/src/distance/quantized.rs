//! What a uniform quantizer makes of a histogram, in expectation.

use super::density::Density;
use super::pointwise::{ErrorSums, Pointwise};
use super::quantizer::UniformQuantizer;
use super::wasserstein::mean_abs;

/// A histogram after quantization, and its distance from before.
///
/// Exact for values spread evenly within each bin, however many codes lie in it: every stretch of a bin that
/// rounds to one code is integrated by its closed form, and all terms are positive, so nothing cancels. Rounding
/// is that of real numbers; fp32 moves it by 2⁻²⁴ of a value at most.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedDensity {
    /// Expected errors of an element, with the largest within the bins that hold mass.
    ///
    /// The mean absolute error is also the Wasserstein-1 distance: quantization never changes the order of two
    /// values, so no other pairing moves less.
    pub pointwise: Pointwise,
    /// Share of the mass beyond an outermost code by more than half a step.
    pub clipped_share: f64,
    /// Share of the codes that receive mass. A sample of few values can miss codes that its histogram reaches.
    pub codes_used_share: f64,
    /// The quantized values: a point at each code that receives mass, which is the share of it.
    pub density: Density,
}

/// A stretch of a bin, in steps from 0.0, that becomes one code.
struct Piece {
    low: f64,
    high: f64,
    share: f64,
    /// The code, in steps from 0.0.
    steps: i32,
    clipped: bool,
}

impl UniformQuantizer {
    /// Quantizes a histogram; see [`QuantizedDensity`].
    ///
    /// `None` where squares of its values exceed `f64`. The time grows with bins plus codes.
    #[must_use]
    pub fn quantize_density(&self, density: &Density) -> Option<QuantizedDensity> {
        let mut sums = ErrorSums { weight: 1.0, ..ErrorSums::default() };
        let mut clipped_share = 0.0;
        let mut points: Vec<(i32, f64)> = Vec::new();
        self.pieces(density, |piece| {
            sums.add_piece(&piece);
            clipped_share += if piece.clipped { piece.share } else { 0.0 };
            match points.last_mut() {
                Some((steps, share)) if *steps == piece.steps => *share += piece.share,
                _ => points.push((piece.steps, piece.share)),
            }
        });
        let codes_used_share = points.len() as f64 / self.codes() as f64;
        let value = |steps: i32| f64::from(self.value(steps + self.zero_point()));
        let density = Density::from_points(points.iter().map(|(steps, share)| (value(*steps), *share)));
        Some(QuantizedDensity {
            pointwise: sums.scaled(f64::from(self.scale())).finish()?,
            // Shares may sum to a rounding error more than 1.
            clipped_share: f64::min(clipped_share, 1.0),
            codes_used_share,
            density: density.ok()?,
        })
    }

    /// Cuts every bin where its values change code or begin to be clipped; pieces ascend.
    fn pieces(&self, density: &Density, mut visit: impl FnMut(Piece)) {
        let (least, most) = self.ends();
        let scale = f64::from(self.scale());
        // The cells on either side of the codes' own are clipped.
        let cell_of = |t: f64| (t + 0.5).floor().clamp(f64::from(least) - 1.0, f64::from(most) + 1.0) as i32;
        for bin in density.bins() {
            let (low, high) = (bin.low / scale, bin.high / scale);
            if low == high {
                let steps = low.round_ties_even().clamp(f64::from(least), f64::from(most)) as i32;
                let clipped = low < f64::from(least) - 0.5 || low > f64::from(most) + 0.5;
                visit(Piece { low, high, share: bin.share, steps, clipped });
                continue;
            }
            let (first, last) = (cell_of(low), cell_of(high));
            for cell in first..=last {
                let from = if cell == first { low } else { f64::from(cell) - 0.5 };
                let to = if cell == last { high } else { f64::from(cell) + 0.5 };
                let share = bin.share * ((to - from) / (high - low));
                if share > 0.0 {
                    let steps = cell.clamp(least, most);
                    visit(Piece { low: from, high: to, share, steps, clipped: cell != steps });
                }
            }
        }
    }
}

impl ErrorSums {
    /// Adds the mean over a piece of each term, times its share.
    fn add_piece(&mut self, piece: &Piece) {
        // Mean of t² where t runs evenly from a to b.
        let mean_square = |a: f64, b: f64| (a * a + a * b + b * b) / 3.0;
        let steps = f64::from(piece.steps);
        let (from, to) = (piece.low - steps, piece.high - steps);
        self.signal += piece.share * mean_square(piece.low, piece.high);
        self.candidate += piece.share * steps * steps;
        self.dot += piece.share * steps * (piece.low + piece.high) / 2.0;
        self.noise += piece.share * mean_square(from, to);
        self.absolute += piece.share * mean_abs(from, to);
        self.max = self.max.max(from.abs()).max(to.abs());
    }

    /// The sums of a tensor `scale` times as large.
    fn scaled(self, scale: f64) -> Self {
        let square = scale * scale;
        Self {
            weight: self.weight,
            signal: self.signal * square,
            candidate: self.candidate * square,
            dot: self.dot * square,
            noise: self.noise * square,
            absolute: self.absolute * scale,
            max: self.max * scale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_testkit::Random;

    /// A step that is exact in binary: 1/16.
    const STEP: f64 = 0.0625;

    fn uniform(low: f64, high: f64) -> Density {
        Density::new(vec![low, high], vec![1.0]).unwrap()
    }

    fn quantizer(q_min: i32, q_max: i32) -> UniformQuantizer {
        UniformQuantizer::new(STEP as f32, 0, q_min, q_max).unwrap()
    }

    #[track_caller]
    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-12 * want.abs(), "got {got}, want {want}");
    }

    #[test]
    fn rounding_a_uniform_costs_a_twelfth_of_the_squared_step() {
        // Whole cells, and the half cells at both ends, have the same errors.
        for (low, high) in [(0.0, 1.0), (-1.0, 1.0), (0.5 * STEP, 8.5 * STEP)] {
            let got = quantizer(-16, 16).quantize_density(&uniform(low, high)).expect("defined");
            close(got.pointwise.mse, STEP * STEP / 12.0);
            close(got.pointwise.mean_abs_error, STEP / 4.0);
            close(got.pointwise.max_abs_error, STEP / 2.0);
            assert_eq!(got.clipped_share, 0.0);
        }
        let got = quantizer(0, 16).quantize_density(&uniform(0.0, 1.0)).expect("defined");
        // E[x²] = 1/3.
        close(got.pointwise.sqnr_db.expect("a signal"), 10.0 * (4.0 / (STEP * STEP)).log10());
        assert_eq!(got.codes_used_share, 1.0);
        assert_eq!(got.density.support().high, 1.0);
        assert_eq!(got.density.mass()[0], STEP / 2.0);
        assert_eq!(got.density.mass()[2], STEP);
    }

    #[test]
    fn clipping_a_uniform_by_hand() {
        // Codes reach 1, values 2: half is rounded, half is clipped by 0..1.
        let got = quantizer(0, 16).quantize_density(&uniform(0.0, 2.0)).expect("defined");
        close(got.pointwise.mse, 0.5 * STEP * STEP / 12.0 + 0.5 / 3.0);
        close(got.pointwise.mean_abs_error, 0.5 * STEP / 4.0 + 0.5 / 2.0);
        close(got.pointwise.max_abs_error, 1.0);
        // The half step above the last code is not clipped.
        close(got.clipped_share, (1.0 - STEP / 2.0) / 2.0);
        close(*got.density.mass().last().expect("codes"), 0.5 + STEP / 4.0);
        let got = quantizer(-16, -8).quantize_density(&uniform(0.0, 2.0)).expect("defined");
        close(got.clipped_share, 1.0);
        close(got.pointwise.max_abs_error, 2.5);
        close(got.codes_used_share, 1.0 / 9.0);
    }

    #[test]
    fn points_cost_what_they_cost() {
        // 0.3 is 4.8 steps, so code 5; 2.0 is clipped to 1.0; 0.0 is exact.
        let points = Density::from_points([(0.0, 2.0), (0.3, 1.0), (2.0, 1.0)]).unwrap();
        let got = quantizer(0, 16).quantize_density(&points).expect("defined");
        let error: f64 = 0.3125 - 0.3;
        close(got.pointwise.mse, (error * error + 1.0) / 4.0);
        close(got.pointwise.mean_abs_error, (error + 1.0) / 4.0);
        assert_eq!(got.clipped_share, 0.25);
        assert_eq!(got.codes_used_share, 3.0 / 17.0);
        close(got.pointwise.cosine.expect("norms"), (0.09375 + 2.0) / (4.09 * 1.097_656_25_f64).sqrt());
        let values: Vec<f64> = got.density.bins().map(|b| b.low).collect();
        assert_eq!(values, [0.0, 0.3125, 1.0]);
    }

    #[test]
    fn ties_and_the_clipping_bound_are_those_of_a_tensor() {
        let q = quantizer(0, 16);
        let ties: Vec<f32> = (-2..=34).map(|i| i as f32 / 2.0 * STEP as f32).collect();
        let points = Density::from_points(ties.iter().map(|v| (f64::from(*v), 1.0))).unwrap();
        let got = q.quantize_density(&points).expect("defined");
        assert_eq!(Some(got.codes_used_share), q.codes_used_share(&ties));
        let clipped = q.clipped_share(&ties).expect("defined");
        close(got.clipped_share, clipped);
        assert!(clipped > 0.0);
    }

    #[test]
    fn a_value_that_is_a_code_has_no_error() {
        let got = quantizer(-8, 8)
            .quantize_density(&Density::from_points([(-2.0 * STEP, 1.0), (3.0 * STEP, 1.0)]).unwrap())
            .expect("defined");
        assert_eq!(got.pointwise.mse, 0.0);
        assert_eq!(got.pointwise.sqnr_db, Some(super::super::SQNR_CAP_DB));
        let zero = quantizer(-8, 8).quantize_density(&Density::from_points([(0.0, 1.0)]).unwrap());
        assert_eq!(zero.expect("defined").pointwise.cosine, None);
    }

    #[test]
    fn the_closed_form_is_the_integral() {
        const POINTS: u32 = 4000;
        let mut random = Random::new(3);
        for round in 0..40 {
            let mut edges = vec![random.normal()];
            let mut mass = Vec::new();
            for _ in 0..6 {
                edges.push(edges[edges.len() - 1] + random.unit());
                mass.push(random.unit());
            }
            let density = Density::new(edges.clone(), mass.clone()).unwrap();
            let scale = (0.02 + 0.5 * random.unit()) as f32;
            let q = UniformQuantizer::new(scale, 3, -5, 12).unwrap();
            let got = q.quantize_density(&density).expect("defined");
            // Midpoints of many narrow slices of each bin.
            let (mut sums, mut clipped) = (ErrorSums { weight: 1.0, ..ErrorSums::default() }, 0.0);
            for (i, m) in mass.iter().enumerate() {
                for slice in 0..POINTS {
                    let at = (f64::from(slice) + 0.5) / f64::from(POINTS);
                    let x = edges[i] + (edges[i + 1] - edges[i]) * at;
                    let share = m / density.total() / f64::from(POINTS);
                    let y = f64::from(q.fake_quantize(x as f32));
                    sums.signal += share * x * x;
                    sums.candidate += share * y * y;
                    sums.dot += share * x * y;
                    sums.noise += share * (x - y) * (x - y);
                    sums.absolute += share * (x - y).abs();
                    sums.max = sums.max.max((x - y).abs());
                    clipped += share * q.clipped_share(&[x as f32]).expect("finite");
                }
            }
            let want = sums.finish().expect("finite");
            let near = |got: f64, want: f64| {
                assert!((got - want).abs() < 2e-3 * want.abs(), "{round}: got {got}, want {want}");
            };
            near(got.pointwise.mse, want.mse);
            near(got.pointwise.mean_abs_error, want.mean_abs_error);
            near(got.pointwise.max_abs_error, want.max_abs_error);
            near(got.pointwise.sqnr_db.expect("a signal"), want.sqnr_db.expect("a signal"));
            near(got.pointwise.cosine.expect("norms"), want.cosine.expect("norms"));
            assert!((got.clipped_share - clipped).abs() < 1e-3, "{round}: {} {clipped}", got.clipped_share);
        }
    }

    #[test]
    fn narrow_bins_far_from_zero_lose_no_digits() {
        // A bin of a millionth of a step around 32,000.3 steps: every error is 0.3 steps.
        let q = UniformQuantizer::new(1.0, 0, -32_768, 32_767).unwrap();
        let got = q.quantize_density(&uniform(32_000.3, 32_000.300_001)).expect("defined");
        assert!((got.pointwise.mse - 0.09).abs() < 1e-6, "{}", got.pointwise.mse);
        assert!((got.pointwise.mean_abs_error - 0.3).abs() < 1e-6);
    }

    #[test]
    fn squares_beyond_f64_are_undefined() {
        let far = Density::from_points([(1e300, 1.0)]).unwrap();
        assert_eq!(quantizer(0, 16).quantize_density(&far), None);
    }
}
