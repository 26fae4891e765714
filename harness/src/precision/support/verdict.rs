//! What results tell of the arithmetic behind them.

use serde::Serialize;

/// What becomes of a number format in an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// Results are those of fp32: nothing is rounded or quantized.
    Fp32,
    /// No rounding changes the result.
    Exact,
    /// Operands, parameters or results are numbers of the format; in between the arithmetic is fp32's.
    Stored,
    /// Arithmetic in the format.
    Computed,
    /// Results of arithmetic in the format, made by rounding what fp32 arithmetic gives.
    Emulated,
    /// Neither fp32's nor the format's result.
    Differs,
    /// There is no such execution.
    Refused,
}

impl Verdict {
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Exact => "exact",
            Self::Stored => "stored",
            Self::Computed => "computed",
            Self::Emulated => "emulated",
            Self::Differs => "differs",
            Self::Refused => "refused",
        }
    }
}

/// Where rounding to a half-precision format shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Rounded {
    /// Nowhere, and it would.
    Nowhere,
    /// Nowhere, nor would it.
    NothingToRound,
    /// In the parameters alone.
    Parameters,
    /// In what is read.
    Operands,
    /// In what is read and in the result, once.
    Result,
    /// Within: more error than rounding the result once leaves.
    Within,
}

/// Noise that differences of summation order and of approximations to exp and erf stay below, relative to the rms.
const FP32_NOISE: f64 = 1e-5;
/// Sums in another order round to the other neighbour now and then: this share of the noise of a rounding is still that rounding.
const SAME_ROUNDING: f64 = 0.35;

/// An operator's results in fp32, with more and more rounded to the format.
#[derive(Debug)]
pub(super) struct References {
    /// Nothing.
    pub fp32: Vec<f32>,
    /// Parameters.
    pub parameters: Vec<f32>,
    /// Parameters and inputs.
    pub operands: Vec<f32>,
    /// These, and the result.
    pub result: Vec<f32>,
}

impl References {
    /// Where an output was rounded.
    pub(super) fn rounded(&self, output: &[f32]) -> Rounded {
        let is = |reference: &[f32]| noise(reference, output) < FP32_NOISE;
        let differ = |a: &[f32], b: &[f32]| noise(a, b) >= FP32_NOISE;
        if is(&self.fp32) {
            return if differ(&self.fp32, &self.result) { Rounded::Nowhere } else { Rounded::NothingToRound };
        }
        if is(&self.parameters) {
            return Rounded::Parameters;
        }
        if is(&self.operands) {
            return Rounded::Operands;
        }
        let step = noise(&self.operands, &self.result);
        if noise(&self.result, output) < FP32_NOISE.max(SAME_ROUNDING * step) {
            return Rounded::Result;
        }
        Rounded::Within
    }
}

/// What the results of half precision say, of an operator whose arithmetic takes `ratio` of fp32's time; `native` is whether
/// the CPU has arithmetic of the format.
pub(super) fn of_half(rounded: Rounded, native: bool, ratio: Option<f64>) -> Verdict {
    match rounded {
        Rounded::Nowhere => Verdict::Fp32,
        Rounded::NothingToRound => Verdict::Exact,
        Rounded::Parameters | Rounded::Operands | Rounded::Result => Verdict::Stored,
        // What rounds within and still takes no longer than fp32 does not go through fp32.
        Rounded::Within if native && ratio.is_some_and(|ratio| ratio <= 1.0) => Verdict::Computed,
        Rounded::Within => Verdict::Emulated,
    }
}

/// What the results of a quantized execution say.
#[derive(Debug)]
pub(super) struct IntegerResults<'a> {
    /// The output.
    pub output: &'a [f32],
    /// That of fp32.
    pub fp32: &'a [f32],
    /// That of fake quantization.
    pub simulated: &'a [f32],
    /// Whether activations are codes too, not only weights.
    pub activations: bool,
    /// Whether sums came out that only integers hold; unknown where that was not tried.
    pub exact_sums: Option<bool>,
}

impl IntegerResults<'_> {
    pub(super) fn verdict(&self) -> Verdict {
        let quantization = noise(self.fp32, self.simulated);
        if noise(self.fp32, self.output) < FP32_NOISE {
            return Verdict::Fp32;
        }
        // A code or two beside the simulation's are other roundings of the same sums.
        if noise(self.simulated, self.output) > quantization {
            return Verdict::Differs;
        }
        match (self.activations, self.exact_sums) {
            (false, _) => Verdict::Stored,
            (true, Some(false)) => Verdict::Emulated,
            (true, _) => Verdict::Computed,
        }
    }
}

/// `√(Σ(r − x)² / Σr²)`; infinite where a result is not finite or the lengths differ.
fn noise(reference: &[f32], output: &[f32]) -> f64 {
    if reference.len() != output.len() || output.iter().any(|x| !x.is_finite()) {
        return f64::INFINITY;
    }
    let square = |x: f64| x * x;
    let error: f64 = reference.iter().zip(output).map(|(r, x)| square(f64::from(*r) - f64::from(*x))).sum();
    let power: f64 = reference.iter().map(|r| square(f64::from(*r))).sum();
    if error == 0.0 { 0.0 } else { (error / power).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references() -> References {
        References {
            fp32: vec![1.000_1, 2.0],
            parameters: vec![1.000_3, 2.0],
            operands: vec![1.000_6, 2.0],
            result: vec![1.001, 2.0],
        }
    }

    #[test]
    fn where_rounding_shows_is_told_from_results() {
        let references = references();
        assert_eq!(references.rounded(&references.fp32), Rounded::Nowhere);
        assert_eq!(references.rounded(&references.parameters), Rounded::Parameters);
        assert_eq!(references.rounded(&references.operands), Rounded::Operands);
        assert_eq!(references.rounded(&references.result), Rounded::Result);
        assert_eq!(references.rounded(&[1.01, 2.0]), Rounded::Within);
        assert_eq!(references.rounded(&[f32::INFINITY, 2.0]), Rounded::Within);
    }

    #[test]
    fn what_rounding_does_not_change_tells_nothing() {
        let flags = || vec![0.0, 1.0, 1.0];
        let references =
            References { fp32: flags(), parameters: flags(), operands: flags(), result: flags() };
        assert_eq!(references.rounded(&flags()), Rounded::NothingToRound);
        assert_eq!(references.rounded(&[1.0, 1.0, 1.0]), Rounded::Within);
    }

    #[test]
    fn arithmetic_of_a_format_needs_the_instructions_and_the_speed() {
        assert_eq!(of_half(Rounded::Within, true, Some(0.6)), Verdict::Computed);
        assert_eq!(of_half(Rounded::Within, true, Some(1.8)), Verdict::Emulated);
        assert_eq!(of_half(Rounded::Within, false, Some(0.9)), Verdict::Emulated);
        assert_eq!(of_half(Rounded::Result, true, Some(0.6)), Verdict::Stored);
    }

    #[test]
    fn integers_are_told_from_their_simulation_by_sums_beyond_fp32() {
        let of = |output: &[f32], exact_sums| {
            let (fp32, simulated) = (&[1.0, 2.0][..], &[1.01, 2.0][..]);
            IntegerResults { output, fp32, simulated, activations: true, exact_sums }.verdict()
        };
        assert_eq!(of(&[1.01, 2.0], Some(true)), Verdict::Computed);
        assert_eq!(of(&[1.01, 2.0], Some(false)), Verdict::Emulated);
        assert_eq!(of(&[1.0, 2.0], None), Verdict::Fp32);
        assert_eq!(of(&[0.3, 2.0], Some(true)), Verdict::Differs);
    }
}
