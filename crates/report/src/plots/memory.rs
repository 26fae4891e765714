//! Weight bytes and peak activation bytes per dtype and timing, one panel per model.

use plotters::prelude::*;

use super::{DTYPES, TIMINGS};
use crate::chart::{self, Align, Area, DrawError, Tips};
use crate::select::{ModelView, in_known_order};
use crate::text;

/// Panels beside each other.
const COLUMNS: usize = 3;
const LABELS: i32 = 166;
const TOP: i32 = 92;
const PANEL_TITLE: i32 = 30;
const ROW: i32 = 34;
const BAR: i32 = 12;
/// Room for the number after the longest bar.
const NUMBER: i32 = 66;

/// A dtype and timing mode, which most of the memory depends on.
struct Category<'a> {
    dtype: &'a str,
    timing: &'a str,
}

impl Category<'_> {
    fn name(&self) -> String {
        match self.timing {
            "" | "none" => self.dtype.to_owned(),
            timing => format!("{} {timing}", self.dtype),
        }
    }
}

/// The plot, or nothing where no cell finished.
pub(crate) fn draw(views: &[ModelView<'_>]) -> Result<Option<String>, DrawError> {
    let views: Vec<&ModelView<'_>> = views.iter().filter(|v| v.finished().next().is_some()).collect();
    if views.is_empty() {
        return Ok(None);
    }
    let categories = categories(&views);
    let panel_height = PANEL_TITLE + ROW * categories.len() as i32 + 14;
    let lines = views.len().div_ceil(COLUMNS) as i32;
    let height = u32::try_from(TOP + panel_height * lines + 10).unwrap_or(400);
    let columns = views.len().min(COLUMNS) as i32;
    let width = (chart::WIDTH as i32 - LABELS - 16) / columns;
    let description = "Weight bytes and peak activation bytes per dtype and timing";
    let svg = chart::picture(height, description, |area, tips| {
        let subtitle = "stored weights, and live activations at their peak at the largest batch size; medians over cells";
        chart::title(area, "Memory per dtype and timing", subtitle)?;
        legend(area)?;
        for (i, view) in views.iter().enumerate() {
            let top = TOP + panel_height * (i / COLUMNS) as i32;
            if i % COLUMNS == 0 {
                labels(area, &categories, top)?;
            }
            let left = LABELS + width * (i % COLUMNS) as i32;
            panel(area, view, &categories, (left, top), width - 14, tips)?;
        }
        Ok(())
    })?;
    Ok(Some(svg))
}

fn categories<'a>(views: &[&ModelView<'a>]) -> Vec<Category<'a>> {
    let rows = || views.iter().flat_map(|v| v.finished());
    let dtypes = in_known_order(rows().map(|r| r.dtype.as_str()), &DTYPES);
    let timings = in_known_order(rows().map(|r| r.timing.as_str()), &TIMINGS);
    let mut categories = Vec::new();
    for dtype in dtypes {
        for &timing in &timings {
            if rows().any(|r| r.dtype == dtype && r.timing == timing) {
                categories.push(Category { dtype, timing });
            }
        }
    }
    categories
}

fn legend(area: &Area<'_>) -> Result<(), DrawError> {
    let y = 72;
    for (x, colour, name) in [(LABELS, WEIGHTS, "weights"), (LABELS + 92, ACTIVATIONS, "peak activations")] {
        area.draw(&Rectangle::new([(x, y - 6), (x + 12, y + 6)], colour.filled()))?;
        chart::write(area, (x + 18, y), name, chart::LABEL_SIZE, chart::INK, Align::Left)?;
    }
    Ok(())
}

const WEIGHTS: RGBColor = chart::PALETTE[0];
const ACTIVATIONS: RGBColor = chart::PALETTE[4];

fn labels(area: &Area<'_>, categories: &[Category<'_>], top: i32) -> Result<(), DrawError> {
    for (i, category) in categories.iter().enumerate() {
        let y = top + PANEL_TITLE + ROW * i as i32 + ROW / 2;
        let name = text::shorten(&category.name(), 22);
        chart::write(area, (LABELS - 10, y), &name, chart::LABEL_SIZE, chart::INK, Align::Right)?;
    }
    Ok(())
}

fn panel(
    area: &Area<'_>,
    view: &ModelView<'_>,
    categories: &[Category<'_>],
    (left, top): (i32, i32),
    width: i32,
    tips: &mut Tips,
) -> Result<(), DrawError> {
    let name = text::shorten(view.name, (width / 8) as usize);
    chart::heading(area, (left, top + 12), &name)?;
    let values: Vec<Option<(u64, u64)>> = categories.iter().map(|c| medians(view, c)).collect();
    let most = values.iter().flatten().map(|(w, a)| *w.max(a)).max();
    let scale = f64::from(width - NUMBER) / most.unwrap_or(1).max(1) as f64;
    let bottom = top + PANEL_TITLE + ROW * categories.len() as i32;
    chart::line(area, vec![(left, top + PANEL_TITLE), (left, bottom)], chart::AXIS)?;
    for (i, value) in values.iter().enumerate() {
        let y = top + PANEL_TITLE + ROW * i as i32 + (ROW - 2 * BAR) / 2;
        let Some((weights, activations)) = *value else {
            let at = (left + 6, y + BAR);
            chart::write(area, at, "not run", chart::SMALL_SIZE, chart::MUTED, Align::Left)?;
            continue;
        };
        for (n, (count, colour)) in [(weights, WEIGHTS), (activations, ACTIVATIONS)].into_iter().enumerate() {
            let y = y + BAR * n as i32;
            let end = left + 1 + (count as f64 * scale).round() as i32;
            area.draw(&Rectangle::new([(left + 1, y), (end, y + BAR - 1)], colour.filled()))?;
            let at = (end + 5, y + BAR / 2);
            chart::write(area, at, &text::bytes(count), chart::SMALL_SIZE, chart::INK, Align::Left)?;
        }
        let tip = format!(
            "{}, {}: weights {} B, peak activations {} B",
            view.name,
            categories[i].name(),
            weights,
            activations
        );
        tips.add((left + 12, y + BAR), BAR, tip);
    }
    Ok(())
}

/// Median weight bytes and peak activation bytes of the cells of a kind.
fn medians(view: &ModelView<'_>, category: &Category<'_>) -> Option<(u64, u64)> {
    // Other runtimes tell nothing of their activations, and their weights are a file's.
    let rows = || {
        let finished = view.finished().filter(|r| r.peak_activation_bytes > 0);
        finished.filter(|r| r.dtype == category.dtype && r.timing == category.timing)
    };
    let weights = median(rows().map(|r| r.weight_bytes))?;
    Some((weights, median(rows().map(|r| r.peak_activation_bytes))?))
}

/// The lower median.
fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn known_medians() {
        assert_eq!(median([5, 1, 9].into_iter()), Some(5));
        assert_eq!(median([5, 1].into_iter()), Some(1));
        assert_eq!(median([].into_iter()), None);
    }
}
