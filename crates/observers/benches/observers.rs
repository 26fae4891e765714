//! Throughput of every registered observer on one thread, in elements. Ids: `observe-NAME/f32/SHAPE`.

use std::hint::black_box;

use calibench_quant::Batch;
use calibench_testkit::Random;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Batch shapes: the logits of a small model, an activation that fits the cache, one that does not.
const SHAPES: &[&[usize]] = &[&[64, 10], &[64, 32, 8, 8], &[32, 64, 64, 64]];

fn observe(criterion: &mut Criterion) {
    for entry in calibench_observers::ALL {
        let mut group = criterion.benchmark_group(format!("observe-{}", entry.id));
        for shape in SHAPES {
            let values = Random::new(1).normals(shape.iter().product());
            let label = shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
            group.throughput(Throughput::Elements(values.len() as u64));
            group.bench_function(BenchmarkId::new("f32", label), |bench| {
                let mut observer = (entry.construct)();
                let batch = Batch { index: 0, samples: shape[0] as u64, values: &values };
                bench.iter(|| observer.observe(black_box(&batch)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, observe);
criterion_main!(benches);
