//! Sweeps of the user's own models and data.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic, as it does")]

mod common;

use std::path::Path;
use std::process::Output;

use calibench_onnx::{Attribute, ElementType, InputDim, ModelBuilder, Node, Values};
use calibench_tasks::tensors::{Tensor, write_safetensors};
use common::{run, scratch, stderr, stdout, tables};

/// Values that look random and are the same on every machine.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count).map(|_| next()).collect()
}

/// A small convolutional network as exporters write it: the addition of a bias, a flatten, a product.
fn network(path: &Path) {
    let mut builder = ModelBuilder::new("net", 13);
    let batch = InputDim::Symbol("batch".to_owned());
    let dims = [batch.clone(), InputDim::Fixed(1), InputDim::Fixed(8), InputDim::Fixed(8)];
    let (kernel, bias, head) = (numbers(4 * 9, 1), numbers(4, 2), numbers(4 * 16 * 3, 3));
    builder
        .input("image", ElementType::F32, &dims)
        .output("scores", ElementType::F32, &[batch, InputDim::Fixed(3)])
        .initializer("kernel", &[4, 1, 3, 3], Values::F32(&kernel))
        .initializer("bias", &[4, 1, 1], Values::F32(&bias))
        .initializer("head", &[64, 3], Values::F32(&head))
        .node(
            Node::new("conv", "Conv", &["image", "kernel"], &["c"])
                .with("strides", Attribute::Ints(vec![2, 2]))
                .with("auto_pad", Attribute::String("SAME_UPPER".to_owned())),
        )
        .node(Node::new("add", "Add", &["c", "bias"], &["a"]))
        .node(Node::new("relu", "Relu", &["a"], &["r"]))
        .node(Node::new("flat", "Flatten", &["r"], &["f"]))
        .node(Node::new("fc", "MatMul", &["f", "head"], &["scores"]));
    builder.save(path).unwrap();
}

/// `count` images, and labels where asked for.
fn images(path: &Path, count: usize, seed: u32, labels: bool) {
    let mut tensors = vec![Tensor::new("image", &[count, 8, 8], numbers(count * 64, seed)).unwrap()];
    if labels {
        let labels = (0..count).map(|i| (i % 3) as f32).collect();
        tensors.push(Tensor::new("labels", &[count], labels).unwrap());
    }
    write_safetensors(path, &tensors).unwrap();
}

