//! Sixteen numbers at a time.
//!
//! Loops over arrays of sixteen were left to the compiler once: where integers, halves of registers and conversions meet it
//! split them into pieces of two, four and eight. Every implementation does the same operations, bit for bit.

/// Sixteen fp32 numbers in registers.
///
/// Methods must be `#[inline(always)]`: those of an instruction set may only run in functions that have it.
pub(crate) trait Vector: Copy {
    /// Sixteen i32.
    type Int: Copy;

    fn splat(x: f32) -> Self;
    fn load(from: &[f32; 16]) -> Self;
    fn store(self, to: &mut [f32; 16]);
    /// The numbers as an array.
    #[inline(always)]
    fn lanes(self) -> [f32; 16] {
        let mut lanes = [0.0; 16];
        self.store(&mut lanes);
        lanes
    }

    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    /// `self · by + add`, rounded once.
    fn mul_add(self, by: Self, add: Self) -> Self;
    /// The bound where the number is less; NaN stays, and no number is less than a NaN.
    fn at_least(self, bound: Self) -> Self;
    /// The bound where the number is larger; NaN stays.
    fn at_most(self, bound: Self) -> Self;
    /// 0 where x is below the bound.
    fn zero_where_below(self, x: Self, bound: Self) -> Self;
    /// The other where the number is NaN or infinite.
    fn finite_or(self, other: Self) -> Self;
    /// 2ⁿ of n + 1.5 · 2²³, whose low bits are n: they become the exponent.
    fn power_of_two(self) -> Self;

    fn splat_int(x: i32) -> Self::Int;
    fn load_int(from: &[i32; 16]) -> Self::Int;
    /// Widened.
    fn load_s8(from: &[i8; 16]) -> Self::Int;
    /// The sum, modulo 2³².
    fn add_int(a: Self::Int, b: Self::Int) -> Self::Int;
    /// The nearest fp32 numbers.
    fn from_int(x: Self::Int) -> Self;
    /// The nearest whole numbers, ties to even, within bounds that are whole; 0 for NaN. With `add`, within i8.
    fn codes(self, low: Self, high: Self, add: Self::Int) -> [i8; 16];
}

/// `f` of each lane.
#[inline(always)]
fn map<T: Copy, U: Copy + Default>(x: [T; 16], f: impl Fn(T) -> U) -> [U; 16] {
    let mut out = [U::default(); 16];
    for (out, x) in out.iter_mut().zip(x) {
        *out = f(x);
    }
    out
}

/// `f` of each pair of lanes.
#[inline(always)]
fn zip<T: Copy>(mut x: [T; 16], y: [T; 16], f: impl Fn(T, T) -> T) -> [T; 16] {
    for (x, y) in x.iter_mut().zip(y) {
        *x = f(*x, y);
    }
    x
}

/// What runs everywhere.
impl Vector for [f32; 16] {
    type Int = [i32; 16];

