//! Time of one site's calibration, for every registered method. Ids: `calibrate-NAME/FORMAT-SYMMETRY/DATA`.

use std::hint::black_box;

use calibench_quant::{Batch, IntFormat, Job, StatKind, Stats, Symmetry};
use calibench_testkit::Random;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

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

/// One pass over 8 batches of 131,072 values for one method, and for every own method that reads ranges and
/// histograms.
fn pass(criterion: &mut Criterion) {
    let batches: Vec<Vec<f32>> = (0..8).map(|i| Random::new(i).normals(1 << 17)).collect();
    let own = calibench_calibrators::ALL.iter().map(|e| e.id);
    let all: Vec<&str> = own.filter(|id| !id.contains('@') && *id != "isotone").collect();
    let mut group = criterion.benchmark_group("pass");
    group.throughput(Throughput::Elements(8 << 17));
    for (name, methods) in [("entropy alone", vec!["entropy"]), ("own methods", all)] {
        let kinds = calibench_calibrators::needs(&methods).expect("registered");
        group.bench_function(BenchmarkId::new(name, methods.len()), |bench| {
            bench.iter(|| {
                let mut observers = calibench_observers::for_stats(kinds.iter().copied());
                for (index, values) in (0..).zip(&batches) {
                    observers.iter_mut().for_each(|o| o.observe(&Batch { index, samples: 1, values }));
                }
                calibench_observers::joined(black_box(&observers))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, calibrate, pass);
criterion_main!(benches);
