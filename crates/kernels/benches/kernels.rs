//! Kernel throughput. Ids are `op/dtype/shape/isa`; an element is one multiply-accumulate for
//! products and one value for the rest.

mod common;

use std::{hint::black_box, time::Duration};

use calibench_kernels::{Activation, Finish, Isa, Kernels, Output, PackedFloat, Quantizer};
use common::{SHAPES, bytes, codes, floats, limits::available};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const VALUES: usize = 64 * 1024;

/// What a core can do at most.
fn limits(c: &mut Criterion) {
    let mut group = c.benchmark_group("limit");
    for limit in available() {
        group.throughput(Throughput::Elements(limit.macs as u64));
        group.bench_function(limit.name, |b| b.iter(|| limit.run()));
    }
    group.finish();
}

fn products(c: &mut Criterion) {
    for (m, n, k) in SHAPES {
        let raw = bytes(m * k);
        let a8: Vec<i8> = raw.iter().map(|&v| v as i8).collect();
        let a16: Vec<i16> = raw.iter().map(|&v| i16::from(v) * 129).collect();
        let (af, wf) = (floats(m * k), floats(n * k));
        let (mut c8, mut c32, mut c64, mut cf) =
            (vec![0; m * n], vec![0; m * n], vec![0; m * n], vec![0.0; m * n]);
        let wide = PackedFloat::f32(&wf, n, k);
        let shape = format!("{m}x{n}x{k}");
        for isa in Isa::available() {
            let kernels = Kernels::new(isa).expect("listed as available");
            let w = codes(n, k, 8);
            let (packed, for_s16) = (kernels.pack_s8(&w, n, k), kernels.pack_s8_for_s16(&w, n, k));
            let mut run = |op: &str, dtype: &str, f: &mut dyn FnMut()| {
                let mut group = c.benchmark_group(format!("{op}/{dtype}"));
                group.throughput(Throughput::Elements((m * n * k) as u64));
                group.bench_function(BenchmarkId::new(&shape, isa), |b| b.iter(&mut *f));
                group.finish();
            };
            run("gemm_s8", "s8s8s32", &mut || {
                kernels.gemm_s8(m, black_box(&a8), k, &packed, &mut c32, n);
            });
            run("gemm_u8", "u8s8s32", &mut || {
                kernels.gemm_u8(m, black_box(&raw), k, &packed, &mut c32, n);
            });
            run("gemm_s16", "s16s8s64", &mut || {
                kernels.gemm_s16(m, black_box(&a16), k, &for_s16, &mut c64, n);
            });
            run("gemm_float", "f32", &mut || {
                kernels.gemm_float(m, black_box(&af), k, &wide, &Finish::default(), Output::F32(&mut cf), n);
            });
            run("gemm_s8_finish", "s8s8s8", &mut || {
                let finish = Finish { scale: &[1e-4], activation: Activation::Gelu, ..Finish::default() };
                let q = Quantizer { scale: 0.1, zero_point: 3, low: -128, high: 127 };
                kernels.gemm_s8_finish(m, black_box(&a8), k, &packed, &finish, Output::S8(&mut c8, q), n);
            });
        }
    }
}

/// The `gemm` crate on one thread, for comparison.
fn peers(c: &mut Criterion) {
    for (m, n, k) in SHAPES {
        let (a, b, mut out) = (floats(m * k), floats(n * k), vec![0.0_f32; m * n]);
        let mut group = c.benchmark_group("gemm_float/f32");
        group.throughput(Throughput::Elements((m * n * k) as u64));
        group.bench_function(BenchmarkId::new(format!("{m}x{n}x{k}"), "gemm-crate"), |bench| {
            // SAFETY: the slices are as long as sizes and strides say, and `out` overlaps neither.
            bench.iter(|| unsafe {
                gemm::gemm(
                    m,
                    n,
                    k,
                    out.as_mut_ptr(),
                    1,
                    n as isize,
                    false,
                    black_box(a.as_ptr()),
                    1,
                    k as isize,
                    b.as_ptr(),
                    k as isize,
                    1,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            });
        });
        group.finish();
    }
}

fn values(c: &mut Criterion) {
    let x = floats(VALUES);
    let gamma = vec![0.7; 256];
    let mut out = vec![0; VALUES];
    for isa in Isa::available() {
        let kernels = Kernels::new(isa).expect("listed as available");
        let mut run = |op: &str, f: &mut dyn FnMut()| {
            let mut group = c.benchmark_group(op);
            group.throughput(Throughput::Elements(VALUES as u64));
            group.bench_function(BenchmarkId::new(VALUES.to_string(), isa), |b| b.iter(&mut *f));
            group.finish();
        };
        run("quantize/f32s8", &mut || {
            kernels.quantize_s8(black_box(&x), 0.017, 3, -128, 127, &mut out);
        });
        run("softmax/f32s8", &mut || {
            let q = Quantizer { scale: 1.0 / 255.0, zero_point: -128, low: -128, high: 127 };
            kernels.softmax(black_box(&x), 128, Output::S8(&mut out, q));
        });
        run("layer_norm/f32s8", &mut || {
            let q = Quantizer { scale: 0.02, zero_point: 0, low: -128, high: 127 };
            kernels.layer_norm(black_box(&x), &gamma, &gamma, 1e-5, Output::S8(&mut out, q));
        });
        run("gelu/f32s8", &mut || {
            let q = Quantizer { scale: 0.02, zero_point: 0, low: -128, high: 127 };
            kernels.activate(black_box(&x), Activation::Gelu, Output::S8(&mut out, q));
        });
        run("min_max/f32", &mut || {
            black_box(kernels.min_max(black_box(&x)));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .sample_size(20)
        .without_plots();
    targets = limits, products, peers, values
}
criterion_main!(benches);
