//! Operators composed of candle's own, which run on every device.
//!
//! On a CPU the reference evaluation computes them. Each is computed in fp32 and rounded once, as there.

use calibench_graph::{Binary, Element, Op, Reduction, Unary, Window, eval};
use candle_core::{D, DType, Error, Result, Tensor};

use super::ops::Job;
use super::patches::windows;
use super::to_vec;

/// What the node computes; `None` where candle has no operation for it on every device.
pub(super) fn apply(job: &Job<'_>, inputs: &[Tensor], params: &[Tensor]) -> Result<Option<Tensor>> {
    let wide: Vec<Tensor> = inputs.iter().map(|x| x.to_dtype(DType::F32)).collect::<Result<_>>()?;
    let Some(x) = wide.first() else { return Ok(None) };
    let shape = job.shape;
    let y = match &job.node.op {
        Op::Embedding => rows(params[0].clone(), x, 0, shape)?,
        Op::Gather { axis } => rows(x.clone(), &wide[1], *axis, shape)?,
        Op::Unary(function) => unary(x, *function)?,
        Op::Binary(function) => match binary(x, &wide[1], *function)? {
            Some(y) => y,
            None => return Ok(None),
        },
        Op::Where => {
            let part = |x: &Tensor| x.broadcast_as(shape)?.contiguous();
            part(x)?.ne(0.0)?.where_cond(&part(&wide[1])?, &part(&wide[2])?)?
        }
        Op::Cast { to: Element::Float } => x.clone(),
        Op::Cast { to: Element::Integer } => x.lt(0.0)?.where_cond(&x.ceil()?, &x.floor()?)?,
        Op::Reduce { reduction, axes, .. } => match reduction {
            Reduction::Mean => x.mean(axes.as_slice())?.reshape(shape)?,
            Reduction::Sum => x.sum(axes.as_slice())?.reshape(shape)?,
            Reduction::L2 => x.sqr()?.sum(axes.as_slice())?.sqrt()?.reshape(shape)?,
            // Which of a NaN and a number is the larger depends on the device.
            Reduction::Max | Reduction::Min | Reduction::Prod => return Ok(None),
        },
        Op::LogSoftmax => {
            let less = x.broadcast_sub(&x.max_keepdim(D::Minus1)?)?;
            less.broadcast_sub(&less.exp()?.sum_keepdim(D::Minus1)?.log()?)?
        }
        Op::Concat { axis } => Tensor::cat(&wide, *axis)?,
        Op::Slice { axis, start, step: 1, len } => x.narrow(*axis, *start, *len)?.contiguous()?,
        Op::Expand { .. } => x.broadcast_as(shape)?.contiguous()?,
        Op::AvgPool2d { window, count_padding } => avg_pool(x, window, *count_padding, shape)?,
        _ => return Ok(None),
    };
    y.to_dtype(job.dtype).map(Some)
}

/// Elements of an axis by indices, which may count from the end.
fn rows(table: Tensor, indices: &Tensor, axis: usize, shape: &[usize]) -> Result<Tensor> {
    // Devices read past a table without a word: indices are checked here.
    let len = table.dim(axis)?;
    let row = |index: f32| eval::row_of(index, len).map(|row| row as u32).map_err(Error::msg);
    let indices: Vec<u32> = to_vec(indices)?.into_iter().map(row).collect::<Result<_>>()?;
    let count = indices.len();
    let indices = Tensor::from_vec(indices, count, table.device())?;
    table.contiguous()?.index_select(&indices, axis)?.reshape(shape)
}

fn unary(x: &Tensor, function: Unary) -> Result<Tensor> {
    match function {
        Unary::Neg => x.neg(),
        Unary::Abs => x.abs(),
        Unary::Sqrt => x.sqrt(),
        Unary::Exp => x.exp(),
        Unary::Log => x.log(),
        Unary::Reciprocal => x.recip(),
        Unary::Erf => x.erf(),
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid => (x.neg()?.exp()? + 1.0)?.recip(),
        Unary::HardSigmoid { alpha, beta } => clip(&x.affine(f64::from(alpha), f64::from(beta))?, 0.0, 1.0),
        Unary::HardSwish => x * clip(&((x / 6.0)? + 0.5)?, 0.0, 1.0)?,
        Unary::LeakyRelu { alpha } => x.lt(0.0)?.where_cond(&(x * f64::from(alpha))?, x),
        Unary::Clip { low, high } => clip(x, low, high),
        Unary::GeluTanh => x.gelu(),
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => round_ties_even(x),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Not => x.eq(0.0)?.to_dtype(DType::F32),
    }
}

