//! The parts that all plots share: canvas, colours, axes, markers, legend.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::text;

/// What plotters may report while it draws.
pub(crate) type DrawError = DrawingAreaErrorKind<std::io::Error>;
/// The whole picture, addressed in pixels.
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A chart whose ticks are given by hand.
pub(crate) type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Ticked, Ticked>>;
/// A position in pixels.
pub(crate) type Pixel = (i32, i32);

/// Width of every plot in pixels.
pub(crate) const WIDTH: u32 = 900;

/// Text.
pub(crate) const INK: RGBColor = RGBColor(33, 37, 41);
/// Secondary text.
pub(crate) const MUTED: RGBColor = RGBColor(95, 102, 110);
/// Grid lines.
pub(crate) const GRID: RGBColor = RGBColor(226, 229, 233);
/// Axes.
pub(crate) const AXIS: RGBColor = RGBColor(140, 146, 153);

/// Okabe and Ito's palette, which the common colour-vision deficiencies keep apart; without its
/// yellow, which disappears on white.
pub(crate) const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// Text sizes; plotters divides them by 1.24 on their way to SVG.
pub(crate) const TITLE_SIZE: f64 = 20.0;
/// Labels, axis titles and legends.
pub(crate) const LABEL_SIZE: f64 = 15.0;
/// Annotations.
pub(crate) const SMALL_SIZE: f64 = 13.5;

/// Invisible spots that show a text when the pointer rests on them; they need no script.
#[derive(Default)]
pub(crate) struct Tips(Vec<(Pixel, i32, String)>);

impl Tips {
    /// A round spot.
    pub(crate) fn add(&mut self, at: Pixel, radius: i32, text: impl Into<String>) {
        self.0.push((at, radius, text.into()));
    }
}

/// Draws one picture on white and returns it as SVG text.
pub(crate) fn picture(
    height: u32,
    description: &str,
    draw: impl FnOnce(&Area<'_>, &mut Tips) -> Result<(), DrawError>,
) -> Result<String, DrawError> {
    let mut svg = String::new();
    let mut tips = Tips::default();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area, &mut tips)?;
        area.present()?;
    }
    let label = format!("<svg role=\"img\" aria-label=\"{}\" ", text::escape(description));
    let mut svg = svg.replacen("<svg ", &label, 1);
    if let Some(end) = svg.rfind("</svg>") {
        let spots: String = tips
            .0
            .iter()
            .map(|((x, y), radius, text)| {
                format!(
                    "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill-opacity=\"0\">\
                     <title>{}</title></circle>\n",
                    text::escape(text)
                )
            })
            .collect();
        svg.insert_str(end, &spots);
    }
    Ok(svg)
}

/// One axis: its range, its ticks and how they read.
pub(crate) struct Axis {
    /// The values at the two ends.
    pub range: Range<f64>,
    /// Where ticks and grid lines are.
    pub ticks: Vec<f64>,
    /// What is shown, with its unit.
    pub title: String,
    /// A tick's text.
    pub format: fn(f64) -> String,
}

/// A linear coordinate with ticks given by hand, which plotters' own does not offer for `f64`.
pub(crate) struct Ticked {
    range: Range<f64>,
    ticks: Vec<f64>,
}

impl Ticked {
    fn new(axis: &Axis) -> Self {
        let Range { start, end } = axis.range;
        let slack = (end - start) * 1e-9;
        let inside = |t: &f64| *t >= start - slack && *t <= end + slack;
        Self { range: start..end, ticks: axis.ticks.iter().copied().filter(inside).collect() }
    }
}

impl Ranged for Ticked {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.range.start) / (self.range.end - self.range.start);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// The data area: pixels left free on each side of it.
pub(crate) struct Margins {
    pub left: u32,
    pub right: u32,
    pub top: u32,
    pub bottom: u32,
}

