//! Throughput of the distances on one thread, in elements of the reference. Ids: `DISTANCE/f32/ELEMENTS`.

use std::hint::black_box;

use calibench_metrics::distance::DIVERGENCE_BINS;
use calibench_metrics::{Density, Distances, Divergence, Pointwise, UniformQuantizer, wasserstein1};
use calibench_testkit::Random;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// A tensor that fits the cache, one that does not, and the largest that the project meets.
const SIZES: &[usize] = &[10_000, 1_000_000, 10_000_000];

fn tensors(criterion: &mut Criterion) {
    let int8 = UniformQuantizer::new(0.03, 0, -127, 127).expect("a quantizer");
    let mut group = criterion.benchmark_group("distances");
    group.sample_size(10);
    for size in SIZES {
        let reference = Random::new(1).normals(*size);
        let candidate: Vec<f32> = reference.iter().map(|x| int8.fake_quantize(*x)).collect();
        group.throughput(Throughput::Elements(*size as u64));
        let mut bench = |name: &str, distance: &dyn Fn(&[f32], &[f32]) -> f64| {
            group.bench_function(BenchmarkId::new(name, format!("f32/{size}")), |bench| {
                bench.iter(|| distance(black_box(&reference), black_box(&candidate)));
            });
        };
        bench("pointwise", &|r, c| Pointwise::of(r, c).map_or(0.0, |p| p.mse));
        bench("divergence", &|r, c| Divergence::of_samples(r, c, DIVERGENCE_BINS).map_or(0.0, |d| d.js_nats));
        bench("wasserstein1", &|r, c| wasserstein1(r, c).unwrap_or(0.0));
        bench("clipped-share", &|r, _| int8.clipped_share(r).unwrap_or(0.0));
        bench("codes-used-share", &|r, _| int8.codes_used_share(r).unwrap_or(0.0));
        bench("of-quantizer", &|r, _| Distances::of_quantizer(r, &int8).mse.unwrap_or(0.0));
    }
    group.finish();
}

/// A histogram of 4,096 bins, as observers keep, through 8- and 16-bit quantizers.
fn histograms(criterion: &mut Criterion) {
    let edges: Vec<f64> = (0..=4096).map(|i| f64::from(i) / 512.0 - 4.0).collect();
    let mass = edges.windows(2).map(|e| (-0.5 * e[0] * e[0]).exp()).collect();
    let density = Density::new(edges, mass).expect("a histogram");
    let mut group = criterion.benchmark_group("of-quantized-density");
    for (name, scale, most) in [("int8", 0.03, 127), ("int16", 1e-4, 32_767)] {
        let quantizer = UniformQuantizer::new(scale, 0, -most, most).expect("a quantizer");
        group.bench_function(name, |bench| {
            bench.iter(|| Distances::of_quantized_density(black_box(&density), &quantizer));
        });
    }
    group.finish();
}

criterion_group!(benches, tensors, histograms);
criterion_main!(benches);
