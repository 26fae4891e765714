//! Resident memory of this process.

use std::fs;

/// Peak resident memory, in bytes, since the last [`reset_peak`]; `None` where the system does not say.
#[must_use]
pub fn peak_resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Lets the peak start again from the present resident size. Where that is not allowed the peak stays
/// that of the whole process, which is an upper bound.
pub fn reset_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}
