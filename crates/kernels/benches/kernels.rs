//! Kernel throughput. Ids are `op/dtype/shape/isa`; an element is one multiply-accumulate for
//! products and one value for the rest.

use std::{hint::black_box, time::Duration};

use calibench_kernels::{Isa, Kernels, Requant};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// (m, n, k): a transformer projection, an im2col convolution, a single token.
const SHAPES: [(usize, usize, usize); 3] = [(128, 768, 768), (784, 64, 576), (1, 768, 768)];
const VALUES: usize = 64 * 1024;

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i * 2_654_435_761) >> 13) as u8).collect()
}

fn floats(len: usize) -> Vec<f32> {
    bytes(len).iter().map(|&b| f32::from(b) / 64.0 - 2.0).collect()
}

fn products(c: &mut Criterion) {
    for (m, n, k) in SHAPES {
        let raw = bytes(m * k);
        let a8: Vec<i8> = raw.iter().map(|&v| v as i8).collect();
        let a16: Vec<i16> = raw.iter().map(|&v| i16::from(v) * 129).collect();
        let w: Vec<i8> = bytes(n * k).iter().map(|&v| v as i8).collect();
        let (af, wf) = (floats(m * k), floats(n * k));
        let (mut c32, mut c64, mut cf) = (vec![0; m * n], vec![0; m * n], vec![0.0; m * n]);
        let shape = format!("{m}x{n}x{k}");
        for isa in Isa::available() {
            let kernels = Kernels::new(isa).expect("listed as available");
            let packed = kernels.pack_s8(&w, n, k);
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
                kernels.gemm_s16(m, black_box(&a16), k, &packed, &mut c64, n);
            });
            run("gemm_f32", "f32", &mut || {
                kernels.gemm_f32(m, n, k, black_box(&af), k, &wf, k, None, false, &mut cf, n);
            });
        }
    }
}

fn values(c: &mut Criterion) {
    let x = floats(VALUES);
    let acc: Vec<i32> = (0..VALUES).map(|i| (i as i32).wrapping_mul(40_503) >> 12).collect();
    let columns = 256;
    let corr = vec![1234; columns];
    let requant = vec![Requant::from_real(0.0013).expect("positive"); columns];
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
        run("requantize/s32s8", &mut || {
            let acc = black_box(&acc);
            kernels.requantize_s8(acc, columns, &corr, &requant, 3, -128, 127, &mut out);
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
    targets = products, values
}
criterion_main!(benches);
