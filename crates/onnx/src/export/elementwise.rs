//! Functions of each element.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

use calibench_graph::{Binary, Unary};

use super::emitter::{Emitter, Kind, Result};
use super::ops::simple;
use crate::{Attribute, ElementType};

pub(super) fn unary(e: &mut Emitter<'_>, unary: Unary) -> Result<String> {
    let float = e.float();
    match unary {
        Unary::HardSigmoid { alpha, beta } => simple(
            e,
            "HardSigmoid",
            vec![("alpha", Attribute::Float(alpha)), ("beta", Attribute::Float(beta))],
        ),
        Unary::LeakyRelu { alpha } => simple(e, "LeakyRelu", vec![("alpha", Attribute::Float(alpha))]),
        Unary::HardSwish if e.opset >= 14 => simple(e, "HardSwish", vec![]),
        Unary::HardSwish => {
            let x = e.input(0, float)?;
            let slope = vec![("alpha", Attribute::Float(1.0 / 6.0)), ("beta", Attribute::Float(0.5))];
            let gate = e.step("gate", "HardSigmoid", &[&x], slope);
            Ok(e.emit("Mul", &[&x, &gate], vec![]))
        }
        Unary::Clip { low, high } => clip(e, low, high),
        Unary::GeluTanh if e.opset >= 20 => {
            simple(e, "Gelu", vec![("approximate", Attribute::String("tanh".to_owned()))])
        }
        Unary::GeluTanh => gelu_tanh(e),
        Unary::Not => {
            let kind = e.kind_of(0);
            let (x, zero) = (e.input(0, kind)?, e.scalar("zero", 0.0, kind));
            let equal = e.step("is_zero", "Equal", &[&x, &zero], vec![]);
            Ok(e.emit_cast(&equal, ElementType::I64))
        }
        Unary::Neg => simple(e, "Neg", vec![]),
        Unary::Abs => simple(e, "Abs", vec![]),
        Unary::Sqrt => simple(e, "Sqrt", vec![]),
        Unary::Exp => simple(e, "Exp", vec![]),
        Unary::Log => simple(e, "Log", vec![]),
        Unary::Reciprocal => simple(e, "Reciprocal", vec![]),
        Unary::Erf => simple(e, "Erf", vec![]),
        Unary::Tanh => simple(e, "Tanh", vec![]),
        Unary::Sigmoid => simple(e, "Sigmoid", vec![]),
        Unary::Floor => simple(e, "Floor", vec![]),
        Unary::Ceil => simple(e, "Ceil", vec![]),
        Unary::Round => simple(e, "Round", vec![]),
        Unary::Sin => simple(e, "Sin", vec![]),
        Unary::Cos => simple(e, "Cos", vec![]),
    }
}

/// A bound beyond the format bounds nothing, and is left out.
fn clip(e: &mut Emitter<'_>, low: f32, high: f32) -> Result<String> {
    let float = e.float();
    let largest = if float == Kind::F16 { half::f16::MAX.to_f32() } else { f32::MAX };
    let x = e.input(0, float)?;
    let low = if low > -largest { e.scalar("min", low, float) } else { String::new() };
    let high = if high < largest { e.scalar("max", high, float) } else { String::new() };
    Ok(e.emit("Clip", &[&x, &low, &high], vec![]))
}

/// `½ x · (1 + erf(x / √2))`, spelled out before there was an operator for it.
pub(super) fn gelu(e: &mut Emitter<'_>) -> Result<String> {
    if e.opset >= 20 {
        return simple(e, "Gelu", vec![]);
    }
    let float = e.float();
    let x = e.input(0, float)?;
    let root = e.scalar("root_half", FRAC_1_SQRT_2, float);
    let scaled = e.step("scaled", "Mul", &[&x, &root], vec![]);
    let squashed = e.step("erf", "Erf", &[&scaled], vec![]);
    gated(e, &x, &squashed, float)
}

/// `½ x · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`.
fn gelu_tanh(e: &mut Emitter<'_>) -> Result<String> {
    let float = e.float();
    let x = e.input(0, float)?;
    let [cubic, root] =
        [("cubic", 0.044_715), ("root", (2.0 / PI).sqrt())].map(|(n, v)| e.scalar(n, v, float));
    let square = e.step("square", "Mul", &[&x, &x], vec![]);
    let cube = e.step("cube", "Mul", &[&square, &x], vec![]);
    let bent = e.step("bent", "Mul", &[&cube, &cubic], vec![]);
    let sum = e.step("sum", "Add", &[&x, &bent], vec![]);
    let inner = e.step("inner", "Mul", &[&sum, &root], vec![]);
    let squashed = e.step("tanh", "Tanh", &[&inner], vec![]);
    gated(e, &x, &squashed, float)
}

/// `x · ½ · (1 + squashed)`.
fn gated(e: &mut Emitter<'_>, x: &str, squashed: &str, float: Kind) -> Result<String> {
    let [one, half] = [("one", 1.0), ("half", 0.5)].map(|(n, v)| e.scalar(n, v, float));
    let gate = e.step("gate", "Add", &[squashed, &one], vec![]);
    let halved = e.step("halved", "Mul", &[x, &half], vec![]);
    Ok(e.emit("Mul", &[&halved, &gate], vec![]))
}

pub(super) fn binary(e: &mut Emitter<'_>, binary: Binary) -> Result<String> {
    let op = match binary {
        Binary::Sub => "Sub",
        Binary::Mul => "Mul",
        Binary::Div => "Div",
        Binary::Pow => "Pow",
        Binary::Min => "Min",
        Binary::Max => "Max",
        Binary::Equal => "Equal",
        Binary::Greater => "Greater",
        Binary::GreaterOrEqual => "GreaterOrEqual",
        Binary::Less => "Less",
        Binary::LessOrEqual => "LessOrEqual",
        Binary::And => "And",
        Binary::Or => "Or",
    };
    if !binary.is_predicate() {
        return simple(e, op, vec![]);
    }
    let [x, y] = if matches!(binary, Binary::And | Binary::Or) {
        [truth(e, 0, "lhs")?, truth(e, 1, "rhs")?]
    } else {
        let integers = e.kind_of(0) == Kind::I64 && e.kind_of(1) == Kind::I64;
        let kind = if integers { Kind::I64 } else { e.float() };
        [e.input(0, kind)?, e.input(1, kind)?]
    };
    let truth = e.step("truth", op, &[&x, &y], vec![]);
    Ok(e.emit_cast(&truth, ElementType::I64))
}

/// Whether an input is not 0, as bool.
fn truth(e: &mut Emitter<'_>, input: usize, suffix: &str) -> Result<String> {
    let kind = e.kind_of(input);
    let x = e.input(input, kind)?;
    Ok(e.step_cast(suffix, &x, ElementType::Bool))
}

pub(super) fn choose(e: &mut Emitter<'_>) -> Result<String> {
    let kind = e.result();
    let condition = truth(e, 0, "condition")?;
    let (y, z) = (e.input(1, kind)?, e.input(2, kind)?);
    Ok(e.emit("Where", &[&condition, &y, &z], vec![]))
}
