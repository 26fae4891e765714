//! Products of 8 bits and fp32 beside each other and the limits of a core, in rounds that run each once: what slows the
//! machine for a while slows all of them. Rates are those of the lower decile of times.
#![allow(clippy::print_stdout)] // A table is all it is for.

mod common;

use std::{hint::black_box, time::Instant};

use calibench_kernels::{Finish, Isa, KernelSet, Kernels, Output, PackedFloat, Products};
use common::{SHAPES, bytes, codes, floats, limits::available};

const ROUNDS: usize = 201;

/// Something timed: its name, its multiply-accumulates and what runs it.
struct Timed<'a> {
    name: String,
    macs: usize,
    run: Box<dyn FnMut() + 'a>,
}

/// GMAC/s of each.
fn rates(mut all: Vec<Timed<'_>>) -> Vec<(String, f64)> {
    let mut times = vec![Vec::new(); all.len()];
    for _ in 0..ROUNDS {
        for (timed, times) in all.iter_mut().zip(&mut times) {
            // Once before, so that its own operands are in cache, not those of what ran before.
            (timed.run)();
            let start = Instant::now();
            (timed.run)();
            times.push(start.elapsed().as_secs_f64());
        }
    }
    let rate = |(timed, mut times): (Timed<'_>, Vec<f64>)| {
        times.sort_by(f64::total_cmp);
        (timed.name, timed.macs as f64 / times[ROUNDS / 10] / 1e9)
    };
    all.into_iter().zip(times).map(rate).collect()
}

fn main() {
    let limits = available();
    for (m, n, k) in SHAPES.into_iter().filter(|(m, ..)| *m > 1) {
        let a: Vec<i8> = bytes(m * k).iter().map(|&v| v as i8).collect();
        let (af, wf) = (floats(m * k), PackedFloat::f32(&floats(n * k), n, k));
        let mut all = Vec::new();
        for limit in &limits {
            let name = format!("limit: {}", limit.name);
            all.push(Timed { name, macs: limit.macs, run: Box::new(|| limit.run()) });
        }
        for &set in KernelSet::ALL.iter().filter(|set| set.isa != Isa::Generic) {
            let Ok(kernels) = Kernels::of(set) else { continue };
            let bits = if set.products == Products::SevenBit { 7 } else { 8 };
            let packed = kernels.pack_weights_s8(&codes(n, k, bits), n, k).expect("codes of that many bits");
            let (a, af, wf) = (&a, &af, &wf);
            let mut c = vec![0; m * n];
            let run = Box::new(move || kernels.gemm_s8(m, black_box(a), k, &packed, &mut c, n));
            all.push(Timed { name: format!("s8 {set}"), macs: m * n * k, run });
            if [Isa::Avx2, Isa::Avx512Vnni].map(KernelSet::exact).contains(&set) {
                let mut c = vec![0.0; m * n];
                let run = Box::new(move || {
                    let (finish, output) = (Finish::default(), Output::F32(&mut c));
                    kernels.gemm_float(m, black_box(af), k, wf, &finish, output, n);
                });
                all.push(Timed { name: format!("f32 {set}"), macs: m * n * k, run });
            }
        }
        println!("{m}x{n}x{k}");
        for (name, rate) in rates(all) {
            println!("  {name:<46} {rate:>7.1} GMAC/s");
        }
    }
}
