//! Functions of each element.

use calibench_graph::{Binary, Element, Op, Unary};

use super::super::converter::{Converter, Operand, Result};
use super::super::fold;
pub(super) fn elementwise<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let op = match c.node.op.as_str() {
        // In inference dropout passes its input on.
        "Identity" | "Dropout" => return c.input(0),
        "Cast" => return cast(c),
        "Clip" => return clip(c),
        "Add" | "Sum" => return chain(c, Op::Add),
        "Min" => return chain(c, Op::Binary(Binary::Min)),
        "Max" => return chain(c, Op::Binary(Binary::Max)),
        "Mul" => return scaled(c, Binary::Mul),
        "Div" => return divide(c),
        "Sub" => Op::Binary(Binary::Sub),
        "Pow" => return power(c),
        "Equal" => Op::Binary(Binary::Equal),
        "Greater" => Op::Binary(Binary::Greater),
        "GreaterOrEqual" => Op::Binary(Binary::GreaterOrEqual),
        "Less" => Op::Binary(Binary::Less),
        "LessOrEqual" => Op::Binary(Binary::LessOrEqual),
        "And" => Op::Binary(Binary::And),
        "Or" => Op::Binary(Binary::Or),
        "Where" => Op::Where,
        "Relu" => Op::Relu,
        "Gelu" => match c.text("approximate", "none")? {
            "none" => Op::Gelu,
            "tanh" => Op::Unary(Unary::GeluTanh),
            other => return Err(c.unsupported(format!("knows no approximation `{other}`"))),
        },
        "LeakyRelu" => Op::Unary(Unary::LeakyRelu { alpha: c.float("alpha", 0.01)? }),
        "HardSigmoid" => {
            Op::Unary(Unary::HardSigmoid { alpha: c.float("alpha", 0.2)?, beta: c.float("beta", 0.5)? })
        }
        "HardSwish" => Op::Unary(Unary::HardSwish),
        "Sigmoid" => Op::Unary(Unary::Sigmoid),
        "Tanh" => Op::Unary(Unary::Tanh),
        "Erf" => Op::Unary(Unary::Erf),
        "Sqrt" => Op::Unary(Unary::Sqrt),
        "Exp" => Op::Unary(Unary::Exp),
        "Log" => Op::Unary(Unary::Log),
        "Neg" => Op::Unary(Unary::Neg),
        "Abs" => Op::Unary(Unary::Abs),
        "Reciprocal" => Op::Unary(Unary::Reciprocal),
        "Floor" => Op::Unary(Unary::Floor),
        "Ceil" => Op::Unary(Unary::Ceil),
        "Round" => Op::Unary(Unary::Round),
        "Sin" => Op::Unary(Unary::Sin),
        "Cos" => Op::Unary(Unary::Cos),
        "Not" => Op::Unary(Unary::Not),
        _ => return Err(c.unsupported("is not supported; see `calibench list operators` for those that are")),
    };
    let inputs = c.inputs()?;
    if op.arity() != Some(inputs.len()) {
        return Err(c.unsupported(format!("has {} inputs", inputs.len())));
    }
    c.emit(op, &inputs)
}

/// An operator of any number of inputs, two by two.
fn chain<'m>(c: &mut Converter<'m>, op: Op) -> Result<Operand<'m>> {
    let inputs = c.inputs()?;
    let Some((first, rest)) = inputs.split_first() else { return Err(c.unsupported("has no input")) };
    let Some((last, middle)) = rest.split_last() else { return Ok(first.clone()) };
    let mut result = first.clone();
    for (i, input) in middle.iter().enumerate() {
        result = c.step(&format!("part{i}"), op.clone(), &[result, input.clone()])?;
    }
    c.emit(op, &[result, last.clone()])
}

/// The only element of a known float operand whose shape adds no axes to `x`.
fn scalar(c: &Converter<'_>, x: &Operand<'_>, factor: &Operand<'_>) -> Option<f32> {
    let Operand::Known(constant) = factor else { return None };
    let single = constant.data.len() == 1 && constant.shape.len() <= c.shape(x).len();
    let float = c.element(x) == Element::Float && c.element(factor) == Element::Float;
    (single && float && matches!(x, Operand::Value(_))).then(|| fold::floats(constant)[0])
}

/// A product, or a scaling where one factor is a known number.
fn scaled<'m>(c: &mut Converter<'m>, op: Binary) -> Result<Operand<'m>> {
    let (x, y) = (c.input(0)?, c.input(1)?);
    if let Some(factor) = scalar(c, &x, &y) {
        return c.emit(Op::Scale { factor }, &[x]);
    }
    if let Some(factor) = scalar(c, &y, &x) {
        return c.emit(Op::Scale { factor }, &[y]);
    }
    c.emit(Op::Binary(op), &[x, y])
}

fn divide<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let (x, y) = (c.input(0)?, c.input(1)?);
    match scalar(c, &x, &y) {
        Some(divisor) if (1.0 / divisor).is_normal() && !c.is_rounded() => {
            return c.emit(Op::Scale { factor: 1.0 / divisor }, &[x]);
        }
        _ => {}
    }
    let integers = c.element(&x) == Element::Integer && c.element(&y) == Element::Integer;
    cut(c, integers, "quotient", Op::Binary(Binary::Div), &[x, y])
}

fn power<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let (x, y) = (c.input(0)?, c.input(1)?);
    // The result is of the base's kind.
    let integers = c.element(&x) == Element::Integer;
    cut(c, integers, "power", Op::Binary(Binary::Pow), &[x, y])
}

/// The result of `op`, cut to integers where it is to be some: at run time they are held as fp32.
pub(super) fn cut<'m>(
    c: &mut Converter<'m>,
    integers: bool,
    suffix: &str,
    op: Op,
    inputs: &[Operand<'m>],
) -> Result<Operand<'m>> {
    let runtime = inputs.iter().any(|x| matches!(x, Operand::Value(_)));
    if !(integers && runtime) {
        return c.emit(op, inputs);
    }
    let fractions = c.step(suffix, op, inputs)?;
    c.emit(Op::Cast { to: Element::Integer }, &[fractions])
}

fn cast<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let x = c.input(0)?;
    let from = c.element(&x);
    // TensorProto.DataType: 1, 10, 11 and 16 are floats, 9 is bool, 2 to 7, 12 and 13 integers.
    let to = match c.int("to", 0)? {
        1 | 10 | 11 | 16 => Element::Float,
        2..=7 | 12 | 13 => Element::Integer,
        9 => {
            let not = c.step("not", Op::Unary(Unary::Not), &[x])?;
            return c.emit(Op::Unary(Unary::Not), &[not]);
        }
        other => return Err(c.unsupported(format!("casts to data type {other}, which is no number"))),
    };
    if from == to { Ok(x) } else { c.emit(Op::Cast { to }, &[x]) }
}

fn clip<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let bound = |c: &Converter<'m>, name: &str, index: usize, default: f32| -> Result<f32> {
        match c.attribute(name) {
            Some(_) => c.float(name, default),
            None => Ok(c.optional_floats(index, name)?.and_then(|v| v.first().copied()).unwrap_or(default)),
        }
    };
    let low = bound(c, "min", 1, f32::NEG_INFINITY)?;
    let high = bound(c, "max", 2, f32::INFINITY)?;
    let x = c.input(0)?;
    if (low, high) == (0.0, f32::INFINITY) {
        return c.emit(Op::Relu, &[x]);
    }
    c.emit(Op::Unary(Unary::Clip { low, high }), &[x])
}
