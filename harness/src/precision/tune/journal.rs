//! What was evaluated, kept after every step, so that an interrupted search goes on where it stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use calibench_store::write_atomic;
use serde::{Deserialize, Serialize};

use super::super::trials::{Effect, Trials};

/// Which samples an evaluation ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Set {
    /// A few of the search half.
    Screen,
    /// The search half.
    Search,
}

/// One evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    dtype: String,
    set: Set,
    keep: BTreeSet<String>,
    effect: Effect,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    /// Everything that an effect depends on, in words.
    of: String,
    entries: Vec<Entry>,
}

/// All evaluations of one search, on disk.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    content: Content,
    known: BTreeMap<(String, Set, BTreeSet<String>), Effect>,
}

impl Journal {
    /// The journal in a folder, or a new one; `of` says everything that an effect depends on.
    ///
    /// # Errors
    /// When the folder holds that of another search, or a damaged one.
    pub(super) fn open(folder: &Path, of: String) -> Result<Self> {
        let path = folder.join("journal.json");
        let content: Content = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged; give another --out", path.display()))?,
            Err(_) => Content { of: of.clone(), entries: Vec::new() },
        };
        if content.of != of {
            bail!(
                "{} holds the search of another model, data or choice; give another --out\n  there: {}\n  here:  {of}",
                folder.display(),
                content.of
            );
        }
        let known = content.entries.iter().map(|e| ((e.dtype.clone(), e.set, e.keep.clone()), e.effect));
        Ok(Self { known: known.collect(), path, content })
    }

    /// The effect of keeping these nodes, from the journal or measured now and noted.
    ///
    /// # Errors
    /// When the plan cannot be built or run, or the journal cannot be written.
    pub(super) fn effect(
        &mut self,
        dtype: &str,
        set: Set,
        keep: &BTreeSet<String>,
        trials: &mut Trials,
    ) -> Result<Effect> {
        let key = (dtype.to_owned(), set, keep.clone());
        if let Some(effect) = self.known.get(&key) {
            return Ok(*effect);
        }
        let effect = trials.effect(keep)?;
        let (dtype, set, keep) = key.clone();
        self.known.insert(key, effect);
        self.content.entries.push(Entry { dtype, set, keep, effect });
        write_atomic(&self.path, &serde_json::to_vec(&self.content)?)?;
        Ok(effect)
    }

    /// Evaluations on a set of samples, those of earlier calls included.
    pub(super) fn count(&self, set: Set) -> usize {
        self.content.entries.iter().filter(|e| e.set == set).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_of_another_search_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), "this".to_owned()).unwrap();
        write_atomic(&journal.path, &serde_json::to_vec(&journal.content).unwrap()).unwrap();
        assert!(Journal::open(folder.path(), "this".to_owned()).is_ok());
        let error = Journal::open(folder.path(), "that".to_owned()).unwrap_err().to_string();
        assert!(error.contains("another model, data or choice"), "{error}");
    }
}
