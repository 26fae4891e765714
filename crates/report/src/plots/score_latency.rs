//! The score against latency relative to fp32, with the Pareto front.

use std::ops::Range;

use calibench_metrics::quantile;
use calibench_store::{LatencyRow, Row};
use plotters::prelude::*;

use super::{DTYPES, TIMINGS, place};
use crate::chart::{self, Align, Area, Axis, Chart, DrawError, Margins, Marker, Pixel, Tips};
use crate::pareto;
use crate::score::Metric;
use crate::select::{CellNames, FP32, ModelView, in_known_order};
use crate::text::{self, finite};

const HEIGHT: u32 = 640;
const MARGINS: Margins = Margins { left: 76, right: 306, top: 66, bottom: 62 };
/// Where the legend starts.
const LEGEND_X: i32 = 612;
const LINE: i32 = 19;

/// One cell that has both a score and a latency.
struct Point<'a> {
    row: &'a Row,
    latency: &'a LatencyRow,
    score: f64,
}

/// The plot, or nothing where no cell has both a score and a latency.
pub(crate) fn draw(view: &ModelView<'_>, names: &CellNames) -> Result<Option<String>, DrawError> {
    let points: Vec<Point<'_>> = view
        .finished()
        .filter_map(|row| Some(Point { row, latency: view.latency(row)?, score: finite(row.score)? }))
        .collect();
    let (Some(batch), false) = (view.batch, points.is_empty()) else {
        return Ok(None);
    };
    let metric = view.metric;
    let description = format!("{}: {} against latency relative to fp32", view.name, metric.name());
    let svg = chart::picture(HEIGHT, &description, |area, tips| {
        let title = format!("{}: {} against latency", view.name, metric.name());
        let better = if metric.lower_is_better() { "down" } else { "up" };
        let cells = text::count_of(points.len(), "cell");
        let subtitle = format!("{cells}, bars are 95 % intervals; {better} and left is better");
        chart::title(area, &title, &subtitle)?;
        let y = score_axis(&points, metric);
        let x = latency_axis(&points, batch);
        let shown = y.range.clone();
        let chart = chart::frame(area, &MARGINS, &x, &y)?;
        plot(area, &chart, &points, (metric, &shown), names, tips)?;
        legend(area, &points, metric, names)
    })?;
    Ok(Some(svg))
}

fn latency_axis(points: &[Point<'_>], batch: u32) -> Axis {
    let ends = points
        .iter()
        .flat_map(|p| [p.latency.ratio, p.latency.ratio_low, p.latency.ratio_high])
        .chain([1.0])
        .map(f64::log2);
    let range = chart::padded(ends, 0.06).unwrap_or(-1.0..1.0);
    Axis {
        ticks: latency_ticks(&range),
        range,
        title: format!("median latency relative to fp32 (×, log scale), batch {batch}"),
        format: |v| text::plain((v.exp2() * 1e6).round() / 1e6),
    }
}

/// Ticks in log2 units: round steps while the range is narrow, else the 1-2-5 series.
fn latency_ticks(log2: &Range<f64>) -> Vec<f64> {
    let range = log2.start.exp2()..log2.end.exp2();
    let ratios: Vec<f64> = if range.end / range.start < 3.0 {
        chart::round_ticks(&range, 8)
    } else {
        let wide = range.end / range.start > 200.0;
        (-3..=4)
            .flat_map(|e| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(e)))
            .filter(|r| !wide || r.log10().fract().abs() < 1e-9)
            .collect()
    };
    ratios.into_iter().filter(|r| *r > 0.0).map(f64::log2).collect()
}

