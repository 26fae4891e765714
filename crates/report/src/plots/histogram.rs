//! The histogram of one activation site with the range that each calibration method chose.

use plotters::prelude::*;

use super::Methods;
use crate::chart::{self, Align, Area, Axis, Chart, DrawError, Margins};
use crate::text;
use crate::{SiteHistogram, Threshold};

const LANE: i32 = 20;
const LANES_TOP: i32 = 76;
const DATA: i32 = 300;
const BARS: usize = 280;
const LEFT: u32 = 76;
const RIGHT: u32 = 300;

/// The histogram with few enough bars to draw.
struct Bars {
    first: f64,
    width: f64,
    counts: Vec<u64>,
}

/// The plot, or nothing for a histogram without a count or with a bin width that is none.
pub(crate) fn draw(histogram: &SiteHistogram, methods: &Methods<'_>) -> Result<Option<String>, DrawError> {
    let total: u64 = histogram.counts.iter().sum();
    if total == 0 || !histogram.bin_width.is_finite() || histogram.bin_width <= 0.0 {
        return Ok(None);
    }
    let thresholds = thresholds(histogram, methods);
    let bars = bars(histogram);
    let lanes = LANE * thresholds.len() as i32;
    let margins = Margins {
        left: LEFT,
        right: RIGHT,
        top: u32::try_from(LANES_TOP + lanes + 6).unwrap_or(80),
        bottom: 62,
    };
    let height = margins.top + margins.bottom + DATA as u32;
    let description = format!("{}, {}: histogram of activations", histogram.model, histogram.site);
    let svg = chart::picture(height, &description, |area, _| {
        let site = text::shorten(&histogram.site, 60);
        let title = format!("{}: values at {site}", text::shorten(&histogram.model, 30));
        let subtitle = format!("{} values observed; each method's range above", text::grouped(total));
        chart::title(area, &title, &subtitle)?;
        let ends = [bars.first, bars.first + bars.width * bars.counts.len() as f64];
        let ends =
            ends.into_iter().chain(thresholds.iter().flat_map(|t| [f64::from(t.low), f64::from(t.high)]));
        // The sides leave room for the numbers at the ends of the ranges.
        let Some(range) = chart::padded(ends, 0.13) else {
            return Ok(());
        };
        let x = Axis {
            ticks: chart::round_ticks(&range, 9),
            range,
            title: "value".to_owned(),
            format: text::plain,
        };
        let y = count_axis(&bars);
        let chart = chart::frame(area, &margins, &x, &y)?;
        fill(area, &chart, &bars)?;
        for (i, threshold) in thresholds.iter().enumerate() {
            let colour = methods.look(&threshold.calibrator).0;
            drops(area, &chart, threshold, LANES_TOP + LANE * i as i32, colour)?;
        }
        for (i, threshold) in thresholds.iter().enumerate() {
            let colour = methods.look(&threshold.calibrator).0;
            lane(area, &chart, (threshold, colour), LANES_TOP + LANE * i as i32)?;
        }
        Ok(())
    })?;
    Ok(Some(svg))
}

/// Usable thresholds, the narrowest range first: its lines then cross no other range's numbers.
fn thresholds<'a>(histogram: &'a SiteHistogram, methods: &Methods<'_>) -> Vec<&'a Threshold> {
    let mut list: Vec<&Threshold> =
        histogram.thresholds.iter().filter(|t| t.low.is_finite() && t.high.is_finite()).collect();
    list.sort_by(|a, b| {
        let width = |t: &Threshold| t.high - t.low;
        let order = |t: &Threshold| methods.place(&t.calibrator);
        width(a).total_cmp(&width(b)).then(order(a).cmp(&order(b)))
    });
    list
}

/// Joins neighbouring bins until there are at most [`BARS`] bars; empty bins at the ends go.
fn bars(histogram: &SiteHistogram) -> Bars {
    let counts = &histogram.counts;
    let start = counts.iter().position(|c| *c > 0).unwrap_or(0);
    let end = counts.iter().rposition(|c| *c > 0).map_or(0, |i| i + 1);
    let joined = (end - start).div_ceil(BARS).max(1);
    Bars {
        first: (histogram.first_bin as f64 + start as f64) * histogram.bin_width,
        width: histogram.bin_width * joined as f64,
        counts: counts[start..end].chunks(joined).map(|c| c.iter().sum()).collect(),
    }
}

fn count_axis(bars: &Bars) -> Axis {
    let most = bars.counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let top = most.log10() + 0.12;
    let decades = top.floor() as i32;
    let step = if decades > 6 { 2 } else { 1 };
    Axis {
        range: -0.3..top.max(0.7),
        ticks: (0..=decades).step_by(step).map(f64::from).collect(),
        title: format!("values per bin of width {} (log)", text::significant(bars.width, 2)),
        format: |v| match v.round() as i32 {
            exponent @ 0..=3 => text::grouped(10u64.pow(exponent.unsigned_abs())),
            exponent => format!("10{}", superscript(exponent)),
        },
    }
}

