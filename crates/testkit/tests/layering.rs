//! Dependencies point one way: the rules of ARCHITECTURE.md, checked against `cargo metadata`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

const HARNESS: &str = "calibench";

/// Our crates: what each may depend on among ourselves, outside of tests and benches.
const ALLOWED: &[(&str, &[&str])] = &[
    ("quant", &[]),
    ("observers", &["quant"]),
    ("calibrators", &["quant"]),
    ("kernels", &["quant"]),
    ("graph", &["quant"]),
    ("engine", &["quant", "graph", "kernels"]),
    ("models", &["quant", "graph", "engine", "tasks"]),
    ("onnx", &["graph", "quant"]),
    ("runtimes", &["quant"]),
    ("metrics", &[]),
    ("store", &[]),
    ("tasks", &["metrics", "store", "quant"]),
    ("compare", &["store", "metrics"]),
    ("report", &["compare", "store", "metrics", "quant"]),
    ("testkit", &["quant"]),
];

/// Families of outside crates that only some of ours may use outside of tests and benches.
const FENCED: &[(&str, &[&str])] = &[
    ("polars", &["store"]),
    ("plotters", &["report"]),
    ("candle", &["engine", "models"]),
    ("prost", &["onnx"]),
    ("tokenizers", &["tasks"]),
    ("ort", &["runtimes"]),
    ("openvino", &["runtimes"]),
];

/// The one crate with unsafe code.
const UNSAFE: &[&str] = &["kernels"];

/// What of `cargo metadata` the rules are about. (The cargo_metadata crate would switch on features of serde
/// that the command is built without, and so make the tests compile every dependency once more.)
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `null` for an ordinary dependency, else `dev` or `build`.
    kind: Option<String>,
}

fn metadata() -> Metadata {
    // Without dependencies nothing is resolved or fetched: the manifests alone say what we need.
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints its format 1")
}

/// `calibench-quant` → `quant`; the harness keeps its name; other crates are not ours.
fn ours(name: &str) -> Option<&str> {
    if name == HARNESS { Some(name) } else { name.strip_prefix("calibench-") }
}

/// What a package needs to build, tests and benches aside.
fn needed(package: &Package) -> impl Iterator<Item = &str> {
    package.dependencies.iter().filter(|d| d.kind.as_deref() != Some("dev")).map(|d| d.name.as_str())
}

/// Why an edge may not be; `None` when it may.
fn broken(from: &str, to: &str) -> Option<String> {
    if let Some(to) = ours(to) {
        if to == "testkit" {
            return Some("testkit is for tests and benches: make it a dev-dependency".to_owned());
        }
        if from == HARNESS {
            return None;
        }
        let table: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
        return match table.get(from) {
            None => Some(format!("`{from}` has no line in ALLOWED: decide its place in the layering")),
            Some(allowed) if allowed.contains(&to) => None,
            Some([]) => Some(format!("{from} may depend on none of ours")),
            Some(allowed) => Some(format!("{from} may depend on: {}", allowed.join(", "))),
        };
    }
    let family = |prefix: &str| to == prefix || to.starts_with(&format!("{prefix}-"));
    let (prefix, users) = FENCED.iter().find(|(prefix, _)| family(prefix))?;
    (!users.contains(&from)).then(|| format!("only {} may use {prefix}", users.join(" and ")))
}

#[test]
fn every_edge_is_allowed() {
    let mut faults = Vec::new();
    for package in &metadata().packages {
        let Some(from) = ours(&package.name) else {
            faults.push(format!("{}: not named calibench-*", package.name));
            continue;
        };
        for to in needed(package) {
            if let Some(rule) = broken(from, to) {
                faults.push(format!("{} → {to}: {rule}", package.name));
            }
        }
    }
    assert!(faults.is_empty(), "edges that break the layering:\n  {}", faults.join("\n  "));
}

#[test]
fn every_crate_of_the_table_exists() {
    let metadata = metadata();
    for (name, _) in ALLOWED {
        let there = metadata.packages.iter().any(|p| ours(&p.name) == Some(name));
        assert!(there, "`{name}` is in ALLOWED and not in the workspace");
    }
}

#[test]
fn only_kernels_may_contain_unsafe_code() {
    let metadata = metadata();
    let root = std::fs::read_to_string(metadata.workspace_root.join("Cargo.toml")).unwrap();
    let root: toml::Table = root.parse().unwrap();
    let lint = root["workspace"]["lints"]["rust"]["unsafe_code"].as_str();
    assert!(matches!(lint, Some("deny" | "forbid")), "workspace lint unsafe_code is {lint:?}, not deny");

    for package in &metadata.packages {
        if ours(&package.name).is_some_and(|name| UNSAFE.contains(&name)) {
            continue;
        }
        let manifest: toml::Table = std::fs::read_to_string(&package.manifest_path).unwrap().parse().unwrap();
        let workspace = manifest.get("lints").and_then(|l| l.get("workspace")).and_then(|w| w.as_bool());
        assert_eq!(
            workspace,
            Some(true),
            "{} does not say `lints.workspace = true`: only {UNSAFE:?} may contain unsafe code",
            package.name
        );
        let sources = package.manifest_path.parent().unwrap().join("src");
        for file in rust_files(&sources) {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(
                !text.contains("allow(unsafe_code)"),
                "{}: only {UNSAFE:?} may contain unsafe code",
                file.display()
            );
        }
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.map(|e| e.expect("a readable folder").path()) {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn a_fault_names_its_rule() {
    let rule = |from, to| broken(from, to).unwrap_or_default();
    assert_eq!(rule("observers", "calibench-calibrators"), "observers may depend on: quant");
    assert_eq!(rule("metrics", "calibench-store"), "metrics may depend on none of ours");
    assert_eq!(rule("report", "polars"), "only store may use polars");
    assert_eq!(rule("graph", "prost"), "only onnx may use prost");
    assert_eq!(rule("calibench", "ort"), "only runtimes may use ort");
    assert_eq!(rule("engine", "openvino-sys"), "only runtimes may use openvino");
    assert_eq!(rule("onnx", "calibench-engine"), "onnx may depend on: graph, quant");
    assert_eq!(rule("tasks", "candle-core"), "only engine and models may use candle");
    assert!(rule("calibench", "calibench-testkit").contains("dev-dependency"));
    assert!(rule("novel", "calibench-quant").contains("has no line in ALLOWED"));
    assert_eq!(rule("engine", "candle-core"), "");
    assert_eq!(rule("calibench", "calibench-store"), "");
}
