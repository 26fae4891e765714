//! Data of tensors in files beside the model's.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use crate::error::Fault;
use crate::proto::TensorProto;

/// Files of external data, confined to the model's folder.
pub(super) struct External<'p> {
    folder: Option<&'p Path>,
    /// Length of each file read so far, by its real path.
    lengths: BTreeMap<PathBuf, u64>,
    /// Bytes read so far.
    read: u64,
}

impl<'p> External<'p> {
    pub(super) fn new(folder: Option<&'p Path>) -> Self {
        Self { folder, lengths: BTreeMap::new(), read: 0 }
    }

    /// The `needed` bytes of a tensor's data.
    pub(super) fn read(
        &mut self,
        label: &str,
        tensor: &TensorProto,
        needed: usize,
    ) -> Result<Vec<u8>, Fault> {
        let entry = |wanted: &str| {
            let entries = &tensor.external_data;
            entries.iter().find(|e| e.key.as_deref() == Some(wanted)).and_then(|e| e.value.as_deref())
        };
        let location = entry("location").unwrap_or_default();
        let fault = |reason: String| Fault::External {
            tensor: label.to_owned(),
            location: location.to_owned(),
            reason,
        };
        let number = |key: &str| {
            let parsed = entry(key).map(|text| text.parse::<u64>());
            parsed
                .transpose()
                .map_err(|_| fault(format!("its {key} is not a number; export the model again")))
        };
        let offset = number("offset")?.unwrap_or_default();
        if let Some(length) = number("length")?
            && length != needed as u64
        {
            return Err(fault(format!("it is {length} bytes long, the shape needs {needed}; export again")));
        }

        let path = self.confine(location).map_err(&fault)?;
        let io = |source: std::io::Error| fault(format!("cannot read it: {source}"));
        let metadata = fs::metadata(&path).map_err(io)?;
        if !metadata.is_file() {
            return Err(fault("it is not a regular file".to_owned()));
        }
        let there = metadata.len();
        if offset.checked_add(needed as u64).is_none_or(|end| end > there) {
            return Err(fault(format!(
                "{needed} bytes from offset {offset} are needed, the file has {there}; copy it again"
            )));
        }
        self.account(&path, there, needed).map_err(&fault)?;

        let mut data = Vec::new();
        data.try_reserve_exact(needed).map_err(|e| fault(format!("{needed} bytes of it: {e}")))?;
        let mut file = File::open(&path).map_err(io)?;
        file.seek(SeekFrom::Start(offset)).map_err(io)?;
        file.take(needed as u64).read_to_end(&mut data).map_err(io)?;
        if data.len() != needed {
            return Err(fault(format!("it ended after {} of {needed} bytes", data.len())));
        }
        Ok(data)
    }

    /// The real path of `location`, which must lie in the model's folder.
    fn confine(&self, location: &str) -> Result<PathBuf, String> {
        let folder =
            self.folder.ok_or("a model read from bytes has no folder to look in; load it from its file")?;
        let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if location.is_empty() || !Path::new(location).components().all(inside) {
            return Err("it must be a relative path without `..`, below the model's folder".to_owned());
        }
        let real = |path: &Path| path.canonicalize().map_err(|source| format!("cannot find it: {source}"));
        let path = real(&folder.join(location))?;
        if path.starts_with(real(folder)?) {
            Ok(path)
        } else {
            Err("a link leads out of the model's folder; put the file itself there".to_owned())
        }
    }

    /// Tensors may share data, but a small file must not be read a thousand times over.
    fn account(&mut self, path: &Path, length: u64, needed: usize) -> Result<(), String> {
        self.lengths.insert(path.to_owned(), length);
        self.read = self.read.saturating_add(needed as u64);
        let allowed = self.lengths.values().sum::<u64>().saturating_mul(2);
        if self.read > allowed {
            return Err(
                "tensors overlap in it so that they are more than twice as large as their files".to_owned()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "external_tests.rs"]
mod tests;
