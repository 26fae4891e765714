//! Statistics as a file: gathered on one machine, merged with another's, replayed through any method.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use calibench_quant::{STATS_SCHEMA, Stats};
use calibench_store::write_atomic;
use serde::{Deserialize, Serialize};

/// Statistics of named cases, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StatsFile {
    /// [`STATS_SCHEMA`] of the writer.
    pub stats_schema: u32,
    /// Statistics by case.
    pub cases: BTreeMap<String, Stats>,
}

impl StatsFile {
    /// An empty one of the present schema.
    #[must_use]
    pub fn new() -> Self {
        Self { stats_schema: STATS_SCHEMA, cases: BTreeMap::new() }
    }

    /// Reads a file that `observe` or `merge` wrote.
    ///
    /// # Errors
    /// When it cannot be read, is no such file, or was written by a version that counts differently.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).with_context(|| {
            format!("{shown} is not a file of statistics (JSON); write one with `calibench observe`")
        })?;
        match value.get("stats_schema").and_then(serde_json::Value::as_u64) {
            Some(schema) if schema == u64::from(STATS_SCHEMA) => {}
            Some(schema) => bail!(
                "{shown} has statistics of schema {schema}, this version reads {STATS_SCHEMA}; gather them \
                 again with `calibench observe`"
            ),
            None => bail!("{shown} has no `stats_schema`: not a file of `calibench observe` or `merge`"),
        }
        serde_json::from_value(value)
            .with_context(|| format!("{shown} is damaged; gather the statistics again"))
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomic(path, &serde_json::to_vec(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Adds the statistics of other data, case by case.
    ///
    /// # Errors
    /// When both saw the same batch, or hold statistics that cannot be merged; names the case.
    pub fn absorb(&mut self, other: Self) -> Result<()> {
        for (case, stats) in other.cases {
            match self.cases.get_mut(&case) {
                None => {
                    self.cases.insert(case, stats);
                }
                Some(mine) => mine.absorb(&stats).with_context(|| format!("case `{case}`"))?,
            }
        }
        Ok(())
    }

    /// Keeps the cases whose name starts with `prefix`.
    ///
    /// # Errors
    /// When there is none; names what there is.
    pub fn only(&mut self, prefix: Option<&str>, path: &Path) -> Result<()> {
        let Some(prefix) = prefix else { return Ok(()) };
        let known: Vec<String> = self.cases.keys().cloned().collect();
        self.cases.retain(|case, _| case.starts_with(prefix));
        if self.cases.is_empty() {
            let hint = calibench_quant::nearest(prefix, known.iter().map(String::as_str));
            let hint = hint.map(|h| format!(", did you mean `{h}`?")).unwrap_or_default();
            bail!(
                "{}: no case starts with `{prefix}`{hint}; there are: {}",
                path.display(),
                known.join(", ")
            );
        }
        Ok(())
    }
}
