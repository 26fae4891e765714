//! Laws of the distances, and that histograms and tensors agree.

use std::f64::consts::LN_2;

use calibench_metrics::distance::KL_SKEW;
use calibench_metrics::{Density, Distances, Divergence, UniformQuantizer, wasserstein1};
use calibench_quant::{Histogram, Range};
use calibench_testkit::{Random, hostile};
use proptest::prelude::*;

/// A tensor of any size and scale, all finite.
fn sample() -> impl Strategy<Value = Vec<f32>> {
    hostile::finite()
}

/// Bins of any width, none among them; empty bins among them.
fn density() -> impl Strategy<Value = Density> {
    let bin = (prop_oneof![1 => Just(0.0), 3 => 0.0..4.0], prop_oneof![1 => Just(0.0), 3 => 0.01..9.0]);
    (-5.0..5.0, prop::collection::vec(bin, 1..12)).prop_filter_map("mass", |(first, bins)| {
        let mut edges = vec![first];
        let mut mass = Vec::new();
        for (width, m) in bins {
            edges.push(edges[edges.len() - 1] + width);
            mass.push(m);
        }
        Density::new(edges, mass).ok()
    })
}

fn quantizer() -> impl Strategy<Value = UniformQuantizer> {
    (0.001_f32..2.0, -20_i32..20, 1_i32..300).prop_map(|(scale, zero, codes)| {
        UniformQuantizer::new(scale, zero, -20, codes - 20).expect("a quantizer")
    })
}

/// The project's histogram of a tensor, its outermost bins held to what was seen.
fn binned(values: &[f32]) -> Density {
    let histogram = Histogram::of(values).expect("finite values");
    let observed = Range::of(values).expect("finite values");
    let (mut edges, mut mass) = (Vec::new(), Vec::new());
    for cell in histogram.cells(observed) {
        // Between two bins that are not empty lies one that is.
        if !edges.is_empty() {
            mass.push(0.0);
        }
        edges.extend([cell.low, cell.high]);
        mass.push(cell.count);
    }
    Density::new(edges, mass).expect("a histogram")
}

/// Each value a point.
fn pointed(values: &[f32]) -> Density {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    Density::from_points(sorted.iter().map(|v| (f64::from(*v), 1.0))).expect("a histogram")
}

fn near(a: f64, b: f64, tolerance: f64) -> Result<(), TestCaseError> {
    prop_assert!((a - b).abs() <= tolerance, "{} and {} differ by more than {}", a, b, tolerance);
    Ok(())
}

/// Whether fp32 and real numbers round `x` to the same code: it is no tie of two codes, up to fp32's rounding.
fn is_no_tie(x: f32, q: &UniformQuantizer) -> bool {
    let steps = f64::from(x) / f64::from(q.scale());
    let from_tie = (steps - steps.floor() - 0.5).abs();
    from_tie > 1e-6 * steps.abs() || steps.abs() > 1_000.0
}

/// Greatest magnitude, for tolerances.
fn bound(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(v.abs())).fold(0.0, f64::max)
}

