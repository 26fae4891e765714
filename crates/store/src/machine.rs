//! What machine a run was made on.

use std::fs;
use std::thread::available_parallelism;

use serde::{Deserialize, Serialize};

/// The machine of a run. A text that could not be found out is `unknown`, a number 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Host name.
    pub host: String,
    /// Operating system.
    pub os: String,
    /// Kernel release.
    pub kernel: String,
    /// Model name of the first CPU.
    pub cpu_model: String,
    /// Arithmetic extensions of the first CPU, sorted; empty where unknown.
    pub cpu_features: Vec<String>,
    /// CPUs that the operating system schedules on.
    pub logical_cores: u32,
    /// Physical memory.
    pub memory_bytes: u64,
    /// The policy by which the first CPU's frequency is chosen, such as `performance`.
    #[serde(default = "unknown")]
    pub governor: String,
}

impl Machine {
    /// This machine, from `/proc` and `/etc/os-release`; elsewhere what the standard library knows.
    pub fn detect() -> Self {
        let cpu = CpuInfo::parse(&read("/proc/cpuinfo"));
        let parallelism = available_parallelism().map_or(0, |cores| cores.get());
        Self {
            host: first_known([line_of("/proc/sys/kernel/hostname"), env("HOSTNAME"), env("COMPUTERNAME")]),
            os: first_known([os_name(&read("/etc/os-release")), std::env::consts::OS.to_owned()]),
            kernel: first_known([line_of("/proc/sys/kernel/osrelease")]),
            cpu_model: first_known([cpu.model, std::env::consts::ARCH.to_owned()]),
            cpu_features: cpu.features,
            logical_cores: if cpu.processors > 0 {
                cpu.processors
            } else {
                u32::try_from(parallelism).unwrap_or(u32::MAX)
            },
            memory_bytes: memory_bytes(&read("/proc/meminfo")),
            governor: first_known([line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")]),
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn line_of(path: &str) -> String {
    read(path).trim().to_owned()
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn first_known<const N: usize>(candidates: [String; N]) -> String {
    candidates.into_iter().find(|text| !text.is_empty()).unwrap_or_else(unknown)
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// `PRETTY_NAME` of os-release, without its quotes.
fn os_name(os_release: &str) -> String {
    os_release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|value| value.trim().trim_matches('"').to_owned())
        .unwrap_or_default()
}

/// `MemTotal`, which /proc/meminfo gives in KiB and calls kB.
fn memory_bytes(meminfo: &str) -> u64 {
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib.saturating_mul(1024))
}

/// Prefixes of the x86 flags that decide which kernels can run; the other hundred flags say nothing here.
const X86: &[&str] = &["sse", "ssse3", "avx", "fma", "f16c", "bmi", "amx", "popcnt", "gfni"];
/// The same for Arm's features.
const ARM: &[&str] = &["asimd", "neon", "fp16", "fphp", "sve", "sme", "i8mm", "bf16", "dotprod"];

#[derive(Debug, Default, PartialEq)]
struct CpuInfo {
    model: String,
    features: Vec<String>,
    processors: u32,
}

impl CpuInfo {
    fn parse(cpuinfo: &str) -> Self {
        let mut found = Self::default();
        for line in cpuinfo.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            match key.trim() {
                "processor" => found.processors += 1,
                "model name" if found.model.is_empty() => found.model = value.trim().to_owned(),
                // x86 says flags, Arm says Features; the first CPU stands for all.
                "flags" | "Features" if found.features.is_empty() => {
                    let arithmetic = if key.trim() == "flags" { X86 } else { ARM };
                    found.features = value
                        .split_whitespace()
                        .filter(|flag| arithmetic.iter().any(|prefix| flag.starts_with(prefix)))
                        .map(str::to_owned)
                        .collect();
                    found.features.sort_unstable();
                    found.features.dedup();
                }
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_x86_and_arm() {
        let x86 = "processor\t: 0\nmodel name\t: Test CPU @ 2.0GHz\nflags\t\t: fpu fma avx2 sse4_1 avx512f smep\n\n\
                   processor\t: 1\nmodel name\t: Other\nflags\t\t: fpu\n";
        let want = CpuInfo {
            model: "Test CPU @ 2.0GHz".into(),
            features: ["avx2", "avx512f", "fma", "sse4_1"].map(str::to_owned).to_vec(),
            processors: 2,
        };
        assert_eq!(CpuInfo::parse(x86), want);
        let arm = CpuInfo::parse("processor : 0\nFeatures : fp asimd asimddp i8mm crc32\n");
        assert_eq!(arm.features, ["asimd", "asimddp", "i8mm"]);
        assert_eq!(CpuInfo::parse(""), CpuInfo::default());
    }

    #[test]
    fn parses_memory_and_os() {
        assert_eq!(memory_bytes("MemTotal:       16384 kB\nMemFree: 1 kB\n"), 16_777_216);
        assert_eq!(memory_bytes("garbage"), 0);
        assert_eq!(os_name("NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 13\"\n"), "Debian GNU/Linux 13");
        assert_eq!(os_name(""), "");
    }

    #[test]
    fn this_machine_is_known_enough() {
        let machine = Machine::detect();
        assert!(machine.logical_cores > 0);
        assert!(!machine.host.is_empty() && !machine.os.is_empty() && !machine.cpu_model.is_empty());
    }
}
