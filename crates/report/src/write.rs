//! The files of a report.

use std::fs;
use std::path::{Path, PathBuf};

use calibench_store::{Manifest, RunFolder, StoreError, Tables, write_atomic};

use crate::chart::DrawError;
use crate::recommend::{DEFAULT_MAX_DROP, Recommendation, recommend_for};
use crate::select::{CellNames, ModelView, models};
use crate::{SiteHistogram, html, markdown, plots, text};

/// Where the parts of a report lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportPaths {
    /// `summary.md`.
    pub summary: PathBuf,
    /// `report.html`.
    pub html: PathBuf,
    /// `plots/*.svg`, in the order in which the report shows them.
    pub plots: Vec<PathBuf>,
}

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A plot could not be drawn.
    #[error("cannot draw the plot {plot}: {source}")]
    Draw {
        /// The plot's file name.
        plot: String,
        /// What plotters says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The plots folder could not be made or cleared of an earlier report's plots.
    #[error("cannot prepare the folder {path}: {source}; check that the run folder is writable")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write the report: {0}")]
    Write(#[from] StoreError),
}

/// One drawn plot.
pub(crate) struct Plot {
    /// Its file name in `plots/`, unique within the report.
    pub file: String,
    /// Whose plot it is; empty for plots of the whole run.
    pub model: String,
    /// What it shows.
    pub kind: PlotKind,
    /// The picture.
    pub svg: String,
}

/// What a plot shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlotKind {
    ScoreLatency,
    ScoreCalibrators,
    Memory,
    SiteSqnr,
    /// Of the named site.
    Histogram(String),
}

/// Everything that the written parts of a report draw on.
pub(crate) struct Report<'a> {
    pub manifest: &'a Manifest,
    pub tables: &'a Tables,
    pub views: Vec<ModelView<'a>>,
    pub names: CellNames,
    pub recommendations: Vec<Recommendation>,
    pub plots: Vec<Plot>,
}

/// Draws the plots and writes `plots/*.svg`, `summary.md` and `report.html` into the run's folder,
/// over those of an earlier report. Plots that the run has no data for are left out; plots of an
/// earlier report that this one no longer has are removed.
///
/// # Errors
///
/// [`ReportError`] where a plot cannot be drawn or a file cannot be written.
pub fn write_report(
    folder: &RunFolder,
    manifest: &Manifest,
    tables: &Tables,
    histograms: &[SiteHistogram],
) -> Result<ReportPaths, ReportError> {
    let views = models(tables);
    let names = CellNames::new(&tables.rows);
    let recommendations = views.iter().map(|view| recommend_for(view, &names, DEFAULT_MAX_DROP)).collect();
    let plots = draw_all(&views, &names, tables, histograms)?;
    let report = Report { manifest, tables, views, names, recommendations, plots };

    let plots_dir = folder.plots_dir();
    fs::create_dir_all(&plots_dir)
        .map_err(|source| ReportError::Folder { path: plots_dir.clone(), source })?;
    let mut paths = Vec::with_capacity(report.plots.len());
    for plot in &report.plots {
        let path = plots_dir.join(&plot.file);
        write_atomic(&path, plot.svg.as_bytes())?;
        paths.push(path);
    }
    remove_others(&plots_dir, &report.plots)?;
    write_atomic(&folder.summary_path(), markdown::summary(&report).as_bytes())?;
    write_atomic(&folder.report_path(), html::page(&report).as_bytes())?;
    Ok(ReportPaths { summary: folder.summary_path(), html: folder.report_path(), plots: paths })
}

/// Removes the SVG files of an earlier report that this one does not have.
fn remove_others(folder: &Path, plots: &[Plot]) -> Result<(), ReportError> {
    let failed = |source| ReportError::Folder { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let is_svg = Path::new(&name).extension().is_some_and(|e| e == "svg");
        if is_svg && !plots.iter().any(|p| name == *p.file) {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

fn draw_all(
    views: &[ModelView<'_>],
    names: &CellNames,
    tables: &Tables,
    histograms: &[SiteHistogram],
) -> Result<Vec<Plot>, ReportError> {
    let mut plots = Plots::default();
    let methods = plots::Methods::new(&tables.rows);
    for view in views {
        let stem = |kind: &str| format!("{kind}-{}", text::file_stem(view.name));
        let svg = plots::score_latency::draw(view, names);
        plots.add(&stem("score-latency"), view.name, PlotKind::ScoreLatency, svg)?;
        let svg = plots::score_calibrators::draw(view, names);
        plots.add(&stem("score-calibrators"), view.name, PlotKind::ScoreCalibrators, svg)?;
        let svg = plots::site_sqnr::draw(view, &tables.sites, &methods);
        plots.add(&stem("site-sqnr"), view.name, PlotKind::SiteSqnr, svg)?;
    }
    plots.add("memory", "", PlotKind::Memory, plots::memory::draw(views))?;
    for histogram in histograms {
        let (model, site) = (&histogram.model, &histogram.site);
        let stem = format!("histogram-{}-{}", text::file_stem(model), text::file_stem(site));
        let kind = PlotKind::Histogram(site.clone());
        plots.add(&stem, model, kind, plots::histogram::draw(histogram, &methods))?;
    }
    Ok(plots.0)
}

#[derive(Default)]
struct Plots(Vec<Plot>);

impl Plots {
    fn add(
        &mut self,
        stem: &str,
        model: &str,
        kind: PlotKind,
        svg: Result<Option<String>, DrawError>,
    ) -> Result<(), ReportError> {
        let file = self.free_name(stem);
        let svg = svg.map_err(|source| ReportError::Draw { plot: file.clone(), source: Box::new(source) })?;
        if let Some(svg) = svg {
            self.0.push(Plot { file, model: model.to_owned(), kind, svg });
        }
        Ok(())
    }

    /// Two names may come to one after unsafe characters are replaced, or differ in case only.
    fn free_name(&self, stem: &str) -> String {
        let taken = |file: &str| self.0.iter().any(|p| p.file.eq_ignore_ascii_case(file));
        let mut file = format!("{stem}.svg");
        let mut n = 2;
        while taken(&file) {
            file = format!("{stem}-{n}.svg");
            n += 1;
        }
        file
    }
}
