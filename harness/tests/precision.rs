//! The precision lab from the command line: what it finds in the two examples, and that its list works.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic")]

mod common;

use std::path::Path;
use std::process::Output;

use common::{run, scratch, stderr, stdout};

/// Findings of `sensitivity` as JSON.
fn findings(args: &[&str]) -> serde_json::Value {
    let output = run(&[&["sensitivity"], args, &["--format", "json"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

/// The keep-list, and the output's SQNR with it.
fn proposal(found: &serde_json::Value) -> (Vec<&str>, f64) {
    let proposal = &found["proposal"];
    let keep = proposal["keep"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    (keep, proposal["effect"]["sqnr_db"].as_f64().unwrap())
}

#[test]
fn an_epsilon_that_fp16_does_not_hold_is_named_and_kept() {
    let found = findings(&["digits-epsilon"]);
    assert_eq!(found["everything"]["lost"], 1.0, "every sample is lost: {}", found["everything"]);
    let worst = &found["sites"][0];
    assert_eq!(worst["name"], "norm");
    let reason = worst["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("epsilon 1e-12 of norm is below fp16's smallest subnormal 6.0e-8: becomes 0, and")
            && reason.ends_with("rows have no variance: 0 / 0"),
        "{reason}"
    );
    assert!(worst["statistics"]["born"].as_u64().unwrap() > 0, "NaN comes about here");
    let (keep, sqnr_db) = proposal(&found);
    assert_eq!(keep, ["norm"]);
    assert!(sqnr_db > 40.0, "{sqnr_db}");
}

#[test]
fn values_above_65504_are_named_and_the_list_works_in_a_sweep() {
    let out = scratch("precision-energy");
    let folder = out.join("findings");
    let found = findings(&["digits-energy", "--out", folder.to_str().unwrap()]);
    assert_eq!(found["sites"][0]["name"], "energy");
    let reason = found["sites"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("values up to 1046529 are above fp16's largest, 65504"), "{reason}");
    let (keep, _) = proposal(&found);
    assert_eq!(keep, ["energy", "norm"], "what reads the large values is kept with what gives them");
    for file in ["sensitivity.json", "keep.toml", "sqnr.svg", "ranges.svg"] {
        assert!(folder.join(file).is_file(), "{file}");
    }

    let sweep = |name: &str, config: &[&str]| {
        let run_folder = out.join(name);
        let args = [
            &["sweep", "--model", "digits-energy", "--dtype", "fp16-compute", "--timing", "none"][..],
            &["--latency-seconds", "0.01", "--batch", "1", "--out", run_folder.to_str().unwrap()],
            config,
        ];
        let output = run(&args.concat());
        assert!(output.status.success(), "{}", stderr(&output));
        common::tables(&run_folder).rows[0].score
    };
    let keep = folder.join("keep.toml");
    let kept = sweep("kept", &["--config", keep.to_str().unwrap()]);
    assert!(kept.is_some_and(|score| score > 0.9), "{kept:?}");
    let uniform = sweep("uniform", &[]);
    assert!(uniform.is_none_or(|score| score < 0.2), "{uniform:?}");
}

#[test]
fn what_the_user_keeps_is_unrounded_in_the_statistics_too() {
    let found = findings(&["digits-energy", "--keep-float", "energy,norm"]);
    assert_eq!(found["everything"]["lost"], 0.0);
    for site in found["sites"].as_array().unwrap() {
        assert_eq!(site["statistics"]["half_not_finite"], 0, "{}: {}", site["name"], site["reason"]);
    }
    assert!(proposal(&found).0.is_empty());
}

#[test]
fn integers_are_ranked_too_and_a_lower_target_needs_no_list() {
    let found = findings(&["digits-mlp", "--dtype", "int8", "--calibrator", "minmax", "--target-sqnr", "5"]);
    assert_eq!(found["sites"].as_array().unwrap().len(), 3, "three products");
    assert!(proposal(&found).0.is_empty());
    let demanding = findings(&["digits-mlp", "--dtype", "int8", "--target-sqnr", "200"]);
    assert_eq!(proposal(&demanding).0.len(), 3, "only fp32 reaches what cannot be reached otherwise");
}

#[test]
fn what_cannot_be_looked_at_is_refused() {
    for (args, message) in [
        (&["digits-mlp", "--samples", "0"][..], "--samples 0"),
        (&["digits-mlp", "--keep-float", "fc9"], "`fc9` names no operation"),
        (&["digits-mlp", "--dtype", "int8", "--keep-float", "*"], "has no operation that int8 would change"),
    ] {
        let output = run(&[&["sensitivity"], args].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
}

/// `tune` with the least that shows what it does.
fn tune(out: &Path, more: &[&str]) -> Output {
    let few = ["--evaluations", "8", "--screen", "8", "--latency-seconds", "0.02", "--calibrator", "minmax"];
    run(&[&["tune", "digits-mlp", "--out", out.to_str().unwrap()], &few[..], more].concat())
}

fn outcome(out: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(out.join("tune.json")).unwrap()).unwrap()
}

#[test]
fn a_tuned_model_is_within_the_budget_and_no_dearer_than_uniform_ones() {
    let out = scratch("tune-memory").join("out");
    let output = tune(&out, &["--dtype", "int8,fp16", "--objective", "memory", "--max-drop", "1%"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let found = outcome(&out);
    let contenders = found["contenders"].as_array().unwrap();
    let chosen = &contenders[found["chosen"].as_u64().unwrap() as usize];
    assert_eq!(chosen["confirmed"], true);
    assert!(chosen["held_out_drop"].as_f64().unwrap() <= 0.01);
    let uniform = |dtype: &str| {
        contenders.iter().any(|c| c["dtype"] == dtype && c["keep"].as_array().unwrap().is_empty())
    };
    assert!(uniform("int8") && uniform("fp16-storage") && uniform("fp32"));
    let cost = |c: &serde_json::Value| c["measured"].as_f64().unwrap();
    for uniform in contenders.iter().filter(|c| c["confirmed"] == true) {
        assert!(cost(chosen) <= cost(uniform) * 1.01, "{uniform}");
    }
    assert!(cost(chosen) < 0.6, "int8 or fp16 weights: {chosen}");
    // Integers with halves for what is kept: smaller than with fp32.
    let points = found["points"].as_array().unwrap();
    let costs = |dtype: &str, kept_as: &str| -> Vec<f64> {
        let of = |p: &&serde_json::Value| {
            (&p["dtype"], &p["kept_as"], p["keep"].as_array().unwrap().len())
                == (&dtype.into(), &kept_as.into(), 1)
        };
        points.iter().filter(of).map(|p| p["cost"].as_f64().unwrap()).collect()
    };
    let (wide, half) = (costs("int8", "fp32"), costs("int8+fp16", "fp16"));
    assert!(!half.is_empty() && wide.iter().zip(&half).all(|(wide, half)| half < wide), "{wide:?} {half:?}");
    assert!(stdout(&output).contains("Chosen: "), "{}", stdout(&output));
    for file in ["journal.json", "tuned.toml", "front.svg"] {
        assert!(out.join(file).is_file(), "{file}");
    }

    // What it wrote is a configuration for `sweep`.
    let config = out.join("tuned.toml");
    let dry = run(&["sweep", "--dry-run", "--model", "digits-mlp", "--config", config.to_str().unwrap()]);
    assert!(stdout(&dry).starts_with("1 cells:"), "{}{}", stdout(&dry), stderr(&dry));
}

#[test]
fn a_search_goes_on_from_its_journal_and_not_from_anothers() {
    let out = scratch("tune-again").join("out");
    let memory = &["--objective", "memory"][..];
    let first = tune(&out, memory);
    assert!(first.status.success(), "{}", stderr(&first));
    let (journal, evaluations) =
        (std::fs::read(out.join("journal.json")).unwrap(), outcome(&out)["evaluations"].clone());
    let again = tune(&out, &[memory, &["--max-drop", "2%"]].concat());
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(std::fs::read(out.join("journal.json")).unwrap(), journal, "nothing is evaluated twice");
    assert_eq!(outcome(&out)["evaluations"][0], evaluations[0]);
    let other = tune(&out, &["--granularity", "per-tensor"]);
    assert_eq!(other.status.code(), Some(1));
    assert!(stderr(&other).contains("another --out"), "{}", stderr(&other));
}

/// What `support` finds, by operator, dtype and timing.
fn supported(args: &[&str]) -> impl Fn(&str, &str, &str) -> serde_json::Value {
    let output = run(&[&["support", "--latency-seconds", "0.001", "--format", "json"], args].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let found: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(found["complete"], true);
    move |operator, dtype, timing| {
        let rows = found["findings"].as_array().unwrap();
        let is = |f: &&serde_json::Value| {
            f["operator"] == operator && f["dtype"] == dtype && f["timing"] == timing
        };
        rows.iter().find(is).unwrap().clone()
    }
}

#[test]
fn support_tells_stored_from_emulated_and_integers_from_their_simulation() {
    let of = supported(&["--op", "Linear,MatMul,LayerNorm,Softmax,Add,And,Embedding"]);
    let linear = of("Linear", "fp16-storage", "none");
    assert_eq!((&linear["verdict"], &linear["rounded"]), (&"stored".into(), &"parameters".into()));
    assert_eq!(of("Add", "fp16-storage", "none")["verdict"], "fp32", "it has nothing that is stored");
    assert_eq!(of("LayerNorm", "fp16-compute", "none")["verdict"], "emulated");
    assert_eq!(of("Softmax", "bf16-compute", "none")["rounded"], "within");
    assert_eq!(of("Linear", "bf16-compute", "none")["sums"], "fp32");
    assert_eq!(of("And", "fp16-compute", "none")["verdict"], "exact");
    for (operator, timing) in [("Linear", "static"), ("Linear", "dynamic"), ("MatMul", "static")] {
        let found = of(operator, "int8", timing);
        assert_eq!(
            (&found["verdict"], &found["sums"]),
            (&"computed".into(), &"integers".into()),
            "{operator}"
        );
        assert_eq!(found["saturates"], false, "{operator} {timing}");
    }
    assert_eq!(of("Linear", "int8", "weight-only")["verdict"], "stored");
    assert_eq!(of("Embedding", "int8", "static")["verdict"], "stored", "its table is");
    assert_eq!(of("MatMul", "int16", "static")["verdict"], "emulated", "two int16 activations are widened");
    assert_eq!(of("LayerNorm", "int8", "static")["verdict"], "fp32");
}

#[test]
fn support_shows_kernels_that_saturate_and_those_that_do_not() {
    if !calibench_kernels::Isa::Avx2.is_available() {
        return;
    }
    let of = supported(&["--op", "linear", "--dtype", "int8", "--kernel", "avx2-saturating"]);
    let found = of("Linear", "int8", "static");
    assert_eq!((&found["saturates"], &found["verdict"]), (&true.into(), &"differs".into()));
    let of = supported(&["--op", "linear,conv2d", "--dtype", "int8", "--kernel", "avx2-7bit"]);
    for operator in ["Linear", "Conv2d", "Conv2d-depthwise"] {
        let found = of(operator, "int8", "static");
        assert_eq!((&found["saturates"], &found["sums"]), (&false.into(), &"integers".into()), "{found}");
    }
}

#[test]
fn support_refuses_names_that_it_does_not_know() {
    for (args, hint) in [
        (&["--op", "Layernom"][..], "did you mean `LayerNorm`?"),
        (&["--threads", "0"], "--threads 0"),
        (&["--latency-seconds", "0"], "--latency-seconds 0 must be a positive number"),
    ] {
        let output = run(&[&["support"], args].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(hint), "{}", stderr(&output));
    }
}
