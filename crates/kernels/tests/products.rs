//! Products with what finishes them, and normalisations of rows, against the formulas in f64 with a bound; and the same
//! bits on every instruction set where that is promised.
#![allow(clippy::unwrap_used)]

mod common;

use calibench_kernels::{
    Activation, CodeImage, Depthwise, Finish, Isa, Kernels, Op, Output, PackedFloat, Quantizer, Residual,
    Windows,
};
use common::*;
use half::{bf16, f16};
use proptest::prelude::*;

/// m, n, k, padding of the leading dimensions, seed.
fn shapes() -> impl Strategy<Value = (usize, usize, usize, usize, u64)> {
    (0_usize..=40, 0_usize..=150, 0_usize..=70, 0_usize..=3, any::<u64>())
}

fn activations() -> impl Strategy<Value = Activation> {
    prop_oneof![Just(Activation::None), Just(Activation::Relu), Just(Activation::Gelu)]
}

/// The activation in f64; GELU by the logistic form of Φ's series is not needed: its own test has the bound.
fn activated(x: f64, activation: Activation) -> f64 {
    match activation {
        Activation::None => x,
        Activation::Relu => x.max(0.0),
        Activation::Gelu => {
            let mut out = [0.0];
            let kernels = Kernels::new(Isa::Generic).unwrap();
            kernels.activate(&[x as f32], activation, Output::F32(&mut out));
            out[0].into()
        }
    }
}

/// Weights of each kind that is held, and what they stand for, row-major.
fn weights(kind: usize, n: usize, k: usize, rng: &mut Mix) -> (PackedFloat, Vec<f32>) {
    let values = rng.floats(n * k);
    match kind {
        0 => (PackedFloat::f32(&values, n, k), values),
        1 => {
            let wide = values.iter().map(|v| f16::from_f32(*v).to_f32()).collect();
            (PackedFloat::f16(&values, n, k), wide)
        }
        2 => {
            let wide = values.iter().map(|v| bf16::from_f32(*v).to_f32()).collect();
            (PackedFloat::bf16(&values, n, k), wide)
        }
        _ => {
            let codes = rng.fill(n * k, HOSTILE_I8, |r| r as i8);
            let scale = rng.floats(if kind == 3 { 1 } else { n });
            let of = |i: usize| scale[if scale.len() == 1 { 0 } else { i / k }];
            let wide = codes.iter().enumerate().map(|(i, q)| f32::from(*q) * of(i)).collect();
            (PackedFloat::s8(&codes, scale, n, k), wide)
        }
    }
}

fn gemm_float_case(
    kernels: Kernels,
    kind: usize,
    (m, n, k, pad, seed): (usize, usize, usize, usize, u64),
    activation: Activation,
) {
    let mut rng = Mix(seed);
    let (w, wide) = weights(kind, n, k, &mut rng);
    let (lda, ldo) = (k + pad, n + pad);
    let a = rng.floats(m * lda);
    let (bias, residual) = (rng.floats(n), rng.floats(m * ldo));
    let mut out = vec![f32::NAN; m * ldo];
    let finish =
        Finish { bias: &bias, residual: Some(Residual::F32(&residual)), activation, ..Finish::default() };
    kernels.gemm_float(m, &a, lda, &w, &finish, Output::F32(&mut out), ldo);
    for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
        let added = f64::from(bias[j]) + f64::from(residual[i * ldo + j]);
        let (mut sum, mut magnitude) =
            (added, f64::from(bias[j].abs()) + f64::from(residual[i * ldo + j].abs()));
        for p in 0..k {
            let product = f64::from(a[i * lda + p]) * f64::from(wide[j * k + p]);
            sum += product;
            magnitude += product.abs();
        }
        let bound = (k + 6) as f64 * f64::from(f32::EPSILON) * magnitude + 1e-6;
        let (got, want) = (f64::from(out[i * ldo + j]), activated(sum, activation));
        assert!((got - want).abs() <= 1.2 * bound, "{} [{i},{j}] {got} {want}", kernels.isa());
    }
    let padding = out.chunks(ldo.max(1)).flat_map(|row| &row[n.min(row.len())..]);
    assert!(padding.into_iter().all(|v| v.is_nan()), "padding was written");
}

