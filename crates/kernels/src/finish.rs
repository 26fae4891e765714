//! What becomes of the sums of a product.

/// From sums to values: `activation((sum + correction + row_correction) · scale + bias + residual)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finish<'a> {
    /// Added to integer sums: bias and zero points in units of the sums. One a column, or none.
    pub correction: &'a [i32],
    /// The same for rows: one a row, or none.
    pub row_correction: &'a [i32],
    /// The value of one unit of a sum: one for all columns, one each, or none for 1.
    pub scale: &'a [f32],
    /// Added to scaled sums: one a column, or none.
    pub bias: &'a [f32],
    /// Added to that, element by element.
    pub residual: Option<Residual<'a>>,
    /// Applied last.
    pub activation: Activation,
}

/// Values that are added to those of a product, in the places of its output.
#[derive(Clone, Copy, Debug)]
pub enum Residual<'a> {
    /// fp32.
    F32(&'a [f32]),
    /// int8 codes: `(code − zero_point) · scale`.
    S8 {
        /// The codes.
        codes: &'a [i8],
        /// Their scale.
        scale: f32,
        /// Their zero point.
        zero_point: i32,
    },
}

/// A function of one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// x.
    #[default]
    None,
    /// max(x, 0).
    Relu,
    /// x · Φ(x), with the error function.
    Gelu,
}

/// From values to int8 codes: `clamp(round_ties_even(x / scale) + zero_point, low, high)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantizer {
    /// Width of a step.
    pub scale: f32,
    /// The code of 0.0.
    pub zero_point: i32,
    /// The smallest code, at least −128.
    pub low: i32,
    /// The largest code, at most 127.
    pub high: i32,
}

/// Where the values of a product go, and as what.
#[derive(Debug)]
pub enum Output<'a> {
    /// fp32.
    F32(&'a mut [f32]),
    /// int8 codes. The quotient is a product with `1 / scale`, which differs from a division at ties only.
    S8(&'a mut [i8], Quantizer),
}

impl Output<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::S8(codes, _) => codes.len(),
        }
    }
}