/// `None` for powers: candle takes them by logarithms.
fn binary(x: &Tensor, y: &Tensor, function: Binary) -> Result<Option<Tensor>> {
    let (x, y) = (x.broadcast_as(x.shape().broadcast_shape_binary_op(y.shape(), "binary")?)?, y);
    let y = y.broadcast_as(x.shape())?;
    // A NaN wins over a number.
    let least = |x: &Tensor, y: &Tensor| {
        let first = (x.lt(y)? + x.ne(x)?)?;
        first.ne(0_u8)?.where_cond(&x.contiguous()?, &y.contiguous()?)
    };
    let set = |x: &Tensor| x.ne(0.0);
    let result = match function {
        Binary::Sub => (&x - &y)?,
        Binary::Mul => (&x * &y)?,
        Binary::Div => (&x / &y)?,
        Binary::Min => least(&x, &y)?,
        Binary::Max => least(&x.neg()?, &y.neg()?)?.neg()?,
        Binary::Pow => return Ok(None),
        // Truth values, in bytes.
        Binary::Equal => x.eq(&y)?,
        Binary::Greater => x.gt(&y)?,
        Binary::GreaterOrEqual => x.ge(&y)?,
        Binary::Less => x.lt(&y)?,
        Binary::LessOrEqual => x.le(&y)?,
        Binary::And => (set(&x)? * set(&y)?)?,
        Binary::Or => (set(&x)? + set(&y)?)?.ne(0_u8)?,
    };
    result.to_dtype(DType::F32).map(Some)
}

/// NaN stays; where the bounds are crossed everything is `high`.
pub(super) fn clip(x: &Tensor, low: f32, high: f32) -> Result<Tensor> {
    let all = |value: f32| Tensor::full(value, x.shape(), x.device());
    let x = x.lt(low)?.where_cond(&all(low)?, x)?;
    x.gt(high)?.where_cond(&all(high)?, &x)
}

/// The nearest integer, ties to even. Adding 2^23 leaves no bit for a fraction, and that sum rounds to nearest even.
pub(super) fn round_ties_even(x: &Tensor) -> Result<Tensor> {
    const WHOLE: f64 = 8_388_608.0;
    let magnitude = x.abs()?;
    let rounded = ((&magnitude + WHOLE)? - WHOLE)?;
    let rounded = x.lt(0.0)?.where_cond(&rounded.neg()?, &rounded)?;
    magnitude.ge(WHOLE as f32)?.where_cond(x, &rounded)
}

/// The mean of each window.
fn avg_pool(x: &Tensor, window: &Window, count_padding: bool, shape: &[usize]) -> Result<Tensor> {
    let sum_of = |x: &Tensor| windows(x, window, true)?.sum(D::Minus1)?.reshape(shape);
    let sum = sum_of(x)?;
    if count_padding {
        return sum / (window.kernel[0] * window.kernel[1]) as f64;
    }
    sum / sum_of(&x.ones_like()?)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn rounding_is_to_nearest_ties_to_even_at_every_magnitude() {
        let mut numbers = vec![0.0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, -0.49, 4_194_304.5, 8_388_607.5, 1e30];
        numbers.extend([f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 16_777_217.0, -8_388_609.0]);
        let x = Tensor::new(numbers.as_slice(), &Device::Cpu).unwrap();
        let got: Vec<f32> = round_ties_even(&x).unwrap().to_vec1().unwrap();
        for (x, got) in numbers.iter().zip(got) {
            let expected = x.round_ties_even();
            assert!(got == expected || got.is_nan() && expected.is_nan(), "{x}: {got}, not {expected}");
        }
    }
}
