//! Configurations of a search: cost against the drop of the score.

use plotters::prelude::*;

use crate::ReportError;
use crate::chart::{self, Align, Area, Axis, DrawError, Margins, Marker};
use crate::text;

const HEIGHT: u32 = 480;
const MARGINS: Margins = Margins { left: 84, right: 216, top: 66, bottom: 60 };

/// One configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct FrontPoint {
    /// The format.
    pub series: String,
    /// Cost over that of fp32.
    pub cost: f64,
    /// Drop of the score against fp32; none where it is undefined.
    pub drop: Option<f64>,
    /// Sites that are kept, in fp32 or halves.
    pub kept: usize,
    /// Whether it is the one that was chosen.
    pub chosen: bool,
}

/// What the plot shows.
#[derive(Debug, Clone, PartialEq)]
pub struct FrontPlot {
    /// The model.
    pub model: String,
    /// The score's metric.
    pub metric: String,
    /// What costs are: latency, memory.
    pub objective: String,
    /// The budget.
    pub max_drop: f64,
    /// Samples that the drops are of.
    pub samples: usize,
    /// Configurations.
    pub points: Vec<FrontPoint>,
}

/// The picture (SVG); `None` where no configuration has a drop.
///
/// # Errors
/// [`ReportError::Draw`] when it cannot be drawn.
pub fn front_plot(plot: &FrontPlot) -> Result<Option<String>, ReportError> {
    draw(plot).map_err(|source| ReportError::Draw { plot: "front.svg".to_owned(), source: Box::new(source) })
}

fn draw(plot: &FrontPlot) -> Result<Option<String>, DrawError> {
    let known = || plot.points.iter().filter_map(|p| Some((p, p.drop? * 100.0)));
    let costs = chart::padded(known().map(|(p, _)| p.cost).chain([1.0]), 0.08);
    let drops = chart::padded(known().map(|(_, drop)| drop).chain([0.0, 100.0 * plot.max_drop]), 0.12);
    let (Some(costs), Some(drops), true) = (costs, drops, known().next().is_some()) else { return Ok(None) };
    let title = format!("{}: {} against accuracy", plot.model, plot.objective);
    let subtitle = format!(
        "estimated {} over fp32, drop of {} on {}; lower left is better; ringed: chosen",
        plot.objective,
        plot.metric,
        text::count_of(plot.samples, "sample")
    );
    let svg = chart::picture(HEIGHT, &title, |area, tips| {
        chart::title(area, &title, &subtitle)?;
        let x = Axis {
            ticks: chart::round_ticks(&costs, 7),
            range: costs.clone(),
            title: format!("{} over fp32", plot.objective),
            format: text::plain,
        };
        let y = Axis {
            ticks: chart::round_ticks(&drops, 6),
            range: drops,
            title: format!("drop of {} (%)", plot.metric),
            format: text::plain,
        };
        let chart = chart::frame(area, &MARGINS, &x, &y)?;
        let at = |cost: f64, drop: f64| chart.backend_coord(&(cost, drop));
        let budget = 100.0 * plot.max_drop;
        let (from, to) = (at(costs.start, budget), at(costs.end, budget));
        chart::dashed(area, from, to, chart::MUTED.stroke_width(1))?;
        chart::write(area, (to.0 - 4, to.1 - 10), "budget", chart::SMALL_SIZE, chart::MUTED, Align::Right)?;
        let mut series: Vec<&str> = known().map(|(p, _)| p.series.as_str()).collect();
        series.sort_unstable();
        series.dedup();
        for (p, drop) in known() {
            let place = series.iter().position(|s| *s == p.series).unwrap_or(0);
            let (colour, marker) = Marker::series(place);
            let spot = at(p.cost, drop);
            if p.chosen {
                area.draw(&Circle::new(spot, 9, chart::INK.stroke_width(2)))?;
            }
            chart::mark(area, spot, marker, 4, colour)?;
            let kept = text::count_of(p.kept, "site");
            tips.add(spot, 6, format!("{}, {kept} kept: {:.3}, {drop:.2} %", p.series, p.cost));
        }
        let spot = at(1.0, 0.0);
        chart::mark(area, spot, Marker::Square, 5, chart::INK)?;
        tips.add(spot, 6, "fp32");
        legend(area, &series)
    })?;
    Ok(Some(svg))
}

fn legend(area: &Area<'_>, series: &[&str]) -> Result<(), DrawError> {
    let x = (chart::WIDTH - MARGINS.right) as i32 + 20;
    let looks = series.iter().enumerate().map(|(i, name)| (Marker::series(i), *name));
    for (i, ((colour, marker), name)) in
        looks.filter(|(_, name)| *name != "fp32").chain([((chart::INK, Marker::Square), "fp32")]).enumerate()
    {
        let y = MARGINS.top as i32 + 12 + 22 * i as i32;
        chart::mark(area, (x, y), marker, 4, colour)?;
        chart::write(area, (x + 14, y), name, chart::SMALL_SIZE, chart::INK, Align::Left)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_without_a_drop_has_no_plot() {
        let point = |drop| FrontPoint { series: "int8".to_owned(), cost: 0.5, drop, kept: 1, chosen: false };
        let mut plot = FrontPlot {
            model: "m".to_owned(),
            metric: "top1".to_owned(),
            objective: "latency".to_owned(),
            max_drop: 0.005,
            samples: 10,
            points: vec![point(None)],
        };
        assert_eq!(front_plot(&plot).unwrap(), None);
        plot.points.push(point(Some(0.01)));
        assert!(front_plot(&plot).unwrap().unwrap().contains("m: latency against accuracy"));
    }
}
