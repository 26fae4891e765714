//! Constants in fp16.

use half::f16;

/// Numbers of one constant that fp16 does not hold.
#[derive(Debug, Clone, PartialEq)]
pub struct HalfLoss {
    /// The constant: a parameter, or a number of a node such as `norm.epsilon`.
    pub name: String,
    /// The number that lies furthest outside.
    pub value: f32,
    /// How many of the constant's numbers are lost in this way.
    pub count: usize,
    /// Whether they are too large, and held at ±65504; too small otherwise, and 0.
    pub overflow: bool,
}

/// The numbers in fp16, to nearest, held at ±65504; and what that loses.
pub(super) fn halves(name: &str, values: &[f32]) -> (Vec<f16>, Vec<HalfLoss>) {
    let rounded = |v: &f32| {
        let half = f16::from_f32(*v);
        if half.is_infinite() { f16::MAX.copysign(half) } else { half }
    };
    let halves: Vec<f16> = values.iter().map(rounded).collect();
    let large = values.iter().copied().filter(|v| f16::from_f32(*v).is_infinite());
    let small = values.iter().copied().filter(|v| *v != 0.0 && f16::from_f32(*v) == f16::ZERO);
    let large = worst(large, |v, worst| v > worst).map(|(value, count)| (value, count, true));
    let small = worst(small, |v, worst| v < worst).map(|(value, count)| (value, count, false));
    let loss = |(value, count, overflow)| HalfLoss { name: name.to_owned(), value, count, overflow };
    (halves, [large, small].into_iter().flatten().map(loss).collect())
}

/// The first number whose magnitude none is `beyond`, and how many there are.
fn worst(values: impl Iterator<Item = f32>, beyond: impl Fn(f32, f32) -> bool) -> Option<(f32, usize)> {
    values.fold(None, |found: Option<(f32, usize)>, v| match found {
        Some((worst, count)) if !beyond(v.abs(), worst.abs()) => Some((worst, count + 1)),
        Some((_, count)) => Some((v, count + 1)),
        None => Some((v, 1)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_fp16_are_held_at_its_ends_and_reported() {
        let (halves, losses) = halves("w", &[1.0, -1e6, 7e4, 1e-9, 0.0, f32::NEG_INFINITY, -1e-12]);
        let stored: Vec<f32> = halves.iter().map(|h| h.to_f32()).collect();
        assert_eq!(stored, [1.0, -65504.0, 65504.0, 0.0, 0.0, -65504.0, 0.0]);
        let loss = |value, count, overflow| HalfLoss { name: "w".to_owned(), value, count, overflow };
        assert_eq!(losses, [loss(f32::NEG_INFINITY, 3, true), loss(-1e-12, 2, false)]);
    }
}
