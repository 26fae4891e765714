//! Sites of a model under a reduced precision: SQNR along depth, and magnitudes against the format's range.

use plotters::prelude::*;

use super::{profile, row_axis, row_labels};
use crate::ReportError;
use crate::chart::{self, Align, Area, Axis, Chart, DrawError, Margins, Marker, Tips};
use crate::text;

const ROW: i32 = 22;
const MARGINS: Margins = Margins { left: 236, right: 216, top: 84, bottom: 60 };

/// One site, in execution order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PrecisionSite {
    /// The node.
    pub name: String,
    /// SQNR of the output when it alone is converted, in dB; none where that is not finite.
    pub alone_db: Option<f64>,
    /// SQNR of converting its own values, in dB.
    pub own_db: Option<f64>,
    /// SQNR of its values when everything before it is converted too, in dB.
    pub run_db: Option<f64>,
    /// Smallest magnitude above 0, and largest magnitude.
    pub magnitudes: Option<(f64, f64)>,
}

/// What the plots show.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PrecisionPlot {
    /// The model.
    pub model: String,
    /// The format.
    pub format: String,
    /// Samples that were run.
    pub samples: usize,
    /// Smallest subnormal, smallest normal and largest finite value, for formats without a scale.
    pub limits: Option<[f64; 3]>,
    /// Sites in execution order.
    pub sites: Vec<PrecisionSite>,
}

/// File names and pictures (SVG): `sqnr.svg`, and `ranges.svg` where the format has limits.
///
/// # Errors
/// [`ReportError::Draw`] when a picture cannot be drawn.
pub fn precision_plots(plot: &PrecisionPlot) -> Result<Vec<(&'static str, String)>, ReportError> {
    let drawn = |name: &'static str, svg: Result<Option<String>, DrawError>| match svg {
        Ok(svg) => Ok(svg.map(|svg| (name, svg))),
        Err(source) => Err(ReportError::Draw { plot: name.to_owned(), source: Box::new(source) }),
    };
    let pictures = [drawn("sqnr.svg", sqnr(plot))?, drawn("ranges.svg", ranges(plot))?];
    Ok(pictures.into_iter().flatten().collect())
}

/// A figure of each site.
struct Series {
    name: &'static str,
    of: fn(&PrecisionSite) -> Option<f64>,
}

const SERIES: [Series; 3] = [
    Series { name: "output, site alone", of: |s| s.alone_db },
    Series { name: "its own values", of: |s| s.own_db },
    Series { name: "its values, all before too", of: |s| s.run_db },
];

fn height(sites: usize) -> u32 {
    (MARGINS.top + MARGINS.bottom) + u32::try_from((ROW * sites as i32).max(120)).unwrap_or(120)
}

fn sqnr(plot: &PrecisionPlot) -> Result<Option<String>, DrawError> {
    let series: Vec<&Series> =
        SERIES.iter().filter(|s| plot.sites.iter().any(|x| (s.of)(x).is_some())).collect();
    let values = series.iter().flat_map(|s| plot.sites.iter().filter_map(|x| (s.of)(x)));
    let Some(range) = chart::padded(values, 0.05) else { return Ok(None) };
    let names: Vec<&str> = plot.sites.iter().map(|s| s.name.as_str()).collect();
    let title = format!("{} in {}: SQNR along depth", plot.model, plot.format);
    let subtitle = format!(
        "{}; first site at the top; further right is better; a gap is a value that is not finite",
        text::count_of(plot.samples, "sample")
    );
    let svg = chart::picture(height(names.len()), &title, |area, tips| {
        chart::title(area, &title, &subtitle)?;
        let ticks = chart::round_ticks(&range, 6);
        let x = Axis { ticks, range, title: "SQNR against fp32 (dB)".to_owned(), format: text::plain };
        let chart = chart::frame(area, &MARGINS, &x, &row_axis(&names))?;
        row_labels(area, &chart, &names)?;
        for (i, series) in series.iter().enumerate() {
            line(area, &chart, plot, (i, series), tips)?;
        }
        legend(area, &series)
    })?;
    Ok(Some(svg))
}

fn line(
    area: &Area<'_>,
    chart: &Chart<'_, '_>,
    plot: &PrecisionPlot,
    (index, series): (usize, &Series),
    tips: &mut Tips,
) -> Result<(), DrawError> {
    let (colour, marker) = Marker::series(index);
    let values: Vec<Option<f64>> = plot.sites.iter().map(series.of).collect();
    let at = |(i, v): (usize, &Option<f64>)| v.map(|v| chart.backend_coord(&(v, -(i as f64) - 0.5)));
    let points: Vec<Option<chart::Pixel>> = values.iter().enumerate().map(at).collect();
    profile(area, &points, (colour.mix(0.5), colour), (marker, 3))?;
    for ((point, value), site) in points.iter().zip(values).zip(&plot.sites) {
        if let (Some(at), Some(value)) = (*point, value) {
            tips.add(at, 5, format!("{}, {}: {value:.1} dB", site.name, series.name));
        }
    }
    Ok(())
}