fn superscript(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    exponent.to_string().chars().map(|c| c.to_digit(10).map_or('⁻', |d| DIGITS[d as usize])).collect()
}

/// The bars as one outline.
fn fill(area: &Area<'_>, chart: &Chart<'_, '_>, bars: &Bars) -> Result<(), DrawError> {
    let (_, down) = chart.plotting_area().get_pixel_range();
    let floor = down.end;
    let at = |value: f64, count: u64| {
        let height = if count == 0 { f64::NEG_INFINITY } else { (count as f64).log10() };
        let (x, y) = chart.backend_coord(&(value, height.max(-0.3)));
        (x, y.min(floor))
    };
    let mut outline = vec![(at(bars.first, 0).0, floor)];
    for (i, &count) in bars.counts.iter().enumerate() {
        let left = bars.first + bars.width * i as f64;
        outline.push(at(left, count));
        outline.push(at(left + bars.width, count));
    }
    let end = bars.first + bars.width * bars.counts.len() as f64;
    outline.push((at(end, 0).0, floor));
    area.draw(&Polygon::new(outline.clone(), RGBColor(176, 196, 214).filled()))?;
    chart::line(area, outline, chart::MUTED.mix(0.7).stroke_width(1))
}

fn across(chart: &Chart<'_, '_>, value: f32) -> i32 {
    chart.backend_coord(&(f64::from(value), 0.0)).0
}

/// Thin lines from the two ends of a method's range down into the data.
fn drops(
    area: &Area<'_>,
    chart: &Chart<'_, '_>,
    threshold: &Threshold,
    y: i32,
    colour: RGBColor,
) -> Result<(), DrawError> {
    let (_, down) = chart.plotting_area().get_pixel_range();
    for value in [threshold.low, threshold.high] {
        let x = across(chart, value);
        let style = colour.mix(0.75).stroke_width(1);
        chart::line(area, vec![(x, y - 4), (x, down.end)], style)?;
    }
    Ok(())
}

/// One method: its range as a bar above the data, its numbers beside it.
fn lane(
    area: &Area<'_>,
    chart: &Chart<'_, '_>,
    (threshold, colour): (&Threshold, RGBColor),
    y: i32,
) -> Result<(), DrawError> {
    let (low, high) = (across(chart, threshold.low), across(chart, threshold.high));
    chart::line(area, vec![(low, y), (high, y)], colour.stroke_width(3))?;
    for (at, value, align, side) in
        [(low, threshold.low, Align::Right, -1), (high, threshold.high, Align::Left, 1)]
    {
        let number = text::significant(f64::from(value), 3);
        // White under the number: a wider range's line may pass behind it.
        let width = 7 * number.chars().count() as i32;
        let box_ends = [at + side * 4, at + side * (6 + width)];
        let corners = [(box_ends[0].min(box_ends[1]), y - 7), (box_ends[0].max(box_ends[1]), y + 7)];
        area.draw(&Rectangle::new(corners, WHITE.filled()))?;
        chart::write(area, (at + side * 6, y), &number, chart::SMALL_SIZE, colour, align)?;
    }
    let left = (chart::WIDTH - RIGHT) as i32 + 16;
    let name = text::shorten(&threshold.calibrator, 24);
    chart::write(area, (left, y), &name, chart::LABEL_SIZE, colour, Align::Left)?;
    let note = format!("clips {}", share_text(threshold.clipped_share));
    let right = chart::WIDTH as i32 - 14;
    chart::write(area, (right, y), &note, chart::SMALL_SIZE, chart::MUTED, Align::Right)
}

fn share_text(share: f64) -> String {
    match share * 100.0 {
        p if p < 0.0005 => "0 %".to_owned(),
        p if p < 0.1 => format!("{p:.3} %"),
        p => format!("{p:.2} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(counts: Vec<u64>) -> SiteHistogram {
        SiteHistogram {
            model: "m".into(),
            site: "s".into(),
            bin_width: 0.5,
            first_bin: -2,
            counts,
            thresholds: Vec::new(),
        }
    }

    #[test]
    fn shares_keep_their_size() {
        let texts = [0.0, 4e-6, 1.3e-4, 0.0123].map(share_text);
        assert_eq!(texts, ["0 %", "0 %", "0.013 %", "1.23 %"]);
    }

    #[test]
    fn joined_bars_keep_every_count() {
        let mut counts = vec![0; 3000];
        for (i, count) in counts.iter_mut().enumerate().skip(100).take(2500) {
            *count = i as u64;
        }
        let h = histogram(counts);
        let joined = bars(&h);
        assert!(joined.counts.len() <= BARS);
        let total: u64 = h.counts.iter().sum();
        assert_eq!(joined.counts.iter().sum::<u64>(), total);
        assert_eq!(joined.first, 49.0);
    }

    #[test]
    fn an_empty_histogram_has_no_plot() {
        assert!(draw(&histogram(vec![0, 0]), &Methods::new(&[])).expect("draws").is_none());
        assert!(draw(&histogram(Vec::new()), &Methods::new(&[])).expect("draws").is_none());
    }
}
