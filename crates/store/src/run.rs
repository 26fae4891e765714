//! The folder of one run: where each file lies, and how cells become tables.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::atomic::write_atomic;
use crate::cell::{CellRecord, cell_file_name};
use crate::error::StoreError;
use crate::frames::{SCHEMA_VERSION, read_table, write_table};
use crate::manifest::Manifest;
use crate::older;
use crate::row::{LatencyRow, OutcomeRow, RoundRow, Row, SiteRow};
use crate::time::compact;

/// The five tables of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tables {
    /// One row per cell.
    pub rows: Vec<Row>,
    /// One row per cell and batch size.
    pub latency: Vec<LatencyRow>,
    /// One row per cell, batch size, process and round.
    pub rounds: Vec<RoundRow>,
    /// One row per cell and test sample.
    pub outcomes: Vec<OutcomeRow>,
    /// One row per cell and site.
    pub sites: Vec<SiteRow>,
}

/// The folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    root: PathBuf,
}

impl RunFolder {
    /// Makes the folder of a new run, with its subfolders.
    ///
    /// The run counts as one from the moment its manifest is written.
    ///
    /// # Errors
    ///
    /// [`StoreError::AlreadyARun`] where a manifest is there, [`StoreError::NotEmpty`] where other files are,
    /// [`StoreError::NotWritable`] where the folder cannot be made or written to.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let run = Self { root: path.into() };
        if run.manifest_path().exists() {
            return Err(StoreError::AlreadyARun { path: run.root });
        }
        if let Some(found) = run.foreign() {
            return Err(StoreError::NotEmpty { path: run.root, found });
        }
        match run.prepare() {
            Ok(()) => Ok(run),
            Err(source) => Err(StoreError::NotWritable { path: run.root, source }),
        }
    }

    /// The folder of a run that is about to be written there.
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self { root: path.into() }
    }

    /// Opens the folder of an existing run.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotARun`] where no manifest is there.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let run = Self { root: path.into() };
        if run.manifest_path().is_file() { Ok(run) } else { Err(StoreError::NotARun { path: run.root }) }
    }

    /// Something in the folder that a run killed before its manifest was written has not left.
    fn foreign(&self) -> Option<String> {
        let own =
            |name: &str| name.starts_with('.') || ["cells", "stats", "plots", "plan.json"].contains(&name);
        let names =
            fs::read_dir(&self.root).ok()?.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
        names.filter(|name| !own(name)).min()
    }

    /// Makes the folders, and shows by a probe file that they can be written to: better now than after hours.
    fn prepare(&self) -> io::Result<()> {
        for folder in [self.cells_dir(), self.stats_dir(), self.plots_dir()] {
            fs::create_dir_all(folder)?;
        }
        let probe = self.root.join(format!(".probe.{}", std::process::id()));
        OpenOptions::new().write(true).create(true).truncate(true).open(&probe)?;
        fs::remove_file(probe)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `manifest.json`: what the run was.
    pub fn manifest_path(&self) -> PathBuf {
        self.root.join("manifest.json")
    }

    /// `plan.json`: the cells of the sweep, in order.
    pub fn plan_path(&self) -> PathBuf {
        self.root.join("plan.json")
    }

    /// `cells/`: one JSON file per finished cell.
    pub fn cells_dir(&self) -> PathBuf {
        self.root.join("cells")
    }

    /// `stats/`: observer statistics.
    pub fn stats_dir(&self) -> PathBuf {
        self.root.join("stats")
    }

    /// `plots/`: SVG files.
    pub fn plots_dir(&self) -> PathBuf {
        self.root.join("plots")
    }

    /// `rows.parquet`: one row per cell.
    pub fn rows_path(&self) -> PathBuf {
        self.root.join("rows.parquet")
    }

    /// `latency.parquet`: one row per cell and batch size.
    pub fn latency_path(&self) -> PathBuf {
        self.root.join("latency.parquet")
    }

    /// `rounds.parquet`: one row per cell, batch size, process and round.
    pub fn rounds_path(&self) -> PathBuf {
        self.root.join("rounds.parquet")
    }

    /// `outcomes.parquet`: one row per cell and test sample.
    pub fn outcomes_path(&self) -> PathBuf {
        self.root.join("outcomes.parquet")
    }

    /// `sites.parquet`: one row per cell and site.
    pub fn sites_path(&self) -> PathBuf {
        self.root.join("sites.parquet")
    }

    /// `summary.md`: the result in words.
    pub fn summary_path(&self) -> PathBuf {
        self.root.join("summary.md")
    }

    /// `report.html`: the result with plots.
    pub fn report_path(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// The file of a cell; two ids that differ only in `/` and `__` would share one.
    pub fn cell_path(&self, id: &str) -> PathBuf {
        self.cells_dir().join(cell_file_name(id))
    }

    /// Writes the manifest, atomically.
    ///
    /// # Errors
    ///
    /// [`StoreError::Json`] or [`StoreError::Io`].
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<(), StoreError> {
        write_json(&self.manifest_path(), manifest)
    }

    /// Reads the manifest; one of an older version that this build still reads becomes one of today's.
    ///
    /// # Errors
    ///
    /// [`StoreError::SchemaVersion`] for a manifest of another version, [`StoreError::Json`] for a damaged
    /// one, [`StoreError::Io`] where it cannot be read.
    pub fn read_manifest(&self) -> Result<Manifest, StoreError> {
        let path = self.manifest_path();
        // The version first: a manifest of another version need not have today's fields.
        let value: serde_json::Value = read_json(&path)?;
        let got = value.get("schema_version").and_then(serde_json::Value::as_u64);
        match got.map(|version| u32::try_from(version).unwrap_or(u32::MAX)) {
            Some(got) if !older::is_read(got) => {
                Err(StoreError::SchemaVersion { path, expected: SCHEMA_VERSION, got })
            }
            _ => serde_json::from_value(value)
                .map(|manifest| Manifest { schema_version: SCHEMA_VERSION, ..manifest })
                .map_err(|source| StoreError::Json { path, source }),
        }
    }

    /// Writes one finished cell, atomically.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFinite`] where a required number is NaN or infinite, [`StoreError::Json`] or
    /// [`StoreError::Io`].
    pub fn write_cell(&self, record: &CellRecord) -> Result<(), StoreError> {
        record.check_finite()?;
        write_json(&self.cell_path(&record.row.cell), record)
    }

    /// Reads one cell; `None` where it has no file.
    ///
    /// # Errors
    ///
    /// [`StoreError::Json`] for a damaged file, [`StoreError::WrongCell`] for the file of another cell,
    /// [`StoreError::Io`] where it cannot be read.
    pub fn read_cell(&self, id: &str) -> Result<Option<CellRecord>, StoreError> {
        let path = self.cell_path(id);
        let record: CellRecord = match read_json(&path) {
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            other => other?,
        };
        if record.row.cell == id {
            Ok(Some(record))
        } else {
            Err(StoreError::WrongCell { path, expected: id.to_owned(), got: record.row.cell })
        }
    }

    /// The file of a further timing process of a cell.
    fn repeat_path(&self, id: &str, process: u32) -> PathBuf {
        self.cells_dir().join(cell_file_name(&format!("{id}@{process}")))
    }

    /// Writes what a further timing process of a cell measured, atomically.
    ///
    /// # Errors
    ///
    /// As [`RunFolder::write_cell`].
    pub fn write_repeat(&self, record: &CellRecord, process: u32) -> Result<(), StoreError> {
        record.check_finite()?;
        write_json(&self.repeat_path(&record.row.cell, process), record)
    }

    /// Reads what a further timing process of a cell measured; `None` where there is no such file, or none that can be read.
    #[must_use]
    pub fn read_repeat(&self, id: &str, process: u32) -> Option<CellRecord> {
        read_json(&self.repeat_path(id, process)).ok().filter(|record: &CellRecord| record.row.cell == id)
    }

    /// Reads the cells that are there, in the order of `ids`.
    ///
    /// A file that cannot be read counts as missing, so that a resumed sweep repeats its cell; a warning says
    /// so.
    pub fn read_cells<S: AsRef<str>>(&self, ids: &[S]) -> (Vec<CellRecord>, Vec<String>) {
        let (mut records, mut warnings) = (Vec::new(), Vec::new());
        for id in ids {
            match self.read_cell(id.as_ref()) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => {}
                Err(error) => warnings.push(format!("{error}; this cell counts as not yet run")),
            }
        }
        (records, warnings)
    }

    /// Writes the five tables from the cells, in their order, each file atomically.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFinite`] where a required number is NaN or infinite, [`StoreError::Encode`] or
    /// [`StoreError::Io`].
    pub fn assemble(&self, cells: &[CellRecord]) -> Result<(), StoreError> {
        let mut tables = Tables::default();
        for cell in cells {
            cell.check_finite()?;
            tables.rows.push(cell.row.clone());
            tables.latency.extend_from_slice(&cell.latency);
            tables.rounds.extend_from_slice(&cell.rounds);
            tables.outcomes.extend_from_slice(&cell.outcomes);
            tables.sites.extend_from_slice(&cell.sites);
        }
        self.write_tables(&tables)
    }

    /// Writes the five tables, each file atomically.
    ///
    /// # Errors
    ///
    /// [`StoreError::Encode`] or [`StoreError::Io`].
    pub fn write_tables(&self, tables: &Tables) -> Result<(), StoreError> {
        write_table(&self.rows_path(), &tables.rows)?;
        write_table(&self.latency_path(), &tables.latency)?;
        write_table(&self.rounds_path(), &tables.rounds)?;
        write_table(&self.outcomes_path(), &tables.outcomes)?;
        write_table(&self.sites_path(), &tables.sites)
    }

    /// Reads the five tables; a run of a version that had no rounds has none.
    ///
    /// # Errors
    ///
    /// As [`read_table`], for the first table at fault.
    pub fn load_tables(&self) -> Result<Tables, StoreError> {
        Ok(Tables {
            rows: read_table(&self.rows_path())?,
            latency: read_table(&self.latency_path())?,
            rounds: if self.rounds_path().exists() { read_table(&self.rounds_path())? } else { Vec::new() },
            outcomes: read_table(&self.outcomes_path())?,
            sites: read_table(&self.sites_path())?,
        })
    }
}

/// The name of a run's folder: UTC time, host and short commit, `20261124T140300Z-host-abc1234`.
///
/// Names sort by time. In the host every character but ASCII letters, digits, `.` and `_` becomes `-`; an
/// empty host is `unknown`. The commit is cut to seven characters; without one the name ends in `nocommit`.
pub fn run_name(time: SystemTime, host: &str, commit: Option<&str>) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' };
    let host: String = if host.is_empty() { "unknown".to_owned() } else { host.chars().map(safe).collect() };
    let commit: String = commit.unwrap_or_default().chars().map(safe).take(7).collect();
    let commit = if commit.is_empty() { "nocommit" } else { &commit };
    format!("{}-{host}-{commit}", compact(time))
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| StoreError::Json { path: path.to_path_buf(), source })?;
    bytes.push(b'\n');
    write_atomic(path, &bytes)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    let bytes = fs::read(path).map_err(StoreError::io(path, "read"))?;
    serde_json::from_slice(&bytes).map_err(|source| StoreError::Json { path: path.to_path_buf(), source })
}
