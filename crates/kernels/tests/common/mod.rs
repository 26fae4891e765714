//! What the conformance tests share: which kernels to test, and deterministic property runs.
#![allow(dead_code)] // Each test binary uses its own part.
#![allow(clippy::print_stdout)] // A skipped instruction set is named in the test's output.

use std::fmt::Debug;

use calibench_kernels::{ALL, Isa, Kernels, Op};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

/// The registered kernels of one family that this machine can run, without the missing ones,
/// which are reported by name, or fail where `CALIBENCH_REQUIRE_ISA` lists them.
pub fn kernels_of(op: Op) -> Vec<Kernels> {
    let required = std::env::var("CALIBENCH_REQUIRE_ISA").unwrap_or_default();
    let mut found = Vec::new();
    for entry in ALL.iter().filter(|e| e.op == op) {
        match Kernels::new(entry.isa) {
            Ok(kernels) => found.push(kernels),
            Err(error) => {
                let id = entry.isa.id();
                println!("skipped: {id} ({}): {error}", entry.id);
                assert!(
                    !required.split(',').any(|r| r.trim() == id),
                    "CALIBENCH_REQUIRE_ISA asks for {id}: {error}"
                );
            }
        }
    }
    assert!(found.iter().any(|k| k.isa() == Isa::Generic));
    found
}

/// Runs a property on a fixed sequence of cases: the same on every machine and every run.
pub fn check<S: Strategy>(cases: u32, strategy: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S::Value: Debug,
{
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    if let Err(error) = TestRunner::new_with_rng(config, rng).run(&strategy, property) {
        panic!("{error}");
    }
}

/// A small generator for long data: SplitMix64.
pub struct Mix(pub u64);

impl Mix {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform over every bit pattern, except that about half of the values are from `hostile`.
    pub fn fill<T: Copy>(&mut self, len: usize, hostile: &[T], cast: impl Fn(u64) -> T) -> Vec<T> {
        (0..len)
            .map(|_| {
                let r = self.next();
                if r & 1 == 0 { hostile[(r >> 33) as usize % hostile.len()] } else { cast(self.next()) }
            })
            .collect()
    }

    /// Uniform in [-1, 1).
    pub fn floats(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
    }
}

pub const HOSTILE_I8: &[i8] = &[-128, -127, 127, 0, -1, 1];
pub const HOSTILE_U8: &[u8] = &[0, 1, 127, 128, 254, 255];
pub const HOSTILE_I16: &[i16] = &[i16::MIN, i16::MIN + 1, i16::MAX, 0, -1, 1];
pub const HOSTILE_I32: &[i32] =
    &[i32::MIN, i32::MIN + 1, i32::MAX, i32::MAX - 1, 0, -1, 1, 1 << 30, -(1 << 30), (1 << 24) + 1];
pub const HOSTILE_I64: &[i64] = &[
    i64::MIN,
    i64::MAX,
    0,
    -1,
    (1 << 50) - 1,
    1 << 50,
    -(1 << 50),
    -(1 << 50) - 1,
    (1 << 24) + 1,
    (1 << 40) + (1 << 16),
    (1 << 40) + (1 << 16) + 1,
];
pub const HOSTILE_F32: &[f32] = &[
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    1e-45,
    -1e-45,
    0.0,
    -0.0,
    0.5,
    1.5,
    2.5,
    -0.5,
    -1.5,
    -2.5,
    126.5,
    127.5,
    -128.5,
    65504.0,
    65520.0,
    2.147_483_6e9,
];

/// Bits, so that NaN equals itself and −0 differs from +0. NaNs made by arithmetic (scale · NaN)
/// are one class: which payload wins is the CPU's choice.
pub fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|v| if v.is_nan() { 0x7FC0_0000 } else { v.to_bits() }).collect()
}
