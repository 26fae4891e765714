//! Time of one site's calibration, for every registered method. Ids: `calibrate-NAME/FORMAT-SYMMETRY/DATA`.

use std::hint::black_box;

use calibench_quant::{Batch, IntFormat, Job, StatKind, Stats, Symmetry};
use calibench_testkit::Random;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const ELEMENTS: usize = 1_000_000;

fn observed(values: &[f32]) -> Stats {
    let mut observers = calibench_observers::for_stats(StatKind::ALL.iter().copied());
    for (index, values) in values.chunks(ELEMENTS / 8).enumerate() {
        for observer in &mut observers {
            observer.observe(&Batch { index: index as u64, samples: 64, values });
        }
    }
    calibench_observers::joined(&observers).expect("the same data")
}

fn calibrate(criterion: &mut Criterion) {
    let mut random = Random::new(1);
    let sites = [
        ("normal-1e6", observed(&random.normals(ELEMENTS))),
        ("relu-1e6", observed(&random.many(ELEMENTS, |r| r.normal().max(0.0)))),
    ];
    for entry in calibench_calibrators::ALL {
        let mut group = criterion.benchmark_group(format!("calibrate-{}", entry.id));
        let method = (entry.construct)();
        for (format, symmetry) in [
            (IntFormat::INT8, Symmetry::Affine),
            (IntFormat::INT8, Symmetry::Symmetric),
            (IntFormat::INT16, Symmetry::Affine),
        ] {
            for (data, stats) in &sites {
                let job = Job { site: "bench", stats, format, symmetry };
                let id = BenchmarkId::new(format!("{format}-{}", symmetry.id()), data);
                group.bench_function(id, |bench| bench.iter(|| method.calibrate(black_box(&job))));
            }
        }
        group.finish();
    }
}

criterion_group!(benches, calibrate);
criterion_main!(benches);
