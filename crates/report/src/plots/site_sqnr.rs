//! SQNR of each activation site along the depth of a model, a line per calibration method.

use calibench_store::{Row, SiteRow};
use plotters::prelude::*;

use super::{Methods, row_axis, row_labels};
use crate::chart::{self, Align, Area, Axis, Chart, DrawError, Margins, Marker, Tips};
use crate::select::{ModelView, in_known_order};
use crate::text::{self, finite};

const SITE: i32 = 30;
const LEGEND_LINE: i32 = 21;
const MARGINS: Margins = Margins { left: 236, right: 216, top: 66, bottom: 60 };

/// One calibration method's profile: an SQNR per site, where it is known.
struct Profile<'a> {
    method: &'a str,
    sqnr_db: Vec<Option<f64>>,
}

/// The plot, or nothing where no static int8 cell has an SQNR per site.
pub(crate) fn draw(
    view: &ModelView<'_>,
    sites: &[SiteRow],
    methods: &Methods<'_>,
) -> Result<Option<String>, DrawError> {
    let cells = cells(view, sites);
    let Some(first) = cells.first() else {
        return Ok(None);
    };
    let names = site_names(&cells, sites);
    let profiles: Vec<Profile<'_>> = cells.iter().map(|row| profile(row, &names, sites)).collect();
    let values = || profiles.iter().flat_map(|p| p.sqnr_db.iter().flatten().copied());
    let Some(range) = chart::padded(values(), 0.06) else {
        return Ok(None);
    };
    let subtitle = format!(
        "int8 static, {} {}, seed {}; first site at the top; further right is better",
        first.granularity, first.symmetry, first.seed
    );
    let height = (MARGINS.top + MARGINS.bottom) as i32
        + (SITE * names.len() as i32).max(LEGEND_LINE * (profiles.len() as i32 + 2)).max(220);
    let description = format!("{}: activation SQNR per site and calibration method", view.name);
    let svg = chart::picture(u32::try_from(height).unwrap_or(600), &description, |area, tips| {
        chart::title(area, &format!("{}: SQNR of activations along depth", view.name), &subtitle)?;
        let x = Axis {
            ticks: chart::round_ticks(&range, 6),
            range,
            title: "SQNR of the quantized activation (dB)".to_owned(),
            format: text::plain,
        };
        let chart = chart::frame(area, &MARGINS, &x, &row_axis(&names))?;
        row_labels(area, &chart, &names)?;
        for (i, profile) in profiles.iter().enumerate() {
            let dodge = (i as f64 + 0.5) / profiles.len() as f64 - 0.5;
            lines(area, &chart, profile, (dodge * 0.5, methods.look(profile.method)), &names, tips)?;
        }
        legend(area, &profiles, methods)
    })?;
    Ok(Some(svg))
}

/// One static int8 cell per method that has sites: per-channel affine where there is one, else the
/// kind that most cells are of; the first seed and the fewest threads.
fn cells<'a>(view: &ModelView<'a>, sites: &[SiteRow]) -> Vec<&'a Row> {
    let has_sites = |row: &Row| sites.iter().any(|s| s.cell == row.cell && is_activation(s));
    let rows: Vec<&Row> =
        view.finished().filter(|r| r.dtype == "int8" && r.timing == "static" && has_sites(r)).collect();
    let kind = |r: &'a Row| (r.granularity.as_str(), r.symmetry.as_str());
    let size = |of: (&str, &str)| rows.iter().filter(|r| kind(r) == of).count();
    let wanted = ("per-channel", "affine");
    let Some(shown) =
        rows.iter().map(|r| kind(r)).max_by_key(|k| (*k == wanted, size(*k), std::cmp::Reverse(*k)))
    else {
        return Vec::new();
    };
    let of_kind = || rows.iter().copied().filter(|r| kind(r) == shown);
    in_known_order(of_kind().map(|r| r.calibrator.as_str()), &[])
        .into_iter()
        .filter_map(|method| of_kind().filter(|r| r.calibrator == method).min_by_key(|r| (r.seed, r.threads)))
        .collect()
}

fn is_activation(site: &SiteRow) -> bool {
    site.role == "activation"
}

/// The activation sites in the order of the rows.
fn site_names<'a>(cells: &[&Row], sites: &'a [SiteRow]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for row in cells {
        for site in sites.iter().filter(|s| s.cell == row.cell && is_activation(s)) {
            if !names.contains(&site.site.as_str()) {
                names.push(&site.site);
            }
        }
    }
    names
}

fn profile<'a>(row: &'a Row, names: &[&str], sites: &[SiteRow]) -> Profile<'a> {
    let of = |name: &str| {
        sites
            .iter()
            .find(|s| s.cell == row.cell && s.site == name && is_activation(s))
            .and_then(|s| finite(s.sqnr_db))
    };
    Profile { method: &row.calibrator, sqnr_db: names.iter().map(|name| of(name)).collect() }
}

fn lines(
    area: &Area<'_>,
    chart: &Chart<'_, '_>,
    profile: &Profile<'_>,
    (dodge, (colour, marker)): (f64, (RGBColor, Marker)),
    names: &[&str],
    tips: &mut Tips,
) -> Result<(), DrawError> {
    let points: Vec<Option<(i32, i32)>> = profile
        .sqnr_db
        .iter()
        .enumerate()
        .map(|(i, v)| v.map(|v| chart.backend_coord(&(v, -(i as f64) - 0.5 - dodge))))
        .collect();
    super::profile(area, &points, (colour.mix(0.6), colour), (marker, 4))?;
    for (i, point) in points.iter().enumerate() {
        if let (Some(at), Some(value)) = (*point, profile.sqnr_db[i]) {
            tips.add(at, 5, format!("{}, {}: {value:.1} dB", names[i], profile.method));
        }
    }
    Ok(())
}

fn legend(area: &Area<'_>, profiles: &[Profile<'_>], methods: &Methods<'_>) -> Result<(), DrawError> {
    let x = (chart::WIDTH - MARGINS.right) as i32 + 20;
    let top = MARGINS.top as i32 + 8;
    chart::heading(area, (x, top), "calibration method")?;
    for (i, profile) in profiles.iter().enumerate() {
        let y = top + LEGEND_LINE * (i as i32 + 1);
        let (colour, marker) = methods.look(profile.method);
        chart::line(area, vec![(x, y), (x + 20, y)], colour.mix(0.6).stroke_width(1))?;
        chart::mark(area, (x + 10, y), marker, 4, colour)?;
        let name = text::shorten(profile.method, 23);
        chart::write(area, (x + 28, y), &name, chart::LABEL_SIZE, chart::INK, Align::Left)?;
    }
    Ok(())
}
