//! Tensors that break careless code.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::Random;

/// Elements of the tensors drawn from a distribution.
const SAMPLE: usize = 4096;

/// Named fixed tensors: what has broken calibrators before.
#[must_use]
pub fn named() -> Vec<(&'static str, Vec<f32>)> {
    let mut random = Random::new(0xca11);
    let mut outlier = random.normals(100_000);
    outlier[77_777] = 1000.0;
    let mut with_nan = random.normals(100);
    with_nan[3] = f32::NAN;
    with_nan[50] = f32::INFINITY;
    with_nan[51] = f32::NEG_INFINITY;
    vec![
        ("empty", vec![]),
        ("all NaN", vec![f32::NAN; 9]),
        ("all infinite", vec![f32::INFINITY, f32::NEG_INFINITY, f32::INFINITY]),
        ("all zero", vec![0.0; 100]),
        ("both zeros", vec![0.0, -0.0, -0.0, 0.0]),
        ("one element", vec![0.7]),
        ("one negative element", vec![-3.5]),
        ("constant", vec![2.5; 1000]),
        ("negative constant", vec![-1e-3; 1000]),
        ("two values", vec![1.0, 5.0, 1.0, 5.0, 5.0]),
        ("denormal", vec![1e-45, -1e-45, 1e-40, -3e-39]),
        ("smallest normal", vec![f32::MIN_POSITIVE, -f32::MIN_POSITIVE]),
        ("largest", vec![f32::MAX, f32::MIN, 0.0, 1.0]),
        ("largest on one side", vec![f32::MAX, 1.0, 2.0]),
        ("denormal beside largest", vec![-1e-45, f32::MAX]),
        ("far from zero", (0..1000).map(|i| 1000.0 + i as f32 * 1e-3).collect()),
        ("relu", random.many(10_000, |r| r.normal().max(0.0))),
        ("one outlier in 100,000", outlier),
        ("NaN and infinities among numbers", with_nan),
        ("student-t", random.many(SAMPLE, Random::student_t)),
        ("log-normal", random.many(SAMPLE, Random::lognormal)),
    ]
}

/// One value: ordinary, of any finite magnitude, or special.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -10.0_f32..10.0,
        4 => any::<u32>().prop_map(f32::from_bits),
        1 => prop::sample::select(vec![
            0.0, -0.0, 1.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN,
            f32::MIN_POSITIVE, 1e-45, -1e-45,
        ]),
    ]
}

/// A tensor of any of the kinds in [`named`], of random content.
pub fn tensor() -> impl Strategy<Value = Vec<f32>> {
    prop_oneof![
        1 => prop::sample::select(named()).prop_map(|(_, values)| values),
        2 => vec(value(), 0..300),
        2 => finite(),
    ]
}

/// A tensor without NaN or infinities and with at least one element.
pub fn finite() -> impl Strategy<Value = Vec<f32>> {
    let distribution =
        (any::<u64>(), 0..4_u8, -20..20_i32, 1..SAMPLE).prop_map(|(seed, kind, exponent, len)| {
            let scale = 2.0_f64.powi(exponent);
            Random::new(seed).many(len, move |r| {
                scale
                    * match kind {
                        0 => r.normal(),
                        1 => r.laplace(),
                        2 => r.student_t(),
                        _ => r.lognormal(),
                    }
            })
        });
    prop_oneof![
        distribution,
        vec(-10.0_f32..10.0, 1..300),
        (value(), 1..50_usize).prop_filter_map("finite", |(v, n)| v.is_finite().then(|| vec![v; n])),
    ]
}

/// A few batches of hostile values.
pub fn batches() -> impl Strategy<Value = Vec<Vec<f32>>> {
    prop_oneof![vec(vec(value(), 0..60), 0..8), vec(finite(), 1..4)]
}
