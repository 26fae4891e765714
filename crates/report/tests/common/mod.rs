//! A synthetic run that looks like a real one: three models, about thirty-five cells each.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;

use calibench_report::{SiteHistogram, Threshold};
use calibench_store::{
    DatasetInfo, Exclusion, LatencyRow, Machine, Manifest, ModelInfo, Row, SiteRow, Tables,
};

pub const MODELS: [&str; 3] = ["digits-mlp", "digits-cnn", "digits-vit"];
pub const METHODS: [&str; 7] = [
    "minmax",
    "moving-average-minmax",
    "percentile-99.9",
    "percentile-99.99",
    "percentile-99.999",
    "mse",
    "entropy",
];
const SAMPLES: f64 = 360.0;

/// A fixed sequence in `[0, 1)`: SplitMix64.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The configurations of every model: dtype, timing, calibrator, granularity, symmetry.
pub fn configurations() -> Vec<[String; 5]> {
    let mut list: Vec<[&str; 5]> = vec![["fp32", "none", "none", "none", "none"]];
    for dtype in ["fp16-storage", "fp16-compute", "bf16-storage", "bf16-compute"] {
        list.push([dtype, "none", "none", "none", "none"]);
    }
    for granularity in ["per-tensor", "per-channel"] {
        list.push(["int8", "weight-only", "none", granularity, "none"]);
        list.push(["int8", "dynamic", "none", granularity, "affine"]);
        for symmetry in ["affine", "symmetric"] {
            for method in METHODS {
                if granularity == "per-channel" || symmetry == "affine" || method == "minmax" {
                    list.push(["int8", "static", method, granularity, symmetry]);
                }
            }
        }
    }
    list.push(["int8", "qat", "moving-average-minmax", "per-channel", "affine"]);
    list.push(["int16", "static", "minmax", "per-channel", "symmetric"]);
    list.push(["int16", "dynamic", "none", "per-channel", "symmetric"]);
    list.into_iter().map(|c| c.map(str::to_owned)).collect()
}

pub fn cell(model: &str, configuration: &[String; 5], seed: u64) -> Row {
    let [dtype, timing, calibrator, granularity, symmetry] = configuration.clone();
    Row {
        cell: format!("{model}/{}/seed{seed}", configuration.join("/")),
        model: model.to_owned(),
        dataset: "digits".to_owned(),
        dtype,
        timing,
        calibrator,
        granularity,
        symmetry,
        isa: "avx2".to_owned(),
        threads: 1,
        seed,
        status: "ok".to_owned(),
        samples: SAMPLES as u32,
        metric: "top1".to_owned(),
        weight_bytes: 100_000,
        peak_activation_bytes: 20_000,
        ..Row::default()
    }
}