proptest! {
    #[test]
    fn wasserstein_is_a_metric_of_samples(a in sample(), b in sample(), c in sample()) {
        let w = |x: &[f32], y: &[f32]| wasserstein1(x, y).expect("finite");
        let slack = 1e-12 * (bound(&a) + bound(&b) + bound(&c));
        prop_assert_eq!(w(&a, &a), 0.0);
        near(w(&a, &b), w(&b, &a), slack)?;
        prop_assert!(w(&a, &c) <= w(&a, &b) + w(&b, &c) + slack);
    }

    #[test]
    fn wasserstein_is_a_metric_of_histograms(a in density(), b in density(), c in density()) {
        let w = |x: &Density, y: &Density| x.wasserstein1(y).expect("finite");
        prop_assert_eq!(w(&a, &a), 0.0);
        near(w(&a, &b), w(&b, &a), 1e-12)?;
        prop_assert!(w(&a, &c) <= w(&a, &b) + w(&b, &c) + 1e-9);
    }

    #[test]
    fn a_shift_is_as_long_as_it_is(a in density(), shift in -9.0..9.0) {
        let moved = a.edges().iter().map(|e| e + shift).collect();
        let moved = Density::new(moved, a.mass().to_vec()).unwrap();
        near(a.wasserstein1(&moved).expect("finite"), f64::abs(shift), 1e-9)?;
    }

    #[test]
    fn a_sample_is_a_histogram_of_points(a in sample(), b in sample(), bins in 1_usize..200) {
        let (p, q) = (pointed(&a), pointed(&b));
        let (of_samples, of_points) = (wasserstein1(&a, &b), p.wasserstein1(&q));
        near(of_samples.expect("finite"), of_points.expect("finite"), 1e-9 * (bound(&a) + bound(&b)))?;
        let of_samples = Divergence::of_samples(&a, &b, bins).expect("finite");
        let of_points = p.divergence(&q, bins).expect("finite");
        near(of_samples.kl_nats, of_points.kl_nats, 1e-9)?;
        near(of_samples.js_nats, of_points.js_nats, 1e-9)?;
    }

    #[test]
    fn divergences_stay_within_their_bounds(a in sample(), b in sample(), bins in 1_usize..300) {
        let ab = Divergence::of_samples(&a, &b, bins).expect("finite");
        let ba = Divergence::of_samples(&b, &a, bins).expect("finite");
        prop_assert!((0.0..=LN_2).contains(&ab.js_nats), "{:?}", ab);
        prop_assert!((0.0..=-KL_SKEW.ln()).contains(&ab.kl_nats), "{:?}", ab);
        prop_assert_eq!(ab.js_nats, ba.js_nats);
        let aa = Divergence::of_samples(&a, &a, bins).expect("finite");
        prop_assert_eq!((aa.kl_nats, aa.js_nats), (0.0, 0.0));
    }

    #[test]
    fn divergences_of_histograms_stay_within_their_bounds(a in density(), b in density(), bins in 1_usize..300) {
        let ab = a.divergence(&b, bins).expect("finite");
        prop_assert!((0.0..=LN_2).contains(&ab.js_nats), "{:?}", ab);
        prop_assert!((0.0..=-KL_SKEW.ln()).contains(&ab.kl_nats), "{:?}", ab);
        prop_assert_eq!(ab.js_nats, b.divergence(&a, bins).expect("finite").js_nats);
        // Merging all bins leaves nothing to tell two distributions apart.
        near(a.divergence(&b, 1).expect("finite").js_nats, 0.0, 1e-12)?;
    }

    #[test]
    fn of_a_quantizer_is_between_with_its_output(a in sample(), q in quantizer()) {
        let candidate: Vec<f32> = a.iter().map(|x| q.fake_quantize(*x)).collect();
        let (got, want) = (Distances::of_quantizer(&a, &q), Distances::between(&a, &candidate));
        let shared = Distances { clipped_share: None, codes_used_share: None, ..got };
        prop_assert_eq!(Distances { wasserstein1: want.wasserstein1, ..shared }, want);
        let (got, want) = (got.wasserstein1.expect("finite"), want.wasserstein1.expect("finite"));
        near(got, want, 1e-12 * bound(&a).max(1.0))?;
    }

    #[test]
    fn a_quantized_histogram_is_as_far_as_the_transport_says(p in density(), q in quantizer()) {
        let quantized = q.quantize_density(&p).expect("finite");
        let transport = p.wasserstein1(&quantized.density).expect("finite");
        // Values of codes are rounded to fp32.
        near(quantized.pointwise.mean_abs_error, transport, 1e-5)?;
        near(quantized.density.total(), 1.0, 1e-12)?;
        prop_assert!((0.0..=1.0).contains(&quantized.clipped_share));
        prop_assert!(quantized.codes_used_share > 0.0 && quantized.codes_used_share <= 1.0);
        // Quantizing twice changes nothing more.
        let again = q.quantize_density(&quantized.density).expect("finite");
        prop_assert!(again.pointwise.max_abs_error < 1e-4);
        prop_assert_eq!(again.clipped_share, 0.0);
        prop_assert_eq!(again.codes_used_share, quantized.codes_used_share);
    }

    #[test]
    fn points_are_quantized_as_the_tensor_is(a in prop::collection::vec(-30.0_f32..30.0, 1..200), q in quantizer()) {
        // A tie may go to either code, and at the outermost one it is clipped or it is not: see QuantizedDensity.
        let a: Vec<f32> = a.into_iter().filter(|x| is_no_tie(*x, &q)).collect();
        prop_assume!(!a.is_empty());
        let raw = Distances::of_quantizer(&a, &q);
        let points = Distances::of_quantized_density(&pointed(&a), &q);
        let pair = |f: fn(&Distances) -> Option<f64>| (f(&raw).unwrap_or(-1.0), f(&points).unwrap_or(-1.0));
        for (got, want) in [
            pair(|d| d.mse),
            pair(|d| d.wasserstein1),
            pair(|d| d.max_abs_error),
            pair(|d| d.cosine),
            pair(|d| d.clipped_share),
            pair(|d| d.codes_used_share),
        ] {
            near(got, want, 1e-4 * want.abs().max(1.0))?;
        }
    }

    #[test]
    fn a_histogram_moves_no_mass_further_than_its_bins_are_wide(a in sample(), b in sample()) {
        let (p, q) = (binned(&a), binned(&b));
        let width = |d: &Density| d.edges().windows(2).map(|e| e[1] - e[0]).fold(0.0, f64::max);
        let exact = wasserstein1(&a, &b).expect("finite");
        let slack = width(&p) + width(&q) + 1e-9 * exact;
        near(p.wasserstein1(&q).expect("finite"), exact, slack)?;
    }
}

/// `values` in equal bins from −8 to 8.
fn in_bins(values: &[f32], bins: usize) -> Density {
    let edge = |i: usize| -8.0 + 16.0 * i as f64 / bins as f64;
    let mut mass = vec![0.0; bins];
    for v in values {
        mass[((f64::from(*v) + 8.0) * bins as f64 / 16.0) as usize] += 1.0;
    }
    Density::new((0..=bins).map(edge).collect(), mass).expect("a histogram")
}