fn legend(area: &Area<'_>, series: &[&Series]) -> Result<(), DrawError> {
    let x = (chart::WIDTH - MARGINS.right) as i32 + 20;
    for (i, series) in series.iter().enumerate() {
        let y = MARGINS.top as i32 + 12 + 22 * i as i32;
        let (colour, marker) = Marker::series(i);
        chart::line(area, vec![(x, y), (x + 20, y)], colour.mix(0.5).stroke_width(1))?;
        chart::mark(area, (x + 10, y), marker, 4, colour)?;
        chart::write(area, (x + 28, y), series.name, chart::SMALL_SIZE, chart::INK, Align::Left)?;
    }
    Ok(())
}

const FITS: RGBColor = chart::PALETTE[0];
const LEAVES: RGBColor = chart::PALETTE[1];

fn ranges(plot: &PrecisionPlot) -> Result<Option<String>, DrawError> {
    let Some([subnormal, normal, largest]) = plot.limits else { return Ok(None) };
    let spans: Vec<Option<(f64, f64)>> = plot
        .sites
        .iter()
        .map(|s| s.magnitudes.filter(|(low, high)| *low > 0.0 && low.is_finite() && *high > 0.0))
        .collect();
    // Formats with the range of fp32 would squeeze what there is.
    let shown = [subnormal, normal, largest].into_iter().filter(|limit| (1e-9..1e9).contains(limit));
    let ends = spans.iter().flatten().flat_map(|(low, high)| [*low, *high]).chain(shown);
    let Some(range) = chart::padded(ends.map(f64::log10), 0.04) else { return Ok(None) };
    let names: Vec<&str> = plot.sites.iter().map(|s| s.name.as_str()).collect();
    let title = format!("{}: magnitudes against the range of {}", plot.model, plot.format);
    let subtitle = format!(
        "smallest above 0 to largest of each site's values in fp32, {}",
        text::count_of(plot.samples, "sample")
    );
    let svg = chart::picture(height(names.len()), &title, |area, tips| {
        chart::title(area, &title, &subtitle)?;
        let step = ((range.end - range.start) / 9.0).ceil().max(1.0);
        let ticks = (0..=20).map(|i| (range.start / step).ceil() * step + f64::from(i) * step).collect();
        let x = Axis {
            ticks,
            range: range.clone(),
            title: "magnitude".to_owned(),
            format: |v| format!("1e{v:.0}"),
        };
        let chart = chart::frame(area, &MARGINS, &x, &row_axis(&names))?;
        row_labels(area, &chart, &names)?;
        let (_, down) = chart.plotting_area().get_pixel_range();
        for (i, (limit, name)) in
            [(subnormal, "smallest subnormal"), (normal, "smallest normal"), (largest, "largest")]
                .into_iter()
                .enumerate()
        {
            if !range.contains(&limit.log10()) {
                continue;
            }
            let (x, _) = chart.backend_coord(&(limit.log10(), -0.5));
            chart::dashed(area, (x, down.start), (x, down.end), chart::MUTED.stroke_width(1))?;
            let y = MARGINS.top as i32 - 10 - if i == 1 { 14 } else { 0 };
            chart::write(area, (x, y), name, chart::SMALL_SIZE, chart::MUTED, Align::Centre)?;
        }
        for (i, (span, site)) in spans.iter().zip(&plot.sites).enumerate() {
            let Some((low, high)) = *span else { continue };
            let at = |v: f64| chart.backend_coord(&(v.log10(), -(i as f64) - 0.5));
            let (from, to) = (at(low), at(high));
            let colour = if high > largest || low < subnormal { LEAVES } else { FITS };
            let corners = [(from.0, from.1 - 4), (to.0.max(from.0 + 2), to.1 + 4)];
            area.draw(&Rectangle::new(corners, colour.mix(0.75).filled()))?;
            let middle = ((from.0 + to.0) / 2, from.1);
            tips.add(middle, 8, format!("{}: {low:.3e} to {high:.3e}", site.name));
        }
        let x = (chart::WIDTH - MARGINS.right) as i32 + 20;
        for (i, (colour, name)) in [(FITS, "inside the range"), (LEAVES, "leaves it")].into_iter().enumerate()
        {
            let y = MARGINS.top as i32 + 12 + 22 * i as i32;
            area.draw(&Rectangle::new([(x, y - 5), (x + 16, y + 5)], colour.mix(0.75).filled()))?;
            chart::write(area, (x + 24, y), name, chart::SMALL_SIZE, chart::INK, Align::Left)?;
        }
        Ok(())
    })?;
    Ok(Some(svg))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_without_limits_have_one_plot_and_lost_sites_leave_gaps() {
        let site = |name: &str, alone_db| PrecisionSite {
            name: name.to_owned(),
            alone_db,
            magnitudes: Some((1e-6, 1e5)),
            ..PrecisionSite::default()
        };
        let mut plot = PrecisionPlot {
            sites: vec![site("a", Some(40.0)), site("b", None), site("c", Some(50.0))],
            ..PrecisionPlot::default()
        };
        let names = |plot: &PrecisionPlot| {
            precision_plots(plot).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(&plot), ["sqnr.svg"]);
        plot.limits = Some([6e-8, 6e-5, 65504.0]);
        assert_eq!(names(&plot), ["sqnr.svg", "ranges.svg"]);
        plot.sites.clear();
        assert!(names(&plot).is_empty() || names(&plot) == ["ranges.svg"]);
    }
}
