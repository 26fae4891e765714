//! Records the compiler's version, so that a run's manifest can name it.

use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .ok()
        .and_then(|o| String::from_utf8(o.stdout).ok())
        .unwrap_or_default();
    println!("cargo::rustc-env=CALIBENCH_RUSTC={}", version.trim());
    println!("cargo::rerun-if-changed=build.rs");
}
