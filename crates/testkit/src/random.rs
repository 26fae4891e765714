//! Seeded test data.

/// Deterministic numbers from a seed (SplitMix64, Steele et al. 2014), in the shapes that tests need.
///
/// For tests and benches only: not for anything whose quality of randomness matters.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in the open interval (0, 1).
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// An index below `len` (not zero).
    pub fn below(&mut self, len: usize) -> usize {
        (self.bits() % len as u64) as usize
    }

    /// Standard normal (Box–Muller).
    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Laplace with scale 1: density `exp(−|x|) / 2`.
    pub fn laplace(&mut self) -> f64 {
        let u = self.unit() - 0.5;
        -u.signum() * (-2.0 * u.abs()).ln_1p()
    }

    /// Student-t with three degrees of freedom: the heavy tails of transformer activations.
    pub fn student_t(&mut self) -> f64 {
        let square = |x: f64| x * x;
        let chi = square(self.normal()) + square(self.normal()) + square(self.normal());
        self.normal() / (chi / 3.0).sqrt()
    }

    /// Log-normal: `exp` of a standard normal; one-sided.
    pub fn lognormal(&mut self) -> f64 {
        self.normal().exp()
    }

    /// Many of one distribution, as a tensor.
    pub fn many(&mut self, len: usize, draw: impl Fn(&mut Self) -> f64) -> Vec<f32> {
        (0..len).map(|_| draw(self) as f32).collect()
    }

    /// Standard normals.
    pub fn normals(&mut self, len: usize) -> Vec<f32> {
        self.many(len, Self::normal)
    }

    /// Puts the items in a random order (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        (mean, values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n)
    }

    #[test]
    fn distributions_have_their_moments() {
        let mut random = Random::new(1);
        let (mean, variance) = moments(&random.normals(100_000));
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        let (mean, variance) = moments(&random.many(100_000, Random::laplace));
        assert!(mean.abs() < 0.03 && (variance - 2.0).abs() < 0.1, "{mean} {variance}");
        let (mean, _) = moments(&random.many(100_000, Random::lognormal));
        assert!((mean - 0.5_f64.exp()).abs() < 0.05, "{mean}");
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        assert_eq!(Random::new(7).normals(10), Random::new(7).normals(10));
        assert_ne!(Random::new(7).normals(10), Random::new(8).normals(10));
    }
}
