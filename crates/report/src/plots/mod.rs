//! The plots, one per file. Each takes a part of the run and returns SVG text, or nothing where
//! the run has no data for it.

pub(crate) mod accuracy_calibrators;
pub(crate) mod accuracy_latency;
pub(crate) mod histogram;
pub(crate) mod memory;
pub(crate) mod site_sqnr;

/// dtypes in the order in which tables and legends name them.
pub(crate) const DTYPES: [&str; 7] =
    ["fp32", "fp16-storage", "fp16-compute", "bf16-storage", "bf16-compute", "int16", "int8"];

/// Timing modes in the order in which tables and legends name them.
pub(crate) const TIMINGS: [&str; 5] = ["none", "weight-only", "dynamic", "static", "qat"];

/// Calibration methods in the order in which plots name them.
pub(crate) const CALIBRATORS: [&str; 7] = [
    "minmax",
    "moving-average-minmax",
    "percentile-99.9",
    "percentile-99.99",
    "percentile-99.999",
    "mse",
    "entropy",
];

/// The place of a name in a fixed list; names that are not in it get the places after it, in the
/// order of `present`, so that a method added later has a colour of its own.
pub(crate) fn place(name: &str, known: &[&str], present: &[&str]) -> usize {
    known.iter().position(|k| *k == name).unwrap_or_else(|| {
        let unknown = present.iter().filter(|p| !known.contains(p));
        known.len() + unknown.take_while(|p| **p != name).count()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_keep_their_place_and_new_ones_follow() {
        let present = ["mse", "octav", "aciq"];
        assert_eq!(place("mse", &CALIBRATORS, &present), 5);
        assert_eq!(place("octav", &CALIBRATORS, &present), 7);
        assert_eq!(place("aciq", &CALIBRATORS, &present), 8);
    }
}
