//! One measurement over commits: values with intervals, the level of each segment, and the steps between them.

use plotters::prelude::*;

use crate::chart::{self, Align, Area, Axis, Chart, DrawError, Margins, Marker, Tips};
use crate::history::{History, Step};
use crate::text::{self, finite};

const HEIGHT: u32 = 400;
const MARGINS: Margins = Margins { left: 78, right: 28, top: 92, bottom: 58 };
/// Pixels that the name of a commit takes.
const LABEL: i32 = 74;
/// Half the height of a line of text.
const HALF_LINE: i32 = 8;

/// The plot, or nothing where no value is finite.
pub(crate) fn draw(history: &History) -> Result<Option<String>, DrawError> {
    let segments = history.segments();
    let limits = segments.iter().filter_map(|(_, median)| history.limit(*median));
    let ends = history.points.iter().flat_map(|p| [Some(p.value), p.low, p.high]).flatten();
    let largest = history.points.iter().map(|p| p.value.abs()).filter(|v| v.is_finite()).fold(0.0, f64::max);
    let (factor, unit) = history.unit().axis(largest);
    let Some(range) = chart::padded(ends.chain(limits).map(|v| v * factor), 0.12) else {
        return Ok(None);
    };
    if segments.is_empty() {
        return Ok(None);
    }
    let description = format!("{}: value per commit, with the level of each segment", history.title);
    let svg = chart::picture(HEIGHT, &description, |area, tips| {
        chart::title(area, &text::shorten(&history.title, 84), &subtitle(history))?;
        let x = Axis {
            range: -0.7..history.points.len() as f64 - 0.3,
            ticks: Vec::new(),
            title: String::new(),
            format: |_| String::new(),
        };
        let y =
            Axis { ticks: chart::round_ticks(&range, 6), range, title: unit.to_owned(), format: text::plain };
        let chart = chart::frame(area, &MARGINS, &x, &y)?;
        let at = |i: f64, value: f64| chart.backend_coord(&(i, value * factor));
        levels(area, history, &at)?;
        points(area, history, &at, tips)?;
        steps(area, history, &at)?;
        labels(area, &chart, history)
    })?;
    Ok(Some(svg))
}

/// What the lines mean, and how many commits there are.
fn subtitle(history: &History) -> String {
    let commits = text::count_of(history.points.len(), "commit");
    let unit = if history.unit == "share" { "points" } else { "%" };
    let limit = history.budget.filter(|_| history.limit(1.0).is_some());
    let limit = limit.map_or_else(String::new, |b| {
        format!("; dashed: its budget, {} {unit} worse", text::plain(b * 100.0))
    });
    format!("{commits}; bars: 95 % intervals; line: median between steps{limit}")
}

/// The colour of a step.
fn colour(step: Step) -> RGBColor {
    match step {
        Step::Worse => chart::PALETTE[1],
        Step::Better => chart::PALETTE[2],
        Step::Other => chart::INK,
    }
}

/// The median of each segment, and the limit that the budget sets there.
fn levels(
    area: &Area<'_>,
    history: &History,
    at: &impl Fn(f64, f64) -> chart::Pixel,
) -> Result<(), DrawError> {
    for (points, median) in history.segments() {
        let (first, last) = (points.start as f64 - 0.5, points.end as f64 - 0.5);
        chart::line(area, vec![at(first, median), at(last, median)], chart::INK.stroke_width(2))?;
        if let Some(limit) = history.limit(median) {
            chart::dashed(area, at(first, limit), at(last, limit), chart::MUTED.stroke_width(1))?;
        }
    }
    Ok(())
}

fn points(
    area: &Area<'_>,
    history: &History,
    at: &impl Fn(f64, f64) -> chart::Pixel,
    tips: &mut Tips,
) -> Result<(), DrawError> {
    let (colour, marker) = (chart::PALETTE[0], Marker::Circle);
    for (i, point) in history.points.iter().enumerate().filter(|(_, p)| p.value.is_finite()) {
        let x = i as f64;
        if let (Some(low), Some(high)) = (finite(point.low), finite(point.high)) {
            let bar = vec![at(x, low), at(x, high)];
            chart::line(area, bar, colour.mix(0.55).stroke_width(2))?;
        }
        chart::mark(area, at(x, point.value), marker, 3, colour)?;
        let value = history.unit().with_interval(point.value, point.low, point.high);
        tips.add(at(x, point.value), 6, format!("{} ({}): {value}", point.label, point.date));
    }
    Ok(())
}

/// A line before the first point of each new level, with the size of the step above the chart, on two rows in turn so that
/// steps close to each other stay readable.
fn steps(
    area: &Area<'_>,
    history: &History,
    at: &impl Fn(f64, f64) -> chart::Pixel,
) -> Result<(), DrawError> {
    let (top, bottom) = (MARGINS.top as i32, (HEIGHT - MARGINS.bottom) as i32);
    let mut ends = [i32::MIN; 2];
    for step in history.steps() {
        let colour = colour(history.step(step));
        let (x, _) = at(step.index as f64 - 0.5, step.after);
        chart::dashed(area, (x, top), (x, bottom), colour.mix(0.8).stroke_width(1))?;
        let label = history.described(step);
        let half = label.chars().count() as i32 * 4;
        let centre = x.clamp(half + 4, chart::WIDTH as i32 - half - 4);
        // Where neither row has room the dashed line alone marks the step.
        if let Some(row) = (0..ends.len()).find(|row| centre - half > ends[*row]) {
            ends[row] = centre + half + 6;
            let y = top - HALF_LINE - 2 - row as i32 * 2 * HALF_LINE;
            chart::write(area, (centre, y), &label, chart::SMALL_SIZE, colour, Align::Centre)?;
        }
    }
    Ok(())
}

/// Commit and day below the axis: those that begin a step, the last and the first, then others where there is room.
fn labels(area: &Area<'_>, chart: &Chart<'_, '_>, history: &History) -> Result<(), DrawError> {
    let bottom = (HEIGHT - MARGINS.bottom) as i32;
    let y0 = chart.as_coord_spec().get_y_range().start;
    let x = |i: usize| chart.backend_coord(&(i as f64, y0)).0;
    let count = history.points.len();
    let firsts = history.steps().into_iter().map(|s| s.index);
    let room = ((chart::WIDTH - MARGINS.left - MARGINS.right) as i32 / LABEL).max(1) as usize;
    let stride = count.div_ceil(room).max(1);
    let order = firsts.chain([count.saturating_sub(1), 0]).chain((0..count).step_by(stride)).chain(0..count);
    let mut taken: Vec<usize> = Vec::new();
    for i in order {
        if taken.iter().all(|t| (x(*t) - x(i)).abs() >= LABEL) {
            taken.push(i);
            let point = &history.points[i];
            let name = point.short();
            let day: String = point.date.chars().take(10).collect();
            chart::line(area, vec![(x(i), bottom), (x(i), bottom + 5)], chart::AXIS)?;
            chart::write(area, (x(i), bottom + 16), &name, chart::SMALL_SIZE, chart::INK, Align::Centre)?;
            chart::write(
                area,
                (x(i), bottom + 32),
                &day,
                chart::SMALL_SIZE - 1.5,
                chart::MUTED,
                Align::Centre,
            )?;
        }
    }
    Ok(())
}
