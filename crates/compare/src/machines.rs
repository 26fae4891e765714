//! In what two machines differ, and two builds.

use calibench_store::Manifest;

/// What can change how fast code runs or which kernels it takes: CPU, its features, cores, governor, memory and the
/// system's kernel. A line for each difference; none means that times may be compared as they are.
pub(crate) fn machine_differences(before: &Manifest, after: &Manifest) -> Vec<String> {
    let (a, b) = (&before.machine, &after.machine);
    let mut lines = Vec::new();
    let mut differ = |what: &str, a: String, b: String| {
        if a != b {
            lines.push(format!("{what}: {a} before, {b} now"));
        }
    };
    differ("CPU", a.cpu_model.clone(), b.cpu_model.clone());
    differ("cores", a.logical_cores.to_string(), b.logical_cores.to_string());
    differ("governor", a.governor.clone(), b.governor.clone());
    differ("system kernel", a.kernel.clone(), b.kernel.clone());
    // Of the same machine it varies by a few pages from boot to boot.
    let gigabytes = |bytes: u64| format!("{:.0} GB", bytes as f64 / 1e9);
    differ("memory", gigabytes(a.memory_bytes), gigabytes(b.memory_bytes));
    let only = |ours: &[String], theirs: &[String]| {
        ours.iter().filter(|f| !theirs.contains(f)).cloned().collect::<Vec<_>>().join(" ")
    };
    let (gone, new) = (only(&a.cpu_features, &b.cpu_features), only(&b.cpu_features, &a.cpu_features));
    if !gone.is_empty() || !new.is_empty() {
        let none = |list: String| if list.is_empty() { "none".to_owned() } else { list };
        lines.push(format!("CPU features: only before {}, only now {}", none(gone), none(new)));
    }
    lines
}

/// In what the programs differ, which is what a comparison is about: a line for the notes.
pub(crate) fn build_differences(before: &Manifest, after: &Manifest) -> Vec<String> {
    let mut lines = Vec::new();
    if before.rustc != after.rustc {
        let name = |rustc: &Option<String>| rustc.clone().unwrap_or_else(|| "unknown".to_owned());
        lines.push(format!("compiler: {} before, {} now", name(&before.rustc), name(&after.rustc)));
    }
    for (package, version) in &before.packages {
        match after.packages.get(package) {
            Some(now) if now != version => lines.push(format!("{package}: {version} before, {now} now")),
            _ => {}
        }
    }
    lines
}