#[test]
fn gemm_float() {
    for kernels in kernels_of(Op::GemmFloat) {
        check(150, (0_usize..5, shapes(), activations()), |(kind, shape, activation)| {
            gemm_float_case(kernels, kind, shape, activation);
            Ok(())
        });
        for kind in 0..5 {
            // More rows than a block, a long reduction.
            gemm_float_case(kernels, kind, (100, 33, 700, 1, 3), Activation::None);
            gemm_float_case(kernels, kind, (3, 17, 4001, 0, 4), Activation::Relu);
        }
    }
}

#[test]
fn weights_keep_their_size() {
    let mut rng = Mix(1);
    assert_eq!(weights(0, 16, 10, &mut rng).0.bytes(), 640);
    assert_eq!(weights(1, 16, 10, &mut rng).0.bytes(), 320);
    assert_eq!(weights(4, 16, 10, &mut rng).0.bytes(), 160 + 64);
}

#[test]
fn operands_are_packed_with_any_strides() {
    for kernels in kernels_of(Op::GemmFloat) {
        check(150, (shapes(), any::<bool>()), |((m, n, k, pad, seed), flip)| {
            let mut rng = Mix(seed);
            let (rs_b, cs_b) = if flip { (1, k + pad) } else { (n + pad, 1) };
            let a = rng.floats(m * (k + pad));
            let b = rng.floats((n + pad) * (k + pad));
            let mut c = vec![f32::NAN; m * (n + pad)];
            let finish = Finish { scale: &[0.5], ..Finish::default() };
            let output = Output::F32(&mut c);
            let mut packed = PackedFloat::f32(&[1.0; 6], 2, 3);
            packed.repack(&b, n, k, cs_b, rs_b);
            kernels.gemm_float(m, &a, k + pad, &packed, &finish, output, n + pad);
            for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let terms =
                    (0..k).map(|p| f64::from(a[i * (k + pad) + p]) * f64::from(b[p * rs_b + j * cs_b]));
                let (want, magnitude) = terms.fold((0.0, 0.0), |(s, m), t| (s + 0.5 * t, m + t.abs()));
                let bound = (k + 4) as f64 * f64::from(f32::EPSILON) * magnitude;
                let got = f64::from(c[i * (n + pad) + j]);
                prop_assert!((got - want).abs() <= bound, "[{i},{j}] {got} {want}");
            }
            Ok(())
        });
    }
}

/// The formula of [`Finish`] and [`Quantizer`] for one sum of an int8 product, operation by operation in fp32.
#[allow(clippy::too_many_arguments)]
fn finished(
    sum: i32,
    correction: i32,
    scale: f32,
    bias: f32,
    residual: Option<f32>,
    activation: Activation,
) -> f32 {
    let mut value = sum.wrapping_add(correction) as f32 * scale + bias;
    if let Some(residual) = residual {
        value += residual;
    }
    match activation {
        Activation::Gelu => activated(value.into(), activation) as f32,
        Activation::Relu if value < 0.0 => 0.0,
        _ => value,
    }
}

fn code(value: f32, q: Quantizer) -> i8 {
    let t = (value * (1.0 / q.scale)).round_ties_even();
    let t = if t.is_nan() { 0.0 } else { t };
    (t.clamp((q.low - q.zero_point) as f32, (q.high - q.zero_point) as f32) as i32 + q.zero_point) as i8
}

#[test]
fn gemm_s8_finish() {
    let inputs = (shapes(), activations(), 0_u8..3, -128_i32..=127, any::<bool>());
    for kernels in kernels_of(Op::GemmS8Finish) {
        check(150, &inputs, |((m, n, k, pad, seed), activation, residual_kind, zero_point, to_codes)| {
            let mut rng = Mix(seed);
            let (lda, ldo) = (k + pad, n + pad);
            let a = rng.fill(m * lda, HOSTILE_I8, |r| r as i8);
            let b = rng.fill(n * k, HOSTILE_I8, |r| r as i8);
            let packed = kernels.pack_s8(&b, n, k);
            let correction: Vec<i32> = (0..n).map(|_| (rng.next() >> 44) as i32 - (1 << 19)).collect();
            let row_correction: Vec<i32> = (0..m).map(|i| 1000 * i as i32 - 500).collect();
            let scale: Vec<f32> = (0..n).map(|j| 1e-4 * (1 + j % 7) as f32).collect();
            let (bias, floats) = (rng.floats(n), rng.floats(m * ldo));
            let codes = rng.fill(m * ldo, HOSTILE_I8, |r| r as i8);
            let residual = match residual_kind {
                0 => None,
                1 => Some(Residual::F32(&floats)),
                _ => Some(Residual::S8 { codes: &codes, scale: 0.03, zero_point }),
            };
            let finish = Finish {
                correction: &correction,
                row_correction: &row_correction,
                scale: &scale,
                bias: &bias,
                residual,
                activation,
            };
            let q = Quantizer { scale: 0.07, zero_point, low: -120, high: 127 };
            let (mut values, mut out) = (vec![f32::NAN; m * ldo], vec![77; m * ldo]);
            let output = if to_codes { Output::S8(&mut out, q) } else { Output::F32(&mut values) };
            kernels.gemm_s8_finish(m, &a, lda, &packed, &finish, output, ldo);
            for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let sum: i32 = (0..k).map(|p| i32::from(a[i * lda + p]) * i32::from(b[j * k + p])).sum();
                let at = i * ldo + j;
                let added = match residual_kind {
                    0 => None,
                    1 => Some(floats[at]),
                    _ => Some((i32::from(codes[at]) - zero_point) as f32 * 0.03),
                };
                let want =
                    finished(sum, correction[j] + row_correction[i], scale[j], bias[j], added, activation);
                if to_codes {
                    prop_assert_eq!(out[at], code(want, q), "[{},{}] {}", i, j, want);
                } else {
                    prop_assert_eq!(values[at].to_bits(), want.to_bits(), "[{},{}] {}", i, j, want);
                }
            }
            Ok(())
        });
    }
}

