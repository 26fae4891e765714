//! One end-to-end cell: an untrained built-in model, compiled and run, per dtype and batch size.
//!
//! Ids are `run/<dtype>/<model>/b<batch>`; throughput is samples per second. Compilation (weight
//! quantization and packing) has its own group.

use std::hint::black_box;
use std::time::Duration;

use calibench_engine::QuantSpec;
use calibench_engine::compile::{CompileOptions, Executable};
use calibench_engine::interpret::{CaptureTap, Interpreter};
use calibench_graph::{Graph, bind, placement};
use calibench_kernels::Kernels;
use calibench_quant::{Dtype, Granularity, IntFormat, QParams, Range, Symmetry, Timing};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn input(graph: &Graph, batch: usize) -> Vec<f32> {
    let len: usize = bind(&graph.value(Graph::INPUT).shape, batch).iter().product();
    (0..len).map(|i| (i * 37 % 17) as f32 / 16.0).collect()
}

/// int8 static parameters from the min-max of one batch.
fn int8_static(graph: &Graph) -> QuantSpec {
    let sites = placement(graph);
    let mut tap = CaptureTap::new(sites.activations.iter().copied());
    let interpreter = Interpreter::new(graph).expect("built-in models are valid");
    interpreter.run_slice(32, &[&input(graph, 32)], &mut tap).expect("the input fits");
    let mut spec = QuantSpec {
        timing: Timing::Static,
        granularity: Granularity::PerChannel,
        symmetry: Symmetry::Affine,
        ..QuantSpec::float(Dtype::Int8)
    };
    for (id, captured) in tap.finish() {
        let range = Range::of(&captured.data).expect("finite values");
        let qparams = QParams::from_range("bench", range, IntFormat::INT8, Symmetry::Affine);
        spec.activations.insert(id, qparams.expect("a finite range"));
    }
    for site in sites.weights {
        let data = graph.params[&site.param].data();
        let qparams =
            QParams::of_weights(&site.param, data, site.channels, IntFormat::INT8, Granularity::PerChannel);
        spec.weights.insert(site.param, qparams.expect("finite weights"));
    }
    spec
}

fn cells(c: &mut Criterion) {
    for entry in calibench_models::ALL {
        let graph = entry.inference_graph(0).expect("built-in models build");
        for (dtype, spec) in [("fp32", QuantSpec::float(Dtype::Fp32)), ("int8-static", int8_static(&graph))] {
            for batch in [1, 32] {
                let options = CompileOptions { kernels: Kernels::best(), threads: 1, max_batch: batch };
                let mut executable =
                    Executable::compile(&graph, &spec, options).expect("built-in models compile");
                let input = input(&graph, batch);
                let mut group = c.benchmark_group(format!("run/{dtype}"));
                group.throughput(Throughput::Elements(batch as u64));
                group.bench_function(BenchmarkId::new(entry.id, format!("b{batch}")), |b| {
                    b.iter(|| {
                        black_box(executable.run(batch, black_box(&[&input])).expect("the input fits"))[0]
                    });
                });
                group.finish();
            }
            let options = CompileOptions { kernels: Kernels::best(), threads: 1, max_batch: 1 };
            let mut group = c.benchmark_group(format!("compile/{dtype}"));
            group.bench_function(entry.id, |b| {
                b.iter(|| {
                    Executable::compile(black_box(&graph), &spec, options).expect("built-in models compile")
                });
            });
            group.finish();
        }
    }
}

fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
}

criterion_group! { name = benches; config = short(); targets = cells }
criterion_main!(benches);
