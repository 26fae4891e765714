//! Rows to SVG, HTML and Markdown. The only user of plotters.
//!
//! [`write_report`] turns the tables of a run into `plots/*.svg`, `summary.md` and `report.html`;
//! [`terminal_summary`] is what the terminal shows at the end of a sweep; [`recommend()`] chooses a
//! configuration and says why. [`comparison_text`] and its siblings show two runs compared, [`history_plot`] and its
//! siblings one measurement over commits. Output depends on its input only: the same tables give the same bytes.

mod aggregates;
mod calibration;
mod chart;
mod comparison;
mod history;
mod html;
mod html_tables;
mod markdown;
mod measure;
mod names;
mod pareto;
mod peers;
mod plots;
mod recommend;
mod score;
mod section;
mod select;
mod table;
mod terminal;
mod text;
mod write;

pub use calibration::{calibration_plot, significant, text_table};
pub use comparison::{comparison_annotations, comparison_junit, comparison_markdown, comparison_text};
pub use history::{History, HistoryChange, HistoryPoint, history_markdown, history_plot, history_table};
pub use names::cell_names;
pub use plots::front::{FrontPlot, FrontPoint, front_plot};
pub use plots::precision::{PrecisionPlot, PrecisionSite, precision_plots};
pub use recommend::{Choice, DEFAULT_MAX_DROP, Recommendation, recommend};
pub use terminal::{terminal_summary, wrap};
pub use write::{ReportError, ReportPaths, write_report};

/// The values that one activation site took on the calibration split, and what the methods made of
/// them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SiteHistogram {
    /// The model's name.
    pub model: String,
    /// The site's name in the graph.
    pub site: String,
    /// Width of a bin, in the unit of the activation.
    pub bin_width: f64,
    /// `counts[i]` counts the values in `[(first_bin + i) · bin_width, (first_bin + i + 1) · bin_width)`.
    pub first_bin: i64,
    /// Values per bin.
    pub counts: Vec<u64>,
    /// The range that each method chose.
    pub thresholds: Vec<Threshold>,
}

/// The range that one calibration method chose for a site.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Threshold {
    /// The method's name.
    pub calibrator: String,
    /// Values below are clipped.
    pub low: f32,
    /// Values above are clipped.
    pub high: f32,
    /// Share of the values that are clipped: beyond an end by more than the half step that rounding brings back.
    pub clipped_share: f64,
}