/// A few cells far worse than the others do not squeeze those: they are drawn at the edge where worse scores lie.
fn score_axis(points: &[Point<'_>], metric: Metric) -> Axis {
    let gains: Vec<f64> = points.iter().map(|p| metric.gain(Some(p.score))).collect();
    let limit = gains.iter().copied().fold(f64::NEG_INFINITY, f64::max) - tolerance(&gains, metric);
    let near: Vec<&Point<'_>> = points.iter().filter(|p| metric.gain(Some(p.score)) >= limit).collect();
    let shown = if near.len() * 2 >= points.len() { near } else { points.iter().collect() };
    let ends = shown
        .iter()
        .flat_map(|p| [Some(p.score), finite(p.row.score_low), finite(p.row.score_high)])
        .flatten()
        .map(|v| metric.on_axis(v));
    let range = chart::padded(ends, 0.05).unwrap_or(0.0..100.0);
    let range = if metric.is_share() { range.start.max(-1.0)..range.end.min(100.6) } else { range };
    Axis { ticks: chart::round_ticks(&range, 9), range, title: metric.axis_title(), format: text::plain }
}

/// How much worse than the best a score may be to be among the others: 12 points of a share, else four times as
/// much as the median one, and at least 2 % of the best.
fn tolerance(gains: &[f64], metric: Metric) -> f64 {
    if metric.is_share() {
        return 0.12;
    }
    let mut sorted = gains.to_vec();
    sorted.sort_by(f64::total_cmp);
    let best = sorted.last().copied().unwrap_or(0.0);
    (4.0 * (best - quantile(&sorted, 0.5).unwrap_or(best))).max(0.02 * best.abs())
}

fn plot(
    area: &Area<'_>,
    chart: &Chart<'_, '_>,
    points: &[Point<'_>],
    (metric, shown): (Metric, &Range<f64>),
    names: &CellNames,
    tips: &mut Tips,
) -> Result<(), DrawError> {
    let (across, down) = chart.plotting_area().get_pixel_range();
    let pixel = |ratio: f64, score: f64| -> Pixel {
        let (x, y) = chart.backend_coord(&(ratio.log2(), metric.on_axis(score)));
        (x.clamp(across.start, across.end), y.clamp(down.start, down.end))
    };
    equal_line(area, pixel(1.0, 1.0).0, &down)?;
    for p in points {
        error_bars(area, p, &pixel)?;
    }
    let front = front(points, metric);
    front_line(area, &front, points, &across, &pixel)?;
    // Common kinds first and the fp32 reference last: what is rare stays visible in a crowd.
    let kind = |p: &Point<'_>| (p.row.dtype.clone(), p.row.timing.clone());
    let alike = |i: usize| points.iter().filter(|p| kind(p) == kind(&points[i])).count();
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_cached_key(|&i| (points[i].row.dtype == FP32, std::cmp::Reverse(alike(i))));
    let mut beyond = 0;
    let lower = metric.lower_is_better();
    let (arrow, side) = if lower { ("↑", "above") } else { ("↓", "below") };
    for i in order {
        let p = &points[i];
        let (x, mut y) = pixel(p.latency.ratio, p.score);
        let (colour, marker) = look(p.row, points);
        let at = metric.on_axis(p.score);
        if if lower { at > shown.end } else { at < shown.start } {
            beyond += 1;
            y = if lower { down.start + 8 } else { down.end - 8 };
            let arrow_y = if lower { y + 14 } else { y - 14 };
            chart::write(area, (x, arrow_y), arrow, chart::SMALL_SIZE, colour, Align::Centre)?;
        }
        chart::mark(area, (x, y), marker, if p.row.dtype == FP32 { 7 } else { 5 }, colour)?;
        tips.add((x, y), 8, tip(p, metric, names));
    }
    let rise = if lower { 12 } else { -12 };
    for (number, &i) in front.iter().enumerate() {
        let (x, y) = pixel(points[i].latency.ratio, points[i].score);
        let label = (number + 1).to_string();
        chart::write(area, (x - 8, y + rise), &label, chart::LABEL_SIZE, chart::INK, Align::Centre)?;
    }
    if beyond > 0 {
        let note = format!("{arrow} {} {side} the axis", text::count_of(beyond, "cell"));
        let at = (across.end - 6, if lower { down.start + 40 } else { down.end - 40 });
        chart::write(area, at, &note, chart::SMALL_SIZE, chart::MUTED, Align::Right)?;
    }
    Ok(())
}

fn equal_line(area: &Area<'_>, x: i32, down: &Range<i32>) -> Result<(), DrawError> {
    chart::dashed(area, (x, down.start), (x, down.end), chart::MUTED.stroke_width(1))?;
    let y = down.start - 8;
    let size = chart::SMALL_SIZE;
    chart::write(area, (x - 5, y), "← faster", size, chart::MUTED, Align::Right)?;
    chart::write(area, (x + 5, y), "slower →", size, chart::MUTED, Align::Left)
}

fn error_bars(area: &Area<'_>, p: &Point<'_>, pixel: &impl Fn(f64, f64) -> Pixel) -> Result<(), DrawError> {
    let style = chart::AXIS.mix(0.35).stroke_width(1);
    let low = pixel(p.latency.ratio_low, p.score);
    let high = pixel(p.latency.ratio_high, p.score);
    chart::line(area, vec![low, high], style)?;
    if let (Some(low), Some(high)) = (finite(p.row.score_low), finite(p.row.score_high)) {
        let ends = vec![pixel(p.latency.ratio, low), pixel(p.latency.ratio, high)];
        chart::line(area, ends, style)?;
    }
    Ok(())
}

fn front(points: &[Point<'_>], metric: Metric) -> Vec<usize> {
    let plane: Vec<(f64, f64)> =
        points.iter().map(|p| (p.latency.ratio, metric.gain(Some(p.score)))).collect();
    pareto::front(&plane)
}

/// A staircase: what can be had at each latency.
fn front_line(
    area: &Area<'_>,
    front: &[usize],
    points: &[Point<'_>],
    across: &Range<i32>,
    pixel: &impl Fn(f64, f64) -> Pixel,
) -> Result<(), DrawError> {
    let mut stairs: Vec<Pixel> = Vec::new();
    for &i in front {
        let (x, y) = pixel(points[i].latency.ratio, points[i].score);
        if let Some(&(_, before)) = stairs.last() {
            stairs.push((x, before));
        }
        stairs.push((x, y));
    }
    if let Some(&(_, y)) = stairs.last() {
        stairs.push((across.end, y));
    }
    chart::line(area, stairs, chart::INK.mix(0.55).stroke_width(2))
}

/// Colour by dtype, shape by timing.
fn look(row: &Row, points: &[Point<'_>]) -> (RGBColor, Marker) {
    let dtypes: Vec<&str> = points.iter().map(|p| p.row.dtype.as_str()).collect();
    let timings: Vec<&str> = points.iter().map(|p| p.row.timing.as_str()).collect();
    (dtype_colour(&row.dtype, &distinct(&dtypes)), timing_marker(&row.timing, &distinct(&timings)))
}

fn distinct<'a>(names: &[&'a str]) -> Vec<&'a str> {
    in_known_order(names.iter().copied(), &[])
}

fn dtype_colour(dtype: &str, present: &[&str]) -> RGBColor {
    // fp32 is black, int8 the strongest contrast to it.
    const ORDER: [usize; 7] = [6, 5, 0, 4, 3, 2, 1];
    chart::PALETTE[ORDER[place(dtype, &DTYPES, present) % ORDER.len()]]
}

fn timing_marker(timing: &str, present: &[&str]) -> Marker {
    const ORDER: [Marker; 6] = [
        Marker::Diamond,
        Marker::Square,
        Marker::TriangleUp,
        Marker::Circle,
        Marker::Star,
        Marker::TriangleDown,
    ];
    ORDER[place(timing, &TIMINGS, present) % ORDER.len()]
}

fn tip(p: &Point<'_>, metric: Metric, names: &CellNames) -> String {
    format!(
        "{}: {} {}, {} the fp32 latency [{}, {}]",
        names.name(p.row),
        metric.name(),
        metric.show(p.score),
        text::ratio(p.latency.ratio),
        text::ratio_bare(p.latency.ratio_low),
        text::ratio_bare(p.latency.ratio_high),
    )
}

fn legend(area: &Area<'_>, points: &[Point<'_>], metric: Metric, names: &CellNames) -> Result<(), DrawError> {
    let dtypes = in_known_order(points.iter().map(|p| p.row.dtype.as_str()), &DTYPES);
    let timings = in_known_order(points.iter().map(|p| p.row.timing.as_str()), &TIMINGS);
    let top = 74;
    let (left, right) = (LEGEND_X, LEGEND_X + 148);

    chart::heading(area, (left, top), "dtype (colour)")?;
    for (i, dtype) in dtypes.iter().enumerate() {
        let y = top + LINE * (i as i32 + 1);
        let marker = if *dtype == FP32 { Marker::Diamond } else { Marker::Circle };
        chart::mark(area, (left + 7, y), marker, 5, dtype_colour(dtype, &dtypes))?;
        let name = text::shorten(dtype, 17);
        chart::write(area, (left + 20, y), &name, chart::LABEL_SIZE, chart::INK, Align::Left)?;
    }
    chart::heading(area, (right, top), "timing (shape)")?;
    let quantized = timings.iter().filter(|t| **t != "none" && !t.is_empty());
    let mut rows = 0;
    for (i, timing) in quantized.enumerate() {
        let y = top + LINE * (i as i32 + 1);
        rows = i as i32 + 1;
        chart::mark(area, (right + 7, y), timing_marker(timing, &timings), 5, chart::MUTED)?;
        let name = text::shorten(timing, 14);
        chart::write(area, (right + 20, y), &name, chart::LABEL_SIZE, chart::INK, Align::Left)?;
    }
    if timings.contains(&"none") {
        let y = top + LINE * (rows + 1);
        chart::mark(area, (right + 7, y), timing_marker("none", &timings), 5, chart::MUTED)?;
        let name = "not quantized";
        chart::write(area, (right + 20, y), name, chart::LABEL_SIZE, chart::INK, Align::Left)?;
    }
    let lines = (dtypes.len() as i32).max(rows + 1);
    front_list(area, points, metric, names, top + LINE * (lines + 1) + 14)
}

fn front_list(
    area: &Area<'_>,
    points: &[Point<'_>],
    metric: Metric,
    names: &CellNames,
    top: i32,
) -> Result<(), DrawError> {
    let front = front(points, metric);
    chart::line(area, vec![(LEGEND_X, top), (LEGEND_X + 16, top)], chart::INK.mix(0.55).stroke_width(2))?;
    chart::heading(area, (LEGEND_X + 22, top), "Pareto front")?;
    let step = 2 * LINE;
    let room = ((HEIGHT as i32 - 20 - top) / step).max(1) as usize;
    for (i, &at) in front.iter().take(room).enumerate() {
        let p = &points[at];
        let y = top + LINE + 2 + step * i as i32;
        let number = (i + 1).to_string();
        chart::heading(area, (LEGEND_X, y), &number)?;
        let (method, parameters) = names.parts(p.row);
        let name = text::shorten(&method, 42);
        let left = LEGEND_X + 22;
        chart::write(area, (left, y), &name, chart::SMALL_SIZE, chart::INK, Align::Left)?;
        let separator = if parameters.is_empty() { "" } else { " · " };
        let values =
            format!("{parameters}{separator}{} at {}", metric.show(p.score), text::ratio(p.latency.ratio));
        let under = (left, y + LINE - 3);
        chart::write(area, under, &values, chart::SMALL_SIZE, chart::MUTED, Align::Left)?;
    }
    if front.len() > room {
        let more = format!("and {} more", front.len() - room);
        let at = (LEGEND_X + 110, top);
        chart::write(area, at, &more, chart::SMALL_SIZE, chart::MUTED, Align::Left)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_ticks_suit_narrow_and_wide_ranges() {
        let ratios = |low: f64, high: f64| -> Vec<f64> {
            latency_ticks(&(low.log2()..high.log2()))
                .into_iter()
                .map(f64::exp2)
                .filter(|r| *r >= low && *r <= high)
                .map(|r| (r * 1000.0).round() / 1000.0)
                .collect()
        };
        assert_eq!(ratios(0.8, 1.25), [0.8, 0.9, 1.0, 1.1, 1.2]);
        assert_eq!(ratios(0.8, 2.1), [0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0]);
        assert_eq!(ratios(0.3, 8.0), [0.5, 1.0, 2.0, 5.0]);
        assert_eq!(ratios(0.05, 50.0), [0.1, 1.0, 10.0]);
    }
}