/// Sets top-1 and its Wilson interval.
pub fn set_top1(row: &mut Row, top1: f64) {
    let (n, z2) = (SAMPLES, 1.96f64.powi(2));
    let centre = (top1 + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = (z2 * (top1 * (1.0 - top1) / n + z2 / (4.0 * n * n))).sqrt() / (1.0 + z2 / n);
    row.score = Some(top1);
    row.score_low = Some((centre - half).max(0.0));
    row.score_high = Some((centre + half).min(1.0));
}

pub fn latency(cell: &str, batch: u32, ratio: f64, half: f64) -> LatencyRow {
    let twin = 40.0 * f64::from(batch).powf(0.8);
    LatencyRow {
        cell: cell.to_owned(),
        batch,
        iterations: 500,
        blocks: 20,
        p50_us: twin * ratio,
        p90_us: twin * ratio * 1.1,
        p99_us: twin * ratio * 1.6,
        twin_p50_us: twin,
        ratio,
        ratio_low: ratio - half,
        ratio_high: ratio + half,
        processes: 1,
        ..LatencyRow::default()
    }
}

/// The whole run.
pub fn run(seeds: &[u64]) -> Tables {
    let mut tables = Tables::default();
    for (m, model) in MODELS.iter().enumerate() {
        for &seed in seeds {
            for (i, configuration) in configurations().iter().enumerate() {
                fill(&mut tables, m, model, seed, i, configuration);
            }
        }
    }
    tables
}

fn fill(tables: &mut Tables, m: usize, model: &str, seed: u64, i: usize, configuration: &[String; 5]) {
    let mut noise = Noise::new(seed * 10_007 + (m * 131 + i) as u64);
    let mut row = cell(model, configuration, seed);
    if model == "digits-vit" && row.calibrator == "percentile-99.9" && row.granularity == "per-tensor" {
        row.status = "failed".to_owned();
        row.failure = Some("killed by signal 9 (out of memory?) after 12.1 s".to_owned());
        tables.rows.push(row);
        return;
    }
    let (float_bytes, base) = [(75_000, 0.978), (42_000, 0.986), (118_000, 0.967)][m];
    let (size, speed, loss, sqnr) = match row.dtype.as_str() {
        "fp32" => (1.0, 1.0, 0.0, f64::INFINITY),
        "fp16-storage" | "bf16-storage" => (0.5, 1.08, 0.0, 50.0),
        "fp16-compute" | "bf16-compute" => (0.5, 5.5, 0.001, 42.0),
        "int16" => (0.27, 1.3, 0.0, 55.0),
        _ => match row.timing.as_str() {
            "weight-only" => (0.26, 1.02, 0.002, 33.0),
            "dynamic" => (0.26, 0.8, 0.004, 27.0),
            "qat" => (0.26, 0.55, 0.001, 29.0),
            _ => (0.26, 0.55, 0.004, 25.0),
        },
    };
    let speed = if m == 2 && row.dtype == "int8" { speed * 1.9 } else { speed };
    let loss = if row.granularity == "per-tensor" { loss * 3.0 } else { loss };
    let loss = if row.calibrator == "percentile-99.9" { loss + 0.012 } else { loss };
    let loss = if m == 2 && row.symmetry == "symmetric" && row.calibrator == "minmax" { 0.4 } else { loss };
    let top1 = ((base - loss + 0.006 * (noise.next() - 0.5)) * SAMPLES).round() / SAMPLES;
    set_top1(&mut row, top1);
    row.weight_bytes = (f64::from(float_bytes) * 4.0 * size) as u64;
    row.peak_activation_bytes =
        (20_000.0 * (m + 1) as f64 * if row.dtype == "int8" { 0.4 } else { 1.0 }) as u64;
    row.peak_resident_bytes = Some(31_000_000 + (noise.next() * 4e6) as u64);
    row.agreement_fp32 = Some(if row.dtype == "fp32" { 1.0 } else { 1.0 - loss * 1.3 });
    row.cosine_fp32 = Some(1.0 - loss * 0.1);
    row.sqnr_db = Some(sqnr).filter(|v| v.is_finite());
    row.kl_fp32 = Some(loss * loss);
    if row.dtype == "int8" {
        row.score_fake_quant = row.score;
        row.integer_vs_fake_disagreement = Some(0.0028);
        row.integer_vs_fake_max_abs = Some(0.0312);
    }
    if row.timing == "static" {
        row.calibration_samples = 256;
        row.calibration_seconds = Some(0.021);
        row.solve_seconds = Some(0.0031);
        sites(tables, &row, &mut noise);
    }
    row.load_seconds = Some(0.0004);
    row.float_ops = if m == 2 { "softmax,layer-norm,gelu".to_owned() } else { String::new() };
    for batch in [1, 8, 64] {
        let ratio = if row.dtype == "fp32" { 1.0 } else { speed * (0.94 + 0.12 * noise.next()) };
        tables.latency.push(latency(&row.cell, batch, ratio, ratio * (0.01 + 0.03 * noise.next())));
    }
    tables.rows.push(row);
}

/// A run of which each model has its own metric: a classifier by top-1, one that ranks by Spearman, and one that
/// predicts values by MSE. The last two have no classes.
pub fn mixed(seeds: &[u64]) -> Tables {
    let mut tables = run(seeds);
    for row in &mut tables.rows {
        let rescore: fn(f64) -> f64 = match row.model.as_str() {
            "digits-cnn" => |top1| 0.9 * top1,
            "digits-vit" => |top1| 0.004 + 0.05 * (1.0 - top1),
            _ => continue,
        };
        row.metric = if row.model == "digits-cnn" { "spearman" } else { "mse" }.to_owned();
        row.score = row.score.map(rescore);
        let ends = (row.score_low.map(rescore), row.score_high.map(rescore));
        (row.score_low, row.score_high) = if row.metric == "mse" { (ends.1, ends.0) } else { ends };
        row.score_fake_quant = row.score_fake_quant.and(row.score);
        (row.agreement_fp32, row.kl_fp32, row.integer_vs_fake_disagreement) = (None, None, None);
    }
    tables
}

fn sites(tables: &mut Tables, row: &Row, noise: &mut Noise) {
    for i in 0..14 {
        let depth = f64::from(i);
        tables.sites.push(SiteRow {
            cell: row.cell.clone(),
            site: format!(
                "blocks.{}.{}",
                i / 4,
                ["norm", "attention.q", "attention.out", "mlp.gelu"][i as usize % 4]
            ),
            role: "activation".to_owned(),
            sqnr_db: (i != 9 || row.calibrator != "mse").then(|| 38.0 - depth * 0.9 + 6.0 * noise.next()),
            scale_min: 0.01,
            scale_max: 0.02,
            low: -2.0,
            high: 2.0,
            ..SiteRow::default()
        });
    }
}

/// Histograms: a bell, a rectified bell and a very wide one.
pub fn histograms() -> Vec<SiteHistogram> {
    let mut list = Vec::new();
    for model in MODELS {
        for (site, first, width, shape) in [
            ("blocks.0.norm", -600i64, 0.01, 1.3),
            ("conv1.relu", 0, 0.004, 0.9),
            ("head/logits", -1024, 0.05, 12.0),
        ] {
            let count = if first < 0 { first.unsigned_abs() * 2 } else { 1500 };
            let counts = (0..count)
                .map(|i| {
                    let x = (first as f64 + i as f64) * width / shape;
                    (90_000.0 * (-0.5 * x * x).exp() * (1.0 + (x * 3.0).sin().abs() * 0.2)) as u64
                })
                .collect();
            let end = shape * 4.6;
            let thresholds = METHODS.iter().enumerate().map(|(i, method)| {
                let part = 1.0 - 0.08 * i as f64;
                Threshold {
                    calibrator: (*method).to_owned(),
                    low: if first < 0 { (-end * part) as f32 } else { 0.0 },
                    high: (end * part) as f32,
                    clipped_share: 1e-4 * i as f64,
                }
            });
            list.push(SiteHistogram {
                model: model.to_owned(),
                site: site.to_owned(),
                bin_width: width,
                first_bin: first,
                counts,
                thresholds: thresholds.collect(),
            });
        }
    }
    list
}

pub fn manifest(seeds: &[u64]) -> Manifest {
    let models = MODELS.iter().flat_map(|model| {
        seeds.iter().map(move |seed| {
            let info = ModelInfo {
                hash: "5f1d6c0e".repeat(8),
                parameters: 75_402,
                metric: "top1".to_owned(),
                fp32_score: Some(0.978),
                seed: *seed,
                trained_seconds: None,
            };
            (format!("{model}/{seed}"), info)
        })
    });
    let data = DatasetInfo {
        sha256: "ab".repeat(32),
        version: "1".to_owned(),
        licence: "CC-BY-4.0".to_owned(),
        splits: BTreeMap::from([("test".to_owned(), 360), ("train".to_owned(), 1181)]),
    };
    Manifest {
        created_utc: "2026-11-24T14:03:00Z".to_owned(),
        finished_utc: Some("2026-11-24T14:05:12Z".to_owned()),
        calibench_version: "0.1.0".to_owned(),
        commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
        command: ["calibench", "sweep"].map(str::to_owned).to_vec(),
        machine: Machine {
            host: "bench-1".to_owned(),
            os: "Debian GNU/Linux 12".to_owned(),
            kernel: "6.1.0".to_owned(),
            cpu_model: "AMD EPYC 7B13".to_owned(),
            cpu_features: ["avx", "avx2", "f16c", "fma"].map(str::to_owned).to_vec(),
            logical_cores: 2,
            memory_bytes: 8 << 30,
            governor: "performance".to_owned(),
        },
        isa: "avx2".to_owned(),
        seeds: seeds.to_vec(),
        models: models.collect(),
        datasets: BTreeMap::from([("digits".to_owned(), data)]),
        excluded: vec![Exclusion {
            what: "fp32 with any calibrator".to_owned(),
            reason: "a float reference has no ranges to calibrate".to_owned(),
            count: 21,
        }],
        ..Manifest::default()
    }
}
