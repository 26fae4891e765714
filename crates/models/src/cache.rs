//! Trained models on disk, by the hash of everything that made them.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::ModelError;

/// Changes whenever training changes what it gives for the same recipe.
const CODE_VERSION: u32 = 1;

/// A folder of trained models. Entries are written whole, so that processes may share it.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
}

/// What is kept, with the hash of its serialised content.
#[derive(Serialize, Deserialize)]
struct Kept {
    hash: String,
    content: String,
}

impl Cache {
    /// A cache in `dir`, made when first written.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The file of something made from `recipe`: named by kind, and by the BLAKE3 of the recipe.
    pub(crate) fn file(&self, kind: &str, recipe: &impl Serialize) -> PathBuf {
        let recipe = serde_json::to_vec(&(CODE_VERSION, kind, recipe)).unwrap_or_default();
        let hash = blake3::hash(&recipe).to_hex();
        self.dir.join(format!("{kind}-{}.json", &hash[..24]))
    }

    /// What the file holds; `None` when it is missing or damaged, which means to make it again.
    pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
        let kept: Kept = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        let intact = blake3::hash(kept.content.as_bytes()).to_hex().as_str() == kept.hash;
        intact.then(|| serde_json::from_str(&kept.content).ok())?
    }

    /// Writes a file whole, or not at all.
    pub(crate) fn write(&self, path: &Path, value: &impl Serialize) -> Result<(), ModelError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ModelError::Cache { path, source }
        };
        fs::create_dir_all(&self.dir).map_err(failed(&self.dir))?;
        let content = serde_json::to_string(value).map_err(|e| failed(path)(e.into()))?;
        let hash = blake3::hash(content.as_bytes()).to_hex().to_string();
        let bytes = serde_json::to_vec(&Kept { hash, content }).map_err(|e| failed(path)(e.into()))?;
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        fs::write(&temporary, bytes).map_err(failed(&temporary))?;
        fs::rename(&temporary, path).map_err(failed(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_entry_counts_as_missing() {
        let dir = std::env::temp_dir().join(format!("calibench-cache-test-{}", std::process::id()));
        let cache = Cache::new(dir.clone());
        let path = cache.file("t", &1);
        assert!(Cache::read::<Vec<f32>>(&path).is_none());
        cache.write(&path, &vec![1.5_f32, -0.1]).unwrap();
        assert_eq!(Cache::read::<Vec<f32>>(&path), Some(vec![1.5, -0.1]));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("1.5", "2.5")).unwrap();
        assert!(Cache::read::<Vec<f32>>(&path).is_none());
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert!(Cache::read::<Vec<f32>>(&path).is_none());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn an_unwritable_folder_is_named() {
        let cache = Cache::new(PathBuf::from("/dev/null/cache"));
        let error = cache.write(&cache.file("t", &1), &1).unwrap_err().to_string();
        assert!(error.contains("/dev/null/cache") && error.contains("CALIBENCH_CACHE"), "{error}");
    }
}