    #[inline(always)]
    fn splat(x: f32) -> Self {
        [x; 16]
    }
    #[inline(always)]
    fn load(from: &[f32; 16]) -> Self {
        *from
    }
    #[inline(always)]
    fn store(self, to: &mut [f32; 16]) {
        *to = self;
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        zip(self, other, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        zip(self, other, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        zip(self, other, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        zip(self, other, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, by: Self, add: Self) -> Self {
        let mut out = self;
        for ((out, by), add) in out.iter_mut().zip(by).zip(add) {
            *out = out.mul_add(by, add);
        }
        out
    }
    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        zip(self, bound, |x, bound| if x < bound { bound } else { x })
    }
    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        zip(self, bound, |x, bound| if x > bound { bound } else { x })
    }
    #[inline(always)]
    fn zero_where_below(self, x: Self, bound: Self) -> Self {
        let mut out = self;
        for ((out, x), bound) in out.iter_mut().zip(x).zip(bound) {
            *out = if x < bound { 0.0 } else { *out };
        }
        out
    }
    #[inline(always)]
    fn finite_or(self, other: Self) -> Self {
        zip(self, other, |x, other| if x.is_finite() { x } else { other })
    }
    #[inline(always)]
    fn power_of_two(self) -> Self {
        map(self, |x| f32::from_bits((x.to_bits() << 23).wrapping_add(1.0_f32.to_bits())))
    }
    #[inline(always)]
    fn splat_int(x: i32) -> [i32; 16] {
        [x; 16]
    }
    #[inline(always)]
    fn load_int(from: &[i32; 16]) -> [i32; 16] {
        *from
    }
    #[inline(always)]
    fn load_s8(from: &[i8; 16]) -> [i32; 16] {
        map(*from, i32::from)
    }
    #[inline(always)]
    fn add_int(a: [i32; 16], b: [i32; 16]) -> [i32; 16] {
        zip(a, b, i32::wrapping_add)
    }
    #[inline(always)]
    fn from_int(x: [i32; 16]) -> Self {
        map(x, |x| x as f32)
    }
    #[inline(always)]
    fn codes(self, low: Self, high: Self, add: [i32; 16]) -> [i8; 16] {
        let numbers = map(self, |x| if x.is_nan() { 0.0 } else { x }).at_least(low).at_most(high);
        let whole = map(numbers, |x| x.round_ties_even() as i32);
        map(zip(whole, add, i32::wrapping_add), |code| code as i8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Proof;
    use crate::lanes::{Lanes, run};
    use crate::{Isa, KernelError};

    /// Results of every operation, as bits.
    struct Everything<'a> {
        x: &'a [f32; 16],
        y: &'a [f32; 16],
        out: &'a mut Vec<i64>,
    }

    impl Lanes for Everything<'_> {
        #[inline(always)]
        fn run<V: Vector>(self) {
            let (x, y) = (V::load(self.x), V::load(self.y));
            let ints = map(*self.x, |x| x as i32);
            let bytes = map(*self.y, |y| y as i8);
            let floats = [
                x.add(y),
                x.sub(y),
                x.mul(y),
                x.div(y),
                x.at_least(y),
                x.at_most(y),
                x.zero_where_below(y, V::splat(5.0)),
                y.add(V::splat(12_582_912.0)).power_of_two(),
                x.mul_add(y, V::splat(0.1)),
                x.finite_or(y),
                V::splat(self.x[3]),
                V::from_int(V::load_int(&ints)),
                V::from_int(V::add_int(V::load_int(&ints), V::load_s8(&bytes))),
                V::from_int(V::add_int(V::load_int(&ints), V::splat_int(i32::MAX))),
            ];
            for v in floats {
                // One NaN is like another.
                self.out.extend(v.lanes().map(|x| if x.is_nan() { -1 } else { i64::from(x.to_bits()) }));
            }
            for (low, high, add) in [(-100.0, 90.0, -28), (-100.0, 90.0, 37), (3.0, 90.0, 0), (-9.0, -2.0, 5)]
            {
                let codes = x.codes(V::splat(low), V::splat(high), V::splat_int(add));
                self.out.extend(codes.map(i64::from));
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() -> Result<(), KernelError> {
        let edges = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e-40, 0.5, 1.5, 2.5, -2.5, 1e30];
        for shift in 0..16 {
            let x: [f32; 16] = std::array::from_fn(|i| edges[(i + shift) % edges.len()]);
            let y: [f32; 16] = std::array::from_fn(|i| (i as f32 - 7.0) * 13.7 + shift as f32);
            for (x, y) in [(&x, &y), (&y, &x)] {
                let results = |isa: Isa| -> Result<Vec<i64>, KernelError> {
                    let mut out = Vec::new();
                    run(Proof::of(isa)?, Everything { x, y, out: &mut out });
                    Ok(out)
                };
                let expected = results(Isa::Generic)?;
                for isa in Isa::available() {
                    assert_eq!(results(isa)?, expected, "{isa}");
                }
            }
        }
        Ok(())
    }
}
