//! Distances between the elements of two tensors, all from one scan.

/// The value, in dB, that [`sqnr_db`] gives for two equal tensors, and the largest it ever gives.
///
/// Equal tensors have an infinite ratio, which JSON cannot hold; two `f32` tensors that differ anywhere stay
/// far below this cap in practice.
pub const SQNR_CAP_DB: f64 = 200.0;

/// Distances between a reference and a candidate, element by element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pointwise {
    /// Mean squared error, `Σ(r − c)² / n`, in squared units of the tensor.
    pub mse: f64,
    /// Mean absolute error, `Σ|r − c| / n`, in units of the tensor.
    pub mean_abs_error: f64,
    /// Largest absolute error, `max |r − c|`, in units of the tensor.
    pub max_abs_error: f64,
    /// Signal-to-quantization-noise ratio, see [`sqnr_db`].
    pub sqnr_db: Option<f64>,
    /// Cosine similarity, see [`cosine`].
    pub cosine: Option<f64>,
}

impl Pointwise {
    /// All distances from one scan; `None` where the lengths differ, there is no element, or one is not finite.
    pub fn of(reference: &[f32], candidate: &[f32]) -> Option<Self> {
        if reference.len() != candidate.len() {
            return None;
        }
        ErrorSums::of(reference, candidate).finish()
    }
}

/// Mean squared error, `Σ(r − c)² / n`, in squared units of the tensor; `None` where undefined.
pub fn mse(reference: &[f32], candidate: &[f32]) -> Option<f64> {
    Pointwise::of(reference, candidate).map(|p| p.mse)
}

/// Signal-to-quantization-noise ratio, `10·log10(Σr² / Σ(r − c)²)`, in dB; higher is better.
///
/// Two equal tensors give [`SQNR_CAP_DB`], which is also the upper limit. A reference that is all zero with a
/// candidate that is not has no signal: `None`, as for every other undefined input.
pub fn sqnr_db(reference: &[f32], candidate: &[f32]) -> Option<f64> {
    Pointwise::of(reference, candidate)?.sqnr_db
}

/// Cosine similarity, `Σr·c / (‖r‖·‖c‖)`, in −1..1; `None` where undefined, which includes a zero norm.
pub fn cosine(reference: &[f32], candidate: &[f32]) -> Option<f64> {
    Pointwise::of(reference, candidate)?.cosine
}

/// Largest absolute error, `max |r − c|`, in units of the tensor; `None` where undefined.
pub fn max_abs_error(reference: &[f32], candidate: &[f32]) -> Option<f64> {
    Pointwise::of(reference, candidate).map(|p| p.max_abs_error)
}

/// The sums that every distance here is made of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ErrorSums {
    /// Elements, or their mass.
    pub weight: f64,
    /// `Σ r²`.
    pub signal: f64,
    /// `Σ c²`.
    pub candidate: f64,
    /// `Σ r·c`.
    pub dot: f64,
    /// `Σ (r − c)²`.
    pub noise: f64,
    /// `Σ |r − c|`.
    pub absolute: f64,
    /// `max |r − c|`.
    pub max: f64,
}

/// Independent running sums: two SSE2 registers or one AVX register for each of six sums.
const LANES: usize = 4;

/// [`ErrorSums`] in lanes, an array for each sum, so that every sum is a vector to the compiler.
#[derive(Default)]
struct Lanes {
    signal: [f64; LANES],
    candidate: [f64; LANES],
    dot: [f64; LANES],
    noise: [f64; LANES],
    absolute: [f64; LANES],
    max: [f64; LANES],
}

impl Lanes {
    #[inline(always)]
    fn add(&mut self, reference: &[f32; LANES], candidate: &[f32; LANES]) {
        let (reference, candidate) = (reference.map(f64::from), candidate.map(f64::from));
        for lane in 0..LANES {
            let (r, c) = (reference[lane], candidate[lane]);
            let error = r - c;
            let size = error.abs();
            self.signal[lane] += r * r;
            self.candidate[lane] += c * c;
            self.dot[lane] += r * c;
            self.noise[lane] += error * error;
            self.absolute[lane] += size;
            self.max[lane] = if size > self.max[lane] { size } else { self.max[lane] };
        }
    }
}

impl ErrorSums {
    /// Sums of two tensors of one length.
    fn of(reference: &[f32], candidate: &[f32]) -> Self {
        let mut lanes = Lanes::default();
        let (r_chunks, r_rest) = reference.as_chunks::<LANES>();
        let (c_chunks, c_rest) = candidate.as_chunks::<LANES>();
        for (r, c) in r_chunks.iter().zip(c_chunks) {
            lanes.add(r, c);
        }
        // Two zeros add nothing to any sum.
        let filled = |rest: &[f32]| std::array::from_fn(|i| rest.get(i).copied().unwrap_or(0.0));
        lanes.add(&filled(r_rest), &filled(c_rest));
        Self {
            weight: reference.len() as f64,
            signal: lanes.signal.iter().sum(),
            candidate: lanes.candidate.iter().sum(),
            dot: lanes.dot.iter().sum(),
            noise: lanes.noise.iter().sum(),
            absolute: lanes.absolute.iter().sum(),
            max: lanes.max.into_iter().fold(0.0, f64::max),
        }
    }

