//! Laws as functions: each panics with a message that names the plug-in and what it broke.

pub mod calibrator;
pub mod observer;

use std::collections::BTreeSet;

use calibench_quant::Entry;

/// A registry is not empty, its ids are unique kebab-case, and every entry is documented.
pub fn registry<T: ?Sized>(entries: &[Entry<T>]) {
    assert!(!entries.is_empty(), "an empty registry");
    let mut seen = BTreeSet::new();
    for entry in entries {
        assert!(seen.insert(entry.id), "`{}` is registered twice", entry.id);
        assert!(is_kebab_case(entry.id), "`{}` is not kebab-case", entry.id);
        for (what, text) in [("summary", entry.summary), ("source", entry.source)] {
            assert!(!text.trim().is_empty(), "`{}` has no {what}", entry.id);
            assert!(!text.contains('\n'), "the {what} of `{}` is more than one line", entry.id);
        }
    }
}

/// Lower-case words with digits and dots, joined by single hyphens; a dialect adds `@peer`.
fn is_kebab_case(id: &str) -> bool {
    let word = |w: &str| {
        !w.is_empty() && w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.')
    };
    let parts: Vec<&str> = id.split('@').collect();
    parts.len() <= 2 && parts.iter().all(|part| part.split('-').all(word))
}

#[cfg(test)]
mod tests {
    use super::is_kebab_case;

    #[test]
    fn kebab_case() {
        for good in ["minmax", "moving-average-minmax", "percentile-99.9", "entropy@onnxruntime"] {
            assert!(is_kebab_case(good), "{good}");
        }
        for bad in ["", "MinMax", "a--b", "-a", "a_b", "a b", "a@b@c", "a@"] {
            assert!(!is_kebab_case(bad), "{bad}");
        }
    }
}