/// Rows of hostile values.
fn rows_of(rng: &mut Mix, len: usize) -> Vec<f32> {
    let factor = [1.0, 1e-3, 30.0][(rng.next() % 3) as usize];
    rng.floats(len).into_iter().map(|v| v * factor).collect()
}

/// Runs `f` for fp32 and int8 results on every instruction set; the bits are those of the scalar kernels.
fn same_bits_everywhere(op: Op, len: usize, f: impl Fn(Kernels, Output<'_>)) -> Vec<f32> {
    let q = Quantizer { scale: 0.01, zero_point: -3, low: -128, high: 127 };
    let run = |kernels: Kernels| {
        let (mut values, mut codes) = (vec![0.0; len], vec![0; len]);
        f(kernels, Output::F32(&mut values));
        f(kernels, Output::S8(&mut codes, q));
        (values, codes)
    };
    let (values, codes) = run(Kernels::new(Isa::Generic).unwrap());
    assert!(values.iter().zip(&codes).all(|(v, c)| code(*v, q) == *c));
    for kernels in kernels_of(op) {
        let (got, got_codes) = run(kernels);
        let bits = |x: &[f32]| x.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!((bits(&got), &got_codes), (bits(&values), &codes), "{}", kernels.isa());
    }
    values
}

#[test]
fn layer_norm() {
    check(100, (0_usize..5, 1_usize..=100, any::<u64>()), |(rows, width, seed)| {
        let mut rng = Mix(seed);
        let x = rows_of(&mut rng, rows * width);
        let (gamma, beta) = (rng.floats(width), rng.floats(width));
        let got = same_bits_everywhere(Op::LayerNorm, x.len(), |kernels, out| {
            kernels.layer_norm(&x, &gamma, &beta, 1e-5, out);
        });
        for (x, got) in x.chunks(width).zip(got.chunks(width)) {
            let mean = x.iter().map(|v| f64::from(*v)).sum::<f64>() / width as f64;
            let variance = x.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / width as f64;
            let most = x.iter().map(|v| f64::from(v.abs())).fold(0.0, f64::max);
            for ((x, got), (g, b)) in x.iter().zip(got).zip(gamma.iter().zip(&beta)) {
                let inverse = 1.0 / (variance + 1e-5).sqrt();
                let want = (f64::from(*x) - mean) * inverse * f64::from(*g) + f64::from(*b);
                let slack =
                    1e-5 * (want.abs() + f64::from(b.abs()) + most * inverse * f64::from(g.abs())) + 1e-7;
                prop_assert!((f64::from(*got) - want).abs() <= slack, "{} {}", got, want);
            }
        }
        Ok(())
    });
}

#[test]
fn softmax() {
    check(100, (0_usize..5, 1_usize..=100, any::<u64>()), |(rows, width, seed)| {
        let x = rows_of(&mut Mix(seed), rows * width);
        let got = same_bits_everywhere(Op::Softmax, x.len(), |kernels, out| kernels.softmax(&x, width, out));
        for (x, got) in x.chunks(width).zip(got.chunks(width)) {
            let most = x.iter().map(|v| f64::from(*v)).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = x.iter().map(|v| (f64::from(*v) - most).exp()).sum();
            for (x, got) in x.iter().zip(got) {
                let want = (f64::from(*x) - most).exp() / sum;
                prop_assert!((f64::from(*got) - want).abs() <= 1e-6, "{} {}", got, want);
            }
        }
        Ok(())
    });
}

#[test]
fn a_row_with_a_nan_becomes_nan_and_a_masked_one_stays_finite() {
    for kernels in kernels_of(Op::Softmax) {
        let mut out = [0.0; 40];
        let mut x = [1.0; 40];
        x[33] = f32::NAN;
        kernels.softmax(&x, 40, Output::F32(&mut out));
        assert!(out.iter().all(|v| v.is_nan()), "{}", kernels.isa());
        x[33] = f32::NEG_INFINITY;
        kernels.softmax(&x, 40, Output::F32(&mut out));
        assert!(out[33] == 0.0 && (out[0] - 1.0 / 39.0).abs() < 1e-7);
    }
}

#[test]
fn activate() {
    check(60, (0_usize..600, activations(), any::<u64>()), |(len, activation, seed)| {
        let x = rows_of(&mut Mix(seed), len);
        let got =
            same_bits_everywhere(Op::Activate, len, |kernels, out| kernels.activate(&x, activation, out));
        for (x, got) in x.iter().zip(got) {
            match activation {
                Activation::None => prop_assert_eq!(*x, got),
                Activation::Relu => prop_assert_eq!(x.max(0.0), got),
                Activation::Gelu => {
                    prop_assert!(got >= -0.1701 && got <= x.max(0.0) + 1e-6 * x.abs(), "{} {}", x, got)
                }
            }
        }
        Ok(())
    });
}

fn depthwise_shapes() -> impl Strategy<Value = (Depthwise, usize, u64)> {
    let pair = |most: usize| (1..=most, 1..=most).prop_map(|(a, b)| [a, b]);
    let padding = (0_usize..=2, 0_usize..=2).prop_map(|(a, b)| [a, b]);
    (1_usize..=40, pair(6), pair(3), pair(2), padding, pair(2), 1_usize..=3, any::<u64>()).prop_map(
        |(channels, input, kernel, stride, padding, dilation, batch, seed)| {
            let out = |i: usize| {
                let reach = dilation[i] * (kernel[i] - 1) + 1;
                (input[i] + 2 * padding[i]).saturating_sub(reach) / stride[i] + 1
            };
            let output = [out(0), out(1)];
            (Depthwise { channels, input, output, kernel, stride, padding, dilation }, batch, seed)
        },
    )
}

/// The sum over all taps of one output, by indices that may lie outside of the image.
fn depthwise_sum(
    s: &Depthwise,
    at: usize,
    c: usize,
    x: impl Fn(Option<usize>) -> f64,
    w: impl Fn(usize) -> f64,
) -> f64 {
    let pixels = s.output[0] * s.output[1];
    let (image, y, z) = (at / pixels, at % pixels / s.output[1], at % s.output[1]);
    let mut sum = 0.0;
    for (ky, kx) in (0..s.kernel[0]).flat_map(|ky| (0..s.kernel[1]).map(move |kx| (ky, kx))) {
        let row = (y * s.stride[0] + ky * s.dilation[0]) as isize - s.padding[0] as isize;
        let column = (z * s.stride[1] + kx * s.dilation[1]) as isize - s.padding[1] as isize;
        let inside = (0..s.input[0] as isize).contains(&row) && (0..s.input[1] as isize).contains(&column);
        let index = ((image * s.input[0]) as isize + row) * s.input[1] as isize + column;
        let source = inside.then(|| index as usize * s.channels + c);
        sum += x(source) * w((ky * s.kernel[1] + kx) * s.channels + c);
    }
    sum
}

#[test]
fn depthwise() {
    // Op::DepthwiseS8, Op::DepthwiseF32,
    for kernels in kernels_of(Op::DepthwiseS8) {
        check(150, depthwise_shapes(), |(shape, batch, seed)| {
            let mut rng = Mix(seed);
            let (c, taps) = (shape.channels, shape.kernel[0] * shape.kernel[1]);
            let rows = batch * shape.pixels();
            let len = batch * shape.input[0] * shape.input[1] * c;
            let x = rng.fill(len, HOSTILE_I8, |r| r as i8);
            let w = rng.fill(taps * c, HOSTILE_I8, |r| r as i8);
            let (xf, wf) = (rng.floats(len), rng.floats(taps * c));
            let pad = rng.next() as i8;
            let first = rng.next() as usize % rows;
            let count = rows - first;
            let (mut got, mut got_f) = (vec![0.0; count * c], vec![0.0; count * c]);
            let finish = Finish::default();
            kernels.depthwise_s8(shape, &x, pad, &w, (first, count), &finish, Output::F32(&mut got));
            kernels.depthwise_f32(shape, &xf, &wf, (first, count), &finish, Output::F32(&mut got_f));
            for (i, j) in (0..count).flat_map(|i| (0..c).map(move |j| (i, j))) {
                let code = |at: Option<usize>| f64::from(at.map_or(pad, |at| x[at]));
                let want = depthwise_sum(&shape, first + i, j, code, |at| w[at].into());
                prop_assert_eq!(f64::from(got[i * c + j]), want);
                let value = |at: Option<usize>| at.map_or(0.0, |at| f64::from(xf[at]));
                let want = depthwise_sum(&shape, first + i, j, value, |at| wf[at].into());
                let size =
                    depthwise_sum(&shape, first + i, j, |at| value(at).abs(), |at| f64::from(wf[at].abs()));
                prop_assert!((f64::from(got_f[i * c + j]) - want).abs() <= 2e-6 * size);
            }
            Ok(())
        });
    }
}

#[test]
fn convolutions_of_windows() {
    // Op::ConvFloat, Op::ConvS8,
    let inputs = (1_usize..=4, 1_usize..=12, 0_usize..=30, 1_usize..=40, 1_usize..=40, any::<u64>());
    for kernels in kernels_of(Op::ConvS8) {
        let group = kernels.s8_group();
        check(150, &inputs, |(count, len, gap, n, rows, seed)| {
            let mut rng = Mix(seed);
            // In groups for codes, in values for fp32.
            let windows = Windows { count, len, stride: len + gap };
            let wide = Windows { count, len: len * group, stride: windows.stride * group };
            let k = count * wide.len;
            let starts: Vec<usize> = (0..rows).map(|_| (rng.next() % 50) as usize).collect();
            let wide_starts: Vec<usize> = starts.iter().map(|start| start * group).collect();
            let image_len = 49 * group + (count - 1) * wide.stride + wide.len;
            let (x, w) =
                (rng.fill(image_len, HOSTILE_I8, |r| r as i8), rng.fill(n * k, HOSTILE_I8, |r| r as i8));
            let (xf, wf) = (rng.floats(image_len), rng.floats(n * k));
            let (mut got, mut got_f) = (vec![0.0; rows * n], vec![0.0; rows * n]);
            let finish = Finish::default();
            let packed = kernels.pack_s8(&w, n, k);
            let (widened, moved): (Vec<i16>, Vec<u8>) =
                x.iter().map(|code| (i16::from(*code), (i16::from(*code) + 128) as u8)).unzip();
            let image = if group == 2 { CodeImage::Pairs(&widened) } else { CodeImage::Quads(&moved) };
            kernels.conv_s8(image, &starts, windows, &packed, &finish, Output::F32(&mut got), n);
            let packed = PackedFloat::f32(&wf, n, k);
            kernels.conv_float(&xf, &wide_starts, wide, &packed, &finish, Output::F32(&mut got_f), n);
            for (i, j) in (0..rows).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let at = |p: usize| wide_starts[i] + p / wide.len * wide.stride + p % wide.len;
                let sum: i32 = (0..k).map(|p| i32::from(x[at(p)]) * i32::from(w[j * k + p])).sum();
                prop_assert_eq!(got[i * n + j], sum as f32, "{} [{},{}]", kernels.isa(), i, j);
                let terms = (0..k).map(|p| f64::from(xf[at(p)]) * f64::from(wf[j * k + p]));
                let (want, size) = terms.fold((0.0, 0.0), |(s, m), t| (s + t, m + t.abs()));
                let bound = (k + 4) as f64 * f64::from(f32::EPSILON) * size;
                prop_assert!((f64::from(got_f[i * n + j]) - want).abs() <= bound);
            }
            Ok(())
        });
    }
}

#[test]
#[should_panic(expected = "conv_float: a window ends at 9 of 8")]
fn a_window_beyond_the_image_is_named() {
    let windows = Windows { count: 2, len: 2, stride: 4 };
    let b = PackedFloat::f32(&[0.0; 4], 1, 4);
    Kernels::best().conv_float(
        &[0.0; 8],
        &[0, 3],
        windows,
        &b,
        &Finish::default(),
        Output::F32(&mut [0.0; 2]),
        1,
    );
}
