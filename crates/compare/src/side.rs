//! One run of the two, indexed for comparison.

use std::collections::BTreeMap;

use calibench_metrics::Answer;
use calibench_store::{LatencyRow, Manifest, RoundRow, Row, SiteRow, Tables};

use crate::verdict::RunName;

/// A run with its name, as it comes from its folder.
#[derive(Clone, Debug)]
pub struct Side {
    /// What it is called.
    pub name: RunName,
    /// What the run was.
    pub manifest: Manifest,
    /// What it measured.
    pub tables: Tables,
}

/// The tables of a run by cell.
pub(crate) struct Index<'a> {
    pub manifest: &'a Manifest,
    pub rows: &'a [Row],
    answers: BTreeMap<&'a str, Vec<(u32, Answer)>>,
    sites: BTreeMap<&'a str, Vec<&'a SiteRow>>,
    latency: BTreeMap<&'a str, Vec<&'a LatencyRow>>,
    rounds: BTreeMap<&'a str, Vec<&'a RoundRow>>,
}

impl<'a> Index<'a> {
    pub(crate) fn new(side: &'a Side) -> Self {
        let tables = &side.tables;
        let mut answers: BTreeMap<&str, Vec<(u32, Answer)>> = BTreeMap::new();
        for o in &tables.outcomes {
            answers.entry(&o.cell).or_default().push((o.sample, (o.target, o.output)));
        }
        answers.values_mut().for_each(|answers| answers.sort_by_key(|a| a.0));
        Self {
            manifest: &side.manifest,
            rows: &tables.rows,
            answers,
            sites: by_cell(&tables.sites, |s| &s.cell),
            latency: by_cell(&tables.latency, |l| &l.cell),
            rounds: by_cell(&tables.rounds, |r| &r.cell),
        }
    }

    /// The answers of a cell, in the order of samples.
    pub(crate) fn answers(&self, cell: &str) -> Vec<Answer> {
        self.answers.get(cell).into_iter().flatten().map(|a| a.1).collect()
    }

    pub(crate) fn sites(&self, cell: &str) -> &[&'a SiteRow] {
        self.sites.get(cell).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn latency(&self, cell: &str) -> &[&'a LatencyRow] {
        self.latency.get(cell).map_or(&[], Vec::as_slice)
    }

    /// The rounds of a cell at a batch size.
    pub(crate) fn rounds(&self, cell: &str, batch: u32) -> impl Iterator<Item = &'a RoundRow> {
        self.rounds.get(cell).into_iter().flatten().copied().filter(move |r| r.batch == batch)
    }

    /// Content hash of the model of a row.
    pub(crate) fn model_hash(&self, row: &Row) -> Option<&'a str> {
        let model = self.manifest.models.get(&format!("{}/{}", row.model, row.seed))?;
        Some(model.hash.as_str()).filter(|hash| !hash.is_empty())
    }

    /// SHA-256 of the data of a row.
    pub(crate) fn data_hash(&self, row: &Row) -> Option<&'a str> {
        self.manifest.datasets.get(&row.dataset).map(|d| d.sha256.as_str())
    }
}

fn by_cell<T>(rows: &[T], cell: fn(&T) -> &String) -> BTreeMap<&str, Vec<&T>> {
    let mut map: BTreeMap<&str, Vec<&T>> = BTreeMap::new();
    for row in rows {
        map.entry(cell(row)).or_default().push(row);
    }
    map
}