    /// The distances; `None` without weight, or where an element was not finite.
    pub fn finish(&self) -> Option<Pointwise> {
        // Squares of finite f32 cannot overflow in f64, so these two tell whether every element was finite.
        let finite = self.signal.is_finite() && self.candidate.is_finite() && self.noise.is_finite();
        if !finite || self.weight <= 0.0 {
            return None;
        }
        let sqnr_db = if self.noise == 0.0 {
            Some(SQNR_CAP_DB)
        } else if self.signal == 0.0 {
            None
        } else {
            Some((10.0 * (self.signal / self.noise).log10()).min(SQNR_CAP_DB))
        };
        let norms = self.signal.sqrt() * self.candidate.sqrt();
        Some(Pointwise {
            mse: self.noise / self.weight,
            mean_abs_error: self.absolute / self.weight,
            max_abs_error: self.max,
            sqnr_db,
            cosine: (norms > 0.0).then(|| (self.dot / norms).clamp(-1.0, 1.0)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_testkit::Random;

    #[track_caller]
    fn close(got: Option<f64>, want: f64) {
        let got = got.expect("defined");
        assert!((got - want).abs() <= 1e-9 * want.abs().max(1.0), "got {got}, want {want}");
    }

    #[test]
    fn known_answers() {
        let (r, c) = ([3.0_f32, -4.0, 0.0], [3.0_f32, -3.0, 1.0]);
        close(mse(&r, &c), 2.0 / 3.0);
        close(sqnr_db(&r, &c), 10.0 * (25.0_f64 / 2.0).log10());
        close(cosine(&r, &c), 21.0 / (5.0 * 19.0_f64.sqrt()));
        close(max_abs_error(&r, &c), 1.0);
        close(Pointwise::of(&r, &c).map(|p| p.mean_abs_error), 2.0 / 3.0);
    }

    #[test]
    fn the_lanes_give_what_the_definition_gives_at_every_length() {
        let mut random = Random::new(1);
        for len in (1..20).chain([1000, 1001, 1002, 1003]) {
            let (r, c) = (random.normals(len), random.normals(len));
            let pairs = || r.iter().zip(&c).map(|(r, c)| (f64::from(*r), f64::from(*c)));
            let sum = |f: fn(f64, f64) -> f64| pairs().map(|(r, c)| f(r, c)).sum::<f64>();
            let (n, noise) = (len as f64, sum(|r, c| (r - c).powi(2)));
            let got = Pointwise::of(&r, &c);
            close(got.map(|p| p.mse), noise / n);
            close(got.map(|p| p.mean_abs_error), sum(|r, c| (r - c).abs()) / n);
            close(got.and_then(|p| p.sqnr_db), 10.0 * (sum(|r, _| r * r) / noise).log10());
            let norms = (sum(|r, _| r * r) * sum(|_, c| c * c)).sqrt();
            close(got.and_then(|p| p.cosine), sum(|r, c| r * c) / norms);
            let most = pairs().map(|(r, c)| (r - c).abs()).fold(0.0, f64::max);
            assert_eq!(got.map(|p| p.max_abs_error), Some(most));
        }
    }

    #[test]
    fn equal_tensors_hit_the_cap_and_zero_has_no_signal() {
        assert_eq!(sqnr_db(&[1.0, 2.0], &[1.0, 2.0]), Some(SQNR_CAP_DB));
        assert_eq!(sqnr_db(&[0.0], &[0.0]), Some(SQNR_CAP_DB));
        assert_eq!(sqnr_db(&[0.0], &[1.0]), None);
        assert_eq!(sqnr_db(&[1e30], &[1e30 + 1e23]).map(|x| x <= SQNR_CAP_DB), Some(true));
        assert_eq!(cosine(&[0.0], &[1.0]), None);
        assert_eq!(mse(&[1.0], &[1.0]), Some(0.0));
    }

    #[test]
    fn the_largest_and_the_smallest_floats_are_defined() {
        let got = Pointwise::of(&[f32::MAX; 9], &[f32::MIN; 9]).expect("finite elements");
        close(got.cosine, -1.0);
        assert_eq!(got.max_abs_error, 2.0 * f64::from(f32::MAX));
        close(got.sqnr_db, 10.0 * 0.25_f64.log10());
        // The square of the smallest is far above the smallest f64.
        close(cosine(&[1e-45; 5], &[-1e-45; 5]), -1.0);
    }

    #[test]
    fn undefined_inputs_give_none() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            // In the lanes, and in the rest behind them.
            for (len, place) in [(2, 1), (8, 3), (9, 8)] {
                let good = vec![1.0; len];
                let mut spoilt = good.clone();
                spoilt[place] = bad;
                for (r, c) in [(&good, &spoilt), (&spoilt, &good), (&spoilt, &spoilt)] {
                    assert_eq!(Pointwise::of(r, c), None);
                    assert_eq!(mse(r, c), None);
                    assert_eq!(sqnr_db(r, c), None);
                    assert_eq!(cosine(r, c), None);
                    assert_eq!(max_abs_error(r, c), None);
                }
            }
        }
        assert_eq!(mse(&[], &[]), None);
        assert_eq!(mse(&[1.0], &[1.0, 2.0]), None);
    }
}
