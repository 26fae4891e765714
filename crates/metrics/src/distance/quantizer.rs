//! A uniform quantizer, and what it does to a tensor.

use crate::MetricsError;

/// Largest magnitude of a code: differences of codes and the rounding in [`UniformQuantizer::steps`] are then
/// exact in fp32. Twenty bits, where integer formats have at most sixteen.
const MOST_CODE: i32 = 1 << 20;

/// One scale and zero point over consecutive integer codes: `code = clamp(round(x / S) + Z, q_min, q_max)`, ties
/// to even, `value = S · (code − Z)`, all in fp32.
///
/// Codes and values are those of the project's quantization parameters of one channel, bit for bit.
///
/// # Example
/// ```
/// use calibench_metrics::UniformQuantizer;
///
/// let int8 = UniformQuantizer::new(0.5, 0, -127, 127)?;
/// assert_eq!(int8.code(0.8), 2);
/// assert_eq!(int8.fake_quantize(100.0), 63.5);
/// assert_eq!(int8.clipped_share(&[0.8, 63.7, 100.0, -100.0]), Some(0.5));
/// # Ok::<(), calibench_metrics::MetricsError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UniformQuantizer {
    scale: f32,
    zero_point: i32,
    q_min: i32,
    q_max: i32,
}

impl UniformQuantizer {
    /// A quantizer with `scale` in units of the tensor per code and codes `q_min..=q_max`.
    ///
    /// # Errors
    /// [`MetricsError::Scale`] when the scale is not positive and finite or gives an outermost code an infinite
    /// value; [`MetricsError::Codes`] when there is no code, or a code or the zero point exceeds ±2²⁰.
    pub fn new(scale: f32, zero_point: i32, q_min: i32, q_max: i32) -> Result<Self, MetricsError> {
        let allowed = -MOST_CODE..=MOST_CODE;
        if q_min > q_max || ![zero_point, q_min, q_max].iter().all(|code| allowed.contains(code)) {
            return Err(MetricsError::Codes { q_min, q_max, zero_point, most: MOST_CODE });
        }
        let quantizer = Self { scale, zero_point, q_min, q_max };
        let (low, high) = quantizer.thresholds();
        if scale.is_nan() || scale <= 0.0 || !low.is_finite() || !high.is_finite() {
            return Err(MetricsError::Scale { scale });
        }
        Ok(quantizer)
    }

    /// Units of the tensor per code.
    #[must_use]
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// The code of 0.0.
    #[must_use]
    pub fn zero_point(&self) -> i32 {
        self.zero_point
    }

    /// Lowest and highest code.
    #[must_use]
    pub fn code_range(&self) -> (i32, i32) {
        (self.q_min, self.q_max)
    }

    /// How many codes there are.
    #[must_use]
    pub fn codes(&self) -> usize {
        // Not negative, and at most 2²¹ + 1.
        (self.q_max - self.q_min + 1) as usize
    }

    /// Lowest and highest code less the zero point: the ends in steps from 0.0.
    pub(super) fn ends(&self) -> (i32, i32) {
        (self.q_min - self.zero_point, self.q_max - self.zero_point)
    }

    /// Steps from 0.0 to the code of `x`; 0, or the code next to it, for NaN.
    #[inline(always)]
    fn steps(&self, x: f32) -> f32 {
        // Adding and subtracting 1.5 · 2²³ rounds below 2²² to an integer, ties to even, and unlike `round`
        // vectorises everywhere. To get below, `t` is held one step beyond the codes first, and then to them.
        const SHIFT: f32 = 12_582_912.0;
        let (least, most) = self.ends();
        let (least, most) = (least as f32, most as f32);
        let hold = |t: f32, low: f32, high: f32| {
            let t = if t < low { low } else { t };
            if t > high { high } else { t }
        };
        let t = x / self.scale;
        let t = if t.is_nan() { 0.0 } else { hold(t, least - 1.0, most + 1.0) };
        hold((t + SHIFT) - SHIFT, least, most)
    }

    /// The code of `x`; for NaN the zero point, or the code next to it.
    #[must_use]
    #[inline]
    pub fn code(&self, x: f32) -> i32 {
        self.steps(x) as i32 + self.zero_point
    }

    /// The value of a code, in units of the tensor.
    #[must_use]
    #[inline]
    pub fn value(&self, code: i32) -> f32 {
        self.scale * (code - self.zero_point) as f32
    }

    /// What quantization makes of `x`: the value of its code.
    #[must_use]
    #[inline]
    pub fn fake_quantize(&self, x: f32) -> f32 {
        // Plus zero: the code of −0.1 is the zero point, whose value has no sign.
        self.scale * (self.steps(x) + 0.0)
    }

    /// The values of the lowest and the highest code.
    #[must_use]
    pub fn thresholds(&self) -> (f32, f32) {
        (self.value(self.q_min), self.value(self.q_max))
    }

    /// The bounds beyond which a value is clipped: half a step outside of the thresholds, because rounding alone
    /// moves a value by as much.
    fn clip_bounds(&self) -> (f32, f32) {
        let (low, high) = self.thresholds();
        let half = 0.5 * self.scale;
        (low - half, high + half)
    }

