//! The plots, one per file. Each takes a part of the run and returns SVG text, or nothing where
//! the run has no data for it.

use calibench_store::Row;
use plotters::style::{Color, RGBAColor, RGBColor};

use crate::chart::{self, Align, Area, Axis, Chart, DrawError, Marker, Pixel};
use crate::select::in_known_order;
use crate::text;

pub(crate) mod front;
pub(crate) mod histogram;
pub(crate) mod history;
pub(crate) mod memory;
pub(crate) mod precision;
pub(crate) mod score_calibrators;
pub(crate) mod score_latency;
pub(crate) mod site_sqnr;

/// dtypes in the order in which tables and legends name them.
pub(crate) const DTYPES: [&str; 7] =
    ["fp32", "fp16-storage", "fp16-compute", "bf16-storage", "bf16-compute", "int16", "int8"];

/// Timing modes in the order in which tables and legends name them.
pub(crate) const TIMINGS: [&str; 5] = ["none", "weight-only", "dynamic", "static", "qat"];

/// The calibration methods of a run in the order of its rows, so that a method looks the same in every plot.
pub(crate) struct Methods<'a>(Vec<&'a str>);

impl<'a> Methods<'a> {
    pub(crate) fn new(rows: &'a [Row]) -> Self {
        Self::of(rows.iter().map(|r| r.calibrator.as_str()).filter(|c| *c != "none"))
    }

    pub(crate) fn of(names: impl Iterator<Item = &'a str>) -> Self {
        Self(in_known_order(names, &[]))
    }

    /// Where the method stands; one that no row names comes last.
    pub(crate) fn place(&self, method: &str) -> usize {
        self.0.iter().position(|m| *m == method).unwrap_or(self.0.len())
    }

    /// The method's colour and marker.
    pub(crate) fn look(&self, method: &str) -> (RGBColor, Marker) {
        Marker::series(self.place(method))
    }
}

/// An axis of `names.len()` rows from the top down; [`row_labels`] names them.
pub(crate) fn row_axis(names: &[&str]) -> Axis {
    Axis {
        range: -(names.len() as f64)..0.0,
        ticks: (0..names.len()).map(|i| -(i as f64) - 0.5).collect(),
        title: String::new(),
        format: |_| String::new(),
    }
}

/// The names of the rows of a [`row_axis`], left of the chart.
pub(crate) fn row_labels(area: &Area<'_>, chart: &Chart<'_, '_>, names: &[&str]) -> Result<(), DrawError> {
    let (across, _) = chart.plotting_area().get_pixel_range();
    let x0 = chart.as_coord_spec().get_x_range().start;
    for (i, name) in names.iter().enumerate() {
        let (_, y) = chart.backend_coord(&(x0, -(i as f64) - 0.5));
        let name = text::shorten(name, 32);
        chart::write(area, (across.start - 10, y), &name, chart::SMALL_SIZE, chart::INK, Align::Right)?;
    }
    Ok(())
}

/// Points joined by lines of the first colour and marked in the second; a point that is missing breaks the line.
pub(crate) fn profile(
    area: &Area<'_>,
    points: &[Option<Pixel>],
    (faint, colour): (RGBAColor, RGBColor),
    (marker, radius): (Marker, i32),
) -> Result<(), DrawError> {
    for run in points.split(Option::is_none) {
        let run: Vec<Pixel> = run.iter().flatten().copied().collect();
        if run.len() > 1 {
            chart::line(area, run, faint.stroke_width(1))?;
        }
    }
    points.iter().flatten().try_for_each(|at| chart::mark(area, *at, marker, radius, colour))
}

/// The place of a name in a fixed list; names that are not in it get the places after it, in the
/// order of `present`, so that a method added later has a colour of its own.
pub(crate) fn place(name: &str, known: &[&str], present: &[&str]) -> usize {
    known.iter().position(|k| *k == name).unwrap_or_else(|| {
        let unknown = present.iter().filter(|p| !known.contains(p));
        known.len() + unknown.take_while(|p| **p != name).count()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_keep_their_place_and_new_ones_follow() {
        let present = ["int8", "fp8", "int4"];
        assert_eq!(place("int8", &DTYPES, &present), 6);
        assert_eq!(place("fp8", &DTYPES, &present), 7);
        assert_eq!(place("int4", &DTYPES, &present), 8);
    }
}
