//! The score per calibration method with its interval, for static int8.

use calibench_store::Row;
use plotters::prelude::*;

use super::{row_axis, row_labels};
use crate::chart::{self, Align, Area, Axis, Chart, DrawError, Margins, Marker, Tips};
use crate::score::Metric;
use crate::select::{CellNames, ModelView, in_known_order};
use crate::text::{self, finite};

const MARGINS: Margins = Margins { left: 196, right: 24, top: 104, bottom: 60 };
/// Height of a method's row, per dot in it and at least.
const DOT: i32 = 13;
const ROW: i32 = 26;
const GRANULARITIES: [&str; 2] = ["per-tensor", "per-channel"];
const SYMMETRIES: [&str; 2] = ["symmetric", "affine"];

/// One kind of quantization parameters: a colour and a place beside the others.
struct Group<'a> {
    granularity: &'a str,
    symmetry: &'a str,
}

/// The plot, or nothing where no static int8 cell has a score.
pub(crate) fn draw(view: &ModelView<'_>, names: &CellNames) -> Result<Option<String>, DrawError> {
    let rows: Vec<&Row> = view
        .finished()
        .filter(|r| r.dtype == "int8" && r.timing == "static" && finite(r.score).is_some())
        .collect();
    let methods = in_known_order(rows.iter().map(|r| r.calibrator.as_str()), &[]);
    if methods.is_empty() {
        return Ok(None);
    }
    let groups = groups(&rows);
    let metric = view.metric;
    let description = format!("{}: {} per calibration method, static int8", view.name, metric.name());
    let most = methods.iter().map(|m| rows.iter().filter(|r| r.calibrator == *m).count()).max().unwrap_or(1);
    let row = (DOT * most as i32).max(ROW);
    let height = MARGINS.top + MARGINS.bottom + u32::try_from(row * methods.len() as i32).unwrap_or(400);
    let svg = chart::picture(height, &description, |area, tips| {
        let title = format!("{}: {} per calibration method", view.name, metric.name());
        let better = if metric.lower_is_better() { "left" } else { "right" };
        let subtitle = format!("static int8; bars are 95 % intervals; further {better} is better");
        chart::title(area, &title, &subtitle)?;
        legend(area, &groups)?;
        let chart = chart::frame(area, &MARGINS, &score_axis(view, &rows), &row_axis(&methods))?;
        row_labels(area, &chart, &methods)?;
        separators(area, &chart, methods.len())?;
        reference_lines(area, &chart, view)?;
        dots(area, &chart, &rows, &methods, &groups, (metric, names), tips)
    })?;
    Ok(Some(svg))
}

fn groups<'a>(rows: &[&'a Row]) -> Vec<Group<'a>> {
    let granularities = in_known_order(rows.iter().map(|r| r.granularity.as_str()), &GRANULARITIES);
    let symmetries = in_known_order(rows.iter().map(|r| r.symmetry.as_str()), &SYMMETRIES);
    let mut groups = Vec::new();
    for &granularity in &granularities {
        for &symmetry in &symmetries {
            let has = |r: &&&Row| r.granularity == granularity && r.symmetry == symmetry;
            if rows.iter().find(has).is_some() {
                groups.push(Group { granularity, symmetry });
            }
        }
    }
    groups
}

fn score_axis(view: &ModelView<'_>, rows: &[&Row]) -> Axis {
    let ends = rows
        .iter()
        .copied()
        .flat_map(|r| [r.score, r.score_low, r.score_high])
        .chain(view.references().map(|r| r.score))
        .filter_map(finite)
        .map(|v| view.metric.on_axis(v));
    let range = chart::padded(ends, 0.06).unwrap_or(0.0..100.0);
    Axis { ticks: chart::round_ticks(&range, 8), range, title: view.metric.axis_title(), format: text::plain }
}

/// Light lines between the methods.
fn separators(area: &Area<'_>, chart: &Chart<'_, '_>, methods: usize) -> Result<(), DrawError> {
    let (across, _) = chart.plotting_area().get_pixel_range();
    let x0 = chart.as_coord_spec().get_x_range().start;
    for i in 1..methods {
        let (_, y) = chart.backend_coord(&(x0, -(i as f64)));
        chart::line(area, vec![(across.start, y), (across.end, y)], chart::GRID)?;
    }
    Ok(())
}

/// A dashed line per distinct fp32 score (one per seed), named once.
fn reference_lines(area: &Area<'_>, chart: &Chart<'_, '_>, view: &ModelView<'_>) -> Result<(), DrawError> {
    let mut values: Vec<f64> = view.references().filter_map(|r| finite(r.score)).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let (_, down) = chart.plotting_area().get_pixel_range();
    for &value in &values {
        let (x, _) = chart.backend_coord(&(view.metric.on_axis(value), 0.0));
        chart::dashed(area, (x, down.start), (x, down.end), BLACK.stroke_width(1))?;
    }
    Ok(())
}

fn dots(
    area: &Area<'_>,
    chart: &Chart<'_, '_>,
    rows: &[&Row],
    methods: &[&str],
    groups: &[Group<'_>],
    (metric, names): (Metric, &CellNames),
    tips: &mut Tips,
) -> Result<(), DrawError> {
    for (m, method) in methods.iter().enumerate() {
        let slots: Vec<(usize, &Row)> = groups
            .iter()
            .enumerate()
            .flat_map(|(g, group)| {
                let member = move |r: &&&Row| {
                    r.calibrator == *method
                        && r.granularity == group.granularity
                        && r.symmetry == group.symmetry
                };
                rows.iter().filter(member).map(move |r| (g, *r))
            })
            .collect();
        let radius = if slots.len() > 4 { 3 } else { 4 };
        for (i, (g, row)) in slots.iter().enumerate() {
            let Some(score) = finite(row.score) else { continue };
            let y = -(m as f64) - (i as f64 + 1.0) / (slots.len() as f64 + 1.0);
            let (colour, marker) = look(*g);
            let pixel = |v: f64| chart.backend_coord(&(metric.on_axis(v), y));
            if let (Some(low), Some(high)) = (finite(row.score_low), finite(row.score_high)) {
                let ends = vec![pixel(low), pixel(high)];
                chart::line(area, ends, colour.mix(0.6).stroke_width(2))?;
            }
            chart::mark(area, pixel(score), marker, radius, colour)?;
            let tip = format!("{}: {} {}", names.name(row), metric.name(), metric.with_interval(row));
            tips.add(pixel(score), radius + 3, tip);
        }
    }
    Ok(())
}

fn look(group: usize) -> (RGBColor, Marker) {
    Marker::series(group)
}

fn legend(area: &Area<'_>, groups: &[Group<'_>]) -> Result<(), DrawError> {
    let y = 76;
    let mut x = 76;
    for (i, group) in groups.iter().enumerate() {
        let (colour, marker) = look(i);
        chart::mark(area, (x + 6, y), marker, 5, colour)?;
        let name = format!("{} {}", group.granularity, group.symmetry);
        chart::write(area, (x + 18, y), &name, chart::LABEL_SIZE, chart::INK, Align::Left)?;
        x += 40 + 7 * name.chars().count() as i32;
    }
    chart::dashed(area, (x, y), (x + 26, y), BLACK.stroke_width(1))?;
    chart::write(area, (x + 32, y), "fp32", chart::LABEL_SIZE, chart::INK, Align::Left)
}