    /// Share of the elements that lie beyond an outermost code by more than half a step.
    ///
    /// `None` where the tensor is empty or holds an element that is not finite.
    #[must_use]
    pub fn clipped_share(&self, values: &[f32]) -> Option<f64> {
        if !super::is_sample(values) {
            return None;
        }
        let (low, high) = self.clip_bounds();
        let clipped = values.iter().filter(|v| **v < low || **v > high).count();
        Some(clipped as f64 / values.len() as f64)
    }

    /// Share of the codes that occur in the quantized tensor, the outermost ones by clipping included.
    ///
    /// `None` where the tensor is empty or holds an element that is not finite.
    #[must_use]
    pub fn codes_used_share(&self, values: &[f32]) -> Option<f64> {
        if !super::is_sample(values) {
            return None;
        }
        let mut used = vec![false; self.codes()];
        for v in values {
            used[(self.code(*v) - self.q_min) as usize] = true;
        }
        Some(used.iter().filter(|used| **used).count() as f64 / self.codes() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::{IntFormat, QParams, Range, Symmetry};
    use calibench_testkit::hostile;
    use proptest::prelude::*;

    fn of(qparams: &QParams) -> UniformQuantizer {
        let (q_min, q_max) = qparams.code_range();
        UniformQuantizer::new(qparams.scale[0], qparams.zero_point[0], q_min, q_max).unwrap()
    }

    #[test]
    fn what_beyond_half_a_step_is_clipped_and_codes_are_counted() {
        let q = UniformQuantizer::new(1.0, -128, -128, 127).unwrap();
        let values = [0.0, 255.0, 300.0, 255.4];
        assert_eq!(q.clipped_share(&values), Some(0.25));
        assert_eq!(q.codes_used_share(&values), Some(2.0 / 256.0));
        // Exactly half a step beyond is what rounding brings back.
        assert_eq!(q.clipped_share(&[255.5, -0.5]), Some(0.0));
        assert_eq!(q.clipped_share(&[255.501, -0.501]), Some(1.0));
        assert_eq!(q.codes_used_share(&[7.0]), Some(1.0 / 256.0));
    }

    #[test]
    fn undefined_inputs_give_none() {
        let q = UniformQuantizer::new(1.0, 0, -8, 7).unwrap();
        assert_eq!(q.clipped_share(&[]), None);
        assert_eq!(q.codes_used_share(&[]), None);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(q.clipped_share(&[1.0, bad]), None);
            assert_eq!(q.codes_used_share(&[1.0, bad]), None);
        }
    }

    #[test]
    fn a_zero_point_that_is_no_code_is_allowed() {
        // Values 10, 11, 12, 13.
        let q = UniformQuantizer::new(1.0, -10, 0, 3).unwrap();
        assert_eq!(q.thresholds(), (10.0, 13.0));
        assert_eq!((q.code(0.0), q.code(11.2), q.code(f32::NAN)), (0, 1, 0));
        assert_eq!(q.clipped_share(&[0.0, 9.5, 12.0, 14.0]), Some(0.5));
    }

    #[test]
    fn what_is_no_quantizer_is_refused_and_said() {
        for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, f32::MAX] {
            let fault = UniformQuantizer::new(scale, 0, -127, 127).expect_err("refused");
            assert!(fault.to_string().starts_with(&format!("scale {scale} cannot quantize")), "{fault}");
        }
        let fault = UniformQuantizer::new(1.0, 0, 1, 0).expect_err("refused");
        assert!(fault.to_string().starts_with("codes 1..=0 with zero point 0 cannot quantize"), "{fault}");
        assert!(UniformQuantizer::new(1.0, i32::MIN, 0, 255).is_err());
        assert!(UniformQuantizer::new(1.0, 0, i32::MIN, i32::MAX).is_err());
        assert!(UniformQuantizer::new(1.0, MOST_CODE, -MOST_CODE, MOST_CODE).is_ok());
    }

    proptest! {
        #[test]
        fn codes_and_values_are_those_of_the_quantization_parameters(
            values in hostile::tensor(),
            low in -100.0_f32..1.0,
            high in 0.0_f32..100.0,
            format in prop::sample::select(IntFormat::ALL),
            symmetry in prop::sample::select(Symmetry::ALL),
        ) {
            let range = Range { low: low.min(high), high };
            let qparams = QParams::from_range("t", range, format, symmetry).unwrap();
            let quantizer = of(&qparams);
            for v in values {
                prop_assert_eq!(quantizer.code(v), qparams.quantize(v, 0));
                prop_assert_eq!(
                    quantizer.fake_quantize(v).to_bits(),
                    qparams.fake_quantize(v, 0).to_bits()
                );
            }
        }

        #[test]
        fn ties_go_to_even(steps in -2000_i32..2000) {
            let q = UniformQuantizer::new(0.25, 0, -1000, 1000).unwrap();
            let t = steps as f32 / 2.0;
            prop_assert_eq!(q.code(t * 0.25), (t.round_ties_even() as i32).clamp(-1000, 1000));
        }
    }
}
