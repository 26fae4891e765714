//! What GPU is there.

use std::process::Command;

/// Name, driver and computing capability of the first GPU, as NVIDIA's own tool tells them.
#[must_use]
pub fn describe() -> String {
    let query = ["--id=0", "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"];
    let output = Command::new("nvidia-smi").args(query).output();
    let line = output.ok().filter(|o| o.status.success()).and_then(|o| String::from_utf8(o.stdout).ok());
    let fields: Vec<String> =
        line.unwrap_or_default().trim().split(',').map(|field| field.trim().to_owned()).collect();
    match &fields[..] {
        [name, driver, capability] => format!("{name}, driver {driver}, capability {capability}"),
        _ => "a GPU that nvidia-smi does not describe".to_owned(),
    }
}