/// Draws axes, grid and ticks, and returns the chart to draw into.
pub(crate) fn frame<'a, 'b>(
    area: &'a Area<'b>,
    margins: &Margins,
    x: &Axis,
    y: &Axis,
) -> Result<Chart<'a, 'b>, DrawError> {
    let (label_x, label_y) = (48, 58);
    let mut chart = ChartBuilder::on(area)
        .margin_left(margins.left.saturating_sub(label_y))
        .margin_bottom(margins.bottom.saturating_sub(label_x))
        .margin_right(margins.right)
        .margin_top(margins.top)
        .x_label_area_size(label_x)
        .y_label_area_size(label_y)
        .build_cartesian_2d(Ticked::new(x), Ticked::new(y))?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(AXIS)
        .label_style(("sans-serif", LABEL_SIZE).into_font().color(&INK))
        .axis_desc_style(("sans-serif", LABEL_SIZE).into_font().color(&INK))
        .x_label_formatter(&|v| (x.format)(*v))
        .y_label_formatter(&|v| (y.format)(*v))
        .x_desc(x.title.as_str())
        .y_desc(y.title.as_str())
        .draw()?;
    Ok(chart)
}

/// About `count` round numbers (1, 2 or 5 times a power of ten) that lie in the range.
pub(crate) fn round_ticks(range: &Range<f64>, count: usize) -> Vec<f64> {
    let span = range.end - range.start;
    if !span.is_finite() || span <= 0.0 || count == 0 {
        return Vec::new();
    }
    let raw = span / count as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|s| *s >= raw * 0.999)
        .unwrap_or(10.0 * power);
    let first = (range.start / step).ceil() as i64;
    let last = (range.end / step).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// The range of the values with a share of its width added at both ends; never empty.
pub(crate) fn padded(values: impl Iterator<Item = f64>, share: f64) -> Option<Range<f64>> {
    let mut low = f64::INFINITY;
    let mut high = f64::NEG_INFINITY;
    for value in values.filter(|v| v.is_finite()) {
        low = low.min(value);
        high = high.max(value);
    }
    if low > high {
        return None;
    }
    let least = low.abs().max(high.abs()) * 1e-3;
    let pad = ((high - low) * share).max(if least > 0.0 { least } else { 1e-3 });
    Some(low - pad..high + pad)
}

/// Where text stands relative to its position; always centred vertically.
#[derive(Clone, Copy)]
pub(crate) enum Align {
    Left,
    Centre,
    Right,
}

/// Writes one line of text, vertically centred on the position.
pub(crate) fn write(
    area: &Area<'_>,
    at: Pixel,
    text: &str,
    size: f64,
    colour: RGBColor,
    align: Align,
) -> Result<(), DrawError> {
    write_styled(area, at, text, size, colour, align, FontStyle::Normal)
}

/// The title at the top left, with a quieter line under it.
pub(crate) fn title(area: &Area<'_>, title: &str, subtitle: &str) -> Result<(), DrawError> {
    let bold = FontStyle::Bold;
    write_styled(area, (16, 20), title, TITLE_SIZE, INK, Align::Left, bold)?;
    write(area, (16, 42), subtitle, LABEL_SIZE, MUTED, Align::Left)
}

/// A heading inside a legend.
pub(crate) fn heading(area: &Area<'_>, at: Pixel, text: &str) -> Result<(), DrawError> {
    let bold = FontStyle::Bold;
    write_styled(area, at, text, LABEL_SIZE, INK, Align::Left, bold)
}

fn write_styled(
    area: &Area<'_>,
    at: Pixel,
    text: &str,
    size: f64,
    colour: RGBColor,
    align: Align,
    font: FontStyle,
) -> Result<(), DrawError> {
    let horizontal = match align {
        Align::Left => HPos::Left,
        Align::Centre => HPos::Center,
        Align::Right => HPos::Right,
    };
    let style = TextStyle::from(("sans-serif", size, font).into_font())
        .color(&colour)
        .pos(Pos::new(horizontal, VPos::Center));
    // plotters escapes markup, but passes on control characters, which XML forbids.
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    area.draw_text(&clean, &style, at)
}

/// The shape of a point: a second way, beside colour, to tell series apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Marker {
    Circle,
    Square,
    Diamond,
    TriangleUp,
    TriangleDown,
    Star,
}

impl Marker {
    /// All shapes, in the order in which series take them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Circle, Self::Square, Self::TriangleUp, Self::Diamond, Self::TriangleDown, Self::Star];

    /// Colour and shape of the `i`-th series: unique for as long as there are fewer than 42.
    pub(crate) fn series(i: usize) -> (RGBColor, Self) {
        let colour = PALETTE[i % PALETTE.len()];
        (colour, Self::ALL[i % Self::ALL.len()])
    }

