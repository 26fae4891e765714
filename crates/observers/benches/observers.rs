//! Throughput of every registered observer on one thread, in elements. Ids: `observe-NAME/f32/SHAPE`.

use std::collections::BTreeSet;
use std::hint::black_box;

use calibench_observers::{ChannelLayout, ChannelObserver};
use calibench_quant::{Batch, StatKind};
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

fn observe_channels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("observe-channel-minmax");
    for shape in [[4096, 8], [4096, 512], [16384, 768]] {
        let values = Random::new(1).normals(shape.iter().product());
        let layout = ChannelLayout::of(&shape, 1).expect("two axes");
        group.throughput(Throughput::Elements(values.len() as u64));
        group.bench_function(
            BenchmarkId::new("f32", format!("{}x{}/last-axis", shape[0], shape[1])),
            |bench| {
                let mut observer = ChannelObserver::new(&BTreeSet::from([StatKind::Range]), layout);
                let batch = Batch { index: 0, samples: shape[0] as u64, values: &values };
                bench.iter(|| observer.observe(black_box(&batch)));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, observe, observe_channels);
criterion_main!(benches);
