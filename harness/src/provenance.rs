//! What this binary is made of: commit and packages.

use std::collections::BTreeMap;

/// The commit of the checkout that this binary was built from, shortened, `-dirty` when files differ from it;
/// `None` where that checkout is no longer there.
#[must_use]
pub fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let mut command = std::process::Command::new("git");
        let output = command.arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(args).output();
        let output = output.ok().filter(|o| o.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=7", "HEAD"]).filter(|c| !c.is_empty())?;
    let dirty = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| !s.is_empty());
    Some(if dirty { format!("{commit}-dirty") } else { commit })
}

/// Versions of the packages whose results or formats a run depends on.
#[must_use]
pub fn packages() -> BTreeMap<String, String> {
    const NAMED: &[&str] = &["candle-core", "gemm", "half", "plotters", "polars", "rayon"];
    let lock: toml::Table = toml::from_str(include_str!("../../Cargo.lock")).unwrap_or_default();
    let packages = lock.get("package").and_then(|p| p.as_array()).cloned().unwrap_or_default();
    let field = |p: &toml::Value, key: &str| p.get(key).and_then(|v| v.as_str()).map(str::to_owned);
    packages
        .iter()
        .filter_map(|p| Some((field(p, "name")?, field(p, "version")?)))
        .filter(|(name, _)| NAMED.contains(&name.as_str()))
        .collect()
}
