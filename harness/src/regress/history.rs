//! `calibench history`: how a figure of a cell went over the entries of a baseline.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use calibench_metrics::{Direction, change_points, median, spec};
use calibench_report::{
    History as Series, HistoryChange, HistoryPoint, cell_names, history_markdown, history_plot, history_table,
};
use calibench_store::{Baseline, Manifest, Row, Tables, write_atomic};

use super::options::{Figure, History};
use crate::console;

/// Chance that a history without any change is said to have one.
const FALSE_ALARM_RATE: f64 = 0.01;

/// Prints the history of the cells asked for, and plots it.
///
/// # Errors
/// When an entry cannot be read, no cell is meant, or a plot cannot be drawn or written.
pub fn history(options: &History) -> Result<()> {
    let baseline = Baseline::new(&options.baseline);
    let mut series: BTreeMap<(String, String), Series> = BTreeMap::new();
    let all = [Figure::Accuracy, Figure::Latency, Figure::Memory];
    let figures = if options.figure.is_empty() { &all[..] } else { &options.figure };
    for name in baseline.entries()? {
        let folder = baseline.entry(Some(&name))?;
        let (manifest, tables) = (folder.read_manifest()?, folder.load_tables()?);
        for row in tables.rows.iter().filter(|r| r.status == "ok" && is_meant(r, &options.cell)) {
            for figure in figures {
                for (title, unit, point) in points(*figure, row, &tables, &manifest) {
                    let key = (row.cell.clone(), title.clone());
                    let direction = direction(*figure, row);
                    let (budget, points, changes) = (None, Vec::new(), Vec::new());
                    let empty = || Series { title, unit, direction, budget, points, changes };
                    series.entry(key).or_insert_with(empty).points.push(point);
                }
            }
        }
    }
    if series.is_empty() {
        bail!("no cell of {} is meant by {}", baseline.root().display(), options.cell.join(", "));
    }
    let names = cell_names(series.keys().map(|(cell, _)| cell.as_str()));
    let mut series: Vec<Series> = series
        .iter()
        .map(|((cell, title), one)| Series {
            title: format!("{}: {title}", names[cell.as_str()]),
            ..one.clone()
        })
        .collect();
    series.iter_mut().for_each(mark_changes);
    let text =
        if options.markdown { history_markdown(&series) } else { history_table(&series, console::width()) };
    console::result(&text);
    if let Some(folder) = &options.plots {
        std::fs::create_dir_all(folder)?;
        for one in &series {
            let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
            let path = folder.join(format!("{}.svg", one.title.chars().map(safe).collect::<String>()));
            if let Some(svg) = history_plot(one)? {
                write_atomic(&path, svg.as_bytes())?;
                console::result(&format!("plot: {}", path.display()));
            }
        }
    }
    Ok(())
}

/// Whether a row is one of the cells asked for: by id, or by words that are parts of it.
fn is_meant(row: &Row, cells: &[String]) -> bool {
    let words = |cell: &String| cell.split('/').all(|word| row.cell.split('/').any(|part| part == word));
    cells.is_empty() || cells.iter().any(words)
}

/// Which direction of a figure is better.
fn direction(figure: Figure, row: &Row) -> Direction {
    match figure {
        Figure::Accuracy => spec::find(&row.metric).map_or(Direction::Neither, |metric| metric.direction),
        Figure::Latency | Figure::Memory => Direction::Lower,
    }
}

/// The points of a figure in one entry: a title, a unit and the point, for each batch size where there are several.
fn points(
    figure: Figure,
    row: &Row,
    tables: &Tables,
    manifest: &Manifest,
) -> Vec<(String, String, HistoryPoint)> {
    let point = |value: f64, low: Option<f64>, high: Option<f64>| HistoryPoint {
        label: manifest.commit.clone().unwrap_or_else(|| manifest.created_utc.clone()),
        date: manifest.created_utc.clone(),
        value,
        low,
        high,
    };
    match figure {
        Figure::Accuracy => {
            let metric = spec::find(&row.metric);
            let name = metric.map_or("score", |m| m.name).to_owned();
            let unit = metric.map_or("1", |m| m.unit).to_owned();
            let score = row.score.map(|score| (name, unit, point(score, row.score_low, row.score_high)));
            score.into_iter().collect()
        }
        Figure::Latency => {
            let latencies = tables.latency.iter().filter(|l| l.cell == row.cell);
            let one = |l: &calibench_store::LatencyRow| {
                let title = format!("latency ratio, batch {}", l.batch);
                (title, "×".to_owned(), point(l.ratio, Some(l.ratio_low), Some(l.ratio_high)))
            };
            latencies.map(one).collect()
        }
        Figure::Memory => {
            let held = row.heap_bytes.unwrap_or(row.weight_bytes) as f64;
            vec![("heap".to_owned(), "bytes".to_owned(), point(held, None, None))]
        }
    }
}

/// Finds where the level of a series changed.
fn mark_changes(series: &mut Series) {
    let values: Vec<f64> = series.points.iter().map(|p| p.value).collect();
    let found = change_points(&values, FALSE_ALARM_RATE, 0);
    let mut ends: Vec<usize> = found.iter().map(|c| c.index).collect();
    ends.insert(0, 0);
    ends.push(values.len());
    let level = |i: usize| median(&values[ends[i]..ends[i + 1]]).unwrap_or(f64::NAN);
    series.changes = (1..ends.len() - 1)
        .map(|i| HistoryChange { index: ends[i], before: level(i - 1), after: level(i) })
        .collect();
}
