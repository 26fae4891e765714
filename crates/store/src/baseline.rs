//! Baselines: runs kept to compare later ones with. A folder of entries, each a run folder's manifest and tables, small
//! enough to be committed. Entries are added, never changed: together they are the history.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::manifest::Manifest;
use crate::run::{RunFolder, Tables};

/// A folder of baseline entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    root: PathBuf,
}

impl Baseline {
    /// The baseline in that folder, which need not be there yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Names of the entries, oldest first: they begin with the time at which their run began.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoBaseline`] where there is none, [`StoreError::Io`] where the folder cannot be read.
    pub fn entries(&self) -> Result<Vec<String>, StoreError> {
        let missing = || StoreError::NoBaseline { path: self.root.clone() };
        if !self.root.is_dir() {
            return Err(missing());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(StoreError::io(&self.root, "list"))? {
            let entry = entry.map_err(StoreError::io(&self.root, "list"))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') && entry.path().join("manifest.json").is_file() {
                names.push(name);
            }
        }
        names.sort();
        if names.is_empty() { Err(missing()) } else { Ok(names) }
    }

    /// The folder of an entry: the newest, or the one that is named by its name or the commit in it.
    ///
    /// # Errors
    ///
    /// As [`Baseline::entries`]; [`StoreError::NoEntry`] where none, or more than one, is meant by `name`.
    pub fn entry(&self, name: Option<&str>) -> Result<RunFolder, StoreError> {
        let entries = self.entries()?;
        let meant: Vec<&String> = match name {
            None => entries.last().into_iter().collect(),
            Some(name) => match entries.iter().find(|entry| *entry == name) {
                Some(exact) => vec![exact],
                None => entries.iter().filter(|entry| entry.contains(name)).collect(),
            },
        };
        match meant[..] {
            [entry] => RunFolder::open(self.root.join(entry)),
            _ => Err(StoreError::NoEntry {
                path: self.root.clone(),
                name: name.unwrap_or_default().to_owned(),
                known: entries.join(", "),
            }),
        }
    }

    /// Adds a run and gives the new entry's name: the time at which the run began, and the commit of calibench.
    ///
    /// The host's name and the command line, which hold names and paths of the machine, are left out.
    ///
    /// # Errors
    ///
    /// [`StoreError::AlreadyARun`] where the entry is there; [`StoreError::Encode`] or [`StoreError::Io`].
    pub fn save(&self, manifest: &Manifest, tables: &Tables) -> Result<String, StoreError> {
        let time: String = manifest.created_utc.chars().filter(char::is_ascii_alphanumeric).collect();
        let commit = manifest.commit.as_deref().unwrap_or("nocommit");
        let name = format!("{time}-{commit}");
        let folder = RunFolder::at(self.root.join(&name));
        if folder.manifest_path().exists() {
            return Err(StoreError::AlreadyARun { path: folder.root().to_path_buf() });
        }
        fs::create_dir_all(folder.root()).map_err(StoreError::io(folder.root(), "make"))?;
        folder.write_tables(tables)?;
        let mut kept = Manifest { command: Vec::new(), ..manifest.clone() };
        kept.machine.host.clear();
        // Last: an entry counts as one from here on.
        folder.write_manifest(&kept)?;
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Row;

    fn manifest(time: &str, commit: &str) -> Manifest {
        let mut manifest = Manifest {
            created_utc: time.to_owned(),
            commit: Some(commit.to_owned()),
            command: vec!["calibench".to_owned(), "secret".to_owned()],
            ..Manifest::default()
        };
        manifest.machine.host = "secret".to_owned();
        manifest
    }

    #[test]
    fn entries_are_added_in_order_of_time_and_never_changed() {
        let dir = tempfile::tempdir().unwrap();
        let baseline = Baseline::new(dir.path().join("baseline"));
        assert!(matches!(baseline.entries(), Err(StoreError::NoBaseline { .. })));
        let tables = Tables { rows: vec![Row { cell: "a".into(), ..Row::default() }], ..Tables::default() };
        let later = baseline.save(&manifest("2026-11-26T08:00:00Z", "bbbbbbb"), &tables).unwrap();
        let earlier = baseline.save(&manifest("2026-11-25T09:00:00Z", "aaaaaaa"), &tables).unwrap();
        assert_eq!(later, "20261126T080000Z-bbbbbbb");
        assert_eq!(baseline.entries().unwrap(), [earlier.clone(), later.clone()]);
        let again = baseline.save(&manifest("2026-11-26T08:00:00Z", "bbbbbbb"), &Tables::default());
        assert!(matches!(again, Err(StoreError::AlreadyARun { .. })));
        let newest = baseline.entry(None).unwrap();
        assert!(newest.root().ends_with(&later));
        assert_eq!(newest.load_tables().unwrap(), tables);
        assert!(baseline.entry(Some("aaaaaaa")).unwrap().root().ends_with(&earlier));
    }

    #[test]
    fn what_is_private_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let baseline = Baseline::new(dir.path());
        baseline.save(&manifest("2026-11-26T08:00:00Z", "c"), &Tables::default()).unwrap();
        let text = fs::read_to_string(baseline.entry(None).unwrap().manifest_path()).unwrap();
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn a_name_that_means_none_or_several_lists_what_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let baseline = Baseline::new(dir.path());
        baseline.save(&manifest("2026-11-25T08:00:00Z", "c1"), &Tables::default()).unwrap();
        baseline.save(&manifest("2026-11-26T08:00:00Z", "c2"), &Tables::default()).unwrap();
        for name in ["nothing", "2026"] {
            let error = baseline.entry(Some(name)).unwrap_err().to_string();
            assert!(error.contains("20261125T080000Z-c1") && error.contains(name), "{error}");
        }
    }
}
