//! What can be an element: fp32, and 64-bit integers.

use crate::{Binary, Element, Unary};

/// An element of a tensor under evaluation.
pub trait Number: Copy + PartialOrd + Default {
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;

    /// The nearest number of this kind.
    fn from_f64(x: f64) -> Self;
    /// As a 64-bit float.
    fn to_f64(self) -> f64;
    /// `self + y`.
    fn plus(self, y: Self) -> Self;
    /// A function of one number; see [`Unary`].
    fn unary(self, op: Unary) -> Self;
    /// A function of two numbers that is not a comparison; see [`Binary`].
    fn arithmetic(self, op: Binary, y: Self) -> Self;
    /// As elements of this kind.
    fn cast(self, to: Element) -> Self;
    /// `x · Φ(x)`.
    fn gelu(self) -> Self;
    /// `self · factor`.
    fn scale(self, factor: f32) -> Self;

    /// Whether it is not 0.
    fn is_true(self) -> bool {
        self != Self::ZERO
    }

    /// 1 or 0.
    fn of(truth: bool) -> Self {
        if truth { Self::ONE } else { Self::ZERO }
    }

    /// A comparison or a logical operation.
    fn predicate(self, op: Binary, y: Self) -> Self {
        Self::of(match op {
            Binary::Equal => self == y,
            Binary::Greater => self > y,
            Binary::GreaterOrEqual => self >= y,
            Binary::Less => self < y,
            Binary::LessOrEqual => self <= y,
            Binary::And => self.is_true() && y.is_true(),
            _ => self.is_true() || y.is_true(),
        })
    }
}

impl Number for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn from_f64(x: f64) -> Self {
        x as Self
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    fn plus(self, y: Self) -> Self {
        self + y
    }

    fn unary(self, op: Unary) -> Self {
        let x = self;
        match op {
            Unary::Neg => -x,
            Unary::Abs => x.abs(),
            Unary::Sqrt => x.sqrt(),
            Unary::Exp => x.exp(),
            Unary::Log => x.ln(),
            Unary::Reciprocal => 1.0 / x,
            Unary::Erf => libm::erff(x),
            Unary::Tanh => x.tanh(),
            Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Unary::HardSigmoid { alpha, beta } => clip(alpha * x + beta, 0.0, 1.0),
            Unary::HardSwish => x * clip(x / 6.0 + 0.5, 0.0, 1.0),
            Unary::LeakyRelu { alpha } => {
                if x < 0.0 {
                    alpha * x
                } else {
                    x
                }
            }
            Unary::Clip { low, high } => clip(x, low, high),
            Unary::GeluTanh => {
                let inner = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }
            Unary::Floor => x.floor(),
            Unary::Ceil => x.ceil(),
            Unary::Round => x.round_ties_even(),
            Unary::Sin => x.sin(),
            Unary::Cos => x.cos(),
            Unary::Not => Self::of(x == 0.0),
        }
    }

    fn arithmetic(self, op: Binary, y: Self) -> Self {
        match op {
            Binary::Sub => self - y,
            Binary::Mul => self * y,
            Binary::Div => self / y,
            Binary::Pow => power(self, y),
            // NaN wins, as in NumPy.
            Binary::Min if self.is_nan() || y.is_nan() => Self::NAN,
            Binary::Min => self.min(y),
            _ if self.is_nan() || y.is_nan() => Self::NAN,
            _ => self.max(y),
        }
    }

    fn cast(self, to: Element) -> Self {
        if to == Element::Integer { self.trunc() } else { self }
    }

    #[inline]
    fn gelu(self) -> Self {
        0.5 * self * (1.0 + libm::erff(self * std::f32::consts::FRAC_1_SQRT_2))
    }

    fn scale(self, factor: f32) -> Self {
        self * factor
    }
}

/// Small whole exponents by multiplication: exact where the general power rounds twice.
fn power(x: f32, y: f32) -> f32 {
    if y == 2.0 {
        x * x
    } else if y == 0.5 {
        x.sqrt()
    } else {
        x.powf(y)
    }
}

/// NaN stays; where the bounds are crossed everything is `high`, as in NumPy.
fn clip(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

impl Number for i64 {
    const ZERO: Self = 0;
    const ONE: Self = 1;

    fn from_f64(x: f64) -> Self {
        x as Self
    }

    fn to_f64(self) -> f64 {
        self as f64
    }

    fn plus(self, y: Self) -> Self {
        self.wrapping_add(y)
    }

    fn unary(self, op: Unary) -> Self {
        match op {
            Unary::Neg => self.wrapping_neg(),
            Unary::Abs => self.wrapping_abs(),
            Unary::Not => Self::of(self == 0),
            Unary::Clip { low, high } => self.max(low as Self).min(high as Self),
            other => f64::from((self as f32).unary(other)) as Self,
        }
    }

    fn arithmetic(self, op: Binary, y: Self) -> Self {
        match op {
            Binary::Sub => self.wrapping_sub(y),
            Binary::Mul => self.wrapping_mul(y),
            // Whoever folds refuses a zero divisor first.
            Binary::Div => self.checked_div(y).unwrap_or(0),
            Binary::Pow => match (self, u32::try_from(y)) {
                (_, Ok(y)) => self.wrapping_pow(y),
                // Exponents that do not fit: powers of 1 and −1 alone are neither 0 nor out of range.
                (1, _) => 1,
                (-1, _) => 1 - 2 * (y & 1),
                _ => 0,
            },
            Binary::Min => self.min(y),
            _ => self.max(y),
        }
    }

    fn cast(self, _to: Element) -> Self {
        self
    }

    fn gelu(self) -> Self {
        (self as f32).gelu() as Self
    }

    fn scale(self, factor: f32) -> Self {
        (self as f64 * f64::from(factor)) as Self
    }
}
