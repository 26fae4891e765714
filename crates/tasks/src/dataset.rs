//! Loading and checking datasets.

use std::path::{Path, PathBuf};

use calibench_quant::{QuantError, nearest};
use calibench_store::{Column, ColumnTable, read_parquet_columns};
use sha2::{Digest, Sha256};

use crate::{ALL, DatasetEntry, DatasetError, DatasetMeta, Samples};

const SPLIT: &str = "split";
const LABEL: &str = "label";

/// A dataset with its three splits, which do not overlap.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The manifest.
    pub meta: DatasetMeta,
    /// Hex SHA-256 of the Parquet file, checked against the manifest.
    pub sha256: String,
    /// For training and fine-tuning.
    pub train: Samples,
    /// For observing activation ranges.
    pub calibration: Samples,
    /// For every reported accuracy.
    pub test: Samples,
}

impl Dataset {
    /// A dataset that the binary carries.
    ///
    /// # Errors
    /// [`DatasetError::Unknown`] with the nearest name.
    pub fn embedded(id: &str) -> Result<Self, DatasetError> {
        let entry: &DatasetEntry = ALL.iter().find(|e| e.id == id).ok_or_else(|| QuantError::Unknown {
            what: "dataset",
            name: id.to_owned(),
            suggestion: nearest(id, ALL.iter().map(|e| e.id)).map(str::to_owned),
            known: ALL.iter().map(|e| e.id).collect::<Vec<_>>().join(", "),
        })?;
        let folder = Path::new("(embedded)").join(id);
        let meta = DatasetMeta::parse(entry.manifest, &folder.join("dataset.toml"))?;
        Self::from_table(meta, entry.table, &folder)
    }

    /// The dataset in a folder with `dataset.toml` and its Parquet file.
    ///
    /// The table has the columns `split` (text: train, calibration or test), `label` (integer) and one
    /// numeric column per feature, in row-major order of the sample's shape.
    ///
    /// # Errors
    /// All but [`DatasetError::Unknown`] and those about metrics and outputs.
    pub fn load_dir(folder: &Path) -> Result<Self, DatasetError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| DatasetError::Io { path, source }
        };
        let manifest = folder.join("dataset.toml");
        let text = std::fs::read_to_string(&manifest).map_err(io(&manifest))?;
        let meta = DatasetMeta::parse(&text, &manifest)?;
        let path = folder.join(&meta.file);
        let table = std::fs::read(&path).map_err(io(&path))?;
        Self::from_table(meta, &table, folder)
    }

    fn from_table(meta: DatasetMeta, bytes: &[u8], folder: &Path) -> Result<Self, DatasetError> {
        let path = folder.join(&meta.file);
        let sha256: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        if sha256 != meta.sha256 {
            return Err(DatasetError::Hash { path, expected: meta.sha256, got: sha256 });
        }
        let table = read_parquet_columns(bytes, &path)
            .map_err(|e| DatasetError::Table { path: path.clone(), source: Box::new(e) })?;
        let reader = Reader { meta: &meta, table: &table, path };
        let [train, calibration, test] = reader.splits()?;
        Ok(Self { sha256, train, calibration, test, meta })
    }
}

/// A table on its way to splits.
struct Reader<'t> {
    meta: &'t DatasetMeta,
    table: &'t ColumnTable,
    path: PathBuf,
}

impl Reader<'_> {
    fn splits(&self) -> Result<[Samples; 3], DatasetError> {
        let names = self.split_names()?;
        let labels = self.labels()?;
        let features = self.features()?;
        let counts = self.meta.splits;
        let wanted = [("train", counts.train), ("calibration", counts.calibration), ("test", counts.test)];
        let mut splits = [(); 3].map(|()| (Vec::new(), Vec::new()));
        for (row, name) in names.iter().enumerate() {
            let Some(split) = wanted.iter().position(|(known, _)| known == name) else {
                let reason = format!("`{name}` is not a split; use train, calibration or test");
                return Err(self.value(row, SPLIT, reason));
            };
            splits[split].0.extend(features.iter().map(|column| column[row]));
            splits[split].1.push(labels[row]);
        }
        let splits = splits.map(|(features, labels)| Samples::classified(&self.meta.shape, features, labels));
        for ((split, expected), samples) in wanted.into_iter().zip(&splits) {
            if samples.len() != expected {
                let got = samples.len();
                return Err(DatasetError::SplitCount { path: self.path.clone(), split, expected, got });
            }
        }
        Ok(splits)
    }

    fn split_names(&self) -> Result<&[String], DatasetError> {
        match self.table.column(SPLIT) {
            Some(Column::Str(names)) => Ok(names),
            other => Err(self.wrong_type(SPLIT, "text", other)),
        }
    }

    fn labels(&self) -> Result<Vec<u32>, DatasetError> {
        let Some(Column::Int(labels)) = self.table.column(LABEL) else {
            return Err(self.wrong_type(LABEL, "integer", self.table.column(LABEL)));
        };
        let classes = self.meta.classes;
        let check = |(row, &label): (usize, &i64)| {
            u32::try_from(label).ok().filter(|l| *l < classes).ok_or_else(|| {
                self.value(row, LABEL, format!("{label} is not a class; labels are 0 to {}", classes - 1))
            })
        };
        labels.iter().enumerate().map(check).collect()
    }

    /// One vector per feature, divided by the manifest's scale.
    fn features(&self) -> Result<Vec<Vec<f32>>, DatasetError> {
        let columns = self.table.names.iter().zip(&self.table.columns);
        let columns: Vec<_> = columns.filter(|(name, _)| *name != SPLIT && *name != LABEL).collect();
        let expected: usize = self.meta.shape.iter().product();
        if columns.len() != expected {
            let shape = &self.meta.shape;
            let reason = format!("{} feature columns, shape {shape:?} needs {expected}", columns.len());
            return Err(DatasetError::Columns { path: self.path.clone(), reason });
        }
        columns.into_iter().map(|(name, column)| self.feature(name, column)).collect()
    }

    fn feature(&self, name: &str, column: &Column) -> Result<Vec<f32>, DatasetError> {
        let scale = f64::from(self.meta.scale);
        let feature = |(row, value): (usize, f64)| {
            let feature = (value / scale) as f32;
            let reason = || format!("{value} is not a finite number; remove the row or mend the value");
            if feature.is_finite() { Ok(feature) } else { Err(self.value(row, name, reason())) }
        };
        match column {
            Column::Int(values) => values.iter().map(|v| *v as f64).enumerate().map(feature).collect(),
            Column::Float(values) => values.iter().copied().enumerate().map(feature).collect(),
            other => Err(self.wrong_type(name, "number", Some(other))),
        }
    }

    fn wrong_type(&self, column: &str, expected: &str, got: Option<&Column>) -> DatasetError {
        let got = got.map_or("is missing".to_owned(), |c| format!("is {}", c.kind()));
        let reason = format!("column `{column}` {got}, needs {expected}");
        DatasetError::Columns { path: self.path.clone(), reason }
    }

    fn value(&self, row: usize, column: &str, reason: String) -> DatasetError {
        DatasetError::Value { path: self.path.clone(), row, column: column.to_owned(), reason }
    }
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;