    fn outline(self, (x, y): Pixel, radius: f64) -> Vec<Pixel> {
        let corner = |angle: f64, r: f64| {
            let (sin, cos) = (angle - std::f64::consts::FRAC_PI_2).sin_cos();
            (x + (r * cos).round() as i32, y + (r * sin).round() as i32)
        };
        let ring = |n: u32, turn: f64, r: f64| -> Vec<Pixel> {
            let step = std::f64::consts::TAU / f64::from(n);
            (0..n).map(|i| corner(turn + f64::from(i) * step, r)).collect()
        };
        match self {
            Self::Circle => ring(16, 0.0, radius),
            Self::Square => ring(4, std::f64::consts::FRAC_PI_4, radius * 1.25),
            Self::Diamond => ring(4, 0.0, radius * 1.3),
            Self::TriangleUp => ring(3, 0.0, radius * 1.35),
            Self::TriangleDown => ring(3, std::f64::consts::PI, radius * 1.35),
            Self::Star => (0..10u32)
                .map(|i| {
                    let r = if i % 2 == 0 { 1.45 } else { 0.62 };
                    corner(f64::from(i) * std::f64::consts::PI / 5.0, radius * r)
                })
                .collect(),
        }
    }
}

/// Draws a filled point with a white rim, so that crowded points stay apart.
pub(crate) fn mark(
    area: &Area<'_>,
    at: Pixel,
    marker: Marker,
    radius: i32,
    colour: RGBColor,
) -> Result<(), DrawError> {
    if marker == Marker::Circle {
        area.draw(&Circle::new(at, radius + 1, WHITE.filled()))?;
        return area.draw(&Circle::new(at, radius, colour.filled()));
    }
    let radius = f64::from(radius);
    area.draw(&Polygon::new(marker.outline(at, radius + 1.6), WHITE.filled()))?;
    area.draw(&Polygon::new(marker.outline(at, radius), colour.filled()))
}

/// A straight line or a polyline in pixels.
pub(crate) fn line(
    area: &Area<'_>,
    points: Vec<Pixel>,
    style: impl Into<ShapeStyle>,
) -> Result<(), DrawError> {
    area.draw(&PathElement::new(points, style))
}

/// A dashed straight line in pixels.
pub(crate) fn dashed(
    area: &Area<'_>,
    from: Pixel,
    to: Pixel,
    style: impl Into<ShapeStyle>,
) -> Result<(), DrawError> {
    const PERIOD: f64 = 10.0;
    const DASH: f64 = 6.0;
    let style = style.into();
    let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
    let length = dx.hypot(dy);
    let at = |distance: f64| {
        let share = (distance / length).min(1.0);
        (from.0 + (dx * share).round() as i32, from.1 + (dy * share).round() as i32)
    };
    for i in 0..(length / PERIOD).ceil() as u32 {
        let start = f64::from(i) * PERIOD;
        line(area, vec![at(start), at(start + DASH)], style)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(round_ticks(&(0.0..10.0), 5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        let ticks = round_ticks(&(93.7..99.2), 6);
        assert_eq!(ticks, [94.0, 95.0, 96.0, 97.0, 98.0, 99.0]);
        assert!(round_ticks(&(1.0..1.0), 5).is_empty());
        assert!(round_ticks(&(f64::NAN..1.0), 5).is_empty());
    }

    #[test]
    fn a_padded_range_is_never_empty() {
        let range = padded([2.0, f64::NAN].into_iter(), 0.1).expect("one value");
        assert!(range.start < 2.0 && range.end > 2.0);
        assert!(padded([f64::NAN].into_iter(), 0.1).is_none());
    }

    #[test]
    fn series_look_different() {
        let all: Vec<_> = (0..42).map(Marker::series).collect();
        for (i, a) in all.iter().enumerate() {
            assert!(!all[..i].contains(a), "series {i}");
        }
    }

    #[test]
    fn a_picture_is_labelled_and_tips_are_escaped() {
        let svg = picture(40, "a <b>", |_, tips| {
            tips.add((1, 2), 3, "x & y");
            Ok(())
        })
        .expect("draws");
        assert!(svg.starts_with("<svg role=\"img\" aria-label=\"a &lt;b&gt;\""));
        assert!(svg.contains("<title>x &amp; y</title>"));
    }
}