/// A sweep of the network in `dir` with more arguments.
fn sweep(dir: &Path, data: &str, more: &[&str]) -> Output {
    network(&dir.join("net.onnx"));
    let (model, data) = (dir.join("net.onnx"), dir.join(data));
    let args = ["sweep", "--model", model.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let quick = ["--latency-seconds", "0.01", "--batch", "2", "--calibration-samples", "20"];
    let cells = ["--dtype", "fp32,int8", "--calibrator", "minmax", "--granularity", "per-channel"];
    run(&[&args[..], &quick, &cells, &["--symmetry", "affine"], more].concat())
}

#[test]
fn a_model_with_labelled_data_is_measured_in_every_timing_that_needs_no_training() {
    let dir = scratch("own-labelled");
    images(&dir.join("test.safetensors"), 90, 7, true);
    let out = dir.join("run");
    let output = sweep(&dir, "test.safetensors", &["--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let tables = tables(&out);
    let timings: Vec<&str> = tables.rows.iter().map(|r| r.timing.as_str()).collect();
    assert_eq!(timings, ["none", "dynamic", "static", "weight-only"], "{timings:?}");
    for row in &tables.rows {
        assert_eq!((row.status.as_str(), row.metric.as_str()), ("ok", "top1"), "{:?}", row.failure);
        assert_eq!((row.model.as_str(), row.dataset.as_str()), ("net", "test"));
        assert_eq!(row.samples, 70, "20 of 90 are set aside for calibration");
        assert!(row.agreement_fp32.unwrap() > 0.9, "{row:?}");
        assert!(row.integer_vs_fake_max_abs.is_none_or(|d| d < 0.05), "{row:?}");
    }
    assert!(stdout(&output).contains("net"), "{}", stdout(&output));
    assert!(stderr(&output).contains("taken as [1, 8, 8]"), "{}", stderr(&output));
}

#[test]
fn without_labels_a_model_is_scored_by_its_fidelity_to_fp32() {
    let dir = scratch("own-unlabelled");
    images(&dir.join("test.safetensors"), 60, 8, false);
    images(&dir.join("calibration.safetensors"), 40, 9, false);
    let (out, calibration) = (dir.join("run"), dir.join("calibration.safetensors"));
    let more = ["--calibration-data", calibration.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let output = sweep(&dir, "test.safetensors", &more);
    assert!(output.status.success(), "{}", stderr(&output));
    for row in tables(&out).rows {
        assert_eq!((row.metric.as_str(), row.samples), ("fidelity", 60));
        let score = row.score.unwrap();
        assert!(if row.dtype == "fp32" { score == 1.0 } else { (0.99..1.0).contains(&score) }, "{row:?}");
    }
}

#[test]
fn products_that_are_kept_in_floating_point_leave_no_site() {
    let dir = scratch("own-kept");
    images(&dir.join("test.safetensors"), 60, 8, true);
    let out = dir.join("run");
    let more = ["--keep-float", "op:linear", "--timing", "static", "--out", out.to_str().unwrap()];
    let output = sweep(&dir, "test.safetensors", &more);
    assert!(output.status.success(), "{}", stderr(&output));
    let tables = tables(&out);
    let sites: Vec<&str> = tables.sites.iter().map(|s| s.site.as_str()).collect();
    assert_eq!(sites, ["image", "conv.weight"], "{sites:?}");
    assert!(tables.rows.iter().all(|r| r.float_ops.contains("Linear")), "{:?}", tables.rows);
}

#[test]
fn what_does_not_fit_is_refused_before_a_folder_is_made() {
    let dir = scratch("own-refused");
    images(&dir.join("test.safetensors"), 60, 8, true);
    images(&dir.join("few.safetensors"), 21, 8, true);
    let narrow = Tensor::new("image", &[60, 8, 7], numbers(60 * 56, 1)).unwrap();
    write_safetensors(&dir.join("narrow.safetensors"), &[narrow]).unwrap();
    let (out, test) = (dir.join("run"), dir.join("test.safetensors"));
    let out_arg = ["--out", out.to_str().unwrap()];
    let cases: [(&str, &[&str], &[&str]); 5] = [
        ("narrow.safetensors", &[], &["[8, 7]", "[1, 8, 8]"]),
        ("few.safetensors", &[], &["21 samples are too few", "--calibration-samples"]),
        (
            "test.safetensors",
            &["--calibration-data", test.to_str().unwrap()],
            &["20 of the 60", "--allow-overlap"],
        ),
        ("test.safetensors", &["--keep-float", "nothing"], &["`nothing`", "conv, fc"]),
        ("test.safetensors", &["--output", "logits"], &["`logits`", "scores"]),
    ];
    for (data, more, parts) in cases {
        let output = sweep(&dir, data, &[more, &out_arg].concat());
        assert_eq!(output.status.code(), Some(1), "{data} {more:?}");
        for part in parts {
            assert!(stderr(&output).contains(part), "{part}: {}", stderr(&output));
        }
        assert!(!out.exists(), "{data} {more:?}");
    }
}

#[test]
fn a_model_without_data_and_a_damaged_model_say_what_to_do() {
    let dir = scratch("own-damaged");
    let model = dir.join("net.onnx");
    network(&model);
    let output = run(&["sweep", "--model", model.to_str().unwrap()]);
    assert!(stderr(&output).contains("give --data"), "{}", stderr(&output));

    images(&dir.join("test.safetensors"), 60, 8, true);
    let bytes = std::fs::read(&model).unwrap();
    std::fs::write(&model, &bytes[..bytes.len() / 2]).unwrap();
    let data = dir.join("test.safetensors");
    let output = run(&["sweep", "--model", model.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("net.onnx") && stderr(&output).contains("export"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_backend_that_is_installed_agrees_and_one_that_is_not_is_skipped() {
    let dir = scratch("own-backends");
    images(&dir.join("test.safetensors"), 60, 8, true);
    let out = dir.join("run");
    let more = ["--timing", "none,static", "--backend", "native,onnxruntime,openvino", "--out"];
    let output = sweep(&dir, "test.safetensors", &[&more[..], &[out.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let rows = tables(&out).rows;
    assert_eq!(rows.len(), 6, "{rows:?}");
    for row in rows {
        match row.status.as_str() {
            "ok" => {
                assert!(row.cosine_fp32.unwrap() > 0.999, "{row:?}");
                assert!(row.integer_vs_fake_max_abs.is_none_or(|d| d < 0.05), "{row:?}");
            }
            "skipped" => {
                assert_ne!(row.isa, "avx2");
                assert!(row.failure.as_ref().unwrap().contains("pip install"), "{row:?}");
            }
            other => panic!("{other}: {row:?}"),
        }
    }
}

#[test]
fn a_measured_cell_is_exported_and_the_exported_model_is_measured_like_it() {
    let dir = scratch("own-export");
    images(&dir.join("test.safetensors"), 60, 8, true);
    let out = dir.join("run");
    let output =
        sweep(&dir, "test.safetensors", &["--timing", "none,static", "--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let export = |cell: &str, file: &str| {
        let (run_dir, file) = (out.to_str().unwrap(), dir.join(file));
        let qparams = dir.join("qparams.json");
        let args = ["export", "--run", run_dir, "--cell", cell, "--out", file.to_str().unwrap()];
        run(&[&args[..], &["--qparams", qparams.to_str().unwrap()]].concat())
    };
    assert!(export("fp32", "float.onnx").status.success());
    let integer = export("int8/static", "integer.onnx");
    assert!(integer.status.success(), "{}", stderr(&integer));
    let qparams = std::fs::read_to_string(dir.join("qparams.json")).unwrap();
    assert!(qparams.contains("\"conv.weight\"") && qparams.contains("\"image\""), "{qparams}");
    let none = export("int4", "none.onnx");
    assert_eq!(none.status.code(), Some(1));
    assert!(stderr(&none).contains("no cell `int4`"), "{}", stderr(&none));

    // The exported fp32 model is a model like any other, and scores as the original does.
    let again = dir.join("again");
    let (model, data) = (dir.join("float.onnx"), dir.join("test.safetensors"));
    let args =
        ["sweep", "--model", model.to_str().unwrap(), "--data", data.to_str().unwrap(), "--dtype", "fp32"];
    let more = ["--calibration-samples", "20", "--latency-seconds", "0.01", "--batch", "2", "--out"];
    let output = run(&[&args[..], &more, &[again.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let score = |run: &Path| tables(run).rows.iter().find(|r| r.dtype == "fp32").unwrap().score;
    assert_eq!(score(&again), score(&out));
}