#[test]
fn finer_bins_converge_to_the_tensor() {
    let values = Random::new(11).many(200_000, |r| r.normal().clamp(-7.9, 7.9));
    let int8 = UniformQuantizer::new(0.025, 0, -127, 127).unwrap();
    let raw = Distances::of_quantizer(&values, &int8);
    let off = |bins: usize| {
        let got = Distances::of_quantized_density(&in_bins(&values, bins), &int8);
        let relative = |f: fn(&Distances) -> Option<f64>| {
            let (got, want) = (f(&got).expect("defined"), f(&raw).expect("defined"));
            ((got - want) / want).abs()
        };
        [
            relative(|d| d.mse),
            relative(|d| d.wasserstein1),
            relative(|d| d.sqnr_db),
            relative(|d| d.max_abs_error),
            relative(|d| d.clipped_share),
            relative(|d| d.codes_used_share),
        ]
        .into_iter()
        .fold(0.0, f64::max)
    };
    let (coarse, fine, finest) = (off(40), off(4_000), off(400_000));
    assert!(coarse > fine && fine > finest, "{coarse} {fine} {finest}");
    assert!(finest < 1e-4, "{finest}");
}

#[test]
fn histograms_finer_than_the_common_bins_give_the_divergence_of_the_tensors() {
    // The ends of the range occur in both tensors and in both histograms.
    let ends = [-8.0_f32, 7.999_999];
    let mut random = Random::new(12);
    let a: Vec<f32> = random.normals(20_000).into_iter().chain(ends).collect();
    let b: Vec<f32> = random.many(30_000, |r| 1.3 * r.normal() + 0.2).into_iter().chain(ends).collect();
    let raw = Distances::between(&a, &b);
    let binned = Distances::between_densities(&in_bins(&a, 1280), &in_bins(&b, 1280));
    let off = |f: fn(&Distances) -> Option<f64>| (f(&raw).unwrap() - f(&binned).unwrap()).abs();
    assert!(off(|d| d.kl_nats) < 1e-3 * raw.kl_nats.unwrap(), "{raw:?} {binned:?}");
    assert!(off(|d| d.js_nats) < 1e-3 * raw.js_nats.unwrap(), "{raw:?} {binned:?}");
    assert!(off(|d| d.wasserstein1) < 1e-2 * raw.wasserstein1.unwrap(), "{raw:?} {binned:?}");
    assert_eq!((binned.mse, binned.clipped_share), (None, None));
}

#[test]
fn divergence_of_two_normals_is_near_its_closed_form() {
    // KL(N(0, 1) ‖ N(½, 1)) = ½ · (½)² = 1/8.
    let mut random = Random::new(13);
    let a = random.normals(1_000_000);
    let b = random.many(1_000_000, |r| r.normal() + 0.5);
    let got = Divergence::of_samples(&a, &b, 128).expect("finite");
    assert!((got.kl_nats - 0.125).abs() < 2e-3, "{got:?}");
    let got = wasserstein1(&a, &b).expect("finite");
    assert!((got - 0.5).abs() < 5e-3, "{got}");
}

#[test]
fn a_well_scaled_int8_tensor_has_hardly_any_divergence_and_a_clipped_one_has() {
    let values = Random::new(14).normals(100_000);
    let most = bound(&values) as f32;
    let whole = Distances::of_quantizer(&values, &UniformQuantizer::new(most / 127.0, 0, -127, 127).unwrap());
    assert!(whole.kl_nats < Some(5e-4) && whole.js_nats < Some(2e-4), "{whole:?}");
    let clipped =
        Distances::of_quantizer(&values, &UniformQuantizer::new(1.0 / 127.0, 0, -127, 127).unwrap());
    assert!(clipped.kl_nats > Some(1.0) && clipped.js_nats > Some(0.1), "{clipped:?}");
    assert!((clipped.clipped_share.expect("finite") - 0.317).abs() < 0.01, "{clipped:?}");
}

#[test]
fn hostile_tensors_never_give_nan() {
    let int8 = UniformQuantizer::new(0.05, 3, -128, 127).unwrap();
    let tensors = hostile::named();
    for (name, a) in &tensors {
        let mut all = vec![Distances::of_quantizer(a, &int8)];
        all.extend(tensors.iter().map(|(_, b)| Distances::between(a, b)));
        if !a.is_empty() && a.iter().all(|v| v.is_finite()) {
            all.push(Distances::of_quantized_density(&binned(a), &int8));
            all.push(Distances::between_densities(&binned(a), &pointed(&[1.0, 2.0])));
        }
        for distances in all {
            for value in [
                distances.mse,
                distances.sqnr_db,
                distances.cosine,
                distances.max_abs_error,
                distances.kl_nats,
                distances.js_nats,
                distances.wasserstein1,
                distances.clipped_share,
                distances.codes_used_share,
            ] {
                assert!(value.is_none_or(f64::is_finite), "{name}: {distances:?}");
            }
        }
    }
}
